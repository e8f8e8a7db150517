"""Histograms on common buckets."""

import pytest

from components.charts.histogram import Bucket, equal_edges, integer_counts, redistributed


def test_values_are_spread_evenly_over_a_bucket() -> None:
    buckets = [Bucket(0, 4, 8), Bucket(4, 4, 5), Bucket(4, 6, 2)]

    assert redistributed(buckets, [0, 1, 4, 5, 6]) == [2, 11, 1, 1]


def test_values_at_the_first_edge_and_infinite_ones() -> None:
    infinite = Bucket(5, float("inf"), 100)

    assert redistributed([Bucket(0, 0, 3), infinite], [0, 1]) == [3]
    assert redistributed([Bucket(7, 7, 3)], [7, 7]) == [3]
    assert redistributed([infinite], []) == []


def test_the_widest_range_of_numbers_has_edges() -> None:
    edges = equal_edges(-1.7e308, 1.7e308, 4)

    assert edges == pytest.approx([-1.7e308, -0.85e308, 0, 0.85e308, 1.7e308])
    assert redistributed([Bucket(-1.7e308, 1.7e308, 8)], edges) == pytest.approx([2, 2, 2, 2])


@pytest.mark.parametrize(("low", "high"), [(3.0, 3.0), (1.0, 1.0000000000000002)])
def test_where_there_is_no_room_for_edges_there_is_one_bucket(low: float, high: float) -> None:
    assert equal_edges(low, high, 10) == [low, high]


def test_whole_numbers_are_found_in_buckets_of_any_width() -> None:
    # As TFDV cuts 0, 0, 0, 1 up, and estimates.
    tenths = [Bucket(step / 10, (step + 1) / 10, 0.0) for step in range(10)]
    tenths[0] = Bucket(0, 0.1, 2.9)
    tenths[3] = Bucket(0.3, 0.4, 0.1)
    tenths[9] = Bucket(0.9, 1, 1)

    assert integer_counts(tenths) == {0: 3, 1: 1}
    assert integer_counts([Bucket(0, 2, 9), Bucket(2, 4, 4)]) == {0: 3, 1: 3, 2: 3, 3: 2, 4: 2}
    assert integer_counts([Bucket(5, 5, 4)]) == {5: 4}
