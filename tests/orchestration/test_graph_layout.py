"""Where the boxes of a graph are, and which edges are drawn."""

import re

import pytest

from orchestration.graph_layout import BoxSize, layout, without_implied

_BOX = BoxSize(width=100, height=40, gap_x=10, gap_y=20)


def test_a_node_is_below_all_that_it_comes_from_and_none_shares_a_place() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "e"), ("d", "e")]

    placed = layout("abcde", edges, _BOX).places

    assert all(placed[start].y + _BOX.height < placed[end].y for start, end in edges)
    assert placed["b"].y == placed["c"].y
    assert abs(placed["b"].x - placed["c"].x) == _BOX.width + _BOX.gap_x
    assert len(set(placed.values())) == 5


def test_what_leads_nowhere_is_right_below_what_it_comes_from() -> None:
    placed = layout("abcd", [("a", "b"), ("b", "c"), ("a", "d")], _BOX).places

    assert placed["d"].y == placed["b"].y


def test_what_comes_from_nothing_is_right_above_what_it_leads_to() -> None:
    placed = layout("abcd", [("a", "b"), ("b", "c"), ("d", "c")], _BOX).places

    assert placed["d"].y == placed["b"].y


def test_all_boxes_are_within_the_picture() -> None:
    placed = layout("abcd", [("a", "b"), ("a", "c"), ("a", "d")], _BOX)

    for place in placed.places.values():
        assert 0 <= place.x <= placed.width - _BOX.width
        assert 0 <= place.y <= placed.height - _BOX.height


def test_a_circle_is_cut() -> None:
    assert set(layout("ab", [("a", "b"), ("b", "a")], _BOX).places) == {"a", "b"}


def test_a_link_leads_from_the_lower_edge_of_a_box_to_the_upper_edge_of_another() -> None:
    placed = layout("ab", [("a", "b")], _BOX)
    one, other = placed.places["a"], placed.places["b"]

    numbers = [int(number) for number in re.findall(r"-?\d+", placed.link("a", "b"))]

    assert numbers[:2] == [one.x + 50, one.y + 40]
    assert numbers[-2:] == [other.x + 50, other.y]


@pytest.mark.parametrize(
    ("edges", "kept"),
    [
        (["ab", "bc", "ac"], ["ab", "bc"]),
        (["ab", "bc", "cd", "ad", "bd"], ["ab", "bc", "cd"]),
        (["ab", "ac", "bd", "cd"], ["ab", "ac", "bd", "cd"]),
    ],
)
def test_an_edge_that_follows_from_others_is_left_out(edges: list[str], kept: list[str]) -> None:
    pairs = [(edge[0], edge[1]) for edge in edges]

    assert ["".join(edge) for edge in without_implied(pairs)] == kept
