"""What a lineage is made of: artifacts, executions, and the links between them."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

BACK = "back"
FORWARD = "forward"

#: What an execution has to do with an artifact:
#: ``input``     it has read it
#: ``output``    it has made it
#: ``reused``    it took it from the cache in place of making it anew
#: ``chosen``    a resolver found it
#: ``compared``  it has read it as what another model was compared with
#: ``attempt``   it failed where another execution has made it later
Kind: TypeAlias = Literal["input", "output", "reused", "chosen", "compared", "attempt"]

COMPLETE = "COMPLETE"
CACHED = "CACHED"
FAILED_STATES = ("FAILED", "CANCELED")

#: Types of artifacts, as TFX names them.
PUSHED_MODEL = "PushedModel"
MODEL = "Model"
EXAMPLES = "Examples"
STATISTICS = "ExampleStatistics"
BLESSING_SUFFIX = "Blessing"
INFRA_BLESSING = "InfraBlessing"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Artifact:
    """An artifact.

    Attributes:
        id: Its id in the store.
        type: Its type, such as ``Model``.
        uri: Where it is.
        state: ML Metadata's state, such as ``LIVE``.
        created: When it was recorded, seconds since 1970.
        properties: Its properties, both kinds.
    """

    id: int
    type: str
    uri: str
    state: str
    created: float
    properties: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its name among all nodes of a graph."""
        return f"artifact-{self.id}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of a node of a pipeline.

    Attributes:
        id: Its id in the store.
        type: Its type without the module, such as ``Trainer``.
        node: Id of the node, the type where the store does not say.
        pipeline: Name of the pipeline; empty where the store does not say.
        run: Id of the run; empty where the store does not say.
        state: ML Metadata's state, such as ``COMPLETE`` or ``CACHED``.
        recorded: When it was first recorded, seconds since 1970.
        properties: Its properties, both kinds.
    """

    id: int
    type: str
    node: str
    pipeline: str
    run: str
    state: str
    recorded: float
    properties: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its name among all nodes of a graph."""
        return f"execution-{self.id}"

    @property
    def has_failed(self) -> bool:
        """Whether it has not come to its end."""
        return self.state in FAILED_STATES

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that its pod has recorded; none where it has not."""
        value = json_value(self.properties.get("metrics"))
        return value if isinstance(value, dict) else {}


class Link(NamedTuple):
    """What an execution has to do with an artifact.

    Attributes:
        artifact: Id of the artifact.
        execution: Id of the execution.
        kind: What it is.
        role: Name of the input or the output, such as ``transform_graph``.
    """

    artifact: int
    execution: int
    kind: Kind
    role: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph:
    """A part of a metadata store: what a question leads to.

    Attributes:
        direction: ``back`` or ``forward``.
        roots: Ids of the artifacts that the question was about.
        artifacts: Artifacts by id.
        executions: Executions by id.
        links: The links between them, in order.
    """

    direction: str
    roots: tuple[int, ...]
    artifacts: Mapping[int, Artifact]
    executions: Mapping[int, Execution]
    links: tuple[Link, ...]

    def of_type(self, name: str) -> Iterator[Artifact]:
        """Yields the artifacts of a type, the newest first."""
        for artifact in sorted(self.artifacts.values(), key=lambda found: -found.id):
            if artifact.type == name:
                yield artifact


class Links:
    """The links of a graph, by either end."""

    def __init__(self, graph: Graph) -> None:
        """Takes the graph."""
        self._of_artifact: dict[int, list[Link]] = {}
        self._of_execution: dict[int, list[Link]] = {}
        for link in graph.links:
            self._of_artifact.setdefault(link.artifact, []).append(link)
            self._of_execution.setdefault(link.execution, []).append(link)

    def of_artifact(self, artifact: int, *kinds: Kind) -> list[Link]:
        """Returns an artifact's links of some kinds."""
        return [link for link in self._of_artifact.get(artifact, ()) if link.kind in kinds]

    def of_execution(self, execution: int, *kinds: Kind) -> list[Link]:
        """Returns an execution's links of some kinds."""
        return [link for link in self._of_execution.get(execution, ()) if link.kind in kinds]


def json_value(text: Any) -> Any:
    """Returns what a property holds as JSON; ``None`` where it is something else."""
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
