"""A graph as a tree: each node is followed once, and what is left out is counted."""

import dataclasses
from collections.abc import Iterator

from orchestration.lineage import words
from orchestration.lineage.answer import Answer
from orchestration.lineage.data_files import InputFiles
from orchestration.lineage.graph import BACK, COMPLETE, Artifact, Execution, Kind, Links
from orchestration.lineage.walk import APPROVAL
from orchestration.lineage.words import relation

_MAX_DEPTH = 60


@dataclasses.dataclass(kw_only=True)
class Branch:
    """A node of the tree.

    Attributes:
        key: The graph's node; empty for a file or a remark.
        kind: ``artifact``, ``execution``, ``file``, ``decision`` or ``remark``.
        relation: What it is to the node above, such as ``model`` or ``made by``.
        title: What it is.
        state: The state of an execution that is not complete.
        details: What there is to say of it.
        is_repeated: Whether what is beneath stands elsewhere in the tree.
        children: What is beneath.
    """

    key: str = ""
    kind: str
    relation: str = ""
    title: str
    state: str = ""
    details: tuple[str, ...] = ()
    is_repeated: bool = False
    children: list["Branch"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _Next:
    """A node that is to come beneath another."""

    node: Artifact | Execution
    relation: str
    is_followed: bool = True


def tree(answer: Answer, *, max_nodes: int, max_children: int) -> tuple[list[Branch], int]:
    """Returns an answer's graph as a tree.

    Args:
        answer: The answer.
        max_nodes: The most branches.
        max_children: The most beneath one node.

    Returns:
        A tree for each root, and how many of the graph's nodes are in none of them.
    """
    beneath = _Beneath(answer)
    # The newest first, as everywhere.
    roots = [answer.graph.artifacts[key] for key in reversed(answer.graph.roots)]
    branches: list[Branch] = []
    remarks: list[tuple[list[Branch], str]] = []
    shown: set[str] = set()
    followed: set[str] = set()
    stack = [(branches, _Next(root, ""), 0) for root in reversed(roots[:max_children])]
    while stack and max_nodes > 0:
        place, item, depth = stack.pop()
        branch = _branch(item)
        place.append(branch)
        shown.add(branch.key)
        max_nodes -= 1
        children = beneath.nodes(item.node) if item.is_followed else []
        if branch.key in followed:
            branch.is_repeated = bool(children)
            continue
        branch.children += beneath.rejections(item.node)
        if item.is_followed:
            followed.add(branch.key)
            branch.children += beneath.files(item.node, max_children)
        kept = children[:max_children] if depth < _MAX_DEPTH else []
        if len(kept) < len(children):
            remarks.append((branch.children, f"{len(children) - len(kept):,} more"))
        stack += [(branch.children, child, depth + 1) for child in reversed(kept)]
    if len(roots) > max_children:
        remarks.append((branches, f"{len(roots) - max_children:,} more"))
    for place, text in remarks:
        place.append(Branch(kind="remark", title=text))
    graph = answer.graph
    nodes: list[Artifact | Execution] = [*graph.artifacts.values(), *graph.executions.values()]
    return branches, len({node.key for node in nodes} - shown)


def walk(branches: list[Branch]) -> Iterator[Branch]:
    """Yields all branches, each before what is beneath it."""
    stack = list(reversed(branches))
    while stack:
        branch = stack.pop()
        yield branch
        stack += reversed(branch.children)


class _Beneath:
    """What stands beneath each node."""

    def __init__(self, answer: Answer) -> None:
        self._graph = answer.graph
        self._links = Links(answer.graph)
        self._is_back = answer.graph.direction == BACK
        self._files = {item.artifact: item for item in answer.data}
        self._decisions = answer.decisions
        self._judging = {approval.execution for approval in answer.approvals}
        if self._is_back:
            self._judging -= self._origins()

    def nodes(self, node: Artifact | Execution) -> list[_Next]:
        """Returns what stands beneath a node."""
        if isinstance(node, Artifact):
            return self._behind(node) if self._is_back else self._of(node)
        if self._is_back:
            return self._inputs(node)
        return self._outputs(node)

    def files(self, node: Artifact | Execution, most: int) -> list[Branch]:
        """Returns the files that an execution has read, or an artifact was made from."""
        links = self._links
        if isinstance(node, Execution):
            made = links.of_execution(node.id, "output") if self._is_back else []
            keys = [link.artifact for link in made]
        else:
            is_lost = not links.of_artifact(node.id, "output")
            keys = [node.id] if is_lost or not self._is_back else []
        return [
            branch
            for key in keys
            if key in self._files
            for branch in file_branches(self._files[key], most)
        ]

    def rejections(self, node: Artifact | Execution) -> list[Branch]:
        """Returns the decisions against a model; one for it is a property of what it has made."""
        if not isinstance(node, Execution) or APPROVAL not in node.type:
            return []
        return [
            Branch(
                kind="decision",
                title=words.decision(False, decision.by, decision.note, decision.decided),
            )
            for decision in self._decisions
            if decision.run == node.run and not decision.approved
        ]

    def _origins(self) -> set[int]:
        """Returns the executions that lie on the way from the roots back to the data."""
        executions: set[int] = set()
        artifacts = set(self._graph.roots)
        frontier = set(artifacts)
        while frontier:
            makers = {
                link.execution
                for key in frontier
                for link in self._links.of_artifact(key, "output")
            }
            executions |= makers
            frontier = {
                link.artifact for key in makers for link in self._links.of_execution(key, "input")
            } - artifacts
            artifacts |= frontier
        return executions

    def _behind(self, artifact: Artifact) -> list[_Next]:
        made = self._executions(artifact, "output")
        found = [_Next(execution, relation("output")) for execution in made]
        for kind in ("attempt", "reused", "chosen"):
            is_lost = kind == "reused" and not made
            found += [
                _Next(execution, relation(kind), is_followed=is_lost)
                for execution in self._executions(artifact, kind)
            ]
        for execution in self._executions(artifact, "input"):
            if execution.has_failed:
                found.append(_Next(execution, relation("input"), is_followed=False))
            elif execution.id in self._judging:
                found.append(_Next(execution, "judged by"))
        return found

    def _of(self, artifact: Artifact) -> list[_Next]:
        """Returns what has read an artifact, the newest first; around it, what has made a root."""
        is_root = artifact.id in self._graph.roots
        made = self._executions(artifact, "output") if is_root else []
        reused = self._executions(artifact, "reused") if is_root else []
        readers = self._executions(artifact, "input")
        return [
            *(_Next(execution, relation("output"), is_followed=False) for execution in made),
            *(_Next(execution, relation("input")) for execution in reversed(readers)),
            *(
                _Next(execution, relation("reused"), is_followed=False)
                for execution in reversed(reused)
            ),
        ]

    def _inputs(self, execution: Execution) -> list[_Next]:
        found = []
        if execution.id in self._judging:
            found += [
                _Next(self._graph.artifacts[link.artifact], link.role, is_followed=False)
                for link in self._links.of_execution(execution.id, "output")
            ]
        found += [
            _Next(self._graph.artifacts[link.artifact], link.role)
            for link in self._links.of_execution(execution.id, "input")
        ]
        return found + [
            _Next(self._graph.artifacts[link.artifact], relation("compared"))
            for link in self._links.of_execution(execution.id, "compared")
        ]

    def _outputs(self, execution: Execution) -> list[_Next]:
        return [
            _Next(self._graph.artifacts[link.artifact], link.role, link.kind == "output")
            for link in self._links.of_execution(execution.id, "output", "reused")
        ]

    def _executions(self, artifact: Artifact, kind: Kind) -> list[Execution]:
        links = self._links.of_artifact(artifact.id, kind)
        return [self._graph.executions[link.execution] for link in links]


def file_branches(files: InputFiles, most: int) -> list[Branch]:
    """Returns the raw files behind examples as branches.

    Args:
        files: What the examples were made from.
        most: The most files.
    """
    branches = [
        Branch(kind="file", title=words.file_title(file), details=tuple(words.file_details(file)))
        for file in files.files[:most]
    ]
    left_out = len(files.files) - len(branches) + files.left_out
    if left_out:
        branches.append(Branch(kind="remark", title=f"{left_out:,} more files"))
    if not files.files:
        folders = ", ".join(words.one_line(folder) for folder in files.folders)
        branches.append(
            Branch(
                kind="file",
                title=folders or "an unknown folder",
                details=tuple(words.unlisted_details(files)),
            )
        )
    return branches


def _branch(item: _Next) -> Branch:
    node = item.node
    if isinstance(node, Artifact):
        return Branch(
            key=node.key,
            kind="artifact",
            relation=words.one_line(item.relation),
            title=words.artifact_title(node),
            details=tuple(words.artifact_details(node)),
        )
    return Branch(
        key=node.key,
        kind="execution",
        relation=item.relation,
        title=words.execution_title(node),
        state="" if node.state == COMPLETE else node.state,
        details=tuple(words.execution_details(node)),
    )
