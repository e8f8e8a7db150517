"""Local runs seen from another process: list, status, logs, terminate."""

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from components.errors import MetadataError, RunError
from orchestration.cli import cli
from orchestration.local.observing import LocalRuns
from orchestration.local.run_record import RunFolder, RunRecord, Runs, StepRecord
from orchestration.local.summary import summary_json
from orchestration.run_view import run_json
from tests.shell_workflow import container, workflow, write


def record(folder: RunFolder, state: str, *steps: StepRecord) -> RunRecord:
    made = RunRecord(
        id=folder.path.name,
        uid="u",
        package="p.yaml",
        parameters={"a": "1"},
        folders={},
        metadata="sqlite:x",
        max_parallel=1,
        steps=list(steps),
        state=state,
        started=1000.0,
    )
    folder.write(made)
    return made


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "home"


@pytest.fixture
def running(tmp_path: pathlib.Path, home: pathlib.Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, whose only step goes on until it is ended."""
    path = write(tmp_path, workflow([container("sleep", "echo begun; sleep 60")]))
    words = ("run", str(path), "--home", str(home))
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration", *words], text=True, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 30
        while not any(
            "begun" in log.read_text() for log in home.glob("runs/*/steps/sleep/log.txt")
        ):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        yield process
        process.kill()


def test_the_newest_runs_come_first(home: pathlib.Path) -> None:
    for name in ("a-", "b-", "c-"):
        record(Runs(home).create(name), "Succeeded")
        time.sleep(0.02)

    names = [view.id[:1] for view in LocalRuns(home).newest(2)]

    assert names == ["c", "b"]


def test_a_run_tells_scripts_what_status_tells_them(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    made = record(folder, "Succeeded", StepRecord("a", "Succeeded"))

    status = run_json(LocalRuns(home).get(None))

    assert summary_json(made).items() >= status.items()


def test_the_metrics_of_the_evaluation_are_those_of_the_run(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    made = record(folder, "Succeeded")
    made.result = {"blessed": True, "metrics": {"auc": 0.75}}
    folder.write(made)

    view = LocalRuns(home).get(None)

    assert view.metrics == {"auc": 0.75}
    assert run_json(view)["result"] == made.result
    assert LocalRuns(home).newest(1)[0].metrics == {"auc": 0.75}


def test_no_runs_are_no_error(home: pathlib.Path) -> None:
    assert LocalRuns(home).newest(5) == []
    with pytest.raises(RunError, match="there are no runs in"):
        LocalRuns(home).get(None)


def test_a_damaged_record_does_not_hide_the_others(home: pathlib.Path) -> None:
    record(Runs(home).create("good-"), "Succeeded")
    (Runs(home).create("bad-").path / "run.json").write_text("{")

    states = {view.id.partition("-")[0]: view.state for view in LocalRuns(home).newest(5)}

    assert states == {"good": "Succeeded", "bad": "Damaged"}


@pytest.mark.parametrize(
    ("field", "value"), [("started", "1e300"), ("started", "NaN"), ("ended", "Infinity")]
)
def test_a_time_that_is_none_is_a_damaged_record(
    home: pathlib.Path, field: str, value: str
) -> None:
    folder = Runs(home).create("bad-")
    record(folder, "Succeeded")
    values = json.loads((folder.path / "run.json").read_text())
    values[field] = "HERE"
    (folder.path / "run.json").write_text(json.dumps(values).replace('"HERE"', value))

    (view,) = LocalRuns(home).newest(5)

    assert view.state == "Damaged"


def test_a_damaged_record_is_told_with_the_key(home: pathlib.Path) -> None:
    folder = Runs(home).create("bad-")
    record(folder, "Succeeded")
    values = json.loads((folder.path / "run.json").read_text())
    values["max_parallel"] = "many"
    (folder.path / "run.json").write_text(json.dumps(values))

    with pytest.raises(RunError, match=r"record is damaged: .*max_parallel"):
        LocalRuns(home).get(folder.path.name)


@pytest.mark.parametrize("content", [None, b""], ids=["removed", "emptied"])
def test_a_store_that_is_gone_is_told_and_not_made_anew(
    home: pathlib.Path, tmp_path: pathlib.Path, content: bytes | None
) -> None:
    store = tmp_path / "metadata.db"
    if content is not None:
        store.write_bytes(content)
    folder = Runs(home).create("r-")
    made = record(folder, "Succeeded")
    made.metadata = f"sqlite:{store}"
    folder.write(made)

    with (
        pytest.raises(MetadataError, match=f"metadata store sqlite:{store}: "),
        LocalRuns(home).metadata(folder.path.name),
    ):
        pass

    assert (store.read_bytes() if store.exists() else None) == content


def test_a_record_nested_without_end_is_a_damaged_one(home: pathlib.Path) -> None:
    (Runs(home).create("bad-").path / "run.json").write_text("[" * 100_000)

    assert [view.state for view in LocalRuns(home).newest(5)] == ["Damaged"]


def test_a_run_whose_process_has_died_is_terminated(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    record(
        folder, "Running", StepRecord("a", "Succeeded"), StepRecord("b", "Running"), StepRecord("c")
    )

    view = LocalRuns(home).get(None)

    assert view.state == "Terminated"
    assert [step.state for step in view.steps] == ["Succeeded", "Terminated", "Omitted"]


def test_a_run_whose_process_lives_is_running(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    folder.lock()
    record(folder, "Running", StepRecord("a", "Running"))

    view = LocalRuns(home).get(folder.path.name)

    assert (view.state, view.steps[0].state) == ("Running", "Running")
    assert folder.process() == os.getpid()
    folder.unlock()
    assert folder.process() is None


def test_asking_for_the_process_does_not_keep_it_from_the_run(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    folder.lock()
    folder.unlock()
    assert folder.process() is None

    folder.lock()


def test_the_log_of_a_step_is_read(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    record(folder, "Succeeded", StepRecord("train", "Succeeded"), StepRecord("push", "Omitted"))
    folder.step("train").mkdir(parents=True)
    folder.log("train").write_bytes(b"one\ntwo \xff\n")
    runs = LocalRuns(home)

    assert runs.log(None, "train") == (folder.path.name, "one\ntwo �\n")
    with pytest.raises(RunError, match="has not started"):
        runs.log(None, "push")
    with pytest.raises(RunError, match="did you mean 'train'"):
        runs.log(None, "trian")
    with pytest.raises(RunError, match="no such step"):
        runs.log(None, "../../x")


def test_a_run_that_has_ended_is_not_terminated(home: pathlib.Path) -> None:
    folder = Runs(home).create("r-")
    record(folder, "Succeeded")

    with pytest.raises(RunError, match="Succeeded; there is nothing to terminate"):
        LocalRuns(home).terminate(folder.path.name)


def test_terminate_ends_the_process_as_an_interrupt_does(
    home: pathlib.Path, running: subprocess.Popen[str]
) -> None:
    (folder,) = Runs(home).all()

    view = LocalRuns(home).terminate(folder.path.name)

    assert (view.state, view.steps[0].state) == ("Terminated", "Terminated")
    assert running.wait(timeout=30) == 130


def test_runs_here_are_compared(home: pathlib.Path) -> None:
    names = []
    for auc in (0.5, 0.75):
        folder = Runs(home).create("r-")
        made = record(folder, "Succeeded", StepRecord("a", "Succeeded", cached=True))
        made.result = {"blessed": True, "metrics": {"auc": auc}}
        folder.write(made)
        names.append(folder.path.name)
    words = ("compare", *names, "--home", str(home))

    table = CliRunner().invoke(cli, words)
    answer = json.loads(CliRunner().invoke(cli, (*words, "--json")).stdout)

    assert "+0.2500" in table.output
    assert [run["cached_steps"] for run in answer["runs"]] == [1, 1]
    assert answer["metrics"][0]["values"] == [0.5, 0.75]


def test_the_commands_see_a_run_that_goes_on_and_its_death(
    home: pathlib.Path, running: subprocess.Popen[str]
) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestration", *words, "--home", str(home)],
            capture_output=True,
            text=True,
            check=False,
        )

    (row,) = json.loads(command("runs", "--json").stdout)
    assert row["state"] == "Running"
    assert command("logs", "sleep").stdout == "begun\n"
    running.kill()
    running.wait()

    done = command("status", "--watch", "--json")

    assert done.returncode == 1
    view = json.loads(done.stdout)
    assert set(row) < set(view)
    assert (view["state"], view["steps"][0]["state"]) == ("Terminated", "Terminated")
