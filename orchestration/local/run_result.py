"""What a run has brought forth: the pushed model, its metrics and its blessing."""

import json
import os
from collections.abc import Mapping
from typing import Any

import ml_metadata

from components.errors import MetadataError
from components.execution_outcome import (
    WARNINGS_PROPERTY,
    is_of_resolver,
    newest_execution,
    output_artifacts,
    span_numbers,
)
from orchestration.local.run_record import SUCCEEDED, RunFolder, RunRecord
from orchestration.local.step_launcher import StepLauncher
from orchestration.local.storage_access import storage_variables
from orchestration.local.tfx_node import node_of
from orchestration.workflow import Workflow

_READ_SECONDS = 60.0
_READER = "evaluation"


def run_result(
    workflow: Workflow,
    record: RunRecord,
    folder: RunFolder,
    store: ml_metadata.MetadataStore,
    launcher: StepLauncher,
) -> dict[str, Any]:
    """Collects the result of a run.

    Args:
        workflow: The workflow.
        record: The run's record.
        folder: The run's folder.
        store: The metadata store.
        launcher: The warm host, to read the evaluation in.

    Returns:
        As far as the run came: ``evaluation`` (URI), ``blessed``, ``metrics``, ``thresholds``
        with what was measured, ``missed`` (those not reached, in words), ``pushed``,
        ``pushed_model`` (where the model was pushed to), ``spans`` (``first_span`` and ``span``,
        where the input has spans), and ``warnings`` (ExampleValidator's, in words).

    Raises:
        MetadataError: If the store does not answer.
    """
    result: dict[str, Any] = {}
    try:
        for step in workflow.steps:
            if not step.is_tfx or record.step(step.name).state != SUCCEEDED:
                continue
            execution = newest_execution(store, node_of(step, record.id))
            if execution is None or is_of_resolver(execution):
                continue
            for artifacts in output_artifacts(store, execution).values():
                for artifact in artifacts:
                    _add(result, artifact)
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    if "evaluation" in result:
        environment = {**os.environ, **storage_variables(workflow, record)}
        result |= _read_evaluation(result["evaluation"], environment, folder, launcher)
    return result


def _add(result: dict[str, Any], artifact: Any) -> None:
    properties = artifact.custom_properties
    if artifact.type == "Examples" and (spans := span_numbers(artifact)):
        result["spans"] = spans
    elif artifact.type == "ExampleAnomalies" and WARNINGS_PROPERTY in properties:
        result["warnings"] = json.loads(properties[WARNINGS_PROPERTY].string_value)
    elif artifact.type == "ModelEvaluation":
        result["evaluation"] = artifact.uri
    elif artifact.type == "ModelBlessing":
        result["blessed"] = properties["blessed"].int_value == 1
    elif artifact.type == "PushedModel":
        result["pushed"] = properties["pushed"].int_value == 1
        if result["pushed"]:
            result["pushed_model"] = properties["pushed_destination"].string_value


def _read_evaluation(
    uri: str, environment: Mapping[str, str], folder: RunFolder, launcher: StepLauncher
) -> dict[str, Any]:
    path = folder.path / "evaluation.json"
    argv = ("python", "-m", "orchestration.local.evaluation", uri, str(path))
    launcher.launch(_READER, argv, environment, folder.path, folder.host_log)
    exited = launcher.wait_for(_READER, _READ_SECONDS)
    if exited is None or exited.code != 0:
        return {"problem": f"the evaluation at {uri} cannot be read; see {folder.host_log}"}
    return json.loads(path.read_text(encoding="utf-8"))
