"""A run that waits for a person between Evaluator and Pusher."""

import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.project import FEW_STEPS, Workplace, steps, succeeded, workplace

pytestmark = pytest.mark.whole

COMMAND = (sys.executable, "-m", "orchestration")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return workplace(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def workflow(place: Workplace) -> pathlib.Path:
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile"),
            *("--set", "approval_timeout_seconds=120"),
            # So that a model of a few steps is blessed.
            *("--set", "evaluation.auc_lower_bound=0.1"),
            *("--output-filename", "approval.yaml"),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return place.folder / "approval.yaml"


class Waiting:
    """A run whose approval step waits."""

    def __init__(self, place: Workplace, process: subprocess.Popen[str]) -> None:
        self.place = place
        self.process = process
        self.id = ""

    def until_it_waits(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.process.poll() is None:
            logs = self.place.home.glob("runs/*/steps/approval/log.txt")
            newest = max(logs, key=lambda path: path.stat().st_mtime, default=None)
            if (
                newest is not None
                and "Waiting for: complaint-pipeline approve"
                in (newest.read_text().rpartition("rejected by")[2])
            ):
                self.id = newest.parts[-4]
                return
            time.sleep(0.2)
        raise AssertionError("the run was not seen waiting")

    def approve(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orchestration", "approve", self.id]
        return self.place.command([*command, "--home", str(self.place.home), *options])

    def end(self) -> subprocess.CompletedProcess[str]:
        output, errors = self.process.communicate(timeout=120)
        return subprocess.CompletedProcess([], self.process.returncode, output, errors)


@pytest.fixture
def start(place: Workplace) -> Iterator[Any]:
    processes = []

    def begin(*command: str) -> Waiting:
        process = subprocess.Popen(
            command,
            cwd=place.folder,
            env=place.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return Waiting(place, process)

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_a_model_is_pushed_only_once_somebody_has_approved_it(
    place: Workplace, workflow: pathlib.Path, start: Any
) -> None:
    run = start(*place.run_command(workflow, *FEW_STEPS))
    run.until_it_waits()
    assert not (place.volume / "output/serving_model").exists()
    status = place.command([*COMMAND, "status", run.id, "--home", str(place.home)])
    command = f"complaint-pipeline approve {run.id} --home {place.home} --by NAME"
    assert f"approval: waits for '{command}' if the model is blessed, until 2" in status.stdout

    rejected = run.approve("--by", "Ann Lee", "--note", "drifted", "--reject")
    failed = run.end()

    assert rejected.returncode == 0, rejected.stderr
    assert failed.returncode == 1
    assert "step approval failed: rejected by Ann Lee: drifted" in failed.stderr
    assert not (place.volume / "output/serving_model").exists()

    again = start(
        *(sys.executable, "-m", "orchestration", "retry", run.id),
        *("--home", str(place.home), "--json"),
    )
    again.until_it_waits()
    approved = again.approve("--by", "Bob")
    assert approved.returncode == 0, approved.stderr
    record = succeeded(again.end())

    assert approved.stdout == f"{run.id}: approved by Bob\n"
    assert record["result"]["pushed"]
    assert pathlib.Path(record["result"]["pushed_model"], "saved_model.pb").is_file()
    assert steps(record)["approval"]["attempts"] == 2
    lineage = place.command([*COMMAND, "lineage", run.id, "--home", str(place.home)])
    decisions = re.findall(r"(\w+ by .+), \S+ \S+ UTC(.*) \(run", lineage.stdout)
    assert decisions == [("approved by Bob", ""), ("rejected by Ann Lee", ": drifted")]


def test_a_run_that_has_ended_takes_no_approval(place: Workplace, workflow: pathlib.Path) -> None:
    done = place.command(
        [
            *(sys.executable, "-m", "orchestration", "approve", place.record()["id"]),
            *("--by", "Ann", "--home", str(place.home)),
        ]
    )

    assert done.returncode == 1
    assert "it does not go on" in done.stderr
