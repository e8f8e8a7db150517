"""The log of a local step, followed from another process."""

import contextlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from components.errors import RunError
from orchestration.local.observing import LocalRuns
from orchestration.local.run_record import RunFolder, RunRecord, Runs, StepRecord
from tests.shell_workflow import container, workflow, write


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "home"


@pytest.fixture
def going_on(home: pathlib.Path) -> Iterator[tuple[RunFolder, Callable[..., None]]]:
    """A run of this process with a step ``train``, and what says how that goes."""
    folder = Runs(home).create("r-")
    folder.lock()

    def say(state: str, log: bytes = b"", run: str = "Running") -> None:
        folder.step("train").mkdir(parents=True, exist_ok=True)
        if log:
            with folder.log("train").open("ab") as file:
                file.write(log)
        step = StepRecord("train", state)
        values = {"uid": "u", "package": "p", "parameters": {}, "folders": {}, "metadata": "m"}
        record = RunRecord(id=folder.path.name, max_parallel=1, steps=[step], state=run, **values)
        folder.write(record)

    say("Pending")
    yield folder, say
    folder.unlock()


def test_what_is_new_is_read_from_the_pending_step_to_its_end(
    home: pathlib.Path, going_on: tuple[RunFolder, Callable[..., None]]
) -> None:
    _, say = going_on
    log = LocalRuns(home).follow_log(None, "train")

    looks = [log.look()]
    for state, text in (("Running", b"one\n"), ("Running", b"two\n"), ("Succeeded", b"three\n")):
        say(state, text)
        looks.append(log.look())

    assert [look.gained for look in looks] == [b"", b"one\n", b"two\n", b"three\n"]
    assert [look.is_over for look in looks] == [False, False, False, True]


def test_a_retry_is_waited_for(
    home: pathlib.Path, going_on: tuple[RunFolder, Callable[..., None]]
) -> None:
    _, say = going_on
    log = LocalRuns(home).follow_log(None, "train")
    say("Running", b"first\n")
    log.look()

    say("Pending")  # Between two attempts.

    assert not log.look().is_over
    say("Succeeded", b"second\n")
    assert log.look().gained == b"second\n"


def test_a_log_that_was_emptied_is_read_anew(
    home: pathlib.Path, going_on: tuple[RunFolder, Callable[..., None]]
) -> None:
    folder, say = going_on
    log = LocalRuns(home).follow_log(None, "train")
    say("Running", b"a long line\n")
    log.look()

    folder.log("train").write_bytes(b"new\n")

    assert log.look().gained == b"new\n"


def test_a_run_whose_process_has_died_is_over(
    home: pathlib.Path, going_on: tuple[RunFolder, Callable[..., None]]
) -> None:
    folder, say = going_on
    log = LocalRuns(home).follow_log(None, "train")
    say("Running", b"one\n")

    folder.unlock()

    look = log.look()
    assert (look.gained, look.step.state, look.is_over) == (b"one\n", "Terminated", True)


def test_an_unknown_step_is_refused(
    home: pathlib.Path, going_on: tuple[RunFolder, Callable[..., None]]
) -> None:
    with pytest.raises(RunError, match="did you mean 'train'"):
        LocalRuns(home).follow_log(None, "trian")


@contextlib.contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own."""
    argv = [sys.executable, "-m", "orchestration", *map(str, words)]
    with subprocess.Popen(
        argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def run_of(home: pathlib.Path, *templates: dict[str, object]) -> Iterator[None]:
    """A real run, from when its record is there."""
    names = [str(template["name"]) for template in templates]
    after = {name: [before] for before, name in itertools.pairwise(names)}
    path = write(home.parent, workflow(list(templates), dependencies=after))
    with started("run", path, "--home", home) as run:
        deadline = time.monotonic() + 30
        while not list(home.glob("runs/*/run.json")):
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.05)
        yield
        run.communicate(timeout=60)


@pytest.mark.parametrize(
    ("last", "status", "said"), [("true", 0, ""), ("exit 3", 1, "Failed (exit status 3")]
)
def test_the_command_follows_a_real_step_through_its_retry(
    home: pathlib.Path, tmp_path: pathlib.Path, last: str, status: int, said: str
) -> None:
    go = tmp_path / "go"
    script = f"echo begun; while [ ! -e {go} ]; do sleep 0.05; done; echo done; "
    script += f"[ -e {go}2 ] || {{ touch {go}2; exit 1; }}; {last}"
    retried = container("train", script, retryStrategy={"limit": 1})

    with (
        run_of(home, container("first", "true"), retried),
        started("logs", "train", "--follow", "--json", "--home", home) as logs,
    ):
        assert logs.stdout is not None
        assert json.loads(logs.stdout.readline())["line"] == "begun"
        go.touch()
        out, err = logs.communicate(timeout=60)

    assert [json.loads(line)["line"] for line in out.splitlines()] == ["done", "begun", "done"]
    assert (logs.returncode, said in err) == (status, True)


def test_a_step_that_never_starts_is_over_with_its_run(home: pathlib.Path) -> None:
    with (
        run_of(home, container("first", "exit 1"), container("second", "true")),
        started("logs", "second", "-f", "--home", home) as logs,
    ):
        out, err = logs.communicate(timeout=60)

    assert (logs.returncode, out) == (1, "")
    assert "step second of shell-" in err
    assert "Omitted" in err


def test_an_interrupt_ends_the_following_and_not_the_run(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    go = tmp_path / "go"
    script = f"echo begun; while [ ! -e {go} ]; do sleep 0.05; done"

    with (
        run_of(home, container("train", script)),
        started("logs", "train", "-f", "--home", home) as logs,
    ):
        assert logs.stdout is not None
        assert logs.stdout.readline() == "begun\n"
        os.kill(logs.pid, signal.SIGINT)
        _, err = logs.communicate(timeout=60)
        state = LocalRuns(home).get(None).state
        go.touch()

    assert (logs.returncode, err.strip()) == (130, "error: interrupted")
    assert state == "Running"
