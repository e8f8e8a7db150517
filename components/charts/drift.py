"""How far a feature's values in one split are from those in another.

The measures are those of TFDV 1.15's comparators, which ExampleValidator applies where the schema
has a threshold (https://www.tensorflow.org/tfx/data_validation/get_started, "Checking data skew and
drift"; tensorflow_data_validation/anomalies/metrics.cc). They take TFDV's statistics, not the data,
without weights: of texts, the 1,000 most frequent values; of numbers, the histogram of ten buckets
of equal width.

Of texts, TFDV takes shares of the values that it has kept. Where it has not kept all, such shares
are too large, the more so the more values were cut off. So the distance here is of shares of all
values: exact, or the least that it can be.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from components.charts.feature_statistics import (
    FeatureStatistics,
    NumberStatistics,
    SplitStatistics,
    TextStatistics,
)
from components.charts.histogram import Bucket, redistributed

L_INFINITY = "L-infinity"
JENSEN_SHANNON = "Jensen-Shannon"

EXACT = "exact"
AT_LEAST = "at least"
ESTIMATE = "estimate"

#: Shares that differ by less differ by rounding.
_ROUNDING = 1e-12

_Counts: TypeAlias = Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distance:
    """The distance of a feature between two splits.

    Attributes:
        feature: The feature.
        measure: ``L_INFINITY`` or ``JENSEN_SHANNON``.
        value: From 0, alike, to 1.
        accuracy: ``EXACT``; ``AT_LEAST`` where TFDV has not kept the counts of all texts;
            ``ESTIMATE`` of numbers, from histograms.
        by_tfdv: The value that ExampleValidator compares with a threshold.
        most_different: The text whose share differs most; empty for numbers.
        shares: That text's share of all values in the one split and in the other; ``None`` where
            TFDV has not kept its count.
    """

    feature: str
    measure: str
    value: float
    accuracy: str
    by_tfdv: float
    most_different: str = ""
    shares: tuple[float | None, float | None] | None = None


def distances(one: SplitStatistics, other: SplitStatistics) -> list[Distance]:
    """Returns the distance of each feature that has values in both splits, the greatest first.

    Args:
        one: A split, such as ``train``.
        other: Another, such as ``eval``.
    """
    found = [
        distance(feature, other.features[name])
        for name, feature in one.features.items()
        if name in other.features
    ]
    known = [each for each in found if each is not None]
    return sorted(known, key=lambda each: (-each.value, each.feature))


def distance(one: FeatureStatistics, other: FeatureStatistics) -> Distance | None:
    """Returns the distance of a feature between two splits.

    Args:
        one: The feature in a split.
        other: The feature in another.

    Returns:
        The L-infinity distance of texts and of categorical numbers, the Jensen-Shannon divergence
        of numbers; ``None`` without values in both, or where they are of different kinds.
    """
    if one.text and other.text and one.text.counts and other.text.counts:
        return _text_distance(one, one.text, other, other.text)
    if one.number and other.number:
        divergence = jensen_shannon(one.number, other.number)
        if divergence is not None:
            return Distance(
                feature=one.name,
                measure=JENSEN_SHANNON,
                value=divergence,
                accuracy=ESTIMATE,
                by_tfdv=divergence,
            )
    return None


def l_infinity(one: _Counts, other: _Counts) -> float:
    """Returns the greatest difference between the shares of a text in two splits, as TFDV does.

    Args:
        one: Counts by text, not all 0. Shares are of their sum.
        other: Likewise.

    Returns:
        From 0 to 1.
    """
    totals = sum(one.values()), sum(other.values())
    return max(
        abs(one.get(text, 0.0) / totals[0] - other.get(text, 0.0) / totals[1])
        for text in {*one, *other}
    )


def _text_distance(
    one: FeatureStatistics,
    text: TextStatistics,
    other: FeatureStatistics,
    other_text: TextStatistics,
) -> Distance:
    """Returns the greatest difference between the shares of a text among all values.

    Of equal differences it is the last text's, as in TFDV.
    """
    bounds = {
        value: (
            _share_range(one, text, value),
            _share_range(other, other_text, value),
        )
        for value in {*text.counts, *other_text.counts}
    }
    least, value = max((_least(*ranges), value) for value, ranges in bounds.items())
    most = max(_most(*ranges) for ranges in bounds.values())
    shares = [low if high - low < _ROUNDING else None for low, high in bounds[value]]
    return Distance(
        feature=one.name,
        measure=L_INFINITY,
        value=least,
        accuracy=EXACT if most - least < _ROUNDING else AT_LEAST,
        by_tfdv=l_infinity(text.counts, other_text.counts),
        most_different=value,
        shares=(shares[0], shares[1]),
    )


def _share_range(
    feature: FeatureStatistics, text: TextStatistics, value: str
) -> tuple[float, float]:
    low, high = text.count_range(value)
    return low / feature.values, high / feature.values


def _least(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, one[0] - other[1], other[0] - one[1])


def _most(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(one[1] - other[0], other[1] - one[0])


def jensen_shannon(one: NumberStatistics, other: NumberStatistics) -> float | None:
    """Returns the Jensen-Shannon divergence between the histograms of two splits, in bits.

    Buckets are cut at the edges of both histograms, and values count as spread evenly over a
    bucket. A bucket that holds one number only is compared with such buckets only. Infinite values
    and NaN in one split are far from everything in the other, even from each other. But where the
    histograms have other edges, TFDV 1.15 loses the NaN, and so does this: a threshold that is
    chosen by these numbers is to mean the same to ExampleValidator.

    Args:
        one: Numbers in a split.
        other: Numbers in another.

    Returns:
        From 0 to 1; ``None`` where a histogram is empty.
    """
    wide_one, wide_other = _wide(one.histogram), _wide(other.histogram)
    edges = sorted(_edges(wide_one) | _edges(wide_other))
    pairs = list(zip(redistributed(wide_one, edges), redistributed(wide_other, edges), strict=True))
    points_one, points_other = _points(one.histogram), _points(other.histogram)
    pairs += [
        (points_one.get(point, 0.0), points_other.get(point, 0.0))
        for point in sorted({*points_one, *points_other})
    ]
    pairs += [(_infinite(one.histogram), 0.0), (0.0, _infinite(other.histogram))]
    if _edges(wide_one) == _edges(wide_other):
        pairs += [(float(one.not_numbers), 0.0), (0.0, float(other.not_numbers))]
    totals = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if not (totals[0] > 0 and totals[1] > 0):
        return None
    return sum(_term(pair[0] / totals[0], pair[1] / totals[1]) for pair in pairs)


def _term(one: float, other: float) -> float:
    middle = (one + other) / 2
    return sum(share * math.log2(share / middle) / 2 for share in (one, other) if share > 0)


def _wide(buckets: Sequence[Bucket]) -> list[Bucket]:
    return [bucket for bucket in buckets if bucket.is_finite and not bucket.is_point]


def _edges(buckets: Sequence[Bucket]) -> set[float]:
    return {edge for bucket in buckets for edge in (bucket.low, bucket.high)}


def _points(buckets: Sequence[Bucket]) -> dict[float, float]:
    points: dict[float, float] = {}
    for bucket in buckets:
        if bucket.is_finite and bucket.is_point:
            points[bucket.low] = points.get(bucket.low, 0.0) + bucket.count
    return points


def _infinite(buckets: Sequence[Bucket]) -> float:
    return sum(bucket.count for bucket in buckets if not bucket.is_finite)
