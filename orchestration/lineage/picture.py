"""The picture of a graph: boxes and curves, with all texts ready, but not yet SVG."""

import dataclasses

from orchestration.graph_layout import Place, layout
from orchestration.lineage import words
from orchestration.lineage.answer import Answer
from orchestration.lineage.graph import COMPLETE, Graph, Links
from orchestration.lineage.tree import tree, walk
from orchestration.times import utc

#: More boxes make no picture.
_MAX_NODES = 120
_MAX_CHILDREN = 12
_MAX_FILES = 6

#: So many letters fit into a box.
_LETTERS = 27


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A node of the picture.

    Attributes:
        key: The node.
        kind: ``artifact``, ``execution`` or ``file``.
        title: What it is.
        name: The first line of the box, as much as fits.
        subtitle: The second line, as much as fits.
        details: All that there is to say, shown when it is chosen.
        state: The state of an execution in lower case; empty for what is no execution.
        is_root: Whether it is what was asked for.
        place: Where it is.
    """

    key: str
    kind: str
    title: str
    name: str
    subtitle: str
    details: tuple[str, ...]
    state: str
    is_root: bool
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """A link of the picture.

    Attributes:
        start: Key of the node that data flows from.
        end: Key of the node that it flows to.
        kind: What it is, as in ``graph.Kind``.
        label: Its words.
        path: SVG's path.
    """

    start: str
    end: str
    kind: str
    label: str
    path: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """The picture.

    Attributes:
        boxes: Its nodes, in the order of data's flow.
        curves: Its links.
        width: Its width, in pixels.
        height: Its height, in pixels.
        left_out: How many artifacts and executions are not in it.
    """

    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    width: int
    height: int
    left_out: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Node:
    key: str
    kind: str
    title: str
    name: str
    subtitle: str
    details: tuple[str, ...]
    state: str = ""


def picture(answer: Answer) -> Picture:
    """Returns the picture of an answer's graph: the nodes of a small tree, and their links.

    Args:
        answer: The answer.
    """
    graph = answer.graph
    branches, left_out = tree(answer, max_nodes=_MAX_NODES, max_children=_MAX_CHILDREN)
    kept = dict.fromkeys(branch.key for branch in walk(branches) if branch.key)
    nodes = {key: _node(graph, key) for key in kept}
    edges: list[tuple[str, str, str, str]] = []
    for link in graph.links:
        artifact, execution = f"artifact-{link.artifact}", f"execution-{link.execution}"
        if artifact in nodes and execution in nodes:
            flows_in = link.kind in ("input", "compared")
            start, end = (artifact, execution) if flows_in else (execution, artifact)
            label = link.role if link.kind in ("input", "output") else link.kind
            edges.append((start, end, link.kind, words.one_line(label)))
    for node, end in _files(answer, nodes):
        nodes[node.key] = node
        edges.append((node.key, end, "input", ""))
    places = layout(list(nodes), [(start, end) for start, end, _, _ in edges])
    roots = {f"artifact-{key}" for key in graph.roots}
    boxes = [
        Box(
            key=node.key,
            kind=node.kind,
            title=node.title,
            name=_fitting(node.name),
            subtitle=_fitting(node.subtitle),
            details=node.details,
            state=node.state,
            is_root=node.key in roots,
            place=places.places[node.key],
        )
        for node in nodes.values()
    ]
    boxes.sort(key=lambda box: (box.place.y, box.place.x))
    return Picture(
        boxes=tuple(boxes),
        curves=tuple(
            Curve(start=start, end=end, kind=kind, label=label, path=places.link(start, end))
            for start, end, kind, label in edges
        ),
        width=places.width,
        height=places.height,
        left_out=left_out,
    )


def _node(graph: Graph, key: str) -> _Node:
    kind, _, number = key.partition("-")
    if kind == "artifact":
        artifact = graph.artifacts[int(number)]
        return _Node(
            key=key,
            kind=kind,
            title=words.artifact_title(artifact),
            name=f"{artifact.type} {artifact.id}",
            subtitle=words.version(artifact) or utc(artifact.created),
            details=tuple(words.artifact_details(artifact)),
        )
    execution = graph.executions[int(number)]
    state = "" if execution.state == COMPLETE else f", {execution.state}"
    return _Node(
        key=key,
        kind=kind,
        title=words.execution_title(execution),
        name=execution.node,
        subtitle=f"execution {execution.id}{state}",
        details=(execution.state, *words.execution_details(execution)),
        state=execution.state.lower(),
    )


def _files(answer: Answer, nodes: dict[str, _Node]) -> list[tuple[_Node, str]]:
    """Returns the boxes of the raw files, each with the node that it leads to."""
    links = Links(answer.graph)
    found = []
    for files in answer.data:
        makers = [
            f"execution-{link.execution}" for link in links.of_artifact(files.artifact, "output")
        ]
        ends = [key for key in [*makers, f"artifact-{files.artifact}"] if key in nodes][:1]
        for end in ends:
            folder = words.one_line(", ".join(files.folders))
            for number, file in enumerate(files.files[:_MAX_FILES]):
                node = _Node(
                    key=f"file-{files.artifact}-{number}",
                    kind="file",
                    title=words.file_title(file),
                    name=file.name,
                    subtitle=f"{file.rows:,} rows",
                    details=(folder, *words.file_details(file)),
                )
                found.append((node, end))
            left_out = len(files.files[_MAX_FILES:]) + files.left_out
            if left_out or not files.files:
                title = f"{left_out:,} more files" if left_out else folder or "unknown files"
                node = _Node(
                    key=f"file-{files.artifact}-more",
                    kind="file",
                    title=title,
                    name=title,
                    subtitle="" if files.rows is None else f"{files.rows:,} rows in all",
                    details=(folder, *([] if files.files else words.unlisted_details(files))),
                )
                found.append((node, end))
    return found


def _fitting(text: str) -> str:
    text = words.one_line(text)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
