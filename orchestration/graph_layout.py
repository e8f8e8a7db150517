"""Places the nodes of a graph as boxes in layers, along the flow of data, which is downwards."""

import dataclasses
from collections.abc import Mapping, Sequence

#: Rounds in which each layer is ordered by where its neighbours are; more change little.
_ROUNDS = 6

_MARGIN = 16

#: A link bends at least so much, in pixels.
_LEAST_BEND = 18


@dataclasses.dataclass(frozen=True)
class BoxSize:
    """The size of all boxes, and the gaps between them, in pixels."""

    width: int = 190
    height: int = 52
    gap_x: int = 26
    gap_y: int = 44


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a node is: its upper left corner, in pixels."""

    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where all nodes are.

    Attributes:
        places: Places by node.
        width: Width of all, in pixels.
        height: Height of all, in pixels.
        box: The size of a node's box.
    """

    places: Mapping[str, Place]
    width: int
    height: int
    box: BoxSize

    def link(self, start: str, end: str) -> str:
        """Returns SVG's path of a curve from the lower edge of a box to the upper one of another.

        Args:
            start: The node that it leads from.
            end: The node that it leads to.
        """
        one, other = self.places[start], self.places[end]
        x1, y1 = one.x + self.box.width // 2, one.y + self.box.height
        x2, y2 = other.x + self.box.width // 2, other.y
        bend = max(_LEAST_BEND, (y2 - y1) // 2)
        return f"M{x1},{y1}C{x1},{y1 + bend} {x2},{y2 - bend} {x2},{y2}"


def layout(
    nodes: Sequence[str],
    edges: Sequence[tuple[str, str]],
    box: BoxSize = BoxSize(),
) -> Layout:
    """Places nodes so that edges lead downwards, and cross little.

    Args:
        nodes: The nodes.
        edges: Pairs of nodes, along the flow of data. A circle, which a metadata store should not
            have, is cut.
        box: The size of a node's box.
    """
    layers = _layers(nodes, edges)
    rows: list[list[str]] = [[] for _ in range(max(layers.values(), default=0) + 1)]
    for node in nodes:
        rows[layers[node]].append(node)
    _order(rows, edges)
    widest = max((len(row) for row in rows), default=0)
    across, down = box.width + box.gap_x, box.height + box.gap_y
    places = {}
    for level, row in enumerate(rows):
        start = _MARGIN + (widest - len(row)) * across // 2
        for index, node in enumerate(row):
            places[node] = Place(start + index * across, _MARGIN + level * down)
    return Layout(
        places=places,
        width=2 * _MARGIN + max(0, widest * across - box.gap_x),
        height=2 * _MARGIN + max(0, len(rows) * down - box.gap_y),
        box=box,
    )


def without_implied(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the edges of a graph without circles that do not follow from others.

    Where a leads to b and b to c, that a leads to c is implied.

    Args:
        edges: Pairs of nodes.
    """
    after: dict[str, set[str]] = {}
    for start, end in edges:
        after.setdefault(start, set()).add(end)
    kept = []
    for start, end in edges:
        found: set[str] = set()
        waiting = [node for node in after[start] if node != end]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += after.get(node, ())
        if end not in found:
            kept.append((start, end))
    return kept


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Returns each node's layer: as close above what it leads to as may be.

    What leads nowhere is as close below what leads to it.
    """
    after: dict[str, list[str]] = {node: [] for node in nodes}
    waiting = dict.fromkeys(nodes, 0)
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in edges:
        after[start].append(end)
        before[end].append(start)
        waiting[start] += 1
    from_end = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if waiting[node] == 0]
    done = set(ready)
    while len(done) < len(nodes) or ready:
        if not ready:
            # A circle: any of its nodes is cut free.
            cut = next(node for node in nodes if node not in done)
            ready.append(cut)
            done.add(cut)
        node = ready.pop()
        for start in before[node]:
            if start in done:
                continue
            from_end[start] = max(from_end[start], from_end[node] + 1)
            waiting[start] -= 1
            if waiting[start] == 0:
                ready.append(start)
                done.add(start)
    deepest = max(from_end.values(), default=0)
    layers = {node: deepest - level for node, level in from_end.items()}
    for node in nodes:
        if before[node] and not after[node]:
            layers[node] = 1 + max(layers[start] for start in before[node])
    return layers


def _order(rows: list[list[str]], edges: Sequence[tuple[str, str]]) -> None:
    neighbours: dict[str, list[str]] = {}
    for start, end in edges:
        neighbours.setdefault(start, []).append(end)
        neighbours.setdefault(end, []).append(start)
    position: dict[str, float] = {}
    for row in rows:
        position.update({node: index - len(row) / 2 for index, node in enumerate(row)})
    for number in range(_ROUNDS):
        for row in rows if number % 2 == 0 else reversed(rows):
            weights = {
                node: sum(position[other] for other in near) / len(near)
                for node in row
                if (near := neighbours.get(node))
            }
            row.sort(key=lambda node: weights.get(node, position[node]))
            position.update({node: index - len(row) / 2 for index, node in enumerate(row)})
