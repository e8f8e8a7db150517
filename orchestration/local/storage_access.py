"""Lets commands here read what a run has written into buckets, by the variables of its steps."""

import pathlib
import re

from components.errors import WorkflowError
from orchestration.local.container import Containers
from orchestration.local.run_record import RunRecord
from orchestration.metadata_target import GrpcTarget
from orchestration.workflow import Workflow

#: Variables of the clouds' own tools, which the file systems of TensorFlow and Beam read as well.
_STORAGE = re.compile(r"(AWS|AZURE|GOOGLE|CLOUDSDK|STORAGE)_[A-Z0-9_]+")

# The steps' metadata server, which no file system asks.
_NO_SERVER = GrpcTarget("127.0.0.1", 1)


def storage_variables(workflow: Workflow, record: RunRecord) -> dict[str, str]:
    """Returns the variables by which the steps of a run reach object storage.

    Args:
        workflow: The run's workflow.
        record: The run's record.

    Returns:
        Endpoints, regions and credentials, also those from secrets; without any whose folder is
        no longer there, so that the caller's own environment has to do.
    """
    containers = Containers(
        workflow=workflow,
        run_id=record.id,
        uid=record.uid,
        parameters=record.parameters,
        folders=record.folders,
        metadata=_NO_SERVER,
    )
    found: dict[str, str] = {}
    for step in workflow.steps:
        own = {variable.name for variable in step.variables if _STORAGE.fullmatch(variable.name)}
        if not own <= found.keys():
            try:
                environment = containers.container(step, pathlib.Path("/")).environment
            except (WorkflowError, OSError):
                continue
            found |= {name: environment[name] for name in own if name in environment}
    return found
