"""A draw from values of unequal frequency, the same on every machine and Python version."""

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

#: What ``random.Random(seed).random`` is: the one method whose sequence Python promises to keep.
Draw = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Weighted(Generic[T]):
    """Values with whole-number weights, prepared once for many draws.

    Attributes:
        values: what can be drawn.
        cumulative: running totals of the weights, one a value.
    """

    values: tuple[T, ...]
    cumulative: tuple[int, ...]

    def __post_init__(self) -> None:
        steps = itertools.pairwise((0, *self.cumulative))
        if not self.values or len(self.values) != len(self.cumulative):
            raise ValueError("weighted values need one weight each, and at least one value")
        if any(low >= high for low, high in steps):
            raise ValueError("weights must be whole numbers above 0")

    @classmethod
    def of(cls, pairs: Iterable[tuple[T, int]]) -> "Weighted[T]":
        """Returns the draw of ``pairs`` of a value and its weight."""
        values, weights = zip(*pairs, strict=True)
        return cls(values, tuple(itertools.accumulate(weights)))

    def pick(self, draw: Draw) -> T:
        """Returns one value; takes exactly one number from ``draw``."""
        return self.values[bisect.bisect_right(self.cumulative, draw() * self.cumulative[-1])]
