"""Which features and values are shown first, where there is no room for all of them."""

from collections.abc import Iterable, Sequence

from components.charts.drift import Distance
from components.charts.feature_statistics import SplitStatistics

#: A feature with more different values than this, and than half of its values, is free text or an
#: identifier: its most frequent values say little.
_FEW_VALUES = 20
_FREE_TEXT_SHARE = 0.5


def names_of(splits: Sequence[SplitStatistics]) -> list[str]:
    """Returns the features of all splits, in their order.

    Args:
        splits: The splits.
    """
    return list(dict.fromkeys(name for split in splits for name in split.features))


def names_with_missing(splits: Sequence[SplitStatistics]) -> list[str]:
    """Returns the features that miss values in a split, the one that misses most first.

    Args:
        splits: The splits.
    """
    shares = {
        name: max(split.missing_share(name) or 0.0 for split in splits) for name in names_of(splits)
    }
    return sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])


def names_by_length(splits: Sequence[SplitStatistics]) -> list[str]:
    """Returns the features of texts, the one with the longest texts first.

    Args:
        splits: The splits.
    """
    lengths = {
        name: max(split.average_length(name) or 0.0 for split in splits)
        for name in names_of(splits)
        if any(split.text(name) for split in splits)
    }
    return sorted(lengths, key=lambda name: -lengths[name])


def top_values(splits: Sequence[SplitStatistics], name: str) -> list[str]:
    """Returns the most frequent values of a feature, by their greatest share in a split.

    Args:
        splits: The splits, each with the 20 most frequent values or so.
        name: The feature.
    """
    shares: dict[str, float] = {}
    for split in splits:
        if text := split.text(name):
            for value, _ in text.top_values:
                share = split.value_share(name, value) or 0.0
                shares[value] = max(share, shares.get(value, 0.0))
    return sorted(shares, key=lambda value: -shares[value])


def is_free_text(splits: Sequence[SplitStatistics], name: str) -> bool:
    """Returns whether most values of a feature are different, in the split that has most of them.

    Args:
        splits: The splits.
        name: The feature.
    """
    features = [split.features[name] for split in splits if split.text(name)]
    largest = max(features, key=lambda feature: feature.values, default=None)
    if largest is None or largest.text is None or not largest.text.top_values:
        return False
    return largest.text.unique > max(_FREE_TEXT_SHARE * largest.values, _FEW_VALUES)


def most_different(names: Sequence[str], distances: Iterable[Distance], number: int) -> list[str]:
    """Returns the features that differ most between splits, in their own order.

    Args:
        names: The features to choose from.
        distances: Distances between splits; a feature without one differs least.
        number: How many features there is room for.
    """
    values: dict[str, float] = {}
    for each in distances:
        values[each.feature] = max(each.value, values.get(each.feature, 0.0))
    kept = set(sorted(names, key=lambda name: -values.get(name, 0.0))[:number])
    return [name for name in names if name in kept]
