"""Reads a metadata store in few calls, each for many nodes: a store may be a network away."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import ml_metadata
from google.protobuf.json_format import MessageToDict
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.approvals import DECISION_TYPE
from components.errors import MetadataError
from orchestration.lineage.graph import EXAMPLES, PUSHED_MODEL, Artifact, Execution

_T = TypeVar("_T")

#: How many ids go into a call; MySQL and gRPC both limit the size of a message.
_BATCH = 1_000

#: ml-metadata starts a subgraph from so many nodes at most.
_SUBGRAPH_BATCH = 100

#: Types of events. What a resolver has found is an INTERNAL_OUTPUT, which it has not made.
INPUTS = (mlmd.Event.INPUT, mlmd.Event.DECLARED_INPUT, mlmd.Event.INTERNAL_INPUT)
OUTPUTS = (mlmd.Event.OUTPUT, mlmd.Event.DECLARED_OUTPUT, mlmd.Event.PENDING_OUTPUT)

_RUN_TYPE = "pipeline_run"
_PIPELINE_TYPE = "pipeline"
_NODE_TYPE = "node"


class Reader:
    """A metadata store; what was read once is kept."""

    def __init__(self, store: ml_metadata.MetadataStore, name: str) -> None:
        """Takes the open store.

        Args:
            store: The store.
            name: Its name, for messages.
        """
        self._store = store
        self.name = name
        self._artifacts: dict[int, Artifact] = {}
        self._executions: dict[int, Execution] = {}

    def artifacts(self, ids: Iterable[int]) -> dict[int, Artifact]:
        """Returns artifacts by id; an unknown id is left out."""
        wanted = set(ids)
        for batch in _batches(wanted - self._artifacts.keys(), _BATCH):
            with self._reading():
                self._keep(self._store.get_artifacts_by_id(batch))
        return {key: self._artifacts[key] for key in sorted(wanted & self._artifacts.keys())}

    def artifacts_of_type(self, name: str) -> list[Artifact]:
        """Returns all artifacts of a type, the oldest first."""
        with self._reading():
            return self._keep(self._store.get_artifacts_by_type(name))

    def artifacts_at(self, uri: str) -> list[Artifact]:
        """Returns the artifacts with a URI."""
        if not _is_utf8(uri):
            return []
        with self._reading():
            return self._keep(self._store.get_artifacts_by_uri(uri))

    def all_artifacts(self) -> list[Artifact]:
        """Returns all artifacts, the oldest first."""
        with self._reading():
            return self._keep(self._store.get_artifacts())

    def pushed_models(self) -> list[Artifact]:
        """Returns what Pusher has recorded, the oldest first."""
        return self.artifacts_of_type(PUSHED_MODEL)

    def examples_from_files(self) -> list[Artifact]:
        """Returns the examples that were made from files, the oldest first."""
        return [item for item in self.artifacts_of_type(EXAMPLES) if is_from_files(item)]

    def executions(self, ids: Iterable[int]) -> dict[int, Execution]:
        """Returns executions by id, each with its run; an unknown id is left out."""
        wanted = set(ids)
        for batch in _batches(wanted - self._executions.keys(), _BATCH):
            with self._reading():
                self._keep_executions(self._store.get_executions_by_id(batch))
        return {key: self._executions[key] for key in sorted(wanted & self._executions.keys())}

    def run_ids(self) -> list[str]:
        """Returns the ids of all runs, the newest first."""
        with self._reading():
            runs = self._store.get_contexts_by_type(_RUN_TYPE)
        return [run.name for run in sorted(runs, key=lambda run: -run.id)]

    def executions_of_run(self, run: str) -> dict[int, Execution] | None:
        """Returns the executions of a run by id; ``None`` where there is no such run."""
        if not _is_utf8(run):
            return None
        with self._reading():
            context = self._store.get_context_by_type_and_name(_RUN_TYPE, run)
            if context is None:
                return None
            found = self._store.get_executions_by_context(context.id)
            new = [execution for execution in found if execution.id not in self._executions]
            self._keep_executions(new)
        return {item.id: self._executions[item.id] for item in sorted(found, key=lambda e: e.id)}

    def decisions(self) -> dict[str, list[Artifact]]:
        """Returns what people have decided on the models of runs, the oldest first, by run."""
        found: dict[str, list[Artifact]] = {}
        for artifact in self.artifacts_of_type(DECISION_TYPE):
            with self._reading():
                contexts = self._store.get_contexts_by_artifact(artifact.id)
            for context in contexts:
                if context.type == _RUN_TYPE:
                    found.setdefault(context.name, []).append(artifact)
        return found

    def events_of_artifacts(self, ids: Iterable[int]) -> list[mlmd.Event]:
        """Returns the events of artifacts."""
        events: list[mlmd.Event] = []
        for batch in _batches(set(ids), _BATCH):
            with self._reading():
                events.extend(self._store.get_events_by_artifact_ids(batch))
        return events

    def events_of_executions(self, ids: Iterable[int]) -> list[mlmd.Event]:
        """Returns the events of executions."""
        events: list[mlmd.Event] = []
        for batch in _batches(set(ids), _BATCH):
            with self._reading():
                events.extend(self._store.get_events_by_execution_ids(batch))
        return events

    def producers(self, artifacts: Iterable[int]) -> dict[int, list[Execution]]:
        """Returns what has made each artifact, or has taken it from the cache."""
        events = [event for event in self.events_of_artifacts(artifacts) if event.type in OUTPUTS]
        executions = self.executions({event.execution_id for event in events})
        made: dict[int, list[Execution]] = {}
        for event in events:
            if event.execution_id in executions:
                made.setdefault(event.artifact_id, []).append(executions[event.execution_id])
        return made

    def outputs(self, executions: Iterable[int]) -> list[Artifact]:
        """Returns what executions have made, or have taken from the cache."""
        events = self.events_of_executions(executions)
        ids = {event.artifact_id for event in events if event.type in OUTPUTS}
        return list(self.artifacts(ids).values())

    def _keep(self, found: Sequence[mlmd.Artifact]) -> list[Artifact]:
        kept = [_artifact(item) for item in sorted(found, key=lambda item: item.id)]
        self._artifacts.update({artifact.id: artifact for artifact in kept})
        return kept

    def _keep_executions(self, found: Sequence[mlmd.Execution]) -> None:
        places = self._places([item.id for item in found])
        for item in found:
            self._executions[item.id] = _execution(item, places.get(item.id, {}))

    def _places(self, ids: Sequence[int]) -> dict[int, dict[str, str]]:
        """Returns the names of each execution's contexts by their types."""
        associations = []
        for batch in _batches(set(ids), _SUBGRAPH_BATCH):
            associations.extend(self._associations(batch))
        contexts = {}
        for batch in _batches({context for _, context in associations}, _BATCH):
            for item in self._store.get_contexts_by_id(batch):
                contexts[item.id] = item
        places: dict[int, dict[str, str]] = {}
        for execution, context_id in associations:
            context = contexts[context_id]
            places.setdefault(execution, {})[context.type] = context.name
        return places

    def _associations(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Returns pairs of execution and context: in one call, or in one for each execution."""
        options = mlmd.LineageSubgraphQueryOptions(max_num_hops=0)
        options.starting_executions.filter_query = f"id IN ({','.join(map(str, ids))})"
        try:
            graph = self._store.get_lineage_subgraph(options, ["associations"])
        except errors.UnimplementedError:
            return [
                (execution, context.id)
                for execution in ids
                for context in self._store.get_contexts_by_execution(execution)
            ]
        return [(item.execution_id, item.context_id) for item in graph.associations]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except errors.StatusError as error:
            line = " ".join(str(error).split())[:300]
            raise MetadataError(f"metadata store {self.name}: cannot be read: {line}") from error


def role_of(event: mlmd.Event) -> str:
    """Returns the name of the input or output that an event is about; empty where it has none."""
    for step in event.path.steps:
        if step.key:
            return step.key
    return ""


def is_from_files(artifact: Artifact) -> bool:
    """Whether an artifact is examples that were made from files."""
    properties = artifact.properties
    return artifact.type == EXAMPLES and (
        "input_fingerprint" in properties or "input_files" in properties
    )


def _artifact(item: mlmd.Artifact) -> Artifact:
    return Artifact(
        id=item.id,
        type=item.type,
        uri=item.uri,
        state=mlmd.Artifact.State.Name(item.state),
        created=item.create_time_since_epoch / 1000,
        properties=_properties(item),
    )


def _execution(item: mlmd.Execution, places: dict[str, str]) -> Execution:
    name = item.type.rpartition(".")[2]
    pipeline = places.get(_PIPELINE_TYPE, "")
    node = places.get(_NODE_TYPE, name).removeprefix(f"{pipeline}.")
    return Execution(
        id=item.id,
        type=name,
        node=node,
        pipeline=pipeline,
        run=places.get(_RUN_TYPE, ""),
        state=mlmd.Execution.State.Name(item.last_known_state),
        recorded=item.create_time_since_epoch / 1000,
        properties=_properties(item),
    )


def _properties(item: mlmd.Artifact | mlmd.Execution) -> dict[str, Any]:
    found = {**item.properties, **item.custom_properties}
    return {name: _value(found[name]) for name in sorted(found)}


def _value(value: mlmd.Value) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "struct_value":
        return MessageToDict(value.struct_value)
    if kind == "proto_value":
        return f"a message of type {value.proto_value.type_url}"
    return getattr(value, kind)


def _is_utf8(text: str) -> bool:
    """Whether a store can hold a text: an argument with other bytes is one of lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _batches(ids: Iterable[_T], size: int) -> Iterator[list[_T]]:
    listed = sorted(ids)  # type: ignore[type-var]
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
