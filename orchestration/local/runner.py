"""Runs a compiled workflow on this machine, from its file to its result."""

import contextlib
import dataclasses
import datetime
import os
import pathlib
import shlex
import signal
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from components.errors import PipelineError, RunError, WorkflowError
from orchestration.local import metadata_session, run_record
from orchestration.local.container import Containers
from orchestration.local.display import Display
from orchestration.local.executor import Executor
from orchestration.local.folders import check_folders
from orchestration.local.logs import last_lines
from orchestration.local.placeholders import fill_in_macros
from orchestration.local.run_record import RunFolder, RunRecord, Runs, StepRecord
from orchestration.local.run_result import run_result
from orchestration.local.step_launcher import StepLauncher
from orchestration.local.warm_host import TFX_MODULES
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, MetadataTarget, SqliteTarget
from orchestration.package import WorkflowPackage, read_package
from orchestration.validation import validate
from orchestration.validation.refusal import refuse
from orchestration.workflow import TFX_ENTRY_POINT, Workflow, parse_workflow

#: Variable with the password of a MySQL user, as MySQL's own clients read it.
_PASSWORD_VARIABLE = "MYSQL_PWD"  # noqa: S105 (a variable's name)

#: How many lines of a failed step's log are shown.
_LOG_LINES = 15

# An address that stands for the metadata service while a run is only checked.
_NO_SERVER = GrpcTarget("127.0.0.1", 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a user says of a run.

    Attributes:
        package: The compiled workflow.
        home: Folder that keeps runs and the default metadata store.
        folders: Folders by claim, secret or ConfigMap.
        parameters: Values of run parameters.
        max_parallel: How many steps may run at the same time.
        metadata: The metadata store; ``None`` for an SQLite file in ``home``.
    """

    package: pathlib.Path
    home: pathlib.Path
    folders: Mapping[str, pathlib.Path]
    parameters: Mapping[str, str]
    max_parallel: int
    metadata: MetadataTarget | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Plan:
    """A run that is ready to go."""

    workflow: Workflow
    record: RunRecord
    folder: RunFolder
    target: MetadataTarget
    password: str | None


def run(options: RunOptions, console: Console) -> RunRecord:
    """Runs a workflow.

    Args:
        options: What to run, and how.
        console: Where to show how it goes.

    Returns:
        The record of a run all of whose steps have succeeded.

    Raises:
        PipelineError: If the workflow is refused, or the run has failed.
        KeyboardInterrupt: If the user has interrupted the run.
    """
    package = read_package(options.package)
    with StepLauncher(_modules(package.text)) as launcher:
        plan = _plan(options, package)
        return _go(plan, options.home, console, launcher)


def _modules(text: str) -> Sequence[str]:
    """What the steps of a workflow import; known before it has been checked, to begin early."""
    return TFX_MODULES if TFX_ENTRY_POINT in text else ()


def _plan(options: RunOptions, package: WorkflowPackage) -> _Plan:
    """Checks all that can be checked before the first step, and makes the run's folder."""
    refuse(options.package, validate(package))
    workflow = _parse(options.package, package.manifest)
    folders = check_folders(workflow, options.folders)
    uid = str(uuid.uuid4())
    parameters = _parameters(workflow, options.parameters, uid)
    own = metadata_session.own_store(workflow, folders)
    if own is not None and options.metadata is not None:
        raise RunError(
            f"--metadata {options.metadata}: the workflow names its own metadata store, {own[0]}; "
            "leave the option out"
        )
    target = own[0] if own is not None else options.metadata
    if target is None:
        target = SqliteTarget(options.home.absolute() / "metadata.db")
    record = RunRecord(
        id="",
        uid=uid,
        package=str(options.package.absolute()),
        parameters=parameters,
        folders=folders,
        metadata=str(target),
        max_parallel=options.max_parallel,
        steps=[StepRecord(name=step.name) for step in workflow.all_steps],
    )
    _check_containers(workflow, record)
    folder = Runs(options.home).create(workflow.generate_name)
    record.id = folder.path.name
    folder.lock()
    try:
        folder.workflow.write_text(package.text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder.workflow}: cannot be written: {error.strerror}") from error
    password = own[1] if own is not None else os.environ.get(_PASSWORD_VARIABLE)
    return _Plan(workflow=workflow, record=record, folder=folder, target=target, password=password)


def resume(run_id: str, home: pathlib.Path, console: Console) -> RunRecord:
    """Runs again what has not succeeded in a run that failed or was interrupted.

    Args:
        run_id: The run.
        home: Folder that keeps the runs.
        console: Where to show how it goes.

    Returns:
        The record, all of whose steps have succeeded.

    Raises:
        PipelineError: If there is nothing to resume, or the run has failed again.
        KeyboardInterrupt: If the user has interrupted the run.
    """
    folder = Runs(home).find(run_id)
    record = folder.read()
    if record.state == run_record.SUCCEEDED:
        raise RunError(f"{run_id}: this run has succeeded; there is nothing to resume")
    folder.lock()
    package = read_package(folder.workflow)
    workflow = _parse(folder.workflow, package.manifest)
    record.folders = check_folders(
        workflow, {name: pathlib.Path(path) for name, path in record.folders.items()}
    )
    for step in record.steps:
        if step.state != run_record.SUCCEEDED:
            step.state, step.message = run_record.PENDING, None
    if workflow.exit_step is not None:
        record.step(workflow.exit_step.name).state = run_record.PENDING
    own = metadata_session.own_store(workflow, record.folders)
    password = own[1] if own is not None else os.environ.get(_PASSWORD_VARIABLE)
    plan = _Plan(
        workflow=workflow,
        record=record,
        folder=folder,
        target=MetadataTarget.parse(record.metadata),
        password=password,
    )
    with StepLauncher(_modules(package.text)) as launcher:
        return _go(plan, home, console, launcher)


def resume_command(run_id: str, home: pathlib.Path) -> str:
    """Returns the command line that resumes a run."""
    return shlex.join(["complaint-pipeline", "retry", run_id, "--home", str(home)])


def _go(plan: _Plan, home: pathlib.Path, console: Console, launcher: StepLauncher) -> RunRecord:
    """Runs the steps and writes into the record how it went, whatever happens."""
    record, folder = plan.record, plan.folder
    # gRPC would look for the metadata server on this machine by way of an http_proxy; the steps
    # inherit this.
    os.environ["no_grpc_proxy"] = "127.0.0.1,localhost,::1"  # noqa: SIM112 (gRPC's name)
    record.state, record.ended = run_record.RUNNING, None
    record.started = run_record.now()
    folder.write(record)
    hint = f"resume with: {resume_command(record.id, home)}"
    try:
        with _interrupted_by_signals():
            succeeded = _run_steps(plan, console, launcher)
    except KeyboardInterrupt:
        _finish(plan, run_record.TERMINATED)
        console.print(f"interrupted; {hint}", style="yellow", soft_wrap=True, highlight=False)
        raise
    except PipelineError as error:
        _finish(plan, run_record.FAILED)
        raise type(error)(f"{error}\n{hint}") from error
    except BaseException:
        _finish(plan, run_record.FAILED)
        raise
    _finish(plan, run_record.SUCCEEDED if succeeded else run_record.FAILED)
    if not succeeded:
        _print_logs(plan, console)
        raise RunError(_failure(plan, hint))
    return record


def _run_steps(plan: _Plan, console: Console, launcher: StepLauncher) -> bool:
    record, folder = plan.record, plan.folder
    display = Display(console, plan.workflow)
    try:
        with metadata_session.serve(plan.target, plan.password, folder.host_log) as address:
            store = connect(address)
            executor = Executor(
                workflow=plan.workflow,
                containers=_containers(plan.workflow, record, address),
                record=record,
                folder=folder,
                launcher=launcher,
                store=store,
                observer=display,
            )
            with display:
                executor.run()
                record.result = run_result(plan.workflow, record, folder, store, launcher)
            return executor.succeeded
    finally:
        with folder.host_log.open("ab") as log:
            log.write(launcher.log())


def _containers(workflow: Workflow, record: RunRecord, address: GrpcTarget) -> Containers:
    return Containers(
        workflow=workflow,
        run_id=record.id,
        uid=record.uid,
        parameters=record.parameters,
        folders=record.folders,
        metadata=address,
    )


def _check_containers(workflow: Workflow, record: RunRecord) -> None:
    """Fills in every step once, so that nothing is missing after the first has run."""
    containers = _containers(workflow, record, _NO_SERVER)
    for step in workflow.all_steps:
        containers.container(step, pathlib.Path("/"))


def _parse(path: pathlib.Path, manifest: Mapping[str, object]) -> Workflow:
    try:
        return parse_workflow(manifest)
    except WorkflowError as error:
        raise WorkflowError(f"{path}: {error}") from error


def _parameters(workflow: Workflow, given: Mapping[str, str], run_id: str) -> dict[str, str]:
    for name in given:
        if name not in workflow.parameters:
            names = ", ".join(workflow.parameters) or "none"
            raise RunError(f"--param {name}: the workflow has no such parameter; it has {names}")
    now = datetime.datetime.now(datetime.timezone.utc)
    values = {}
    for name, default in workflow.parameters.items():
        value = given.get(name, default)
        if value is None:
            raise RunError(f"the parameter {name} has no default: give --param {name}=VALUE")
        values[name] = fill_in_macros(value, run_id, now)
    return values


def _finish(plan: _Plan, state: str) -> None:
    plan.record.state = state
    plan.record.ended = run_record.now()
    try:
        plan.folder.write(plan.record)
    finally:
        plan.folder.unlock()


def _print_logs(plan: _Plan, console: Console) -> None:
    """Prints the last lines that each failed step has logged."""
    for step in plan.record.steps:
        if step.state == run_record.FAILED:
            console.rule(f"last lines of {step.name}", align="left", style="dim")
            for line in last_lines(plan.folder.log(step.name), _LOG_LINES):
                console.print(Text(line), soft_wrap=True)


def _failure(plan: _Plan, hint: str) -> str:
    lines = [
        f"step {step.name} failed: {step.message}; its log is {plan.folder.log(step.name)}"
        for step in plan.record.steps
        if step.state == run_record.FAILED
    ]
    return "\n".join([*lines, hint])


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Lets SIGTERM (a service manager) and SIGHUP (a closed terminal) end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
