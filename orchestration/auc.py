"""The area under the ROC curve of predictions that come one after the other."""

from collections.abc import Sequence

#: Probabilities are told apart to so many steps.
_STEPS = 10_000


class StreamingAuc:
    """Counts labels by probability; memory does not grow with them.

    The area is the share of pairs of a disputed and another complaint in which the disputed one has
    the larger probability, a tie counting half (Hanley and McNeil, 1982).
    """

    def __init__(self) -> None:
        """Begins without any."""
        self._counts = ([0] * (_STEPS + 1), [0] * (_STEPS + 1))

    def add(self, labelled: Sequence[tuple[float, int | None]]) -> None:
        """Takes pairs of a probability and a label, 0 or 1."""
        for probability, label in labelled:
            if label is not None:
                self._counts[label][round(probability * _STEPS)] += 1

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(map(sum, self._counts))

    @property
    def value(self) -> float | None:
        """The area; ``None`` unless there were both labels."""
        negatives, positives = (sum(counts) for counts in self._counts)
        if not negatives or not positives:
            return None
        below, pairs = 0, 0.0
        for negative, positive in zip(*self._counts, strict=True):
            pairs += positive * (below + negative / 2)
            below += negative
        return pairs / (negatives * positives)
