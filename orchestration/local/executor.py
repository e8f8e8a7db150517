"""Runs the steps of a workflow: order, parallel branches, retries, timeouts, exit handler."""

import contextlib
import dataclasses
import json
import shlex
import signal
import time
from typing import Protocol

import ml_metadata
import psutil

from components.errors import PipelineError, RunError
from components.execution_outcome import outcome
from orchestration.approval_wait import waiting_note
from orchestration.local import run_record
from orchestration.local.container import Containers, Ending, missing_artifact, prepare_folder
from orchestration.local.logs import error_line, own_line
from orchestration.local.run_record import RunFolder, RunRecord, StepRecord
from orchestration.local.step_launcher import Exited, Started, StepLauncher
from orchestration.local.tfx_node import node_of
from orchestration.workflow import Step, Workflow

_POLL_SECONDS = 0.25
_SAMPLE_SECONDS = 0.5

#: What a step gets between SIGTERM and SIGKILL.
_GRACE_SECONDS = 5.0


#: How a traceback names the project's own errors.
_OWN_ERRORS = f"{PipelineError.__module__}."


class Observer(Protocol):
    """Shows people how a run goes."""

    def update(self, record: RunRecord) -> None:
        """Is called whenever something may have changed."""


@dataclasses.dataclass
class _Attempt:
    """A process of a step that runs."""

    step: Step
    started: float
    log_start: int
    pid: int | None = None
    deadline: float | None = None
    kill_at: float | None = None
    timed_out: bool = False


class Executor:
    """Runs a workflow's steps to their end, once."""

    def __init__(
        self,
        *,
        workflow: Workflow,
        containers: Containers,
        record: RunRecord,
        folder: RunFolder,
        launcher: StepLauncher,
        store: ml_metadata.MetadataStore,
        observer: Observer,
    ) -> None:
        """Takes everything that a run needs.

        Args:
            workflow: The workflow.
            containers: Makes the steps' containers.
            record: The run's record; steps that have succeeded are not run again.
            folder: The run's folder.
            launcher: Starts processes.
            store: The run's metadata store.
            observer: Shows people how the run goes.
        """
        self._workflow = workflow
        self._containers = containers
        self._record = record
        self._folder = folder
        self._launcher = launcher
        self._store = store
        self._observer = observer
        self._running: dict[str, _Attempt] = {}
        self._retry_at: dict[str, float] = {}
        self._failed = False
        self._sampled = 0.0

    def run(self) -> None:
        """Runs all steps, then the exit handler; the record says how it went.

        Raises:
            RunError: If the process that forks the steps has died.
            KeyboardInterrupt: If the user has interrupted the run; all its processes have ended.
        """
        try:
            while not self._launcher.ready:
                self._launcher.events(_POLL_SECONDS)
                self._observer.update(self._record)
            self._run_all(self._workflow.steps)
            if self._workflow.exit_step is not None:
                self._run_exit_step(self._workflow.exit_step)
        except BaseException:
            self._terminate()
            raise
        self._save()

    @property
    def succeeded(self) -> bool:
        """Whether every step has succeeded."""
        return all(step.state == run_record.SUCCEEDED for step in self._record.steps)

    def _run_exit_step(self, step: Step) -> None:
        before = self._failed
        self._failed = False
        self._run_all((step,))
        self._failed = self._failed or before

    def _run_all(self, steps: tuple[Step, ...]) -> None:
        while True:
            self._start_ready(steps)
            if not self._running and not (self._retry_at and not self._failed):
                break
            for event in self._launcher.events(_POLL_SECONDS):
                if isinstance(event, Started):
                    self._running[event.name].pid = event.pid
                else:
                    self._end(event)
            self._sample()
            self._enforce_timeouts()
            self._observer.update(self._record)
        for step in steps:
            record = self._record.step(step.name)
            if record.state == run_record.PENDING:
                record.state = run_record.OMITTED
        self._retry_at.clear()

    def _start_ready(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if self._failed or len(self._running) >= self._record.max_parallel:
                return
            record = self._record.step(step.name)
            if (
                record.state == run_record.PENDING
                and self._retry_at.get(step.name, 0.0) <= time.monotonic()
                and all(
                    self._record.step(name).state == run_record.SUCCEEDED
                    for name in step.dependencies
                )
            ):
                self._start(step, record)

    def _start(self, step: Step, record: StepRecord) -> None:
        self._retry_at.pop(step.name, None)
        folder = self._folder.step(step.name)
        prepare_folder(step, folder, self._record.folders)
        record.attempts += 1
        record.state = run_record.RUNNING
        record.started, record.ended = run_record.now(), None
        record.message = waiting_note(step.args, record.started, self._approve_command())
        container = self._containers.container(
            step,
            folder,
            attempt=record.attempts,
            ending=self._ending(),
        )
        log = self._folder.log(step.name)
        now = time.monotonic()
        self._running[step.name] = _Attempt(
            step=step,
            started=now,
            log_start=log.stat().st_size if log.exists() else 0,
            deadline=None if step.timeout_seconds is None else now + step.timeout_seconds,
        )
        self._launcher.launch(
            step.name, container.argv, container.environment, container.folder, log
        )
        self._save()

    def _approve_command(self) -> str:
        home = self._folder.path.parent.parent.absolute()
        words = ("complaint-pipeline", "approve", self._record.id, "--home", str(home))
        return f"{shlex.join(words)} --by NAME"

    def _ending(self) -> Ending:
        """How the run has gone so far, as Argo says it (workflow/controller/operator.go)."""
        failed = [step for step in self._record.steps if step.state == run_record.FAILED]
        if not failed:
            return Ending(status=run_record.SUCCEEDED)
        failures = [
            {
                "displayName": step.name,
                "message": step.message or "",
                "templateName": step.name,
                "phase": step.state,
                "podName": f"{self._record.id}-{step.name}-{step.attempts}",
            }
            for step in failed
        ]
        # Argo quotes the JSON once more.
        return Ending(status=run_record.FAILED, failures=json.dumps(json.dumps(failures)))

    def _end(self, event: Exited) -> None:
        attempt = self._running.pop(event.name)
        record = self._record.step(event.name)
        record.ended = run_record.now()
        record.cpu_seconds = event.cpu_seconds
        record.peak_bytes = max(record.peak_bytes, event.peak_bytes)
        failure = self._failure(attempt, event)
        if failure is None:
            result = None
            if artifact := missing_artifact(attempt.step, self._folder.step(event.name)):
                failure = f"it exited with 0 but left no output artifact {artifact}"
            elif attempt.step.is_tfx:
                result = outcome(self._store, node_of(attempt.step, self._record.id))
                failure = result.failure
            if failure is None:
                record.state = run_record.SUCCEEDED
                record.message = None
                record.cached = result.cached if result is not None else False
                self._save()
                return
            # A container that exits with 0 is not retried in a cluster either.
            self._fail(record, failure)
            return
        retry = attempt.step.retry
        if (
            retry is not None
            and retry.covers_failure()
            and (retry.limit is None or record.attempts <= retry.limit)
        ):
            wait = retry.wait_seconds(record.attempts)
            self._retry_at[event.name] = time.monotonic() + wait
            record.state = run_record.PENDING
            record.message = f"{failure}; tries again in {wait:g} s"
            self._save()
            return
        self._fail(record, failure)

    def _fail(self, record: StepRecord, message: str) -> None:
        record.state = run_record.FAILED
        record.message = message
        self._failed = True
        self._save()

    def _failure(self, attempt: _Attempt, event: Exited) -> str | None:
        if attempt.timed_out:
            return (
                f"it took longer than its limit of {attempt.step.timeout_seconds} s "
                "(activeDeadlineSeconds)"
            )
        if event.code == 0:
            return None
        if event.code < 0:
            return f"it was killed by {signal.Signals(-event.code).name}"
        log = self._folder.log(event.name)
        own = f"{attempt.step.argument('--node_id')}: "
        said = own_line(log, attempt.log_start, own)
        if said is not None and not said[1]:
            # The entry point's word on an error that was written for the user.
            return said[0]
        line = said[0] if said is not None else error_line(log, attempt.log_start)
        if line is not None and line.startswith(_OWN_ERRORS):
            # Written for the user, and whole.
            return line.partition(": ")[2]
        return f"exit status {event.code}" + (f": {line}" if line else "")

    def _enforce_timeouts(self) -> None:
        now = time.monotonic()
        for name, attempt in self._running.items():
            if attempt.kill_at is not None and now >= attempt.kill_at:
                self._launcher.signal(name, signal.SIGKILL)
                attempt.kill_at = now + _GRACE_SECONDS
            elif attempt.deadline is not None and now >= attempt.deadline:
                attempt.timed_out = True
                attempt.deadline = None
                attempt.kill_at = now + _GRACE_SECONDS
                self._launcher.signal(name, signal.SIGTERM)

    def _sample(self) -> None:
        """Measures what the running steps and their children use."""
        now = time.monotonic()
        if now - self._sampled < _SAMPLE_SECONDS:
            return
        self._sampled = now
        for name, attempt in self._running.items():
            if attempt.pid is None:
                continue
            record = self._record.step(name)
            try:
                process = psutil.Process(attempt.pid)
                processes = [process, *process.children(recursive=True)]
                times = [item.cpu_times() for item in processes]
                resident = sum(item.memory_info().rss for item in processes)
            except psutil.Error:
                continue  # It has just ended; its exit brings the final numbers.
            record.cpu_seconds = sum(item.user + item.system for item in times)
            record.peak_bytes = max(record.peak_bytes, resident)

    def _terminate(self) -> None:
        """Ends every process; another interrupt must not end this half-way."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError):  # Not in the main thread.
                signal.signal(number, signal.SIG_IGN)
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                for name in self._running:
                    self._launcher.signal(name, number)
                self._drain()
        except RunError:
            self._running.clear()  # The host is dead, and its children with it.

    def _drain(self) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._running and time.monotonic() < deadline:
            for event in self._launcher.events(_POLL_SECONDS):
                if isinstance(event, Exited):
                    self._running.pop(event.name, None)
                    record = self._record.step(event.name)
                    record.state = run_record.TERMINATED
                    record.ended = run_record.now()

    def _save(self) -> None:
        self._folder.write(self._record)
        self._observer.update(self._record)
