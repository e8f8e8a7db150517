"""Data that do not fit the schema, and data that drift, on the workflow as it is run."""

import csv
import pathlib
import sys
from collections.abc import Callable

import pytest

from data.generator import write_complaints
from tests.end_to_end.project import WORKFLOW, Workplace, only_tasks, steps, succeeded, workplace

pytestmark = pytest.mark.whole

#: The steps that look at data.
VALIDATION = (
    "csvexamplegen",
    "statisticsgen",
    "importschemagen",
    "previousstatistics",
    "servingexamplegen",
    "servingstatisticsgen",
    "examplevalidator",
)


def put(path: pathlib.Path, seed: int, change: Callable[[int, dict[str, str]], None]) -> None:
    """Writes 400 complaints, each after a change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_complaints(path, rows=400, seed=seed)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for index, row in enumerate(rows):
        change(index, row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def log_of(place: Workplace, step: str) -> str:
    return (place.home / "runs" / place.record()["id"] / "steps" / step / "log.txt").read_text()


def without_products(_: int, row: dict[str, str]) -> None:
    row["product"] = ""


def from_guam(_: int, row: dict[str, str]) -> None:
    row["state"] = "GU"


def unchanged(_: int, row: dict[str, str]) -> None:
    return


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Workplace:
    path = tmp_path / "first.csv"
    put(path, 1, unchanged)
    return workplace(tmp_path / "place", path)


def compiled(place: Workplace, *settings: str) -> pathlib.Path:
    options = [option for setting in settings for option in ("--set", setting)]
    command = [sys.executable, "-m", "orchestration", "compile", *options]
    done = place.command([*command, "--output-filename", "changed.yaml"])
    assert done.returncode == 0, done.stderr
    return place.folder / "changed.yaml"


def test_data_that_do_not_fit_stop_the_run_and_its_report_shows_why(place: Workplace) -> None:
    put(place.volume / "data/bad.csv", 2, without_products)

    done = place.run(WORKFLOW)

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "step examplevalidator failed: the data do not fit the schema: product in" in line
    states = {name: step["state"] for name, step in steps(place.record()).items()}
    assert states["statisticsgen"] == "Succeeded"
    assert states["transform"] == states["trainer"] == "Omitted"
    page = place.folder / "report.html"
    command = [sys.executable, "-m", "orchestration", "report", "--home", str(place.home)]
    assert place.command([*command, "--out", str(page)]).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "Some examples have fewer values than expected" in text


def test_a_retry_does_not_pass_by_way_of_the_cache(place: Workplace) -> None:
    put(place.volume / "data/bad.csv", 2, without_products)
    assert place.run(WORKFLOW).returncode == 1
    retry = [sys.executable, "-m", "orchestration", "retry", place.record()["id"]]

    done = place.command([*retry, "--home", str(place.home)])

    assert done.returncode == 1
    assert "the data do not fit the schema" in done.stderr
    assert steps(place.record())["transform"]["state"] == "Omitted"


def test_tfxs_own_entry_point_stops_the_run_too(place: Workplace) -> None:
    put(place.volume / "data/bad.csv", 2, without_products)

    done = place.run(compiled(place, "plain_entrypoint=true"))

    assert done.returncode == 1
    assert "step examplevalidator failed" in done.stderr
    assert "the data do not fit the schema: product in" in log_of(place, "examplevalidator")
    assert steps(place.record())["transform"]["state"] == "Omitted"


def test_drift_is_measured_against_the_last_data_that_were_accepted(
    place: Workplace, tmp_path: pathlib.Path
) -> None:
    cut = only_tasks(tmp_path, *VALIDATION)
    data = place.volume / "data"
    succeeded(place.run(cut))
    assert "warning: " not in log_of(place, "examplevalidator")
    (data / "first.csv").unlink()
    put(data / "refused.csv", 2, without_products)
    assert place.run(cut).returncode == 1
    (data / "refused.csv").unlink()
    put(data / "moved.csv", 3, from_guam)

    succeeded(place.run(cut))

    warnings = [
        line
        for line in log_of(place, "examplevalidator").splitlines()
        if line.startswith("warning: ")
    ]
    (state,) = [line for line in warnings if line.startswith("warning: state in train")]
    assert "above the threshold 0.05" in state
    # Against the refused data, whose products are missing, there would be no distance.
    assert not [line for line in warnings if "product" in line]
    strict = only_tasks(tmp_path, *VALIDATION, workflow=_strict(place))
    refused = place.run(strict)
    assert refused.returncode == 1
    assert "validation.fail_on_drift=false" in refused.stderr


def _strict(place: Workplace) -> pathlib.Path:
    return compiled(place, "validation.fail_on_drift=true")


def test_skew_is_measured_against_what_the_model_was_asked(
    place: Workplace, tmp_path: pathlib.Path
) -> None:
    def asked(index: int, row: dict[str, str]) -> None:
        from_guam(index, row)
        del row["consumer_disputed"]

    put(place.volume / "asked/requests.csv", 1, asked)
    workflow = compiled(place, "serving_root=/tfx-data/asked")

    succeeded(place.run(only_tasks(tmp_path, *VALIDATION, workflow=workflow)))

    line = next(
        line
        for line in log_of(place, "examplevalidator").splitlines()
        if line.startswith("warning: state in train: ")
    )
    assert "between training and serving" in line
