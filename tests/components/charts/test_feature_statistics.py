"""TFDV's statistics as values."""

import pathlib

import pytest

from components.charts.feature_statistics import FILE_NAME, SplitStatistics, read_statistics
from components.charts.files import ArtifactError
from tests.components.charts.protos import (
    number_feature,
    statistics_list,
    text_feature,
    write_splits,
    write_statistics,
)


def _read(folder: pathlib.Path, *features: object) -> SplitStatistics:
    return read_statistics(write_statistics(folder, {"train": features}))[0]  # type: ignore[dict-item]


def test_examples_without_the_feature_and_without_a_value_are_missing(
    tmp_path: pathlib.Path,
) -> None:
    feature = text_feature("state", {"FL": 60, "NJ": 10}, missing=5)
    # Of 95 examples with the feature, 70 have a value.
    feature.string_stats.common_stats.num_non_missing = 95
    feature.string_stats.common_stats.min_num_values = 0

    state = _read(tmp_path, feature).features["state"]

    assert (state.examples, state.missing, state.missing_is_exact) == (100, 30, True)
    assert state.missing_share == 0.3


def test_tfdv_does_not_count_empty_lists_among_longer_ones(tmp_path: pathlib.Path) -> None:
    feature = text_feature("tags", {"a": 150}, missing=5)
    feature.string_stats.common_stats.num_non_missing = 95
    feature.string_stats.common_stats.min_num_values = 0
    feature.string_stats.common_stats.max_num_values = 3

    tags = _read(tmp_path, feature).features["tags"]

    assert (tags.missing, tags.missing_is_exact) == (5, False)


def test_a_feature_that_no_example_has_is_missing_everywhere(tmp_path: pathlib.Path) -> None:
    feature = text_feature("x", {})
    feature.ClearField("string_stats")

    found = _read(tmp_path, feature).features["x"]

    assert (found.missing_share, found.text, found.number) == (1.0, None, None)


def test_a_value_that_tfdv_left_out_has_no_count(tmp_path: pathlib.Path) -> None:
    split = _read(
        tmp_path, text_feature("few", {"a": 3, "b": 1}), text_feature("many", {"a": 3}, unique=9)
    )

    assert (split.value_count("few", "a"), split.value_share("few", "a")) == (3, 0.75)
    assert split.value_count("few", "z") == 0
    assert split.value_count("many", "z") is None
    assert split.value_count("absent", "z") is None


def test_a_quantile_is_an_edge_of_tfdvs_buckets(tmp_path: pathlib.Path) -> None:
    tenths = [(float(step), float(step + 1), 7.3) for step in range(10)]
    number = _read(tmp_path, number_feature("x", tenths)).number("x")

    assert number is not None
    assert [number.quantile(share) for share in (0.1, 0.5, 0.9, 1.0)] == [1, 5, 9, 10]


def test_steps_of_a_path_are_joined(tmp_path: pathlib.Path) -> None:
    feature = text_feature("address", {"a": 1})
    feature.path.step.append("city")

    assert list(_read(tmp_path, feature).features) == ["address.city"]


def test_bytes_have_lengths_but_no_values(tmp_path: pathlib.Path) -> None:
    feature = text_feature("image", {})
    feature.type = feature.BYTES
    stats = feature.bytes_stats
    stats.common_stats.num_non_missing = stats.common_stats.tot_num_values = 9
    stats.unique, stats.avg_num_bytes, stats.min_num_bytes = 9, 70.5, 12
    stats.max_num_bytes_int = 300

    text = _read(tmp_path, feature).text("image")

    assert text is not None
    assert (text.minimum_length, text.average_length, text.maximum_length) == (12, 70.5, 300)
    assert not text.top_values


def test_of_slices_the_one_of_all_examples_counts(tmp_path: pathlib.Path) -> None:
    proto = statistics_list([text_feature("x", {"a": 1})], examples=1)
    proto.datasets[0].name = "state_FL"
    proto.datasets.add(name="All Examples", num_examples=50)

    split = read_statistics(write_splits(tmp_path, FILE_NAME, {"train": proto}))[0]

    assert (split.examples, split.features) == (50, {})


def test_a_file_without_statistics_is_an_error(tmp_path: pathlib.Path) -> None:
    empty = statistics_list([])
    empty.ClearField("datasets")
    uri = write_splits(tmp_path, FILE_NAME, {"train": empty})

    with pytest.raises(ArtifactError, match=r"Split-train/FeatureStats.pb has no statistics"):
        read_statistics(uri)
