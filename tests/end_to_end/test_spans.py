"""Three spans, one after the other, through the same compiled workflow."""

import csv
import pathlib
import sys
from typing import Any

import pytest

from data.generator import write_complaints
from tests.end_to_end.project import Workplace, steps, succeeded

pytestmark = pytest.mark.whole

STEPS = ("--param", 'train-args={"num_steps": 60}', "--param", 'eval-args={"num_steps": 5}')


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("place")
    (folder / "volume/data").mkdir(parents=True)
    return Workplace(folder)


@pytest.fixture(scope="module")
def workflow(place: Workplace) -> pathlib.Path:
    path = place.folder / "spans.yaml"
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile", "--output-filename", str(path)),
            *("--set", 'input_pattern="span-{SPAN}/*.csv"', "--set", "span_window=2"),
            *("--set", "evaluation.auc_lower_bound=0.5"),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return path


def publish(place: Workplace, number: int, *, drifts: bool = False) -> None:
    """Puts a span there, under a hidden name until it is whole."""
    data = place.volume / "data"
    hidden = data / f".span-{number}"
    hidden.mkdir()
    write_complaints(hidden / "complaints.csv", rows=2_000, seed=number)
    if drifts:
        _keep_mostly_mortgages(hidden / "complaints.csv")
    hidden.rename(data / f"span-{number}")


def _keep_mostly_mortgages(path: pathlib.Path) -> None:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    product = header.index("product")
    others = [row for row in rows if row[product] != "Mortgage"]
    kept = [row for row in rows if row[product] == "Mortgage"] + others[: len(rows) // 20]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *kept])


def examples_of(place: Workplace, record: dict[str, Any]) -> dict[str, Any]:
    """The properties of the examples that a run was trained on."""
    import json

    done = place.command(
        [
            *(sys.executable, "-m", "orchestration", "lineage", record["id"], "--json"),
            *("--home", str(place.home)),
        ]
    )
    assert done.returncode == 0, done.stderr
    artifacts = [
        item
        for item in json.loads(done.stdout)["artifacts"]
        if item["type"] == "Examples" and "input_files" in item["properties"]
    ]
    return max(artifacts, key=lambda item: item["id"])["properties"]


def test_each_span_is_picked_up_by_the_same_workflow(
    place: Workplace, workflow: pathlib.Path
) -> None:
    # The first span: nothing to compare with.
    publish(place, 1)
    first = succeeded(place.run(workflow, *STEPS))
    assert examples_of(place, first)["spans"] == "1"
    assert first["result"]["pushed"]

    # Nothing new: all from the cache but what the new baseline asks for.
    again = succeeded(place.run(workflow, *STEPS))
    assert all(steps(again)[name]["cached"] for name in ("csvexamplegen", "transform", "trainer"))

    # The second span: trained on both, compared with the first model on the second span alone.
    publish(place, 2)
    second = succeeded(place.run(workflow, *STEPS))
    properties = examples_of(place, second)
    assert (properties["span"], properties["spans"]) == (2, "1, 2")
    assert not steps(second)["trainer"]["cached"]
    assert any("baseline" in str(item) for item in second["result"]["thresholds"])

    # The third one drifts: the window has moved on, and only what is better is pushed.
    publish(place, 3, drifts=True)
    third = succeeded(place.run(workflow, *STEPS))
    properties = examples_of(place, third)
    assert (properties["span"], properties["spans"]) == (3, "2, 3")
    assert third["result"]["pushed"] == third["result"]["blessed"]

    # An earlier range again, by a run parameter.
    earlier = 'range-config={"static_range": {"start_span_number": 1, "end_span_number": 1}}'
    back = succeeded(place.run(workflow, *STEPS, "--param", earlier))
    assert steps(back)["csvexamplegen"]["state"] == "Succeeded"
    log = next(place.home.glob(f"runs/{back['id']}/steps/csvexamplegen/log.txt")).read_text()
    assert "Spans: 1\n" in log
