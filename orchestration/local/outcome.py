"""What ML Metadata says of a step: a container that exits with 0 may still have done nothing.

TFX records a step whose inputs cannot be found as failed, or not at all, while its container
exits with 0.
"""

import dataclasses
import json

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from components.errors import MetadataError
from orchestration.workflow import Step

_Execution = metadata_store_pb2.Execution

_CACHED = _Execution.CACHED
_COMPLETE = _Execution.COMPLETE
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)

#: The type of a node that may rightly find nothing: the first run has no blessed model.
_RESOLVER_TYPE = "tfx.dsl.components.common.resolver.Resolver"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a step's execution.

    Attributes:
        cached: Whether an earlier execution's outputs were reused.
        failure: Why the step did not succeed, or ``None`` if it did.
    """

    cached: bool = False
    failure: str | None = None


def outcome(store: ml_metadata.MetadataStore, step: Step, run_id: str) -> Outcome:
    """Asks ML Metadata what became of a step.

    Args:
        store: The store.
        step: A TFX step.
        run_id: The run's id.

    Returns:
        The outcome of the step's newest execution in this run.

    Raises:
        MetadataError: If the store does not answer.
    """
    try:
        execution = newest_execution(store, step, run_id)
        if execution is None:
            return Outcome(failure="it exited with 0 but recorded no execution in ML Metadata")
        state = execution.last_known_state
        if state not in (_CACHED, _COMPLETE):
            name = _Execution.State.Name(state)
            return Outcome(
                failure=f"it exited with 0 but ML Metadata has its execution {execution.id} as "
                f"{name}; an input was probably not found"
            )
        is_resolver = execution.type == _RESOLVER_TYPE
        if not is_resolver and not output_artifacts(store, execution):
            return Outcome(
                failure=f"it exited with 0 but its execution {execution.id} has no output artifact"
            )
        return Outcome(cached=state == _CACHED and not is_resolver)
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error


def newest_execution(
    store: ml_metadata.MetadataStore, step: Step, run_id: str
) -> metadata_store_pb2.Execution | None:
    """Returns the newest execution of a step in a run, or ``None``."""
    node_id = step.argument("--node_id")
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    node = store.get_context_by_type_and_name("node", f"{pipeline_name(step)}.{node_id}")
    if run is None or node is None:
        return None
    of_node = {execution.id for execution in store.get_executions_by_context(node.id)}
    executions = [
        execution
        for execution in store.get_executions_by_context(run.id)
        if execution.id in of_node
    ]
    return max(executions, key=lambda execution: execution.id, default=None)


def output_artifacts(
    store: ml_metadata.MetadataStore, execution: metadata_store_pb2.Execution
) -> dict[str, list[metadata_store_pb2.Artifact]]:
    """Returns the output artifacts of an execution by the output's name."""
    events = [
        event
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type in _OUTPUTS
    ]
    artifacts = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])
    }
    outputs: dict[str, list[metadata_store_pb2.Artifact]] = {}
    for event in events:
        key = next((part.key for part in event.path.steps if part.HasField("key")), "")
        outputs.setdefault(key, []).append(artifacts[event.artifact_id])
    return outputs


def pipeline_name(step: Step) -> str:
    """Returns the name of the pipeline that a TFX step belongs to."""
    return json.loads(step.argument("--tfx_ir") or "{}")["pipelineInfo"]["id"]
