"""The record of a local run: a folder with what was run, and how each step went.

HOME/runs/RUN/run.json        this record
HOME/runs/RUN/workflow.yaml   the workflow, as it was run
HOME/runs/RUN/steps/STEP/     the step's log, output artifacts and scratch volumes
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import secrets
import time
from typing import Any

import cattrs

from components.errors import RunError

PENDING = "Pending"
RUNNING = "Running"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
OMITTED = "Omitted"
TERMINATED = "Terminated"

# As Kubernetes makes the suffix of a generateName.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5

# Who asks whether a run is locked takes the lock for a moment.
_LOCK_ATTEMPTS = 5
_LOCK_WAIT_SECONDS = 0.02

#: The year 9999, beyond which Python has no dates.
_LATEST = 253_370_764_800.0

_RUN_ID = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass
class StepRecord:
    """How a step went.

    Attributes:
        name: The task's name.
        state: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Omitted`` (never started,
            because one before it failed) or ``Terminated`` (ended with the run).
        attempts: How often it was started.
        cached: Whether an earlier execution's outputs were reused; ``None`` if not known.
        started: Start of the last attempt, seconds since 1970.
        ended: End of the last attempt, seconds since 1970.
        cpu_seconds: User and system time of the last attempt.
        peak_bytes: The most resident memory of the last attempt.
        message: Why it failed.
    """

    name: str
    state: str = PENDING
    attempts: int = 0
    cached: bool | None = None
    started: float | None = None
    ended: float | None = None
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    message: str | None = None


@dataclasses.dataclass
class RunAttempt:
    """One attempt of a run: its first start, or a retry.

    Attributes:
        started: Start, seconds since 1970.
        ended: End, seconds since 1970; ``None`` while it goes on, or where nobody saw the end.
    """

    started: float
    ended: float | None = None


@dataclasses.dataclass
class RunRecord:
    """How a run went, and everything that resuming it needs.

    Attributes:
        id: The run's id, which ML Metadata knows as the pipeline run's.
        uid: The workflow's UID.
        package: The file that was run.
        parameters: All run parameters with their values.
        folders: Folder by claim, secret or ConfigMap.
        metadata: The metadata store, as given.
        max_parallel: How many steps may run at the same time.
        steps: Every step, in order.
        state: The run's state; ``Running`` also where a run has died without a word:
            ``RunFolder.observe`` tells.
        started: Start of the first attempt, seconds since 1970.
        ended: End of the last attempt, seconds since 1970.
        result: The pushed model and its evaluation, as far as the run came.
        attempts: The first start and every retry, in order.
    """

    id: str
    uid: str
    package: str
    parameters: dict[str, str]
    folders: dict[str, str]
    metadata: str
    max_parallel: int
    steps: list[StepRecord]
    state: str = PENDING
    started: float = 0.0
    ended: float | None = None
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    attempts: list[RunAttempt] = dataclasses.field(default_factory=list)

    def begin(self) -> None:
        """Begins an attempt: the first, or a retry, which leaves the run's start as it is."""
        attempt = RunAttempt(started=now())
        self.attempts.append(attempt)
        self.started = self.started or attempt.started
        self.state, self.ended = RUNNING, None

    def close(self, state: str) -> None:
        """Ends the run, and with it what has not come to an end.

        Args:
            state: The run's state.
        """
        for step in self.steps:
            if step.state == RUNNING:
                step.state, step.ended = TERMINATED, now()
            elif step.state == PENDING:
                step.state = OMITTED
        self.state, self.ended = state, now()
        if self.attempts:
            self.attempts[-1].ended = self.ended

    def step(self, name: str) -> StepRecord:
        """Returns the record of a step."""
        return next(step for step in self.steps if step.name == name)


class RunFolder:
    """The folder of a run."""

    def __init__(self, path: pathlib.Path) -> None:
        """Takes the folder's path, absolute."""
        self.path = path
        self._lock: int | None = None

    @property
    def workflow(self) -> pathlib.Path:
        """The workflow, as it was run."""
        return self.path / "workflow.yaml"

    @property
    def metadata_address(self) -> pathlib.Path:
        """The address of the run's metadata server, ``HOST:PORT``, as long as that runs."""
        return self.path / "metadata-address"

    @property
    def host_log(self) -> pathlib.Path:
        """What the process that forks the steps prints."""
        return self.path / "host.log"

    def step(self, name: str) -> pathlib.Path:
        """The folder of a step."""
        return self.path / "steps" / name

    def log(self, name: str) -> pathlib.Path:
        """The log of a step, of all attempts."""
        return self.step(name) / "log.txt"

    def write(self, record: RunRecord) -> None:
        """Writes the record, whole or not at all.

        Raises:
            RunError: If it cannot be written.
        """
        text = json.dumps(dataclasses.asdict(record), indent=1, sort_keys=True) + "\n"
        partial = self.path / f"run.json.{os.getpid()}"
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(self.path / "run.json")
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise RunError(
                f"{self.path}: cannot write the run's record: {error.strerror}"
            ) from error

    def read(self) -> RunRecord:
        """Reads the record.

        Raises:
            RunError: If there is none, or it is damaged.
        """
        path = self.path / "run.json"
        try:
            record = cattrs.structure(json.loads(path.read_text(encoding="utf-8")), RunRecord)
            _check_times(record)
            return record
        except FileNotFoundError as error:
            raise RunError(f"{path}: this run has no record") from error
        except (
            OSError,
            ArithmeticError,
            KeyError,
            RecursionError,
            TypeError,
            ValueError,
            cattrs.BaseValidationError,
        ) as error:
            problem = str(error)
            if isinstance(error, cattrs.BaseValidationError):
                problem = cattrs.transform_error(error, "the record")[0]
            raise RunError(f"{path}: the run's record is damaged: {problem}") from error

    def observe(self) -> RunRecord:
        """Reads the record as of now: a run whose process has died is ``Terminated``.

        Raises:
            RunError: If there is no record, or it is damaged.
        """
        record = self.read()
        if record.state not in (PENDING, RUNNING) or self.process() is not None:
            return record
        # It may have ended between the two looks.
        record = self.read()
        if record.state in (PENDING, RUNNING):
            record.state = TERMINATED
            for step in record.steps:
                if step.state == RUNNING:
                    step.state = TERMINATED
                elif step.state == PENDING:
                    step.state = OMITTED
        return record

    def lock(self) -> None:
        """Keeps other processes from running the same run until this one ends.

        Raises:
            RunError: If another process has the run.
        """
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for attempt in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if attempt == _LOCK_ATTEMPTS - 1:
                    raise RunError(
                        f"{self.path.name}: another process is running this run"
                    ) from error
                time.sleep(_LOCK_WAIT_SECONDS)
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def process(self) -> int | None:
        """Returns the id of the process that runs this run.

        Returns:
            The id, 0 if it has not been written yet, or ``None`` where no process runs it.
        """
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except OSError:
            written = os.read(lock, 32)
            return int(written) if written.isdigit() else 0
        finally:
            os.close(lock)

    def unlock(self) -> None:
        """Lets other processes have the run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Runs:
    """The folder that holds all local runs, ``HOME/runs``."""

    def __init__(self, home: pathlib.Path) -> None:
        """Takes the home folder; nothing is made before a run is."""
        self._folder = home.absolute() / "runs"

    def create(self, generate_name: str) -> RunFolder:
        """Makes the folder of a new run.

        Args:
            generate_name: What the run's id begins with.

        Raises:
            RunError: If the folder cannot be made.
        """
        suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
        path = self._folder / f"{generate_name}{suffix}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise RunError(f"{path}: cannot make the run's folder: {error.strerror}") from error
        return RunFolder(path)

    def find(self, run_id: str) -> RunFolder:
        """Finds a run.

        Raises:
            RunError: If there is no such run.
        """
        path = self._folder / run_id
        if _RUN_ID.fullmatch(run_id) is None or not path.is_dir():
            known = [folder.path.name for folder in self.all()][:3]
            hint = f"; the newest are {', '.join(known)}" if known else ""
            raise RunError(f"{run_id}: no such run in {self._folder}{hint}")
        return RunFolder(path)

    def all(self) -> list[RunFolder]:
        """Returns all runs, the newest first."""
        paths = self._folder.glob("*/run.json")
        newest = sorted(paths, key=lambda path: path.parent.stat().st_ctime, reverse=True)
        return [RunFolder(path.parent) for path in newest]


def _check_times(record: RunRecord) -> None:
    """Refuses a time that is none."""
    times = [record.started, record.ended]
    parts: list[StepRecord | RunAttempt] = [*record.steps, *record.attempts]
    for part in parts:
        times += [part.started, part.ended]
    for time_of in times:
        if time_of is not None and not 0 <= time_of <= _LATEST:
            raise ValueError(f"{time_of} is no time")


def now() -> float:
    """Returns the time, in seconds since 1970."""
    return time.time()
