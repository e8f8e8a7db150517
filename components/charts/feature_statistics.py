"""TFDV's statistics of each split as frozen values, read without TFDV.

StatisticsGen of TFX 1.15 writes a ``DatasetFeatureStatisticsList`` for each split into
``Split-.../FeatureStats.pb``.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.charts.files import ArtifactError, read_message, split_uris
from components.charts.histogram import Bucket

FILE_NAME = "FeatureStats.pb"

#: The slice of all examples, where statistics were made for slices too.
_ALL_EXAMPLES = "All Examples"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberStatistics:
    """What TFDV knows of a feature of numbers.

    Attributes:
        minimum: Least number.
        maximum: Greatest number.
        mean: Arithmetic mean.
        std_dev: Standard deviation.
        median: Median, as TFDV estimates it.
        zeros: How many values are 0.
        not_numbers: How many values are NaN.
        histogram: Buckets of equal width.
        quantiles: Buckets of equal count.
    """

    minimum: float
    maximum: float
    mean: float
    std_dev: float
    median: float
    zeros: int
    not_numbers: int
    histogram: Sequence[Bucket]
    quantiles: Sequence[Bucket]

    def quantile(self, share: float) -> float | None:
        """Returns the least edge of the quantiles' buckets that has a share of the values below it.

        Args:
            share: From 0 to 1. TFDV's ten buckets are exact for tenths.
        """
        total = sum(bucket.count for bucket in self.quantiles)
        below = 0.0
        for bucket in self.quantiles:
            below += bucket.count
            # A count in the millions has lost what is below its rounding.
            if below >= share * total * (1 - 1e-9):
                return bucket.high
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextStatistics:
    """What TFDV knows of a feature of texts, or of numbers that are declared categorical.

    Attributes:
        unique: How many different values there are.
        average_length: Mean length in bytes of UTF-8; digits of a categorical number.
        minimum_length: Shortest, where TFDV has it: of features declared to be bytes.
        maximum_length: Longest, likewise.
        top_values: The most frequent values with how often they occur, descending.
        counts: How often each value occurs, of the most frequent 1,000.
        invalid: How many values are not UTF-8.
    """

    unique: int
    average_length: float
    minimum_length: float | None
    maximum_length: float | None
    top_values: Sequence[tuple[str, float]]
    counts: Mapping[str, float]
    invalid: int

    @property
    def has_all_counts(self) -> bool:
        """Whether ``counts`` has every value, so that another one never occurs."""
        return self.unique <= len(self.counts)

    def count_range(self, value: str) -> tuple[float, float]:
        """Returns the least and the most that a value can occur; the same where TFDV has it.

        Args:
            value: The text. One that TFDV has not kept is at most as frequent as any that it has.
        """
        if value in self.counts:
            return self.counts[value], self.counts[value]
        most = 0.0 if self.has_all_counts else min(self.counts.values(), default=math.inf)
        return 0.0, most


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureStatistics:
    """A feature in one split.

    Attributes:
        name: Its name; steps of a path within a struct are joined by ``.``.
        type: ``INT``, ``FLOAT``, ``STRING``, ``BYTES`` or ``STRUCT``.
        examples: How many examples there are.
        missing: Examples without a value: those in which TFDV found no such feature, and those in
            which it is there without a value.
        missing_is_exact: Whether ``missing`` counts all of them. TFDV does not say how many
            examples have a feature without a value where others have several values.
        values: How many values there are in all examples.
        number: Statistics of numbers; ``None`` for other features, and without any value.
        text: Statistics of texts, likewise.
    """

    name: str
    type: str
    examples: int
    missing: int
    missing_is_exact: bool
    values: int
    number: NumberStatistics | None
    text: TextStatistics | None

    @property
    def missing_share(self) -> float | None:
        """The share of examples without a value; ``None`` without examples."""
        return self.missing / self.examples if self.examples else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """A split.

    Attributes:
        name: Such as ``train``.
        examples: How many examples there are.
        features: Its features by name, in TFDV's order.
    """

    name: str
    examples: int
    features: Mapping[str, FeatureStatistics]

    def number(self, feature: str) -> NumberStatistics | None:
        """Returns what is known of a feature of numbers; ``None`` where it has none.

        Args:
            feature: Its name; here and below, it need not be in this split.
        """
        return self.features[feature].number if feature in self.features else None

    def text(self, feature: str) -> TextStatistics | None:
        """Returns what is known of a feature of texts; ``None`` where it has none."""
        return self.features[feature].text if feature in self.features else None

    def missing_share(self, feature: str) -> float | None:
        """Returns the share of examples without a value, from 0 to 1."""
        return self.features[feature].missing_share if feature in self.features else None

    def average_length(self, feature: str) -> float | None:
        """Returns the mean length of a feature of texts, in bytes."""
        text = self.text(feature)
        return text.average_length if text else None

    def value_count(self, feature: str, value: str) -> float | None:
        """Returns how often a text occurs; ``None`` where TFDV does not say.

        Args:
            feature: A feature of texts.
            value: The text.
        """
        text = self.text(feature)
        if text is None:
            return None
        found = dict(text.top_values).get(value, text.counts.get(value))
        return 0.0 if found is None and text.has_all_counts else found

    def value_share(self, feature: str, value: str) -> float | None:
        """Returns a text's share of all values, from 0 to 1; ``None`` as for ``value_count``."""
        count = self.value_count(feature, value)
        return None if count is None else count / self.features[feature].values


def read_statistics(uri: str) -> list[SplitStatistics]:
    """Reads the statistics of all splits; ``train`` and ``eval`` come first.

    Args:
        uri: The artifact of StatisticsGen.

    Raises:
        ArtifactError: If there is none, or a split's file cannot be read.
    """
    return [read_split(name, file) for name, file in split_uris(uri, FILE_NAME).items()]


def read_split(name: str, uri: str) -> SplitStatistics:
    """Reads the statistics of one split.

    Args:
        name: The split.
        uri: Its file.

    Raises:
        ArtifactError: If the file cannot be read, or has no statistics of all examples.
    """
    datasets = read_message(uri, statistics_pb2.DatasetFeatureStatisticsList).datasets
    if not datasets:
        raise ArtifactError(f"{uri} has no statistics")
    whole = next((dataset for dataset in datasets if dataset.name == _ALL_EXAMPLES), datasets[0])
    features = [_feature(feature, whole.num_examples) for feature in whole.features]
    return SplitStatistics(
        name=name,
        examples=whole.num_examples,
        features={feature.name: feature for feature in features},
    )


def _feature(proto: Any, examples: int) -> FeatureStatistics:
    kind = proto.WhichOneof("stats")
    if kind is None:
        # TFDV leaves out the statistics of a feature that no example has.
        common, present, values = statistics_pb2.CommonStatistics(), 0, 0
        absent = examples
    else:
        common = getattr(proto, kind).common_stats
        present, absent = common.num_non_missing, common.num_missing
        values = common.tot_num_values or round(present * common.avg_num_values)
    if common.max_num_values <= 1:
        empty, exact = (present - values if kind != "struct_stats" else 0), True
    else:
        empty, exact = 0, common.min_num_values >= 1
    return FeatureStatistics(
        name=proto.name or ".".join(proto.path.step),
        type=statistics_pb2.FeatureNameStatistics.Type.Name(proto.type),
        examples=present + absent,
        missing=absent + max(empty, 0),
        missing_is_exact=exact,
        values=values,
        number=_number(proto.num_stats) if kind == "num_stats" and values else None,
        text=_text(proto, kind) if kind in ("string_stats", "bytes_stats") and values else None,
    )


def _number(stats: Any) -> NumberStatistics:
    histograms = {histogram.type: histogram for histogram in stats.histograms}
    standard = histograms.get(statistics_pb2.Histogram.STANDARD, statistics_pb2.Histogram())
    quantiles = histograms.get(statistics_pb2.Histogram.QUANTILES, statistics_pb2.Histogram())
    return NumberStatistics(
        minimum=stats.min,
        maximum=stats.max,
        mean=stats.mean,
        std_dev=stats.std_dev,
        median=stats.median,
        zeros=stats.num_zeros,
        not_numbers=standard.num_nan,
        histogram=_buckets(standard),
        quantiles=_buckets(quantiles),
    )


def _buckets(histogram: Any) -> list[Bucket]:
    return [
        Bucket(bucket.low_value, bucket.high_value, bucket.sample_count)
        for bucket in histogram.buckets
    ]


def _text(proto: Any, kind: str) -> TextStatistics:
    if kind == "bytes_stats":
        stats = proto.bytes_stats
        return TextStatistics(
            unique=stats.unique,
            average_length=stats.avg_num_bytes,
            minimum_length=stats.min_num_bytes,
            maximum_length=stats.max_num_bytes_int or stats.max_num_bytes,
            top_values=[],
            counts={},
            invalid=0,
        )
    stats = proto.string_stats
    counts: dict[str, float] = {}
    for bucket in stats.rank_histogram.buckets:
        # TFDV writes one placeholder for all values that are not UTF-8, and takes its first count.
        counts.setdefault(bucket.label, bucket.sample_count)
    return TextStatistics(
        unique=stats.unique,
        average_length=stats.avg_length,
        minimum_length=None,
        maximum_length=None,
        top_values=[(top.value, top.frequency) for top in stats.top_values],
        counts=counts,
        invalid=stats.invalid_utf8_count,
    )
