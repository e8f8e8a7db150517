"""ExampleValidator's executor, on files as StatisticsGen writes them."""

import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.charts.anomalies import anomalies_section, read_anomalies
from components.errors import InputDataError
from components.execution_outcome import REFUSAL_PROPERTY
from tests.components.complaint_statistics import complaints, statistics_of

pytestmark = pytest.mark.whole

PROJECT = pathlib.Path(__file__).resolve().parents[2]
GOOD = complaints(40)
BAD = complaints(40, product=["", "Mortgage"])


class Step:
    """Inputs and output of a step in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        from tfx.types import standard_artifacts

        self.folder = folder
        schema = standard_artifacts.Schema()
        schema.uri = str(folder / "schema")
        (folder / "schema").mkdir()
        shutil.copy(PROJECT / "components/schema.pbtxt", folder / "schema")
        self.inputs: dict[str, list[Any]] = {"schema": [schema]}
        self.anomalies = standard_artifacts.ExampleAnomalies()
        self.anomalies.uri = str(folder / "anomalies")

    def add(self, key: str, rows: Mapping[str, Sequence[Mapping[str, str | int]]]) -> None:
        """Adds the statistics of splits."""
        from tfx.types import artifact_utils, standard_artifacts

        artifact = standard_artifacts.ExampleStatistics()
        artifact.uri = str(self.folder / key)
        artifact.split_names = artifact_utils.encode_split_names(list(rows))
        for split, examples in rows.items():
            path = self.folder / key / f"Split-{split}" / "FeatureStats.pb"
            path.parent.mkdir(parents=True)
            path.write_bytes(statistics_of(examples).SerializeToString())
        self.inputs[key] = [artifact]

    def run(self, *, fail: bool = True, drift: bool = False, raises: bool = False) -> str:
        """Runs the executor; returns why the run must stop."""
        from components.example_validator_executor import Executor

        Executor().Do(
            self.inputs,
            {"anomalies": [self.anomalies]},
            {
                "fail_on_anomalies": int(fail),
                "fail_on_drift": int(drift),
                "raise_on_refusal": int(raises),
            },
        )
        return self.anomalies.get_string_custom_property(REFUSAL_PROPERTY)


@pytest.fixture
def step(tmp_path: pathlib.Path) -> Step:
    return Step(tmp_path)


def test_good_data_go_on(step: Step) -> None:
    step.add("statistics", {"train": GOOD, "eval": GOOD})

    assert step.run() == ""
    assert step.anomalies.get_json_value_custom_property("blessed") == {"train": 1, "eval": 1}
    assert not any(found.anomaly_info for found in read_anomalies(step.anomalies.uri).values())


def test_bad_data_stop_the_run_and_leave_their_anomalies(
    step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    step.add("statistics", {"train": BAD, "eval": GOOD})

    line = step.run()

    assert line.startswith("the data do not fit the schema: product in train: some examples have")
    assert step.anomalies.get_json_value_custom_property("blessed") == {"train": 0, "eval": 1}
    assert list(read_anomalies(step.anomalies.uri)["train"].anomaly_info) == ["product"]
    assert "error: product in train: " in capsys.readouterr().out


def test_what_both_splits_have_is_told_once(step: Step) -> None:
    step.add("statistics", {"train": BAD, "eval": BAD})

    assert step.run().count("product in train and eval: ") == 1


def test_a_run_that_shall_not_stop_goes_on_with_its_anomalies(step: Step) -> None:
    step.add("statistics", {"train": BAD, "eval": BAD})

    assert step.run(fail=False) == ""
    assert step.anomalies.get_json_value_custom_property("blessed") == {"train": 0, "eval": 0}


def test_without_the_entry_point_the_execution_fails(step: Step) -> None:
    step.add("statistics", {"train": BAD})

    with pytest.raises(InputDataError, match="product in train: "):
        step.run(raises=True)


def test_drift_is_measured_on_the_train_split_and_shown(step: Step) -> None:
    moved = complaints(40, state=["NY", "NJ"])
    step.add("statistics", {"train": moved, "eval": moved})
    step.add("previous_statistics", {"train": GOOD, "eval": GOOD})

    assert step.run() == ""
    found = read_anomalies(step.anomalies.uri)
    assert list(found["train"].anomaly_info) == ["state"]
    assert not found["eval"].anomaly_info
    (table,) = [
        block
        for block in anomalies_section(step.anomalies.uri).blocks
        if getattr(block, "title", "").startswith("Drift")
    ]
    (row,) = [row for row in table.rows if row[1] == "state"]  # type: ignore[union-attr]
    assert row[:4] == ["train", "state", "drift", "L-infinity"]
    assert row[4:] == pytest.approx([0.5, 0.05])


def test_drift_stops_the_run_where_it_is_asked_to(step: Step) -> None:
    step.add("statistics", {"train": complaints(40, state=["NY"])})
    step.add("previous_statistics", {"train": GOOD})

    assert "state in train: " in step.run(drift=True)


def test_skew_is_measured_against_the_only_split_of_what_was_asked(step: Step) -> None:
    step.add("statistics", {"train": complaints(40, state=["NY"]), "eval": GOOD})
    step.add("serving_statistics", {"serving": GOOD})

    assert "state in train: " in step.run(drift=True)
