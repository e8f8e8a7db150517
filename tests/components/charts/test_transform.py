"""What Transform has learned as a section."""

import gzip
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest
from tensorboard.compat.proto import meta_graph_pb2

from components.charts.files import ArtifactError
from components.charts.saved_model import operations
from components.charts.transform import read_vocabulary, transform_section
from tests.components.charts.protos import HOSTILE, charts, notes, tables, texts_of

_NO_BOUNDARIES = ("info", "The graph has no buckets of numbers, so there are no boundaries.")
_OUT_OF_VOCABULARY = "compute_and_apply_vocabulary/apply_vocab/None_Lookup/hash_bucket"


def _saved_model(*nodes: tuple[str, str, dict[str, Any]]) -> bytes:
    """A SavedModel with a graph that has the first node, and a function with the others."""
    graph = meta_graph_pb2.MetaGraphDef()
    function = graph.graph_def.library.function.add()
    for index, (name, op, attributes) in enumerate(nodes):
        node = function.node_def.add() if index else graph.graph_def.node.add()
        node.name, node.op = name, op
        for key, value in attributes.items():
            if isinstance(value, int):
                node.attr[key].i = value
            else:
                node.attr[key].list.f.extend(value)
    content = graph.SerializeToString()
    size, length = bytearray(), len(content)
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    # schema_version: 1, and then meta_graphs.
    return b"\x08\x01\x12" + bytes(size) + content


def _write(
    folder: pathlib.Path,
    vocabularies: dict[str, bytes],
    nodes: Sequence[tuple[str, str, dict[str, Any]]] = (),
) -> str:
    (folder / "transformed_metadata").mkdir()
    (folder / "transform_fn").mkdir()
    (folder / "transformed_metadata" / "schema.pbtxt").write_text(
        'feature { name: "state_xf" type: INT shape { dim { size: 1 } } }', encoding="utf-8"
    )
    (folder / "transform_fn" / "saved_model.pb").write_bytes(_saved_model(*nodes))
    for name, content in vocabularies.items():
        path = folder / "transform_fn" / "assets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return str(folder)


def test_the_transformed_features_are_a_table(tmp_path: pathlib.Path) -> None:
    section = transform_section(_write(tmp_path, {}))

    assert tables(section)["Transformed features"].rows == [
        ["state_xf", "INT", "", "1", None, None]
    ]
    assert notes(section) == [("info", "The graph has no vocabulary."), _NO_BOUNDARIES]


def test_a_vocabulary_has_a_size_and_its_first_values(tmp_path: pathlib.Path) -> None:
    lines = "".join(f"word {number}\n" for number in range(30))

    section = transform_section(_write(tmp_path, {"words": lines.encode()}))

    assert tables(section)["Vocabularies"].rows == [["words", 30, False]]
    table = tables(section)["Vocabulary words"]
    assert table.rows[:2] == [[0, "word 0"], [1, "word 1"]]
    assert len(table.rows) == 20
    assert table.note.endswith("Not shown: 10 values more.")
    assert not charts(section)


def test_stored_frequencies_are_drawn(tmp_path: pathlib.Path) -> None:
    section = transform_section(_write(tmp_path, {"words": b"12 of the\n12 a\n0.5 an\n"}))

    assert tables(section)["Vocabulary words"].rows == [
        [0, "of the", 12],
        [1, "a", 12],
        [2, "an", 0.5],
    ]
    (chart,) = charts(section).values()
    assert list(chart.figure.data[0].y) == ["an", "a", "of the"]
    assert "of the is the most frequent, 12 times" in chart.description


@pytest.mark.parametrize("lines", [b"1 apple\n2 pears\n", b"2 pears\napples\n", b"2015\n2014\n"])
def test_numbers_that_rise_or_are_not_everywhere_are_no_frequencies(
    tmp_path: pathlib.Path, lines: bytes
) -> None:
    vocabulary = read_vocabulary(_write(tmp_path, {"words": lines}), "words")

    assert vocabulary.frequencies is None
    assert list(vocabulary.values) == lines.decode().split("\n")[:2]


def test_only_line_feeds_end_a_value(tmp_path: pathlib.Path) -> None:
    content = "a\u2028b\rc\n\n\udcff".encode(errors="surrogateescape")

    vocabulary = read_vocabulary(_write(tmp_path, {"words": content}), "words")

    assert list(vocabulary.values) == ["a\u2028b\rc", "", "\ufffd"]


def test_the_common_vocabulary_is_drawn_by_column(tmp_path: pathlib.Path) -> None:
    content = b"state=nj\nproduct=mortgage\nstate=fl\n"

    section = transform_section(_write(tmp_path, {"categories": content}))

    (chart,) = charts(section).values()
    assert chart.description == "The vocabulary has 3 values: product 1, state 2."
    (trace,) = chart.figure.data
    assert dict(zip(trace.y, trace.x, strict=True)) == {"product": 1, "state": 2}


def test_hash_buckets_are_those_of_the_graph(tmp_path: pathlib.Path) -> None:
    nodes = [
        ("StringToHashBucketFast", "StringToHashBucketFast", {"num_buckets": 16383}),
        (_OUT_OF_VOCABULARY, "StringToHashBucketFast", {"num_buckets": 8}),
    ]

    section = transform_section(_write(tmp_path, {}, nodes))

    assert tables(section)["Hash buckets"].rows == [
        ["StringToHashBucketFast", 16383, "hashed values"],
        [_OUT_OF_VOCABULARY, 8, "values outside a vocabulary"],
    ]


def test_boundaries_are_shown_where_the_graph_has_them(tmp_path: pathlib.Path) -> None:
    nodes = [("Bucketize", "Bucketize", {"boundaries": [0.5, 1000.0]})]

    section = transform_section(_write(tmp_path, {}, nodes))

    assert tables(section)["Buckets of numbers"].rows == [["Bucketize", 3, "0.5, 1,000"]]
    assert _NO_BOUNDARIES not in notes(section)


def test_boundaries_without_a_name_are_not_made_up(tmp_path: pathlib.Path) -> None:
    nodes = [("bucketize/apply_buckets/assign_buckets/SearchSorted", "LowerBound", {})]

    section = transform_section(_write(tmp_path, {}, nodes))

    assert any("constants without a name" in text for _, text in notes(section))


def test_hostile_values_are_inert_and_bounded(tmp_path: pathlib.Path) -> None:
    lines = [f"9 {HOSTILE}{'x' * 20_000}", f"9 {HOSTILE}", "9 "]
    vocabularies = {f"words {number}": "\n".join(lines).encode() for number in range(20)}

    section = transform_section(_write(tmp_path, vocabularies))

    assert ("info", "Not shown: 8 vocabulary files more.") in notes(section)
    assert len(charts(section)) == 12
    for chart in charts(section).values():
        assert not [text for text in texts_of(chart.figure) if set("<>$") & set(text)]
        assert len(chart.description) < 500
    for table in tables(section).values():
        assert max(len(str(cell)) for row in table.rows for cell in row) <= 202


def test_an_empty_vocabulary_and_a_compressed_one_are_named(tmp_path: pathlib.Path) -> None:
    vocabularies = {"empty": b"", "packed.gz": gzip.compress(b"a\n")}

    found = notes(transform_section(_write(tmp_path, vocabularies)))

    assert ("warning", "Vocabulary empty is empty.") in found
    packed = "vocabulary packed.gz is a compressed TFRecord, which is not shown"
    assert ("warning", packed) in found


def test_what_is_not_there_is_a_failure_each(tmp_path: pathlib.Path) -> None:
    found = notes(transform_section(f"{tmp_path}/no"))

    assert [level for level, _ in found] == ["unreadable"] * 3


@pytest.mark.parametrize("content", [b"\x12\x05abc", b"\x12\x03\xff\xff\xff", b"\x10\x05"])
def test_a_graph_that_is_broken_is_an_error(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"saved_model.pb is no SavedModel, or is cut off"):
        operations(str(tmp_path))


@pytest.mark.whole
def test_the_graph_that_transform_writes_is_read(transformed: Any) -> None:
    section = transform_section(transformed.graph)

    rows = tables(section)["Hash buckets"].rows
    assert [row[1:] for row in rows if row[2] != "hashed values"] == [
        [8, "values outside a vocabulary"]
    ]
    assert ["categories", False] in [
        [row[0], row[2]] for row in tables(section)["Vocabularies"].rows
    ]
    features = {row[0] for row in tables(section)["Transformed features"].rows}
    assert {"categories_xf", "zip_code_xf", "consumer_disputed_xf"} <= features
    assert notes(section) == [_NO_BOUNDARIES]


@pytest.mark.whole
def test_frequencies_and_buckets_of_another_preprocessing_fn(tmp_path: pathlib.Path) -> None:
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
        tft.vocabulary(inputs["word"], vocab_filename="words", store_frequency=True)
        return {
            "tft": tft.bucketize(inputs["number"], 3),
            "tf": tf.cast(
                tf.raw_ops.Bucketize(input=inputs["number"], boundaries=[2.0, 5.0]), tf.int64
            ),
        }

    spec = {"word": tf.io.FixedLenFeature([], tf.string)}
    spec["number"] = tf.io.FixedLenFeature([], tf.float32)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [{"word": word, "number": float(n)} for n, word in enumerate(["of the", "a", "of the"])]
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(tmp_path / "temp")):
        transform_fn = (pipeline | beam.Create(rows), metadata) | tft_beam.AnalyzeDataset(
            preprocessing_fn
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(tmp_path / "graph"))

    section = transform_section(str(tmp_path / "graph"))

    assert tables(section)["Vocabulary words"].rows == [[0, "of the", 2], [1, "a", 1]]
    assert [row[1:] for row in tables(section)["Buckets of numbers"].rows] == [[3, "2, 5"]]
    names = {operation.name for operation in operations(str(tmp_path / "graph" / "transform_fn"))}
    assert any("assign_buckets" in name for name in names)
