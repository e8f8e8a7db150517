"""Figures of TFDV's statistics, by split."""

import itertools
from collections.abc import Callable, Sequence

from plotly import graph_objects

from components.charts import style
from components.charts.drift import AT_LEAST, JENSEN_SHANNON, L_INFINITY, Distance
from components.charts.feature_statistics import SplitStatistics
from components.charts.histogram import Bucket, equal_edges, integer_counts, redistributed
from components.charts.ranking import names_by_length, names_with_missing, top_values
from components.charts.section import label
from components.charts.text import distinct_labels, short

#: The most features and values of a figure.
FEATURES, VALUES = 20, 10

#: The most characters of a category: a phone's screen has room for these and for bars.
_CATEGORY_LENGTH = 22

#: Buckets of a histogram: as many as TFDV's.
_BUCKETS = 10

_HISTOGRAM_HEIGHT = 380

#: Up to here, whole numbers have a bar each.
_INTEGERS = 20


def missing_figure(splits: Sequence[SplitStatistics]) -> graph_objects.Figure:
    """Draws the share of examples without a value, by feature and split.

    Args:
        splits: The splits. Of the features that miss values, the 20 that miss most are drawn.
    """
    return _bars_by_split(
        splits,
        names_with_missing(splits)[:FEATURES],
        lambda split, name: _percent(split.missing_share(name)),
        "missing, %",
    )


def text_length_figure(splits: Sequence[SplitStatistics]) -> graph_objects.Figure:
    """Draws the mean length of texts, by feature and split.

    Args:
        splits: The splits. The 20 features with the longest texts are drawn.
    """
    return _bars_by_split(
        splits,
        names_by_length(splits)[:FEATURES],
        lambda split, name: split.average_length(name),
        "mean bytes",
    )


def top_values_figure(splits: Sequence[SplitStatistics], name: str) -> graph_objects.Figure:
    """Draws the most frequent values of a feature, as shares of all its values, by split.

    Args:
        splits: The splits.
        name: A feature of texts, or of categorical numbers. Its 10 most frequent values are drawn.
    """
    return _bars_by_split(
        splits,
        top_values(splits, name)[:VALUES],
        lambda split, value: _percent(split.value_share(name, value)),
        "share, %",
    )


def histogram_figure(splits: Sequence[SplitStatistics], name: str) -> graph_objects.Figure:
    """Draws the histogram of a feature of numbers, as shares of all its values, by split.

    Args:
        splits: The splits. They have the same buckets; few whole numbers have a bar each.
        name: The feature.
    """
    finite = {split.name: _finite_buckets(split, name) for split in splits}
    is_whole = any(
        name in split.features and split.features[name].type == "INT" for split in splits
    )
    labels, counts = _common_histogram(finite, is_whole=is_whole)
    traces = [
        graph_objects.Bar(
            name=label(split.name),
            x=labels,
            y=[100 * count / split.features[name].values for count in counts[split.name]],
        )
        for split in splits
        if split.name in counts
    ]
    return style.figure(
        *traces,
        barmode="group",
        # Names of buckets stand upright where a screen is narrow.
        height=_HISTOGRAM_HEIGHT,
        showlegend=True,
        xaxis={"type": "category", "title": {"text": label(short(name, _CATEGORY_LENGTH))}},
        yaxis={"title": {"text": "share, %"}, "rangemode": "tozero"},
    )


def distance_figure(distances: Sequence[Distance]) -> graph_objects.Figure:
    """Draws the distance of features between two splits.

    Args:
        distances: The distances; the 20 greatest are drawn, bounds in a colour of their own.
    """
    drawn = sorted(distances, key=lambda each: -each.value)[:FEATURES]
    labels = distinct_labels([each.feature for each in drawn], _CATEGORY_LENGTH)
    # The first category is at the bottom.
    pairs = list(zip(reversed(labels), reversed(drawn), strict=True))
    traces = [
        graph_objects.Bar(
            name=kind,
            orientation="h",
            # Each trace has all categories, so that they keep their order.
            x=[each.value if _kind(each) == kind else None for _, each in pairs],
            y=[name for name, _ in pairs],
        )
        for kind in (L_INFINITY, f"{L_INFINITY}, {AT_LEAST}", JENSEN_SHANNON)
        if any(_kind(each) == kind for each in drawn)
    ]
    return style.figure(
        *traces,
        barmode="overlay",
        height=_height(len(drawn), 1),
        showlegend=True,
        xaxis={"title": {"text": "distance"}, "rangemode": "tozero"},
        yaxis={"type": "category"},
    )


def _kind(distance: Distance) -> str:
    is_bound = distance.accuracy == AT_LEAST
    return f"{distance.measure}, {AT_LEAST}" if is_bound else distance.measure


def has_histogram(split: SplitStatistics, name: str) -> bool:
    """Returns whether a feature has a histogram with a finite bucket.

    Args:
        split: The split.
        name: The feature.
    """
    return bool(_finite_buckets(split, name))


def _bars_by_split(
    splits: Sequence[SplitStatistics],
    categories: Sequence[str],
    size: Callable[[SplitStatistics, str], float | None],
    axis: str,
) -> graph_objects.Figure:
    """Draws horizontal bars of each category, one for each split; the first category on top."""
    from_bottom = list(reversed(categories))
    labels = list(reversed(distinct_labels(categories, _CATEGORY_LENGTH)))
    traces = [
        graph_objects.Bar(
            name=label(split.name),
            orientation="h",
            x=[size(split, category) for category in from_bottom],
            y=labels,
        )
        for split in splits
    ]
    return style.figure(
        *traces,
        barmode="group",
        height=_height(len(categories), len(splits)),
        showlegend=True,
        xaxis={"title": {"text": axis}, "rangemode": "tozero"},
        # Values such as ZIP codes are no numbers.
        yaxis={"type": "category"},
    )


def _finite_buckets(split: SplitStatistics, name: str) -> list[Bucket]:
    number = split.number(name)
    return [bucket for bucket in number.histogram if bucket.is_finite] if number else []


def _common_histogram(
    by_split: dict[str, list[Bucket]], *, is_whole: bool
) -> tuple[list[str], dict[str, list[float]]]:
    """Returns the names of common buckets, and their counts in each split that has some."""
    by_split = {split: buckets for split, buckets in by_split.items() if buckets}
    everything = [bucket for buckets in by_split.values() for bucket in buckets]
    low = min((bucket.low for bucket in everything), default=0.0)
    high = max((bucket.high for bucket in everything), default=0.0)
    if is_whole and high - low < _INTEGERS:
        whole = {split: integer_counts(buckets) for split, buckets in by_split.items()}
        numbers = sorted({number for counts in whole.values() for number in counts})
        return [f"{number:,}" for number in numbers], {
            split: [counts.get(number, 0.0) for number in numbers]
            for split, counts in whole.items()
        }
    edges = equal_edges(low, high, _BUCKETS)
    ranges = [f"{_edge(start)} to {_edge(end)}" for start, end in itertools.pairwise(edges)]
    return distinct_labels(ranges, 2 * _CATEGORY_LENGTH), {
        split: redistributed(buckets, edges) for split, buckets in by_split.items()
    }


def _edge(value: float) -> str:
    """Returns an edge of a bucket in few characters, such as ``-400k``."""
    if 1e3 <= abs(value) < 1e5:
        return f"{value:,.0f}"
    for least, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e5, 1e3, "k")):
        if least <= abs(value) < 1e12:
            return f"{value / size:.4g}{unit}"
    return f"{value:.3g}"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _height(categories: int, splits: int) -> int:
    """Returns a figure's height in pixels: each bar has room, and so have axis and legend."""
    return 110 + categories * (14 + 10 * splits)
