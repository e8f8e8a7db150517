"""A recurring run: one compiled YAML, and a new span of data now and then."""

import csv
import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from components import execution_outcome
from components.features import COLUMNS, LABEL_KEY
from data.generator import write_complaints
from tests.end_to_end.project import Workplace, steps, succeeded
from tests.lineage_store import sqlite_store

pytestmark = pytest.mark.whole

#: The steps before what depends on the model that was pushed last.
UP_TO_TRAINER = (
    "csvexamplegen",
    "statisticsgen",
    "importschemagen",
    "examplevalidator",
    "transform",
    "trainer",
)


@dataclasses.dataclass(frozen=True)
class Nights:
    """The records of the runs, and the versions of the pushed model after each."""

    without_data: subprocess.CompletedProcess[str]
    first: dict[str, Any]
    nothing_new: dict[str, Any]
    worse: dict[str, Any]
    drift: dict[str, Any]
    pushed_before_worse: frozenset[str]
    pushed_after_worse: frozenset[str]
    place: Workplace


def publish(place: Workplace, number: int, disputed: str, *, drifted: bool = False) -> None:
    """Adds a span in which the complaints about one product are disputed, and no others.

    Where it has drifted, at least every other complaint is about this product.
    """
    data = place.volume / "data"
    partial = data / f".span-{number}"
    partial.mkdir(parents=True)
    path = partial / "complaints.csv"
    write_complaints(path, rows=3_000, seed=number)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for index, row in enumerate(rows):
            if drifted and index % 2:
                row["product"] = disputed
            writer.writerow({**row, LABEL_KEY: int(row["product"] == disputed)})
    partial.rename(data / f"span-{number}")


def compiled(place: Workplace) -> pathlib.Path:
    done = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile"),
            *("--output-filename", "spans.yaml"),
            *("--set", "input_pattern=span-{SPAN}/*.csv", "--set", "span_window=2"),
            *("--set", "evaluation.auc_lower_bound=0.1"),
        ]
    )
    assert done.returncode == 0, done.stderr
    return place.folder / "spans.yaml"


def run(place: Workplace, workflow: pathlib.Path, train_steps: int) -> dict[str, Any]:
    return succeeded(
        place.run(
            workflow,
            *("--param", f'train-args={{"num_steps": {train_steps}}}'),
            *("--param", 'eval-args={"num_steps": 5}'),
        )
    )


def pushed_versions(place: Workplace) -> frozenset[str]:
    return frozenset(
        path.parent.name
        for path in (place.volume / "output/serving_model").glob("*/*/saved_model.pb")
    )


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    place = Workplace(tmp_path_factory.mktemp("spans"))
    (place.volume / "data").mkdir(parents=True)
    workflow = compiled(place)

    without_data = place.run(workflow)
    publish(place, 1, "Mortgage")
    first = run(place, workflow, 150)
    nothing_new = run(place, workflow, 150)
    before = pushed_versions(place)
    # A model that has learned next to nothing is worse than the one before.
    publish(place, 2, "Mortgage")
    worse = run(place, workflow, 1)
    after = pushed_versions(place)
    # Other complaints come, and are disputed: the model of before knows nothing of them.
    publish(place, 3, "Debt collection", drifted=True)
    drift = run(place, workflow, 150)
    return Nights(
        without_data=without_data,
        first=first,
        nothing_new=nothing_new,
        worse=worse,
        drift=drift,
        pushed_before_worse=before,
        pushed_after_worse=after,
        place=place,
    )


def change_threshold(record: dict[str, Any]) -> dict[str, Any]:
    """The threshold that compares the new model with the baseline."""
    (found,) = [item for item in record["result"]["thresholds"] if item["baseline"] is not None]
    return found


def test_a_run_without_a_span_fails_with_one_line(nights: Nights) -> None:
    assert nights.without_data.returncode == 1
    folder = nights.place.volume / "data"
    assert (
        f"CsvExampleGen: data-root '{folder}': no file in it matches 'span-{{SPAN}}/*.csv'; put a "
        "span there, or mend input_pattern"
    ) in nights.without_data.stderr
    assert "Traceback" not in nights.without_data.stderr


def test_the_first_span_makes_a_model_that_is_pushed(nights: Nights) -> None:
    assert nights.first["result"]["blessed"]
    assert nights.first["result"]["pushed_model"]
    assert nights.first["result"]["metrics"]["auc"] > 0.8


def test_a_night_without_new_data_trains_nothing(nights: Nights) -> None:
    cached = {name for name, step in steps(nights.nothing_new).items() if step["cached"]}

    assert cached >= set(UP_TO_TRAINER)


@pytest.mark.parametrize("night", ["worse", "drift"])
def test_a_new_span_is_picked_up_by_the_same_yaml(nights: Nights, night: str) -> None:
    record = getattr(nights, night)

    assert not any(
        steps(record)[name]["cached"] for name in UP_TO_TRAINER if name != "importschemagen"
    )


def test_a_model_worse_than_the_baseline_is_not_pushed(nights: Nights) -> None:
    threshold = change_threshold(nights.worse)

    assert threshold["measured"] < threshold["baseline"]
    assert not nights.worse["result"]["blessed"]
    assert "pushed_model" not in nights.worse["result"]
    assert nights.pushed_after_worse == nights.pushed_before_worse


def test_both_models_are_measured_on_the_newest_span_and_the_better_one_is_pushed(
    nights: Nights,
) -> None:
    threshold = change_threshold(nights.drift)

    # On the older span it would be far above.
    assert threshold["baseline"] < 0.7
    assert threshold["measured"] > threshold["baseline"]
    # One in ten of the newest span, not of both.
    assert 200 < nights.drift["result"]["metrics"]["example_count"] < 400
    assert nights.drift["result"]["blessed"], nights.drift["result"]
    assert nights.drift["result"]["pushed_model"]


def test_the_drift_of_a_span_against_the_one_before_is_told(nights: Nights) -> None:
    def warnings(record: dict[str, Any]) -> list[str]:
        folder = nights.place.home / "runs" / record["id"] / "steps/examplevalidator"
        lines = (folder / "log.txt").read_text().splitlines()
        return [line for line in lines if line.startswith("warning: product in train")]

    assert warnings(nights.drift)
    assert [line for line in nights.drift["result"]["warnings"] if "product in train" in line]
    assert not warnings(nights.first)
    assert not warnings(nights.worse)


def test_a_window_is_compared_with_the_latest_that_shares_no_span(nights: Nights) -> None:
    store = sqlite_store(nights.place.home / "metadata.db")
    (validation,) = [
        execution
        for execution in execution_outcome.executions_of_run(store, nights.drift["id"])
        if execution.type.endswith("ExampleValidator")
    ]
    previous = [
        event.artifact_id
        for event in store.get_events_by_execution_ids([validation.id])
        if event.path.steps[0].key == "previous_statistics"
    ]
    (of_first,) = [
        artifact.id
        for execution in execution_outcome.executions_of_run(store, nights.first["id"])
        if execution.type.endswith("StatisticsGen")
        for artifact in execution_outcome.output_artifacts(store, execution)["statistics"]
    ]

    # Span 1; the window of the night between is of spans 1 and 2, and this night's of 2 and 3.
    assert previous == [of_first]


def test_lineage_names_the_spans_behind_a_model(nights: Nights) -> None:
    done = nights.place.command(
        [
            *(sys.executable, "-m", "orchestration", "lineage", nights.drift["id"]),
            *("--home", str(nights.place.home), "--json"),
        ]
    )

    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    newest = max(data, key=lambda files: files["artifact"])
    assert [file["name"] for file in newest["files"]] == [
        "span-2/complaints.csv",
        "span-3/complaints.csv",
    ]
    assert newest["spans"] == [2, 3]


def test_compare_shows_the_spans_of_both_runs(nights: Nights) -> None:
    done = nights.place.command(
        [
            *(sys.executable, "-m", "orchestration", "compare"),
            *(nights.first["id"], nights.drift["id"]),
            *("--home", str(nights.place.home), "--json"),
        ]
    )

    assert done.returncode == 0, done.stderr
    metrics = {item["name"]: item["values"] for item in json.loads(done.stdout)["metrics"]}
    assert metrics["first_span"] == [1, 2]
    assert metrics["span"] == [1, 3]
