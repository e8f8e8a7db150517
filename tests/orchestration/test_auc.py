"""The AUC of predictions that come one after the other."""

import random

import pytest

from orchestration.auc import StreamingAuc


def brute_force(pairs: list[tuple[float, int]]) -> float:
    wins = [
        (a > b) + (a == b) / 2 for a, label in pairs if label for b, other in pairs if not other
    ]
    return sum(wins) / len(wins)


def test_it_is_the_share_of_pairs_in_the_right_order() -> None:
    random.seed(1)
    pairs = [(round(random.random(), 2), random.randrange(2)) for _ in range(300)]
    auc = StreamingAuc()

    auc.add(pairs[:100])
    auc.add(pairs[100:])

    assert auc.value == pytest.approx(brute_force(pairs), abs=1e-12)
    assert auc.count == 300


@pytest.mark.parametrize("pairs", [[], [(0.5, 1)], [(0.1, 0), (0.2, 0)], [(0.3, None)]])
def test_with_one_label_only_there_is_none(pairs: list[tuple[float, int | None]]) -> None:
    auc = StreamingAuc()

    auc.add(pairs)

    assert auc.value is None
