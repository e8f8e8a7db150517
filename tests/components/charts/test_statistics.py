"""The statistics of the data as a section."""

import pathlib

import pytest

from components.charts.feature_statistics import FILE_NAME, read_statistics
from components.charts.section import Section
from components.charts.statistics import statistics_section
from components.charts.statistics_figures import (
    histogram_figure,
    missing_figure,
    top_values_figure,
)
from tests.components.charts.protos import (
    HOSTILE,
    charts,
    notes,
    number_feature,
    tables,
    text_feature,
    texts_of,
    write_statistics,
)

_DISTANCE = "Distance between train and eval, by feature"


@pytest.fixture
def section(tmp_path: pathlib.Path) -> Section:
    train = [
        text_feature("zip_code", {"08540": 60, "33510": 30}, missing=10),
        number_feature("age", [(0, 10, 40), (10, 20, 60)], kind="FLOAT"),
    ]
    evaluation = [
        text_feature("zip_code", {"08540": 30, "10001": 30}, missing=40),
        number_feature("age", [(0, 10, 100)], kind="FLOAT"),
    ]
    return statistics_section(write_statistics(tmp_path, {"train": train, "eval": evaluation}))


def test_each_feature_has_its_numbers_in_each_split(section: Section) -> None:
    found = tables(section)

    assert found["Splits"].rows == [["train", 100, 2], ["eval", 100, 2]]
    assert found["Features"].rows == [
        ["zip_code", "STRING", "train", 100, 10, 10, 90, 2],
        ["zip_code", "STRING", "eval", 100, 40, 40, 60, 2],
        ["age", "FLOAT", "train", 100, 0, 0, 100, None],
        ["age", "FLOAT", "eval", 100, 0, 0, 100, None],
    ]
    assert found["Features of numbers"].rows[0] == [
        *("age", "train", 0, 10, 1.25, 20, 20, 1.5, 0.5, 0, 0)
    ]
    assert found["Features of texts"].rows[0][:6] == [
        *("zip_code", "train", 2, "08540", 60, pytest.approx(66.67, abs=0.01))
    ]
    assert found["Most frequent values of zip_code, as counts"].rows == [
        ["08540", 60, pytest.approx(66.67, abs=0.01), 30, 50],
        ["10001", 0, 0, 30, 50],
        ["33510", 30, pytest.approx(33.33, abs=0.01), 0, 0],
    ]


def test_the_feature_that_differs_most_comes_first(section: Section) -> None:
    rows = tables(section)[_DISTANCE].rows

    assert [row[:5] for row in rows] == [
        ["zip_code", "L-infinity", 0.5, "exact", "10001"],
        ["age", "Jensen-Shannon", pytest.approx(0.3958, abs=1e-4), "estimate", None],
    ]
    assert "zip_code differs most" in charts(section)["Distance between train and eval"].description


def test_a_distance_from_a_list_that_was_cut_is_a_bound(tmp_path: pathlib.Path) -> None:
    cut = text_feature("zip_code", {"08540": 50, "10001": 2}, unique=50, values=100)
    uri = write_statistics(
        tmp_path, {"train": [cut], "eval": [text_feature("zip_code", {"08540": 20, "33510": 30})]}
    )

    section = statistics_section(uri)

    table = tables(section)[_DISTANCE]
    (row,) = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert (row["distance"], row["accuracy"]) == (pytest.approx(0.58), "at least")
    assert row["distance by TFDV"] == pytest.approx(0.6)
    assert (row["its share in train, %"], row["its share in eval, %"]) == (None, 60)
    chart = charts(section)["Distance between train and eval"]
    assert "distance at least 0.58" in chart.description
    assert [trace.name for trace in chart.figure.data] == ["L-infinity, at least"]


def test_the_chart_of_missing_values_has_a_bar_for_each_split(section: Section) -> None:
    chart = charts(section)["Missing values"]

    bars = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in chart.figure.data}
    assert bars == {"train": {"zip_code": 10}, "eval": {"zip_code": 40}}
    assert "zip_code: 10% in train, 40% in eval" in chart.description


def test_values_that_look_like_numbers_are_categories(tmp_path: pathlib.Path) -> None:
    uri = write_statistics(tmp_path, {"train": [text_feature("zip", {"08540": 2, "33510": 1})]})

    figure = top_values_figure(read_statistics(uri), "zip")

    assert figure.layout.yaxis.type == "category"
    assert list(figure.data[0].y) == ["33510", "08540"]


def test_histograms_of_all_splits_have_the_same_buckets(section: Section) -> None:
    train, evaluation = charts(section)["Histogram of age"].figure.data

    assert train.x == evaluation.x
    assert (train.x[0], train.x[-1]) == ("0 to 2", "18 to 20")
    assert list(train.y) == pytest.approx([8] * 5 + [12] * 5)
    assert list(evaluation.y) == pytest.approx([20] * 5 + [0] * 5)


def test_edges_of_buckets_are_short(tmp_path: pathlib.Path) -> None:
    buckets = [(-400_000.0, 999_999.0, 3.0), (999_999.0, 3_600_000.0, 1.0)]
    uri = write_statistics(tmp_path, {"train": [number_feature("amount", buckets)]})

    (trace,) = histogram_figure(read_statistics(uri), "amount").data

    assert (trace.x[0], trace.x[1], trace.x[9]) == ("-400k to 0", "0 to 400k", "3.2M to 3.6M")


def test_few_whole_numbers_have_a_bar_each(tmp_path: pathlib.Path) -> None:
    buckets = [(0, 0.5, 70.0), (0.5, 1, 30.0)]
    uri = write_statistics(tmp_path, {"train": [number_feature("label", buckets, kind="INT")]})

    (trace,) = histogram_figure(read_statistics(uri), "label").data

    assert dict(zip(trace.x, trace.y, strict=True)) == {"0": 70, "1": 30}


def test_hostile_values_are_inert_in_figures_and_short_in_tables(tmp_path: pathlib.Path) -> None:
    long = HOSTILE + "x" * 20_000
    features = [
        text_feature(f"name {HOSTILE}", {HOSTILE: 2, long: 1, "": 1}, missing=1),
        number_feature(f"number {HOSTILE}", [(0, 1, 4)], missing=1),
    ]
    uri = write_statistics(tmp_path, {"train": features, f"{'y' * 200}": features[:1]})

    section = statistics_section(uri)

    for chart in charts(section).values():
        assert not [text for text in texts_of(chart.figure) if set("<>$") & set(text)]
        assert max(len(text) for text in texts_of(chart.figure)) < 200
        assert len(chart.title) < 200
        assert len(chart.description) < 1500
    for table in tables(section).values():
        assert max(len(cell) for row in table.rows for cell in row if isinstance(cell, str)) <= 202
        assert len({len(table.columns), *(len(row) for row in table.rows)}) == 1
    assert all(len(text) < 1000 for _, text in notes(section))


def test_an_empty_split_is_said_to_be_empty(tmp_path: pathlib.Path) -> None:
    uri = write_statistics(tmp_path, {"train": [text_feature("a", {"x": 3})], "eval": []})

    section = statistics_section(uri)

    assert ("warning", "Split eval has no examples.") in notes(section)
    assert ("info", "No feature can be compared between train and eval.") in notes(section)
    assert tables(section)["Features"].rows == [["a", "STRING", "train", 3, 0, 0, 3, 1]]


def test_splits_without_any_example(tmp_path: pathlib.Path) -> None:
    section = statistics_section(write_statistics(tmp_path, {"train": [], "eval": []}))

    assert notes(section)[-1] == ("warning", "The data have no features.")
    assert not charts(section)


def test_one_split_has_no_distance(tmp_path: pathlib.Path) -> None:
    section = statistics_section(
        write_statistics(tmp_path, {"train": [text_feature("a", {"x": 3})]})
    )

    assert ("info", "There is only one split, so there are no distances.") in notes(section)
    assert ("good", "No feature misses a value.") in notes(section)
    assert not [title for title in tables(section) if "Distance" in title]


def test_numbers_that_are_none_huge_or_infinite(tmp_path: pathlib.Path) -> None:
    infinity = float("inf")
    features = [
        number_feature("nan", [], not_numbers=5),
        number_feature("huge", [(-1.7e308, 1.7e308, 5)]),
        number_feature("infinite", [(-infinity, 0, 1), (0, 1, 3), (1, infinity, 1)]),
        number_feature("only infinite", [(infinity, infinity, 5)]),
    ]
    features[0].num_stats.mean = float("nan")

    section = statistics_section(write_statistics(tmp_path, {"train": features, "eval": features}))

    rows = {row[0]: row for row in tables(section)["Features of numbers"].rows if row[1] == "train"}
    assert (rows["nan"][7], rows["nan"][10]) == (None, 5)
    assert (rows["infinite"][2], rows["infinite"][6]) == ("-infinity", "infinity")
    assert rows["huge"][6] == 1.7e308
    drawn = [title for title in charts(section) if title.startswith("Histogram")]
    assert drawn == ["Histogram of huge", "Histogram of infinite"]
    huge = charts(section)["Histogram of huge"].figure.data[0]
    assert list(huge.y) == pytest.approx([10] * 10)


def test_many_features_are_bounded_and_what_is_left_out_is_said(tmp_path: pathlib.Path) -> None:
    counts = {f"value {number}": float(100 - number) for number in range(50)}
    features = [text_feature(f"text {number}", counts, missing=number) for number in range(120)]
    features += [number_feature(f"number {number}", [(0, 1, 9)]) for number in range(80)]
    others = [text_feature(feature.path.step[0], counts) for feature in features[:119]]
    others.append(text_feature("text 119", {"value 0": 1}))
    uri = write_statistics(tmp_path, {"train": features, "eval": others})

    section = statistics_section(uri)

    assert max(len(table.rows) for table in tables(section).values()) <= 120
    assert len(charts(section)) <= 3 + 12 + 12
    texts = [text for _, text in notes(section)]
    assert "Tables show the first 60 of 200 features." in texts
    assert any("most frequent values of 12 features of 120 are drawn" in text for text in texts)
    assert any("histograms of 12 features of 80 are drawn" in text for text in texts)
    assert "Most frequent values of text 119" in charts(section)
    assert len(missing_figure(read_statistics(uri)).data[0].y) == 20
    assert "Only the 20 features that miss most" in charts(section)["Missing values"].description


def test_free_text_and_identifiers_have_no_chart_of_values(tmp_path: pathlib.Path) -> None:
    narratives = {f"narrative {number}": 1.0 for number in range(50)}
    features = [text_feature("narrative", narratives), text_feature("state", {"FL": 50})]

    section = statistics_section(write_statistics(tmp_path, {"train": features}))

    assert [title for title in charts(section) if "Most frequent" in title] == [
        "Most frequent values of state"
    ]
    assert any(text.endswith("are not drawn: narrative.") for _, text in notes(section))


def test_a_split_that_cannot_be_read_does_not_hide_the_others(tmp_path: pathlib.Path) -> None:
    feature = text_feature("a", {"x": 3})
    uri = write_statistics(tmp_path, {"train": [feature], "eval": [feature], "test": [feature]})
    cut = tmp_path / "Split-eval" / FILE_NAME
    cut.write_bytes(cut.read_bytes()[:-3])
    (tmp_path / "Split-test" / FILE_NAME).unlink()

    section = statistics_section(uri)

    failures = [text for level, text in notes(section) if level == "unreadable"]
    assert len(failures) == 2
    assert f"{cut} is no DatasetFeatureStatisticsList, or is cut off" in failures
    assert tables(section)["Splits"].rows == [["train", 100, 1]]


def test_more_splits_than_have_room_are_said(tmp_path: pathlib.Path) -> None:
    feature = text_feature("a", {"x": 3})
    splits = {f"split {number}": [feature] for number in range(9)}

    section = statistics_section(write_statistics(tmp_path, splits))

    assert ("info", "Not shown: 3 splits more.") in notes(section)
    assert len(tables(section)["Splits"].rows) == 6


def test_an_artifact_that_is_not_there_is_a_failure(tmp_path: pathlib.Path) -> None:
    section = statistics_section(f"{tmp_path}/no")

    assert notes(section) == [
        ("unreadable", f"{tmp_path}/no cannot be listed: No such file or directory")
    ]
