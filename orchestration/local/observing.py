"""Looks at the runs on this machine, and ends one, from another process than theirs."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import time
from collections.abc import Iterator, Mapping

from components.errors import PipelineError, RunError
from orchestration.local import run_record
from orchestration.local.followed_log import FollowedLog
from orchestration.local.metadata_session import PASSWORD_VARIABLE, serve
from orchestration.local.metadata_store import check_readable
from orchestration.local.run_record import RunFolder, RunRecord, Runs
from orchestration.local.storage_access import storage_variables
from orchestration.metadata_target import GrpcTarget, MetadataTarget, SqliteTarget
from orchestration.package import read_package
from orchestration.run_view import RunView, finite_numbers
from orchestration.suggestion import did_you_mean
from orchestration.workflow import Resources, Workflow
from orchestration.workflow_parser import parse_workflow

#: The runner gives its steps some time to end by themselves.
_END_SECONDS = 60.0
_POLL_SECONDS = 0.1

#: Labels of a pod that say what it was compiled from.
_LABEL_PREFIX = "complaint-pipeline/"


class LocalRuns:
    """The runs on this machine, as the commands see them."""

    def __init__(self, home: pathlib.Path) -> None:
        """Takes the folder that keeps the runs."""
        self._runs = Runs(home)
        self._home = home

    def newest(self, limit: int) -> list[RunView]:
        """Returns the newest runs; one with a damaged record says so."""
        return [_row(folder) for folder in self._runs.all()[:limit]]

    def get(self, run: str | None) -> RunView:
        """Returns a run, or the newest one.

        Raises:
            RunError: If there is none, or its record is damaged.
        """
        folder = self._find(run)
        workflow = workflow_of(folder.path)
        view = view_of(folder.observe(), resources_of(workflow))
        return dataclasses.replace(view, labels=labels_of(workflow))

    def log(self, run: str | None, step: str) -> tuple[str, str]:
        """Returns the run's id and the log of one of its steps, of all attempts.

        Raises:
            RunError: If there is no such run or step, or the step has not started.
        """
        folder = self._find_step(run, step)
        try:
            return folder.path.name, folder.log(step).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            raise RunError(f"{step}: this step has not started; there is no log yet") from error
        except OSError as error:
            raise RunError(f"{folder.log(step)}: cannot be read: {error.strerror}") from error

    def follow_log(self, run: str | None, step: str) -> FollowedLog:
        """Returns the log of a step, to be read while it grows; it may not have begun.

        Raises:
            RunError: If there is no such run or step.
        """
        return FollowedLog(self._find_step(run, step), step)

    def metadata_address(self, run: str) -> GrpcTarget:
        """Returns the address of the metadata server of a run that goes on.

        Raises:
            RunError: If it does not go on.
        """
        folder = self._find(run)
        if folder.process() is None:
            raise RunError(f"{run}: {folder.observe().state}; it does not go on")
        try:
            host, _, port = folder.metadata_address.read_text(encoding="utf-8").rpartition(":")
            return GrpcTarget(host.strip("[]"), int(port))
        except (OSError, ValueError) as error:
            raise RunError(f"{run}: is only just starting; try again") from error

    @contextlib.contextmanager
    def metadata(self, run: str) -> Iterator[GrpcTarget]:
        """Gives access to the metadata of a run, be it that it goes on or has ended.

        Raises:
            RunError: If there is no such run.
            MetadataError: If its store cannot be opened.
        """
        folder = self._find(run)
        if folder.process():
            yield self.metadata_address(run)
            return
        target = MetadataTarget.parse(folder.read().metadata)
        if isinstance(target, SqliteTarget):
            # To serve it would create it.
            check_readable(target)
        password = os.environ.get(PASSWORD_VARIABLE)
        with serve(target, password, folder.host_log) as address:
            yield address

    def open_storage(self, run: str) -> None:
        """Lets this process read what a run has written into buckets, as its steps did.

        Raises:
            RunError: If there is no such run.
        """
        folder = self._find(run)
        workflow = workflow_of(folder.path)
        if workflow is not None:
            os.environ.update(storage_variables(workflow, folder.observe()))

    def terminate(self, run: str) -> RunView:
        """Ends a run as Ctrl-C would, and waits until it has ended.

        Raises:
            RunError: If it does not run, or does not end.
        """
        folder = self._find(run)
        process = folder.process()
        if process is None:
            raise RunError(f"{run}: {folder.observe().state}; there is nothing to terminate")
        if process == 0:
            raise RunError(f"{run}: is only just starting; try again")
        with contextlib.suppress(ProcessLookupError):
            try:
                os.kill(process, signal.SIGTERM)
            except PermissionError as error:
                raise RunError(
                    f"{run}: process {process} belongs to another user; ask them to end it"
                ) from error
        deadline = time.monotonic() + _END_SECONDS
        while folder.process() is not None:
            if time.monotonic() > deadline:
                raise RunError(
                    f"{run}: has not ended after {_END_SECONDS:.0f} s; its process is {process}"
                )
            time.sleep(_POLL_SECONDS)
        return self.get(run)

    def _find_step(self, run: str | None, step: str) -> RunFolder:
        folder = self._find(run)
        names = [record.name for record in folder.read().steps]
        if step not in names:
            raise RunError(
                f"{step}: {folder.path.name} has no such step{did_you_mean(step, names)}"
            )
        return folder

    def _find(self, run: str | None) -> RunFolder:
        if run is not None:
            return self._runs.find(run)
        newest = self._runs.all()[:1]
        if not newest:
            raise RunError(
                f"there are no runs in {self._home}; name another folder with --home, or start one "
                "with 'complaint-pipeline run'"
            )
        return newest[0]


def _row(folder: RunFolder) -> RunView:
    try:
        return view_of(folder.observe(), {})
    except RunError as error:
        name = folder.path.name
        return RunView(id=name, name=name, state="Damaged", pipeline="", message=str(error))


def view_of(record: RunRecord, resources: Mapping[str, Resources]) -> RunView:
    """Returns a run's record as a user sees it.

    Args:
        record: The record.
        resources: The steps' requests and limits.
    """
    failed = [step for step in record.steps if step.state == run_record.FAILED]
    return RunView(
        id=record.id,
        name=record.id,
        state=record.state,
        pipeline=record.package,
        started=record.started or None,
        ended=record.ended,
        message="; ".join(f"{step.name}: {step.message}" for step in failed) or None,
        parameters=record.parameters,
        steps=record.steps,
        resources=resources,
        # On Kubeflow, the spans are among the metrics, too.
        metrics=finite_numbers(
            {**record.result.get("metrics", {}), **record.result.get("spans", {})}
        ),
        result=record.result,
        attempts=record.attempts,
    )


def workflow_of(folder: pathlib.Path) -> Workflow | None:
    """Returns the workflow of a run's folder; the record alone says how the run goes."""
    try:
        return parse_workflow(read_package(folder / "workflow.yaml").manifest)
    except PipelineError:
        return None


def resources_of(workflow: Workflow | None) -> dict[str, Resources]:
    """Returns the steps' requests and limits."""
    return {step.name: step.resources for step in (workflow.all_steps if workflow else ())}


def labels_of(workflow: Workflow | None) -> dict[str, str]:
    """Returns what the compiler has written into the pods' labels, such as ``code-hash``."""
    labels = workflow.steps[0].labels if workflow is not None and workflow.steps else {}
    return {
        name.removeprefix(_LABEL_PREFIX): value
        for name, value in labels.items()
        if name.startswith(_LABEL_PREFIX)
    }
