"""What ML Metadata says of a step: a container that exits with 0 may still have done nothing.

TFX records a step whose inputs cannot be found as failed, or not at all, while its container
exits with 0.
"""

import dataclasses
import json
from collections.abc import Mapping

import ml_metadata
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution

from components.errors import MetadataError
from components.spans import FIRST_SPAN_PROPERTY, SPAN_PROPERTY

#: Custom property of an execution that holds its metrics as JSON.
METRICS_PROPERTY = "metrics"

#: Custom properties that say what an execution ran: an image, JSON of package versions, the hash of
#: the code, and JSON of the run parameters that it was given.
IMAGE_PROPERTY = "image"
PACKAGES_PROPERTY = "packages"
CODE_HASH_PROPERTY = "code_hash"
PARAMETERS_PROPERTY = "run_parameters"

#: Custom property of an artifact: why a step that has made it stops the run, in one line.
REFUSAL_PROPERTY = "refusal"

#: Custom property of anomalies: JSON list of the warnings among them, a line each.
WARNINGS_PROPERTY = "warnings"

_SUCCEEDED = (Execution.CACHED, Execution.COMPLETE)
_OUTPUTS = (Event.OUTPUT, Event.INTERNAL_OUTPUT)

#: The type of a node that may rightly find nothing: the first run has no blessed model.
_RESOLVER_TYPE = "tfx.dsl.components.common.resolver.Resolver"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a pipeline in a run.

    Attributes:
        pipeline: Name of the pipeline.
        node_id: Id of the node, such as ``Trainer``.
        run_id: Id of the run.
    """

    pipeline: str
    node_id: str
    run_id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a node's execution.

    Attributes:
        execution: Its newest execution in the run, or ``None``.
        outputs: The execution's output artifacts, by the output's name.
        cached: Whether an earlier execution's outputs were reused.
        failure: Why the node did not succeed, or ``None`` if it did.
    """

    execution: Execution | None = None
    outputs: dict[str, list[Artifact]] = dataclasses.field(default_factory=dict)
    cached: bool = False
    failure: str | None = None

    @property
    def refusal(self) -> str:
        """Why the run must not go on although the node has succeeded; empty where it may."""
        for artifact in (each for group in self.outputs.values() for each in group):
            if text := artifact.custom_properties[REFUSAL_PROPERTY].string_value:
                return text
        return ""


def span_numbers(examples: Artifact) -> dict[str, float]:
    """Returns the first and the last span that examples come from.

    Args:
        examples: The artifact of CsvExampleGen's examples.

    Returns:
        ``first_span`` and ``span``; empty where the input has no spans.
    """
    properties = examples.custom_properties
    if FIRST_SPAN_PROPERTY not in properties:
        return {}
    names = (FIRST_SPAN_PROPERTY, SPAN_PROPERTY)
    return {name: float(properties[name].int_value) for name in names}


def outcome(store: ml_metadata.MetadataStore, node: Node) -> Outcome:
    """Asks ML Metadata what became of a node.

    Args:
        store: The store.
        node: The node.

    Returns:
        The outcome of the node's newest execution in its run.

    Raises:
        MetadataError: If the store does not answer.
    """
    try:
        execution = newest_execution(store, node)
        if execution is None:
            return Outcome(failure="it exited with 0 but recorded no execution in ML Metadata")
        outputs = output_artifacts(store, execution)
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    state = execution.last_known_state
    is_resolver = is_of_resolver(execution)
    failure = None
    if state not in _SUCCEEDED:
        failure = (
            f"it exited with 0 but ML Metadata has its execution {execution.id} as "
            f"{Execution.State.Name(state)}; an input was probably not found"
        )
    elif not is_resolver and not outputs:
        failure = f"it exited with 0 but its execution {execution.id} has no output artifact"
    return Outcome(
        execution=execution,
        outputs=outputs,
        cached=state == Execution.CACHED and not is_resolver,
        failure=failure,
    )


def newest_execution(store: ml_metadata.MetadataStore, node: Node) -> Execution | None:
    """Returns the newest execution of a node in its run, or ``None``."""
    of_node = store.get_context_by_type_and_name("node", f"{node.pipeline}.{node.node_id}")
    if of_node is None:
        return None
    ids = {execution.id for execution in store.get_executions_by_context(of_node.id)}
    executions = [
        execution for execution in executions_of_run(store, node.run_id) if execution.id in ids
    ]
    return executions[-1] if executions else None


def is_of_resolver(execution: Execution) -> bool:
    """Whether an execution only found its outputs, which an earlier one has made."""
    return execution.type == _RESOLVER_TYPE


def executions_of_run(store: ml_metadata.MetadataStore, run_id: str) -> list[Execution]:
    """Returns all executions of a run, in the order in which they were recorded."""
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    found = [] if run is None else store.get_executions_by_context(run.id)
    return sorted(found, key=lambda execution: execution.id)


def outputs_of_run(store: ml_metadata.MetadataStore, run_id: str) -> list[Artifact]:
    """Returns what the steps of a run have made or found, each artifact once.

    Args:
        store: The store.
        run_id: The run's id.

    Raises:
        MetadataError: If the store does not answer.
    """
    try:
        executions = [execution.id for execution in executions_of_run(store, run_id)]
        events = store.get_events_by_execution_ids(executions) if executions else []
        outputs = {event.artifact_id for event in events if event.type in _OUTPUTS}
        return store.get_artifacts_by_id(sorted(outputs)) if outputs else []
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error


def output_artifacts(
    store: ml_metadata.MetadataStore, execution: Execution
) -> dict[str, list[Artifact]]:
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
    outputs: dict[str, list[Artifact]] = {}
    for event in events:
        key = next((part.key for part in event.path.steps if part.HasField("key")), "")
        outputs.setdefault(key, []).append(artifacts[event.artifact_id])
    return outputs


def record(
    store: ml_metadata.MetadataStore, execution: Execution, properties: Mapping[str, str]
) -> None:
    """Keeps facts with an execution, as custom properties.

    Args:
        store: The store.
        execution: The execution.
        properties: Texts by the property's name.

    Raises:
        MetadataError: If the store does not answer.
    """
    for name, text in properties.items():
        execution.custom_properties[name].string_value = text
    try:
        store.put_executions([execution])
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error


def record_metrics(
    store: ml_metadata.MetadataStore, execution: Execution, metrics: Mapping[str, float]
) -> None:
    """Keeps a step's metrics with its execution, for those who cannot read its outputs.

    Args:
        store: The store.
        execution: The step's execution.
        metrics: Numbers by name.

    Raises:
        MetadataError: If the store does not answer.
    """
    record(store, execution, {METRICS_PROPERTY: json.dumps(metrics, sort_keys=True)})


def recorded_metrics(execution: Execution) -> dict[str, float]:
    """Returns the metrics that ``record_metrics`` has kept; none where it has not."""
    return json.loads(execution.custom_properties[METRICS_PROPERTY].string_value or "{}")
