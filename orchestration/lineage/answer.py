"""The answer to a question about lineage: the graph, and what an audit asks of it."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.lineage.data_files import InputFiles, input_files, with_rows
from orchestration.lineage.find import Found, find
from orchestration.lineage.graph import (
    BLESSING_SUFFIX,
    FORWARD,
    INFRA_BLESSING,
    MODEL,
    PUSHED_MODEL,
    Execution,
    Graph,
    Links,
)
from orchestration.lineage.reader import Reader, is_from_files
from orchestration.lineage.run_facts import RunFacts, run_facts
from orchestration.lineage.walk import APPROVAL, back, forward

_BLESSED, _NOT_BLESSED = "blessed", "not blessed"
_FIT, _NOT_FIT = "found fit to serve", "not found fit to serve"

#: What a blessing says of itself that is shown in other words, or says nothing.
_KNOWN_PROPERTIES = frozenset(
    {
        "baseline_model",
        "baseline_model_id",
        "blessed",
        "code_hash",
        "current_model",
        "current_model_id",
        "image",
        "is_external",
        "kfp_pod_name",
        "metrics",
        "packages",
        "run_parameters",
        "serving_check",
        "tfx_version",
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval:
    """What has judged a model: Evaluator, InfraValidator, or somebody.

    Attributes:
        by: The node, such as ``Evaluator``.
        type: Its type, such as ``Evaluator``.
        execution: Id of its execution.
        artifact: Id of the blessing; ``None`` where it has made none.
        models: Ids of the models that it has judged.
        verdict: ``blessed`` or ``not blessed``, ``found fit to serve`` or ``not found fit to
            serve``; empty where another property says it.
        baselines: Ids of the models that they were compared with.
        metrics: Its metrics, where its pod has recorded them.
        details: What else it has recorded, such as who has approved, and why.
        run: The run.
        recorded: When, seconds since 1970.
    """

    by: str
    type: str
    execution: int
    artifact: int | None
    models: tuple[int, ...]
    verdict: str
    baselines: tuple[int, ...]
    metrics: Mapping[str, float]
    details: Mapping[str, Any]
    run: str
    recorded: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person has decided on the model of a run.

    Attributes:
        approved: Whether it may be pushed.
        by: Who.
        note: Why; may be empty.
        decided: When, seconds since 1970.
        run: The run.
    """

    approved: bool
    by: str
    note: str
    decided: float
    run: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model that has come of data.

    Attributes:
        artifact: Id of the model.
        uri: Where it is.
        run: The run that trained it.
        recorded: When, seconds since 1970.
        blessed: Whether Evaluator has blessed it; ``None`` where it has not judged it.
        metrics: Evaluator's metrics, where its pod has recorded them.
        pushed: Where it was pushed to.
    """

    artifact: int
    uri: str
    run: str
    recorded: float
    blessed: bool | None
    metrics: Mapping[str, float]
    pushed: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What there is to say.

    Attributes:
        query: What was asked for.
        store: Name of the metadata store.
        graph: The graph.
        data: The raw files behind it.
        runs: Its runs, the newest first.
        approvals: What has judged its models, the newest first.
        decisions: What people have decided on the models of its runs, the newest first.
        models: The models that have come of it, the newest first; only on the way forward.
        notes: What the user should know.
    """

    query: str
    store: str
    graph: Graph
    data: tuple[InputFiles, ...]
    runs: tuple[RunFacts, ...]
    approvals: tuple[Approval, ...]
    decisions: tuple[Decision, ...]
    models: tuple[TrainedModel, ...]
    notes: tuple[str, ...]


def ask(reader: Reader, query: str, *, is_forward: bool, home: pathlib.Path | None) -> Answer:
    """Answers where something comes from, or what has come of it.

    Args:
        reader: The store.
        query: What the question is about; see ``find``.
        is_forward: To ask for what has come of it; of data nothing else can be asked.
        home: Folder with the runs on this machine, which know more than ML Metadata.

    Raises:
        MetadataError: If there is nothing of this name, or the store cannot be read.
    """
    found = find(reader, query)
    graph = _graph(reader, found, is_forward)
    links = Links(graph)
    raw = [item for item in graph.artifacts.values() if is_from_files(item)]
    approvals = _approvals(graph, links)
    return Answer(
        query=query,
        store=reader.name,
        graph=graph,
        data=tuple(with_rows(item, graph, links) for item in input_files(reader, raw)),
        runs=tuple(run_facts(graph, links, home)),
        approvals=approvals,
        decisions=_decisions(reader, graph),
        models=_models(graph, links, approvals) if graph.direction == FORWARD else (),
        notes=found.notes,
    )


def _graph(reader: Reader, found: Found, is_forward: bool) -> Graph:
    if is_forward or found.is_data:
        return forward(reader, found.artifacts)
    return back(reader, found.artifacts, found.runs)


def _decisions(reader: Reader, graph: Graph) -> tuple[Decision, ...]:
    runs = {execution.run for execution in graph.executions.values()}
    decisions = [
        Decision(
            approved=artifact.properties.get("approved") == 1,
            by=str(artifact.properties.get("by") or ""),
            note=str(artifact.properties.get("note") or ""),
            decided=artifact.created,
            run=run,
        )
        for run, artifacts in reader.decisions().items()
        if run in runs
        for artifact in artifacts
    ]
    return tuple(sorted(decisions, key=lambda decision: -decision.decided))


def _approvals(graph: Graph, links: Links) -> tuple[Approval, ...]:
    approvals = []
    for execution in sorted(graph.executions.values(), key=lambda item: -item.id):
        made = [link.artifact for link in links.of_execution(execution.id, "output")]
        blessings = [key for key in made if graph.artifacts[key].type.endswith(BLESSING_SUFFIX)]
        if APPROVAL in execution.type:
            # Whatever it makes is its answer.
            blessings = blessings or made
        elif not blessings:
            continue
        several: Sequence[int | None] = blessings or [None]
        approvals += [_approval(graph, links, execution, blessing) for blessing in several]
    return tuple(approvals)


def _approval(graph: Graph, links: Links, execution: Execution, blessing: int | None) -> Approval:
    properties: dict[str, Any] = {}
    if APPROVAL in execution.type:
        properties |= execution.properties
    if blessing is not None:
        properties |= graph.artifacts[blessing].properties
    is_infra = blessing is not None and graph.artifacts[blessing].type == INFRA_BLESSING
    # True is 1, and False is 0, also as keys.
    verdicts = {1: _FIT, 0: _NOT_FIT} if is_infra else {1: _BLESSED, 0: _NOT_BLESSED}
    inputs = [link.artifact for link in links.of_execution(execution.id, "input")]
    return Approval(
        by=execution.node,
        type=execution.type,
        execution=execution.id,
        artifact=blessing,
        models=tuple(key for key in inputs if graph.artifacts[key].type == MODEL),
        verdict=verdicts.get(properties.get("blessed", ""), ""),
        baselines=tuple(link.artifact for link in links.of_execution(execution.id, "compared")),
        metrics=execution.metrics,
        details={
            name: value
            for name, value in properties.items()
            if name not in _KNOWN_PROPERTIES and value not in (None, "")
        },
        run=execution.run,
        recorded=execution.recorded,
    )


def _models(
    graph: Graph, links: Links, approvals: tuple[Approval, ...]
) -> tuple[TrainedModel, ...]:
    judged: dict[int, Approval] = {}
    # The newest are first, and the last word counts.
    for approval in reversed(approvals):
        if approval.verdict in (_BLESSED, _NOT_BLESSED):
            judged.update(dict.fromkeys(approval.models, approval))
    models = []
    for artifact in graph.of_type(MODEL):
        makers = links.of_artifact(artifact.id, "output")
        if not makers:
            continue
        verdict = judged.get(artifact.id)
        models.append(
            TrainedModel(
                artifact=artifact.id,
                uri=artifact.uri,
                run=graph.executions[makers[0].execution].run,
                recorded=artifact.created,
                blessed=None if verdict is None else verdict.verdict == _BLESSED,
                metrics={} if verdict is None else verdict.metrics,
                pushed=_pushed(graph, links, artifact.id),
            )
        )
    return tuple(models)


def _pushed(graph: Graph, links: Links, model: int) -> tuple[str, ...]:
    destinations = set()
    for reading in links.of_artifact(model, "input"):
        for made in links.of_execution(reading.execution, "output"):
            artifact = graph.artifacts[made.artifact]
            destination = artifact.properties.get("pushed_destination")
            if artifact.type == PUSHED_MODEL and isinstance(destination, str) and destination:
                destinations.add(destination)
    return tuple(sorted(destinations))


def to_json(answer: Answer) -> dict[str, Any]:
    """Returns the whole answer for scripts."""
    graph = answer.graph
    return {
        "query": answer.query,
        "store": answer.store,
        "direction": graph.direction,
        "roots": list(graph.roots),
        "notes": list(answer.notes),
        "data": [dataclasses.asdict(item) for item in answer.data],
        "runs": [dataclasses.asdict(item) for item in answer.runs],
        "approvals": [dataclasses.asdict(item) for item in answer.approvals],
        "decisions": [dataclasses.asdict(item) for item in answer.decisions],
        "models": [dataclasses.asdict(item) for item in answer.models],
        "artifacts": [vars(item) for item in graph.artifacts.values()],
        "executions": [vars(item) for item in graph.executions.values()],
        "links": [link._asdict() for link in graph.links],
    }
