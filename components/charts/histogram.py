"""Histograms of numbers on common buckets, so that those of two splits can be compared."""

import dataclasses
import itertools
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket of a histogram: the numbers above ``low``, up to ``high``.

    Attributes:
        low: Lower bound; the first bucket of a histogram holds it too.
        high: Upper bound; equal to ``low`` where the bucket holds one number.
        count: How many values there are; TFDV estimates it, so it may have a fraction.
    """

    low: float
    high: float
    count: float

    @property
    def is_finite(self) -> bool:
        """Whether both bounds are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def is_point(self) -> bool:
        """Whether the bucket holds one number only."""
        return self.low == self.high


def redistributed(buckets: Sequence[Bucket], edges: Sequence[float]) -> list[float]:
    """Puts the values of a histogram into other buckets.

    The values of a bucket count as spread evenly over it, as TFDV has it when it compares two
    histograms.

    Args:
        buckets: The histogram; buckets with an infinite bound are left out.
        edges: Edges of the other buckets, ascending; they cover the histogram.

    Returns:
        The count of each of the ``len(edges) - 1`` buckets.
    """
    pairs = list(itertools.pairwise(edges))
    counts = [0.0] * len(pairs)
    for bucket in buckets:
        if not bucket.is_finite:
            continue
        for index, (low, high) in enumerate(pairs):
            if bucket.is_point:
                inside = low < bucket.low <= high or (index == 0 and bucket.low == low)
                counts[index] += bucket.count if inside else 0.0
                continue
            start, end = max(low, bucket.low), min(high, bucket.high)
            if start < end:
                # Halved, or the width of all floating-point numbers would be infinite.
                width = bucket.high / 2 - bucket.low / 2
                counts[index] += bucket.count * ((end / 2 - start / 2) / width)
    return counts


def equal_edges(low: float, high: float, number: int) -> list[float]:
    """Returns the edges of buckets of equal width; of a single one where the width is 0.

    Args:
        low: The first edge.
        high: The last edge.
        number: How many buckets.
    """
    inner = [low * (1 - step / number) + high * (step / number) for step in range(1, number)]
    # Between two neighbouring floating-point numbers there is no room for edges.
    return [low, *(edge for edge in sorted(set(inner)) if low < edge < high), high]


def integer_counts(buckets: Sequence[Bucket]) -> dict[int, float]:
    """Returns how often each whole number occurs in a histogram of whole numbers.

    TFDV's buckets are of equal width whatever the numbers. A bucket's values count as spread over
    the whole numbers in it; those of a bucket without any belong to the nearest one.

    Args:
        buckets: The histogram, with few whole numbers in its range.
    """
    counts: dict[int, float] = {}
    finite = [bucket for bucket in buckets if bucket.is_finite]
    for index, bucket in enumerate(finite):
        first = math.floor(bucket.low) + 1
        if index == 0 or bucket.is_point:
            first = math.ceil(bucket.low)
        inside = range(first, math.floor(bucket.high) + 1) or [
            round((bucket.low + bucket.high) / 2)
        ]
        for number in inside:
            counts[number] = counts.get(number, 0.0) + bucket.count / len(inside)
    return counts
