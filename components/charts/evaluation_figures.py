"""Figures of an evaluation: a metric by slice, the ROC curve and the calibration."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from plotly import graph_objects

from components.charts import style
from components.charts.evaluation_files import (
    ALL,
    Bucket,
    ConfusionMatrix,
    Evaluation,
    Slice,
    slice_text,
)
from components.charts.intervals import Interval, defined_value, interval, wilson
from components.charts.section import label
from components.charts.text import distinct_labels

#: The most slices of a figure.
SLICES = 20

#: The most characters of a category: a phone's screen has room for these and for the plot.
_CATEGORY_LENGTH = 26

#: Pixels of a slice, of each model on it, and of a figure besides.
_PER_SLICE, _PER_MODEL, _REST = 14, 12, 120

_NO_SKILL = {"color": "#888888", "dash": "dot"}

CANDIDATE, BASELINE = "candidate", "baseline"


def slice_figure(
    evaluation: Evaluation, metric: str, slices: Sequence[Slice]
) -> graph_objects.Figure:
    """Draws a metric by slice with its 95% intervals, beside the baseline's where there is one.

    Args:
        evaluation: The evaluation.
        metric: Name of the metric.
        slices: The slices; ``drawn_slices`` of them are drawn, below the line of all examples.
    """
    keys = [ALL, *drawn_slices(evaluation, metric, slices)]
    categories = distinct_labels([slice_text(key) for key in keys], _CATEGORY_LENGTH)
    # The first category is at the bottom, and so is the first trace within a category.
    from_bottom = list(reversed(list(zip(categories, keys, strict=True))))
    models = [(CANDIDATE, evaluation.of_candidate)]
    if evaluation.baseline is not None:
        models.append((BASELINE, evaluation.of_baseline))
    traces = []
    shown: list[float] = []
    for name, metrics_of in models:
        metrics = [metrics_of(key) for _, key in from_bottom]
        values = [_finite(defined_value(metric, each)) for each in metrics]
        intervals = [interval(metric, each) for each in metrics]
        shown += [value for value in values if value is not None]
        shown += itertools.chain.from_iterable(_known(intervals))
        traces.append(
            graph_objects.Scatter(
                name=name,
                mode="markers",
                orientation="h",
                x=values,
                y=[category for category, _ in from_bottom],
                error_x=_bars(values, intervals),
                marker={"size": 9},
            )
        )
    return style.figure(
        *traces,
        # Models beside each other, not on the same line.
        scattermode="group",
        height=_REST + len(keys) * (_PER_SLICE + _PER_MODEL * len(models)),
        showlegend=len(models) > 1,
        xaxis={"title": {"text": label(metric)}, "range": _range(shown)},
        yaxis={"type": "category"},
    )


def drawn_slices(evaluation: Evaluation, metric: str, slices: Sequence[Slice]) -> list[Slice]:
    """Returns the slices of a figure: the 20 with most examples of those that have the metric.

    Args:
        evaluation: The evaluation.
        metric: Name of the metric.
        slices: The slices to choose from, those with most examples first.
    """
    found = [
        key
        for key in slices
        if any(
            math.isfinite(defined_value(metric, metrics))
            for metrics in (evaluation.of_candidate(key), evaluation.of_baseline(key))
        )
    ]
    return found[:SLICES]


def roc_points(matrices: Sequence[ConfusionMatrix]) -> list[tuple[float, float, float]]:
    """Returns the points of a ROC curve.

    Args:
        matrices: Confusion matrices at several thresholds.

    Returns:
        False positive rate, true positive rate and threshold, from (0, 0) on; none without
        examples of both classes.
    """
    points = []
    for matrix in matrices:
        positives = matrix.true_positives + matrix.false_negatives
        negatives = matrix.false_positives + matrix.true_negatives
        if not (positives > 0 and negatives > 0):
            return []
        rates = matrix.false_positives / negatives, matrix.true_positives / positives
        points.append((*rates, matrix.threshold))
    points.sort(key=lambda point: (point[0], point[1]))
    # Above the highest prediction, and below the lowest one, thresholds have the same point.
    return [next(same) for _, same in itertools.groupby(points, key=lambda point: point[:2])]


def roc_figure(
    curves: Mapping[str, Sequence[ConfusionMatrix]], decision: float | None = None
) -> graph_objects.Figure:
    """Draws ROC curves.

    Args:
        curves: Confusion matrices at several thresholds, by the model's name.
        decision: A threshold to mark on the first curve.
    """
    traces = []
    for name, matrices in curves.items():
        points = roc_points(matrices)
        traces.append(
            graph_objects.Scatter(
                name=label(name),
                mode="lines",
                x=[x for x, _, _ in points],
                y=[y for _, y, _ in points],
                text=[f"threshold {threshold:.4g}" for _, _, threshold in points],
            )
        )
    traces.append(_diagonal("chance", 1.0))
    marked = _at_threshold(next(iter(curves.values()), ()), decision)
    if marked is not None:
        traces.append(
            graph_objects.Scatter(
                name=f"decision at {marked[2]:.4g}",
                mode="markers",
                x=[marked[0]],
                y=[marked[1]],
                marker={"size": 11, "symbol": "diamond"},
            )
        )
    return style.figure(
        *traces,
        height=420,
        showlegend=True,
        xaxis={"title": {"text": "false positive rate"}, "range": [-0.01, 1.01]},
        yaxis={"title": {"text": "true positive rate"}, "range": [-0.01, 1.01]},
    )


def calibration_figure(curves: Mapping[str, Sequence[Bucket]]) -> graph_objects.Figure:
    """Draws how often examples are positive, over what was predicted, with 95% intervals.

    Args:
        curves: Buckets of examples with similar predictions, by the model's name.
    """
    traces = []
    highest = 0.0
    for name, buckets in curves.items():
        shares = [_finite(bucket.labels / bucket.examples) for bucket in buckets]
        predicted = [_finite(bucket.predictions / bucket.examples) for bucket in buckets]
        ranges = [wilson(bucket.labels, round(bucket.examples)) for bucket in buckets]
        highest = max(
            [highest, *(x for x in predicted if x), *(high for _, high in _known(ranges))]
        )
        traces.append(
            graph_objects.Scatter(
                name=label(name),
                mode="lines+markers",
                x=predicted,
                y=shares,
                error_y=_bars(shares, ranges),
                text=[f"{bucket.examples:,.0f} examples" for bucket in buckets],
            )
        )
    traces.append(_diagonal("perfect", min(1.0, highest) or 1.0))
    return style.figure(
        *traces,
        height=420,
        showlegend=True,
        xaxis={"title": {"text": "mean prediction"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "share of positive examples"}, "rangemode": "tozero"},
    )


def _diagonal(name: str, end: float) -> graph_objects.Scatter:
    return graph_objects.Scatter(
        name=name, mode="lines", x=[0.0, end], y=[0.0, end], line=_NO_SKILL, hoverinfo="skip"
    )


def _at_threshold(
    matrices: Sequence[ConfusionMatrix], threshold: float | None
) -> tuple[float, float, float] | None:
    """Returns the point of a curve at a threshold; ``None`` where the curve has none near it."""
    if threshold is None:
        return None
    near = [matrix for matrix in matrices if abs(matrix.threshold - threshold) < 0.005]
    near.sort(key=lambda matrix: abs(matrix.threshold - threshold))
    return next(iter(roc_points(near[:1])), None)


def _bars(
    values: Sequence[float | None], intervals: Sequence[Interval | None]
) -> dict[str, object]:
    """Returns plotly's error bars from the values to the bounds of their intervals."""

    def lengths(of: Callable[[float, Interval], float]) -> list[float]:
        return [
            0.0 if value is None or each is None else max(0.0, of(value, each))
            for value, each in zip(values, intervals, strict=True)
        ]

    return {
        "type": "data",
        "symmetric": False,
        "array": lengths(lambda value, each: each[1] - value),
        "arrayminus": lengths(lambda value, each: value - each[0]),
        "thickness": 1.5,
        "width": 3,
    }


def _range(values: Sequence[float]) -> list[float] | None:
    """Returns the range of an axis: plotly would begin at 0, far from what there is to see."""
    if not values:
        return None
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05
    return [low - room, high + room]


def _known(intervals: Sequence[Interval | None]) -> list[Interval]:
    return [each for each in intervals if each is not None]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
