"""CsvExampleGen's executor on a Beam runner: what it writes, and how it fails."""

import hashlib
import json
import os
import pathlib
import traceback
from typing import Any

import pytest

from components.errors import InputDataError, RunError
from components.features import COLUMNS, LABEL_KEY, TEXT_COLUMNS

pytestmark = pytest.mark.whole

HEADER = ",".join(COLUMNS)


def rows(name: str, number: int = 40) -> str:
    lines = [f"Mortgage,,{name} {i},,no,Acme,NJ,33510,Closed,Yes,{i % 2}" for i in range(number)]
    return "\n".join([HEADER, *lines, ""])


def executed(folder: pathlib.Path, output: pathlib.Path, name: str = "Executor") -> Any:
    """Runs an executor as a step does; returns the artifact of the examples."""
    from tfx.components.example_gen import utils
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components import csv_executor

    split = example_gen_pb2.SplitConfig.Split
    output_config = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[split(name="train", hash_buckets=3), split(name="eval", hash_buckets=1)]
        )
    )
    examples = standard_artifacts.Examples()
    examples.uri = str(output)
    context = BaseBeamExecutor.Context(beam_pipeline_args=[], tmp_dir=str(output))
    getattr(csv_executor, name)(context).Do(
        {},
        {"examples": [examples]},
        {
            "input_base": str(folder),
            "input_config": proto_utils.proto_to_json(utils.make_default_input_config("*.csv")),
            "output_config": proto_utils.proto_to_json(output_config),
            "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        },
    )
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    return examples


def run(
    folder: pathlib.Path, output: pathlib.Path, name: str = "Executor"
) -> dict[str, list[bytes]]:
    """Runs an executor; returns the serialized examples by split."""
    import tensorflow as tf

    executed(folder, output, name)
    return {
        name: sorted(
            record.numpy()
            for path in (output / f"Split-{name}").iterdir()
            for record in tf.data.TFRecordDataset(str(path), "GZIP")
        )
        for name in ("train", "eval")
    }


def refusal(folder: pathlib.Path, output: pathlib.Path) -> str:
    """Returns the last line of the traceback: what the pod's log ends with."""
    with pytest.raises(InputDataError) as caught:
        run(folder, output)
    last_line = "".join(traceback.format_exception(caught.value)).splitlines()[-1]
    name, _, message = last_line.partition(": ")
    assert name == "components.errors.InputDataError"
    return message


def test_several_files_become_examples_with_declared_types(tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    data = tmp_path / "data"
    (data / "folder.csv").mkdir(parents=True)
    for name in ("a", "b"):
        (data / f"{name}.csv").write_text(rows(name))
    (data / ".hidden.csv").write_text("not complaints")
    (data / "README.md").write_text("not complaints")

    splits = run(data, tmp_path / "one")

    examples = [tf.train.Example.FromString(x) for split in splits.values() for x in split]
    assert len(examples) == 80
    for example in examples:
        feature = example.features.feature
        # Where a value is missing, the column keeps its type.
        assert {feature[column].WhichOneof("kind") for column in TEXT_COLUMNS} == {"bytes_list"}
        assert not feature["sub_issue"].bytes_list.value
        # An inferred type would be int64, and lose the zero of another ZIP code.
        assert feature["zip_code"].bytes_list.value == [b"33510"]
        assert feature[LABEL_KEY].int64_list.value[0] in (0, 1)
    assert run(data, tmp_path / "two") == splits


def test_the_examples_say_which_files_they_come_from(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    # A byte order mark and a blank line are in the file's checksum, and no rows.
    contents = {
        "b <script>.csv": b"\xef\xbb\xbf" + rows("b", 30).encode(),
        "a.csv": rows("a", 20).encode() + b"\n",
    }
    for name, content in contents.items():
        (data / name).write_bytes(content)

    examples = executed(data, tmp_path / "out")

    recorded = json.loads(examples.get_string_custom_property("input_files"))
    assert recorded == {
        "files": [
            {
                "name": name,
                "bytes": len(contents[name]),
                "sha256": hashlib.sha256(contents[name]).hexdigest(),
                "rows": number,
            }
            for name, number in (("a.csv", 20), ("b <script>.csv", 30))
        ],
        "left_out": 0,
        "bytes": sum(map(len, contents.values())),
        "rows": 50,
    }
    # Nothing but the splits stays beneath the examples.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Split-eval",
        "Split-train",
    ]


def test_the_list_of_files_is_bounded_and_says_so(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components import csv_executor

    monkeypatch.setattr(csv_executor, "_MAX_INPUT_FILES", 2)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text(rows(name))

    examples = executed(tmp_path, tmp_path / "out")

    recorded = json.loads(examples.get_string_custom_property("input_files"))
    assert [file["name"] for file in recorded["files"]] == ["a.csv", "b.csv"]
    assert (recorded["left_out"], recorded["rows"]) == (1, 120)


@pytest.mark.parametrize(("copies", "came"), [(0, "39"), (2, "41")], ids=["lost", "doubled"])
def test_a_runner_that_does_not_keep_each_row_once_fails_the_step(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, copies: int, came: str
) -> None:
    import apache_beam as beam

    from components import csv_executor

    class Unreliable(csv_executor.Executor):
        """Treats one complaint as such a runner would."""

        def GenerateExamplesByBeam(self, pipeline: Any, exec_properties: Any) -> Any:  # noqa: N802
            splits = super().GenerateExamplesByBeam(pipeline, exec_properties)
            return {
                name: examples
                | f"Unreliable[{name}]"
                >> beam.FlatMap(lambda each: [each] * (copies if b"row 7" in each else 1))
                for name, examples in splits.items()
            }

    monkeypatch.setattr(csv_executor, "Unreliable", Unreliable, raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text(rows("row"))

    with pytest.raises(RunError) as raised:
        executed(tmp_path / "data", tmp_path / "examples", "Unreliable")

    assert str(raised.value).startswith(
        f"40 rows were read, but {came} examples came of them: Beam's runner has lost or doubled"
    )


def test_a_bad_row_fails_with_its_place_as_the_last_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "good.csv").write_text(rows("good"))
    bad = tmp_path / "bad.csv"
    bad.write_text(rows("bad") + "Mortgage,1,2\n")

    assert refusal(tmp_path, tmp_path / "out") == (
        f"{bad}, row 42: 3 cells, but the header has 11; "
        "quote each cell that holds a comma, a quote or a line break"
    )


def test_too_few_rows_for_a_split_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text(rows("a", 1))

    assert "no complaint falls into split" in refusal(tmp_path, tmp_path / "out")


def test_a_folder_without_files_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.txt").write_text(rows("a"))

    assert "no file in it matches '*.csv'" in refusal(tmp_path, tmp_path / "out")
    assert "there is no such folder" in refusal(tmp_path / "nowhere", tmp_path / "out")
    assert "it is a file" in refusal(tmp_path / "a.txt", tmp_path / "out")


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "a.csv")

    assert f"{tmp_path}/a.csv: is not a regular file" in refusal(tmp_path, tmp_path / "out")


def test_a_folder_whose_name_is_a_pattern_is_refused(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "v[1]"
    folder.mkdir()
    (folder / "a.csv").write_text(rows("a"))

    assert "are not for folders" in refusal(folder, tmp_path / "out")


def test_a_file_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    message = refusal(tmp_path, tmp_path / "out")
    assert message.startswith(f"{tmp_path / 'a.csv'}: cannot be read: ")

    if os.geteuid() == 0:
        pytest.skip("root may read any file")
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.csv").write_text(rows("a"))
    (tmp_path / "a.csv").chmod(0)
    assert "Permission denied" in refusal(tmp_path, tmp_path / "out")


def test_a_workers_wrapped_error_is_unwrapped() -> None:
    from components.csv_executor import _input_problem

    wrapped = RuntimeError(
        "Traceback (most recent call last):\n  ...\n"
        "components.errors.InputDataError: a.csv, row 3: bad; mend it [while running 'X/Y']\n"
    )

    assert _input_problem(wrapped) == "a.csv, row 3: bad; mend it"
    assert _input_problem(RuntimeError("another error")) is None


def test_what_a_model_was_asked_has_no_label(tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    (tmp_path / "in").mkdir()
    without = "\n".join(line.rpartition(",")[0] for line in rows("asked").splitlines())
    (tmp_path / "in/asked.csv").write_text(f"{without}\n")

    found = run(tmp_path / "in", tmp_path / "out", "ServingExecutor")

    examples = [tf.train.Example.FromString(each) for split in found.values() for each in split]
    assert len(examples) == 40
    assert {frozenset(example.features.feature) for example in examples} == {
        frozenset(TEXT_COLUMNS)
    }


def test_a_missing_folder_of_what_a_model_was_asked_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        InputDataError, match=r"serving-root '.*': there is no such folder"
    ) as raised:
        run(tmp_path / "none", tmp_path / "out", "ServingExecutor")

    assert "data-root" not in str(raised.value)
