"""Artifacts of TFDV made by hand, and what the tests of their charts ask for."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.charts.feature_statistics import FILE_NAME
from components.charts.section import Chart, Note, Section, Table

#: A script, markup for plotly, a formula for MathJax, text from right to left, and an override.
HOSTILE = "</script><script>alert(1)</script><b>$x^2$ {$5.00}</b> שלום عربى \u202egnp.exe"


def text_feature(
    name: str,
    counts: Mapping[str, float],
    *,
    unique: int = 0,
    values: int = 0,
    missing: int = 0,
) -> statistics_pb2.FeatureNameStatistics:
    """A feature of texts, each example with one or none; some counts can be left out."""
    feature = statistics_pb2.FeatureNameStatistics(type=statistics_pb2.FeatureNameStatistics.STRING)
    feature.path.step.append(name)
    stats = feature.string_stats
    stats.unique = unique or len(counts)
    stats.avg_length = 5.5
    _set_common(stats.common_stats, values or int(sum(counts.values())), missing)
    for rank, (value, count) in enumerate(sorted(counts.items(), key=lambda item: -item[1])):
        stats.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=value, sample_count=count
        )
        if rank < 20:
            stats.top_values.add(value=value, frequency=count)
    return feature


def number_feature(
    name: str,
    buckets: Sequence[tuple[float, float, float]],
    *,
    not_numbers: int = 0,
    missing: int = 0,
    kind: str = "FLOAT",
) -> statistics_pb2.FeatureNameStatistics:
    """A feature of numbers, each example with one or none."""
    feature = statistics_pb2.FeatureNameStatistics(
        type=statistics_pb2.FeatureNameStatistics.Type.Value(kind)
    )
    feature.path.step.append(name)
    stats = feature.num_stats
    values = int(sum(count for _, _, count in buckets)) + not_numbers
    _set_common(stats.common_stats, values, missing)
    if buckets:
        stats.min, stats.max = buckets[0][0], buckets[-1][1]
    stats.mean, stats.median, stats.std_dev = 1.5, 1.25, 0.5
    for type_name in ("STANDARD", "QUANTILES"):
        histogram = stats.histograms.add(
            type=statistics_pb2.Histogram.HistogramType.Value(type_name), num_nan=not_numbers
        )
        for low, high, count in buckets:
            histogram.buckets.add(low_value=low, high_value=high, sample_count=count)
    return feature


def _set_common(common: Any, values: int, missing: int) -> None:
    common.num_non_missing = common.tot_num_values = values
    common.num_missing = missing
    common.min_num_values = common.max_num_values = common.avg_num_values = 1


def statistics_list(
    features: Iterable[statistics_pb2.FeatureNameStatistics], examples: int = 100
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a split."""
    proto = statistics_pb2.DatasetFeatureStatisticsList()
    proto.datasets.add(num_examples=examples, features=features)
    return proto


def write_splits(folder: pathlib.Path, file_name: str, protos: Mapping[str, Any]) -> str:
    """Writes an artifact with a file for each split, and returns its URI."""
    for split, proto in protos.items():
        path = folder / f"Split-{split}" / file_name
        path.parent.mkdir(parents=True)
        path.write_bytes(proto.SerializeToString())
    return str(folder)


def write_statistics(
    folder: pathlib.Path,
    splits: Mapping[str, Sequence[statistics_pb2.FeatureNameStatistics]],
) -> str:
    """Writes an artifact of StatisticsGen; a split has 100 examples, or none without features."""
    protos = {
        split: statistics_list(features, 100 if features else 0)
        for split, features in splits.items()
    }
    return write_splits(folder, FILE_NAME, protos)


def charts(section: Section) -> dict[str, Chart]:
    """The charts of a section by title."""
    return {block.title: block for block in section.blocks if isinstance(block, Chart)}


def tables(section: Section) -> dict[str, Table]:
    """The tables of a section by title."""
    return {block.title: block for block in section.blocks if isinstance(block, Table)}


def notes(section: Section) -> list[tuple[str, str]]:
    """The notes of a section with their levels."""
    return [(block.level, block.text) for block in section.blocks if isinstance(block, Note)]


def texts_of(figure: Any) -> list[str]:
    """All texts of a figure, as plotly gets them."""
    found: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, Mapping):
            for each in value.values():
                collect(each)
        elif isinstance(value, (list, tuple)):
            for each in value:
                collect(each)

    made = figure.to_dict()
    made["layout"].pop("template", None)
    collect(made)
    return found
