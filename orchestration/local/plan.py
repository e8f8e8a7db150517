"""What a run needs before it starts: everything is checked here, before the first step."""

import dataclasses
import datetime
import json
import os
import pathlib
import uuid
from collections.abc import Mapping

from components.errors import RunError, WorkflowError
from orchestration.local import metadata_session, run_record
from orchestration.local.container import Containers
from orchestration.local.folders import check_folders
from orchestration.local.placeholders import fill_in_macros
from orchestration.local.run_record import RunFolder, RunRecord, Runs, StepRecord
from orchestration.metadata_target import GrpcTarget, MetadataTarget, SqliteTarget
from orchestration.package import WorkflowPackage
from orchestration.validation import validate
from orchestration.validation.refusal import refuse
from orchestration.workflow import Workflow
from orchestration.workflow_parser import parse_workflow

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
class Plan:
    """A run that is ready to go.

    Attributes:
        workflow: The workflow.
        record: The run's record.
        folder: The run's folder, locked.
        target: The metadata store.
        password: Password of the store's MySQL user.
    """

    workflow: Workflow
    record: RunRecord
    folder: RunFolder
    target: MetadataTarget
    password: str | None

    def containers(self, address: GrpcTarget) -> Containers:
        """Returns what makes the steps' containers.

        Args:
            address: Address of the metadata service.
        """
        return _containers(self.workflow, self.record, address)


def make_plan(options: RunOptions, package: WorkflowPackage) -> Plan:
    """Checks all that can be checked before the first step, and makes the run's folder.

    Args:
        options: What to run, and how.
        package: The compiled workflow, read.

    Returns:
        A new run.

    Raises:
        PipelineError: If the workflow or an option is refused; nothing has been written then.
    """
    refuse(package.path, validate(package))
    workflow = _parse(package)
    folders = check_folders(workflow, options.folders)
    uid = str(uuid.uuid4())
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
        parameters=_parameters(workflow, options.parameters, uid),
        folders=folders,
        metadata=str(target),
        max_parallel=options.max_parallel,
        steps=[StepRecord(name=step.name) for step in workflow.all_steps],
    )
    # Filled in once, so that nothing is found missing after the first step has run.
    containers = _containers(workflow, record, _NO_SERVER)
    for step in workflow.all_steps:
        containers.container(step, pathlib.Path("/"))
    folder = Runs(options.home).create(workflow.generate_name)
    record.id = folder.path.name
    folder.lock()
    try:
        folder.workflow.write_text(package.text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder.workflow}: cannot be written: {error.strerror}") from error
    return Plan(
        workflow=workflow,
        record=record,
        folder=folder,
        target=target,
        password=own[1] if own is not None else os.environ.get(metadata_session.PASSWORD_VARIABLE),
    )


def resume_plan(folder: RunFolder, package: WorkflowPackage) -> Plan:
    """Makes a plan of what has not succeeded in a run.

    Args:
        folder: The run's folder.
        package: Its workflow, read.

    Returns:
        The run, with everything pending that has not succeeded.

    Raises:
        PipelineError: If there is nothing to resume, or something that it needs is gone.
    """
    folder.lock()
    record = folder.read()
    if record.state == run_record.SUCCEEDED:
        raise RunError(f"{record.id}: this run has succeeded; there is nothing to resume")
    refuse(package.path, validate(package))
    workflow = _parse(package)
    record.folders = check_folders(
        workflow, {name: pathlib.Path(path) for name, path in record.folders.items()}
    )
    for step in record.steps:
        if step.state != run_record.SUCCEEDED:
            step.state, step.message = run_record.PENDING, None
            step.started, step.ended = None, None
    if workflow.exit_step is not None:
        record.step(workflow.exit_step.name).state = run_record.PENDING
    own = metadata_session.own_store(workflow, record.folders)
    return Plan(
        workflow=workflow,
        record=record,
        folder=folder,
        target=MetadataTarget.parse(record.metadata),
        password=own[1] if own is not None else os.environ.get(metadata_session.PASSWORD_VARIABLE),
    )


def _containers(workflow: Workflow, record: RunRecord, address: GrpcTarget) -> Containers:
    return Containers(
        workflow=workflow,
        run_id=record.id,
        uid=record.uid,
        parameters=record.parameters,
        folders=record.folders,
        metadata=address,
    )


def _parse(package: WorkflowPackage) -> Workflow:
    try:
        return parse_workflow(package.manifest)
    except WorkflowError as error:
        raise WorkflowError(f"{package.path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WorkflowError(
            f"{package.path}: not a workflow that Argo takes ({type(error).__name__}: {error}); "
            "check it with argo lint"
        ) from error


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
        if default is not None and _is_json_object(default) and not _is_json_object(value):
            # A protocol buffer, which the step would find to be broken only when it starts.
            raise RunError(f"--param {name}: '{value}' is not JSON such as {default}")
        values[name] = fill_in_macros(value, run_id, now)
    return values


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
