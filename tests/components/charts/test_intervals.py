"""Confidence intervals against the numbers of those who published the methods, and of others."""

import math

import pytest

from components.charts.intervals import (
    boyd_eng_page,
    class_counts,
    defined_value,
    hanley_mcneil,
    interval,
    wilson,
)
from tests.components.charts.artifacts_of_models import METRICS


@pytest.mark.parametrize(
    ("successes", "trials", "bounds"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in
        # Medicine 17 (1998), table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilsons_intervals_are_the_published_ones(
    successes: int, trials: int, bounds: tuple[float, float]
) -> None:
    assert wilson(successes, trials) == pytest.approx(bounds, abs=6e-5)


def test_without_trials_there_is_no_interval() -> None:
    assert wilson(0, 0) is None


def test_hanley_and_mcneils_standard_error_is_the_published_one() -> None:
    # Their example: 51 abnormal and 58 normal images, an area of 0.893, a standard error of 0.032.
    bounds = hanley_mcneil(0.893, 51, 58)

    assert bounds is not None
    assert (bounds[1] - bounds[0]) / (2 * 1.96) == pytest.approx(0.032, abs=1e-3)
    assert sum(bounds) / 2 == pytest.approx(0.893)


def test_an_area_has_no_bound_beyond_1() -> None:
    bounds = hanley_mcneil(0.95, 5, 5)

    assert bounds is not None
    assert bounds[1] == 1


@pytest.mark.parametrize(
    ("area", "positives", "negatives"), [(0.7, 0, 9), (0.7, 9, 0), (1.0, 9, 9), (0.0, 9, 9)]
)
def test_an_area_that_says_nothing_has_no_interval(
    area: float, positives: int, negatives: int
) -> None:
    assert hanley_mcneil(area, positives, negatives) is None


def test_the_logit_interval_is_symmetric_in_log_odds() -> None:
    bounds = boyd_eng_page(0.5, 100)

    # Half of the width is 1.96 / sqrt(100 * 0.25) in log odds.
    assert bounds == pytest.approx(
        (1 / (1 + math.exp(0.392)), 1 / (1 + math.exp(-0.392))), abs=1e-5
    )
    assert boyd_eng_page(0.5, 0) is boyd_eng_page(0.0, 9) is boyd_eng_page(1.0, 9) is None


def test_an_extreme_logit_interval_does_not_overflow() -> None:
    assert boyd_eng_page(1e-9, 1) == pytest.approx((0, 1))


@pytest.mark.parametrize(
    ("metric", "bounds"),
    [
        ("auc", hanley_mcneil(0.75, 20, 80)),
        ("binary_accuracy", wilson(80, 100)),
        ("recall", wilson(12, 20)),
        ("precision", wilson(12, 24)),
        ("mean_label", wilson(20, 100)),
        ("example_count", None),
        ("auc_precision_recall", None),
    ],
)
def test_a_metrics_interval_is_by_its_method(
    metric: str, bounds: tuple[float, float] | None
) -> None:
    assert interval(metric, METRICS) == pytest.approx(bounds)


@pytest.mark.parametrize(
    "change",
    [
        {"example_count": math.nan},
        {"mean_label": math.nan},
        {"mean_label": 1.5},
        {"example_count": 0.0},
        {"auc": math.nan, "recall": math.inf, "precision": 2.0, "binary_accuracy": -1.0},
    ],
)
def test_what_is_no_number_has_no_interval(change: dict[str, float]) -> None:
    metrics = METRICS | change

    assert all(
        interval(name, metrics) is None
        for name in ("auc", "recall", "precision", "binary_accuracy")
    )


@pytest.mark.parametrize(
    "change", [{"precision": 0.6}, {"binary_accuracy": 0.5}, {"recall": math.nan}]
)
def test_precision_at_another_threshold_than_recall_has_no_interval(
    change: dict[str, float],
) -> None:
    assert interval("precision", METRICS | change) is None


def test_without_counts_there_is_no_interval() -> None:
    assert class_counts({"auc": 0.7}) is None
    assert interval("auc", {"auc": 0.7}) is None


def test_an_area_over_one_class_is_not_defined() -> None:
    one_class = METRICS | {"mean_label": 0.0, "auc": 0.0}

    assert math.isnan(defined_value("auc", one_class))
    assert defined_value("binary_accuracy", one_class) == 0.8
    assert defined_value("auc", METRICS) == 0.75
