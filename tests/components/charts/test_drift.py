"""Distances between splits; test_tfdv.py compares them with TFDV's own."""

import pathlib

import pytest

from components.charts.drift import (
    AT_LEAST,
    ESTIMATE,
    EXACT,
    JENSEN_SHANNON,
    L_INFINITY,
    Distance,
    distances,
    l_infinity,
)
from components.charts.feature_statistics import read_statistics
from tests.components.charts.protos import number_feature, text_feature, write_statistics

_INFINITY = float("inf")
_WHOLE = [(0, 1, 50), (1, 2, 30)]


def _distances(
    folder: pathlib.Path, train: list[object], evaluation: list[object]
) -> list[Distance]:
    uri = write_statistics(folder, {"train": train, "eval": evaluation})  # type: ignore[dict-item]
    one, other = read_statistics(uri)
    return distances(one, other)


def test_l_infinity_is_the_greatest_difference_of_shares() -> None:
    assert l_infinity({"a": 6, "b": 2, "c": 2}, {"a": 1, "b": 1, "d": 2}) == 0.5


def test_the_text_that_differs_most_is_named_with_its_shares(tmp_path: pathlib.Path) -> None:
    (found,) = _distances(
        tmp_path,
        [text_feature("x", {"a": 6, "b": 2, "c": 2})],
        [text_feature("x", {"a": 1, "b": 1, "d": 2})],
    )

    assert (found.value, found.accuracy, found.by_tfdv) == (0.5, EXACT, 0.5)
    assert (found.most_different, found.shares) == ("d", (0.0, 0.5))


def test_shares_are_of_all_values_also_where_tfdv_has_kept_some(tmp_path: pathlib.Path) -> None:
    # Of 100 values in train, 20 are kept: those of b and of at least 78 others are not.
    (found,) = _distances(
        tmp_path,
        [text_feature("x", {"a": 18, "c": 2}, unique=90, values=100)],
        [text_feature("x", {"a": 20, "b": 15, "c": 15})],
    )

    assert found.by_tfdv == pytest.approx(0.9 - 0.4)
    # Of b, train has from 0 to 2%, and eval 30%; a differs by 0.22, c by 0.28.
    assert found.value == pytest.approx(0.28)
    assert found.accuracy == AT_LEAST
    assert (found.most_different, found.shares) == ("c", (0.02, 0.3))


def test_the_share_of_a_text_that_was_not_kept_is_not_known(tmp_path: pathlib.Path) -> None:
    (found,) = _distances(
        tmp_path,
        [text_feature("x", {"a": 50, "c": 2}, unique=50, values=100)],
        [text_feature("x", {"a": 20, "b": 30})],
    )

    assert (found.value, found.accuracy) == (pytest.approx(0.58), AT_LEAST)
    assert (found.most_different, found.shares) == ("b", (None, 0.6))


def test_a_distance_is_exact_where_what_was_not_kept_cannot_differ_more(
    tmp_path: pathlib.Path,
) -> None:
    (found,) = _distances(
        tmp_path,
        [text_feature("x", {"a": 90, "c": 1}, unique=11, values=100)],
        [text_feature("x", {"a": 1, "c": 99})],
    )

    assert (found.value, found.accuracy) == (pytest.approx(0.98), EXACT)


# TFDV 1.15.1 gives these for the same histograms.
@pytest.mark.parametrize(
    ("one", "nans", "other", "other_nans", "expected"),
    [
        (_WHOLE, 0, _WHOLE, 0, 0.0),
        (_WHOLE, 20, [(0, 1, 30), (1, 2, 40)], 30, 0.27339655121802603),
        # With other edges, TFDV loses the NaN.
        (_WHOLE, 20, [(0, 1.5, 30), (1.5, 2, 40)], 30, 0.12228461590083588),
        ([(1, 1, 80)], 20, [(2, 2, 70)], 30, 1.0),
        ([(1, 1, 80)], 20, _WHOLE, 30, 1.0),
        ([], 100, [], 100, 1.0),
        ([(-_INFINITY, 0, 10), (0, 1, 5)], 0, [(-_INFINITY, 0, 10), (0, 1, 5)], 0, 2 / 3),
    ],
)
def test_jensen_shannon_divergence_is_tfdvs(
    tmp_path: pathlib.Path,
    one: list[tuple[float, float, float]],
    nans: int,
    other: list[tuple[float, float, float]],
    other_nans: int,
    expected: float,
) -> None:
    found = _distances(
        tmp_path,
        [number_feature("x", one, not_numbers=nans)],
        [number_feature("x", other, not_numbers=other_nans)],
    )

    assert [(each.measure, each.accuracy) for each in found] == [(JENSEN_SHANNON, ESTIMATE)]
    assert found[0].value == pytest.approx(expected, abs=1e-12)
    assert found[0].by_tfdv == found[0].value


def test_the_greatest_distance_comes_first(tmp_path: pathlib.Path) -> None:
    found = _distances(
        tmp_path,
        [text_feature("alike", {"a": 1}), text_feature("other", {"a": 1})],
        [text_feature("alike", {"a": 9}), text_feature("other", {"b": 1})],
    )

    assert [(each.feature, each.measure, each.value) for each in found] == [
        ("other", L_INFINITY, 1.0),
        ("alike", L_INFINITY, 0.0),
    ]


def test_what_cannot_be_compared_has_no_distance(tmp_path: pathlib.Path) -> None:
    train = [
        text_feature("only train", {"a": 1}),
        text_feature("empty", {"a": 1}),
        text_feature("other type", {"1": 1}),
        number_feature("only nan", [], not_numbers=3),
    ]
    evaluation = [
        text_feature("empty", {}),
        number_feature("other type", _WHOLE),
        number_feature("only nan", _WHOLE),
    ]

    assert _distances(tmp_path, train, evaluation) == []
