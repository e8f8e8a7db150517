"""Places the nodes of a graph in layers, along the flow of data: from the files downwards."""

import dataclasses
from collections.abc import Mapping, Sequence

#: Rounds in which each layer is ordered by where its neighbours are; more change little.
_ROUNDS = 6

WIDTH = 190
HEIGHT = 52
_GAP_X = 26
_GAP_Y = 44
_MARGIN = 16

#: From one layer to the next.
LAYER_PIXELS = HEIGHT + _GAP_Y


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
    """

    places: Mapping[str, Place]
    width: int
    height: int


def layout(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Places nodes so that edges lead downwards, and cross little.

    Args:
        nodes: The nodes.
        edges: Pairs of nodes, along the flow of data. A circle, which a metadata store should not
            have, is cut.
    """
    layers = _layers(nodes, edges)
    rows: list[list[str]] = [[] for _ in range(max(layers.values(), default=0) + 1)]
    for node in nodes:
        rows[layers[node]].append(node)
    _order(rows, edges)
    widest = max((len(row) for row in rows), default=0)
    places = {}
    for level, row in enumerate(rows):
        start = _MARGIN + (widest - len(row)) * (WIDTH + _GAP_X) // 2
        for index, node in enumerate(row):
            places[node] = Place(start + index * (WIDTH + _GAP_X), _MARGIN + level * LAYER_PIXELS)
    return Layout(
        places,
        2 * _MARGIN + max(0, widest * (WIDTH + _GAP_X) - _GAP_X),
        2 * _MARGIN + max(0, len(rows) * (HEIGHT + _GAP_Y) - _GAP_Y),
    )


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Returns each node's layer: as close above what it leads to as may be."""
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
    return {node: deepest - level for node, level in from_end.items()}


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
