"""CsvExampleGen's driver and executor on folders of spans."""

import json
import logging
import pathlib
import shutil
from typing import Any

import pytest

from components.errors import InputDataError
from components.features import COLUMNS

pytestmark = pytest.mark.whole

PATTERN = "span-{SPAN}/*.csv"


def add(folder: pathlib.Path, name: str, rows: int = 40) -> None:
    """Publishes a span as a user should: a hidden folder that is renamed when it is whole."""
    path = folder / name
    partial = path.with_name(f".{path.name}")
    partial.mkdir(parents=True)
    lines = [f"Mortgage,,{name} {i},,no,Acme,NJ,33510,Closed,Yes,{i % 2}" for i in range(rows)]
    (partial / "a.csv").write_text("\n".join([",".join(COLUMNS), *lines, ""]))
    partial.rename(path)


def resolved(
    folder: pathlib.Path, range_config: Any = None, pattern: str = PATTERN
) -> tuple[dict[str, Any], dict[str, int]]:
    """Runs the driver as TFX's launcher does.

    Returns:
        The execution's properties, and the numbers among the examples' custom properties.
    """
    from tfx.components.example_gen import utils
    from tfx.orchestration.metadata import Metadata, sqlite_metadata_connection_config
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.span_driver import Driver

    properties = {
        "input_base": str(folder),
        "input_config": proto_utils.proto_to_json(utils.make_default_input_config(pattern)),
    }
    if range_config is not None:
        text = range_config if isinstance(range_config, str) else json.dumps(range_config)
        properties["range_config"] = text
    # The driver asks the store for nothing.
    store = Metadata(sqlite_metadata_connection_config(str(folder.parent / "unused.sqlite")))
    output = Driver(store).run(
        ExecutionInfo(
            exec_properties=properties, output_dict={"examples": [standard_artifacts.Examples()]}
        )
    )
    (examples,) = output.output_artifacts["examples"].artifacts
    return (
        {
            name: getattr(value, value.WhichOneof("value"))
            for name, value in output.exec_properties.items()
        },
        {
            name: value.int_value
            for name, value in examples.custom_properties.items()
            if value.HasField("int_value")
        },
    )


def refusal(folder: pathlib.Path, range_config: Any = None, pattern: str = PATTERN) -> str:
    """Returns the line with which the executor fails after the driver."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    from components.csv_executor import Executor

    properties, _ = resolved(folder, range_config, pattern)
    with pytest.raises(InputDataError) as caught:
        Executor(BaseBeamExecutor.Context(beam_pipeline_args=[])).Do({}, {}, properties)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rolling(number: int) -> dict[str, Any]:
    return {"rolling_range": {"num_spans": number}}


def static(first: int, last: int) -> dict[str, Any]:
    return {"static_range": {"start_span_number": first, "end_span_number": last}}


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "data"
    for number in (1, 2, 4):
        add(folder, f"span-{number}")
    return folder


@pytest.mark.parametrize(
    ("range_config", "read"),
    [
        (None, [4]),
        ("", [4]),
        (rolling(1), [4]),
        (rolling(2), [2, 4]),
        (rolling(99), [1, 2, 4]),
        ({"rolling_range": {"num_spans": 9, "start_span_number": 2}}, [2, 4]),
        (static(1, 2), [1, 2]),
        (static(2, 2), [2]),
    ],
)
def test_a_run_reads_the_spans_of_its_range(
    data: pathlib.Path, range_config: Any, read: list[int]
) -> None:
    properties, examples = resolved(data, range_config)

    patterns = [f"span-{number}/*.csv" for number in read]
    assert json.loads(properties["span_patterns"]) == patterns
    assert json.loads(properties["input_config"])["splits"][0]["pattern"] == patterns[-1]
    assert (properties["span"], examples) == (read[-1], {"span": read[-1], "first_span": read[0]})


def test_dates_are_spans_counted_in_days(tmp_path: pathlib.Path) -> None:
    for name in ("1970-02-01", "1970-01-31", ".1970-02-02", "1970-02-xx"):
        add(tmp_path / "data", name)

    properties, examples = resolved(tmp_path / "data", rolling(2), "{YYYY}-{MM}-{DD}/*.csv")

    assert json.loads(properties["span_patterns"]) == ["1970-01-31/*.csv", "1970-02-01/*.csv"]
    assert examples == {"span": 31, "first_span": 30}


def test_the_highest_version_is_read_and_recorded(tmp_path: pathlib.Path) -> None:
    for name in ("1/v1", "1/v2", "2/v1"):
        add(tmp_path / "data", name)

    properties, examples = resolved(tmp_path / "data", rolling(2), "{SPAN}/v{VERSION}/*.csv")

    assert json.loads(properties["span_patterns"]) == ["1/v2/*.csv", "2/v1/*.csv"]
    assert examples == {"span": 2, "first_span": 1, "version": 1}


def test_nothing_new_leaves_the_cache_key_as_it_is(data: pathlib.Path) -> None:
    assert resolved(data, rolling(3)) == resolved(data, rolling(3))


@pytest.mark.parametrize("number", [2, 4])
def test_a_changed_file_in_any_span_of_the_window_changes_the_cache_key(
    data: pathlib.Path, number: int
) -> None:
    before, _ = resolved(data, rolling(3))
    with (data / f"span-{number}/a.csv").open("a") as file:
        file.write("Mortgage,,one more,,no,Acme,NJ,33510,Closed,Yes,1\n")

    after, _ = resolved(data, rolling(3))

    assert after["input_fingerprint"] != before["input_fingerprint"]


def test_a_span_outside_the_window_does_not_change_the_cache_key(data: pathlib.Path) -> None:
    before = resolved(data, rolling(1))
    (data / "span-1/b.csv").write_text("anything")

    assert resolved(data, rolling(1)) == before


def test_a_span_that_is_still_being_written_does_not_count(data: pathlib.Path) -> None:
    shutil.copytree(data / "span-4", data / ".span-5")

    properties, _ = resolved(data)

    assert properties["span"] == 4


def test_what_is_not_read_is_logged(data: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    from absl import logging as absl_logging

    (data / "span-5").mkdir()
    add(data, "span-latest")
    absl_logging.use_absl_handler()
    absl_logger = absl_logging.get_absl_logger()
    absl_logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger="absl"):
            resolved(data, static(2, 4))
    finally:
        absl_logger.removeHandler(caplog.handler)

    text = caplog.text
    assert "1 files belong to no span of span-{SPAN}/*.csv and are not read" in text
    assert "span-latest/a.csv" in text
    assert "span-5 holds no file that matches; it does not count as a span" in text
    assert "no file for span 3; reading the others" in text
    assert "reading span-2/*.csv, span-4/*.csv" in text


@pytest.mark.parametrize(
    ("range_config", "line"),
    [
        (static(3, 5), "no file for span 5, the last of range-config; the spans in it are 1 to 4"),
        (static(3, 3), "no file for span 3, the last of range-config; the spans in it are 1 to 4"),
        (static(2, 1), "range-config: spans 2 to 1 are not a range"),
        (rolling(0), "num_spans is 0"),
        ({"rolling_range": {"num_spans": 1, "start_span_number": 9}}, "start_span_number 9"),
        ("{", "range-config '{': "),
        *[
            (text, f"range-config '{text}': ")
            for text in ("-1", "null", "NaN", "[]", '{"rolling_range": null}')
        ],
        ("[" * 2_000, "range-config '[["),
        ('{"rolling": 3}', "range-config '{\"rolling\": 3}': "),
    ],
)
def test_a_range_that_cannot_be_read_is_refused_in_one_line(
    data: pathlib.Path, range_config: Any, line: str
) -> None:
    assert line in refusal(data, range_config)


def test_a_folder_without_spans_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").mkdir()

    assert "no file in it matches 'span-{SPAN}/*.csv'" in refusal(tmp_path / "data")
    assert "there is no such folder" in refusal(tmp_path / "none")


def test_two_paddings_of_one_span_are_refused(data: pathlib.Path) -> None:
    add(data, "span-004")

    assert "are both span 4; remove one" in refusal(data)


@pytest.mark.parametrize("pattern", [PATTERN, "*/*.csv"])
def test_a_link_that_leads_nowhere_is_named(data: pathlib.Path, pattern: str) -> None:
    (data / "span-4").mkdir(exist_ok=True)
    (data / "span-4/gone.csv").symlink_to(data / "nowhere.csv")

    properties, _ = resolved(data, pattern=pattern)

    assert "a file in it cannot be read: " in properties["span_problem"]
    assert "gone.csv" in properties["span_problem"]


def test_without_spans_tfxs_own_driver_resolves(data: pathlib.Path) -> None:
    properties, examples = resolved(data / "span-1", pattern="*.csv")

    assert "span_patterns" not in properties
    assert examples == {"span": 0}


def generated(folder: pathlib.Path, output: pathlib.Path, number: int) -> tuple[Any, Any]:
    """Runs driver and executor.

    Returns:
        The artifact of the examples, and the issues of the complaints by split.
    """
    import tensorflow as tf
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.csv_executor import Executor

    split = example_gen_pb2.SplitConfig.Split
    config = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[split(name="train", hash_buckets=3), split(name="eval", hash_buckets=1)]
        )
    )
    properties, _ = resolved(folder, rolling(number))
    properties |= {
        "output_config": proto_utils.proto_to_json(config),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
    }
    examples = standard_artifacts.Examples()
    examples.uri = str(output)
    Executor(BaseBeamExecutor.Context(beam_pipeline_args=[], tmp_dir=str(output))).Do(
        {}, {"examples": [examples]}, properties
    )
    return examples, {
        name: {
            tf.train.Example.FromString(record.numpy())
            .features.feature["issue"]
            .bytes_list.value[0]
            for path in (output / f"Split-{name}").iterdir()
            for record in tf.data.TFRecordDataset(str(path), "GZIP")
        }
        for name in ("train", "eval")
    }


def test_all_spans_are_trained_on_and_only_the_newest_is_evaluated_on(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    _, newest = generated(data, tmp_path / "newest", 1)
    _, older = generated(data.parent / "data", tmp_path / "both", 2)

    assert newest["train"] < older["train"]
    assert older["eval"] == newest["eval"]
    assert {issue.split()[0] for issue in older["train"]} == {b"span-2", b"span-4"}


def test_what_was_once_held_out_is_never_trained_on(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.rmtree(data / "span-4")
    _, before = generated(data, tmp_path / "before", 1)
    add(data, "span-3")

    _, after = generated(data, tmp_path / "after", 2)

    assert before["eval"]
    assert not before["eval"] & (after["train"] | after["eval"])
    assert before["train"] < after["train"]


def test_the_files_of_all_spans_are_recorded_with_their_folder(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    examples, _ = generated(data, tmp_path / "out", 9)

    recorded = json.loads(examples.get_string_custom_property("input_files"))
    assert [(file["name"], file["rows"]) for file in recorded["files"]] == [
        ("span-1/a.csv", 40),
        ("span-2/a.csv", 40),
        ("span-4/a.csv", 40),
    ]
    assert recorded["rows"] == 120
