"""CsvExampleGen's driver and executor on folders of spans, as TFX runs them."""

import json
import pathlib
from typing import Any

import pytest

from components.errors import InputDataError
from data.generator import write_complaints

pytestmark = pytest.mark.whole

PATTERN = "span-{SPAN}/*.csv"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    for number in (1, 2, 3):
        span = tmp_path / f"data/span-{number}"
        span.mkdir(parents=True)
        write_complaints(span / "complaints.csv", rows=100 * number, seed=number)
    return tmp_path / "data"


def resolved(folder: pathlib.Path, range_config: str | None, pattern: str = PATTERN) -> Any:
    from tfx.components.example_gen import utils
    from tfx.utils import proto_utils

    from components.span_driver import Driver

    config = utils.make_default_input_config(pattern)
    properties = {
        "input_base": str(folder),
        "input_config": proto_utils.proto_to_json(config),
        "range_config": range_config,
    }
    return Driver(None).resolve_exec_properties(properties, None, None)  # type: ignore[arg-type]


def patterns(properties: dict[str, Any]) -> list[str]:
    newest = json.loads(properties["input_config"])["splits"][0]["pattern"]
    return [*json.loads(properties["earlier_patterns"]), newest]


@pytest.mark.parametrize(
    ("range_config", "expected"),
    [
        (None, [3]),
        ("{}", [3]),
        ('{"rolling_range": {"num_spans": 2}}', [2, 3]),
        ('{"rolling_range": {"num_spans": 9, "start_span_number": 2}}', [2, 3]),
        ('{"static_range": {"start_span_number": 1, "end_span_number": 2}}', [1, 2]),
    ],
)
def test_the_range_chooses_the_spans(
    folder: pathlib.Path, range_config: str | None, expected: list[int]
) -> None:
    properties = resolved(folder, range_config)

    assert patterns(properties) == [f"span-{number}/*.csv" for number in expected]
    assert properties["span"] == expected[-1]
    assert properties["spans"] == ", ".join(map(str, expected))


def test_the_fingerprint_changes_with_any_file_of_the_window_and_no_other(
    folder: pathlib.Path,
) -> None:
    two = '{"rolling_range": {"num_spans": 2}}'
    before = resolved(folder, two)["input_fingerprint"]

    write_complaints(folder / "span-1/complaints.csv", rows=7, seed=1)
    assert resolved(folder, two)["input_fingerprint"] == before

    write_complaints(folder / "span-2/complaints.csv", rows=7, seed=1)
    assert resolved(folder, two)["input_fingerprint"] != before


def test_a_folder_that_is_being_written_is_not_seen(folder: pathlib.Path) -> None:
    (folder / ".span-4").mkdir()
    (folder / ".span-4/complaints.csv").touch()

    assert resolved(folder, None)["span"] == 3


@pytest.mark.parametrize(
    ("range_config", "said"),
    [
        ('{"static_range": {"start_span_number": 4, "end_span_number": 4}}', "there is no span 4"),
        ('{"static_range": {"start_span_number": 3, "end_span_number": 1}}', "is before 3"),
        ('{"rolling_range": {}}', "num_spans is not 1 or more"),
    ],
)
def test_a_range_that_does_not_do_is_refused(
    folder: pathlib.Path, range_config: str, said: str
) -> None:
    with pytest.raises(InputDataError, match=said):
        resolved(folder, range_config)


def test_without_a_span_the_folder_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputDataError, match=r"no file matches 'span-\{SPAN\}/\*\.csv'"):
        resolved(tmp_path, None)


def test_earlier_spans_are_trained_on_and_the_newest_alone_is_evaluated_on(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    import tensorflow as tf
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.csv_executor import Executor

    output = example_gen_pb2.Output()
    for name, buckets in (("train", 9), ("eval", 1)):
        output.split_config.splits.add(name=name, hash_buckets=buckets)

    def read(range_config: str) -> tuple[dict[str, set[bytes]], Any]:
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / f"examples-{len(list(tmp_path.iterdir()))}")
        properties = {
            **resolved(folder, range_config),
            "output_config": proto_utils.proto_to_json(output),
            "output_data_format": 6,
            "output_file_format": 5,
        }
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=[], tmp_dir=str(tmp_path / "tmp"), unique_id="1"
        )
        Executor(context).Do({}, {"examples": [examples]}, properties)
        found = {
            name: {
                record.numpy()
                for path in pathlib.Path(examples.uri, f"Split-{name}").iterdir()
                for record in tf.data.TFRecordDataset(str(path), "GZIP")
            }
            for name in ("train", "eval")
        }
        return found, examples

    alone = {
        number: read(
            f'{{"static_range": {{"start_span_number": {number}, "end_span_number": {number}}}}}'
        )[0]
        for number in (1, 2, 3)
    }
    window, examples = read('{"rolling_range": {"num_spans": 3}}')

    assert window["eval"] == alone[3]["eval"]
    assert window["train"] == alone[1]["train"] | alone[2]["train"] | alone[3]["train"]
    files = json.loads(examples.get_string_custom_property("input_files"))
    assert [(item["name"], item["rows"]) for item in files["files"]] == [
        ("span-1/complaints.csv", 100),
        ("span-2/complaints.csv", 200),
        ("span-3/complaints.csv", 300),
    ]
    assert examples.get_string_custom_property("spans") == "1, 2, 3"
