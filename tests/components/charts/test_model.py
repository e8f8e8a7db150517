"""A pushed model as a section."""

import pathlib
from typing import Any

import pytest
from google.protobuf import empty_pb2
from ml_metadata.proto import metadata_store_pb2
from tensorboard.compat.proto import meta_graph_pb2, types_pb2

from components.charts.artifacts import sections_of
from components.charts.model import Tensor, model_section, signatures
from components.charts.saved_model import FILE_NAME
from tests.components.charts.protos import HOSTILE, notes, tables


def _write_model(folder: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef) -> str:
    data = graph.SerializeToString()
    length, content = len(data), bytearray([0x08, 0x01, 0x12])  # Schema version 1, a graph.
    while length > 0x7F:
        content.append(length & 0x7F | 0x80)
        length >>= 7
    content.append(length)
    assert empty_pb2.Empty.FromString(bytes(content) + data)
    (folder / FILE_NAME).write_bytes(bytes(content) + data)
    return str(folder)


def _set(tensor: Any, dtype: int, *sizes: int) -> None:
    tensor.dtype = dtype
    tensor.tensor_shape.SetInParent()
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)


@pytest.fixture
def graph() -> meta_graph_pb2.MetaGraphDef:
    made = meta_graph_pb2.MetaGraphDef()
    serving = made.signature_def["serving_default"]
    _set(serving.inputs["examples"], types_pb2.DT_STRING, -1)
    _set(serving.outputs["probability"], types_pb2.DT_FLOAT, -1, 1)
    _set(made.signature_def["__saved_model_init_op"].outputs["op"], types_pb2.DT_INVALID)
    return made


def test_signatures_have_their_inputs_and_outputs(
    tmp_path: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef
) -> None:
    section = model_section(_write_model(tmp_path, graph))

    assert section.id == "model"
    assert tables(section)["Signatures"].rows == [
        ["serving_default", "input", "examples", "string", "(?,)"],
        ["serving_default", "output", "probability", "float", "(?, 1)"],
    ]


def test_shapes_and_types_of_any_kind_have_a_text(
    tmp_path: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef
) -> None:
    outputs = graph.signature_def["serving_default"].outputs
    _set(outputs["a scalar"], 99)
    outputs["unknown"].tensor_shape.unknown_rank = True

    found = {tensor.name: tensor for tensor in signatures(_write_model(tmp_path, graph))}

    assert (found["a scalar"].dtype, found["a scalar"].shape) == ("type 99", "()")
    assert found["unknown"] == Tensor(
        signature="serving_default", role="output", name="unknown", dtype="invalid", shape="any"
    )


def test_the_files_are_listed_largest_first(
    tmp_path: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef
) -> None:
    uri = _write_model(tmp_path, graph)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"x" * 2_000)
    for index in range(30):
        (tmp_path / f"small{index:02}").write_bytes(b"")

    table = tables(model_section(uri))["Files"]

    assert [row[0] for row in table.rows][:2] == ["variables/data", "saved_model.pb"]
    assert len(table.rows) == 20
    size = 2_000 + (tmp_path / FILE_NAME).stat().st_size
    assert table.note == f"{size:,} bytes in 32 files. Not shown: 12 smaller files more."


def test_a_model_that_nothing_can_call_has_a_warning(tmp_path: pathlib.Path) -> None:
    section = model_section(_write_model(tmp_path, meta_graph_pb2.MetaGraphDef()))

    assert notes(section) == [
        ("warning", "The model has no signature: nothing can call it."),
    ]


@pytest.mark.parametrize("content", [None, b"\xff\xff\xff", b""])
def test_what_is_no_model_is_said(tmp_path: pathlib.Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)

    found = notes(model_section(str(tmp_path)))

    assert len(found) == 1
    assert found[0][0] == ("warning" if content == b"" else "unreadable")


@pytest.mark.parametrize("uri", ["gone", "projects/mine/models/complaints/versions/1"])
def test_a_model_that_is_not_a_folder_here_is_one_line(tmp_path: pathlib.Path, uri: str) -> None:
    section = model_section(f"{tmp_path}/{uri}")

    assert len(section.blocks) == 1
    assert notes(section)[0][1].endswith("cannot be read: No such file or directory")


def test_hostile_names_are_bounded(
    tmp_path: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef
) -> None:
    for index in range(100):
        _set(graph.signature_def[HOSTILE].inputs[f"{'x' * 20_000}{index}"], types_pb2.DT_FLOAT)

    table = tables(model_section(_write_model(tmp_path, graph)))["Signatures"]

    assert len(table.rows) == 60
    assert table.note == "Not shown: 42 tensors more."
    assert max(len(cell) for row in table.rows for cell in row) <= 210


@pytest.mark.whole
def test_tensorflows_own_model_is_read(tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    serve = tf.function(
        lambda examples: {"size": tf.size(examples)},
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": serve})

    assert signatures(str(tmp_path)) == [
        Tensor(
            signature="serving_default",
            role="input",
            name="examples",
            dtype="string",
            shape="(?,)",
        ),
        Tensor(signature="serving_default", role="output", name="size", dtype="int32", shape="()"),
    ]


@pytest.mark.parametrize("endpoint", ["", "projects/1/locations/us-central1/endpoints/2"])
def test_a_model_on_google_cloud_is_read_from_its_copy_and_named(
    tmp_path: pathlib.Path, graph: meta_graph_pb2.MetaGraphDef, endpoint: str
) -> None:
    model = "projects/1/locations/us-central1/models/3"
    artifact = metadata_store_pb2.Artifact(type="PushedModel", uri=_write_model(tmp_path, graph))
    artifact.custom_properties["pushed"].int_value = 1
    artifact.custom_properties["pushed_destination"].string_value = model
    artifact.custom_properties["endpoint"].string_value = endpoint

    (section,) = sections_of({"PushedModel": artifact})

    assert notes(section)[0][1] == f"Pushed to Google Cloud as {model}" + (
        f", served by {endpoint}." if endpoint else "."
    )
    assert "Signatures" in tables(section)
