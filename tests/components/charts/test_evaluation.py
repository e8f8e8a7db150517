"""An evaluation as a section."""

import math
import pathlib
from collections.abc import Mapping

import pytest

from components.charts.evaluation import evaluation_section
from components.charts.evaluation_figures import (
    calibration_figure,
    roc_figure,
    roc_points,
    slice_figure,
)
from components.charts.evaluation_files import ALL, Bucket, Slice, read_evaluation, read_plots
from components.charts.svg import figure_to_svg
from components.charts.tfma_messages import message_class
from tests.components.charts.artifacts_of_models import (
    METRICS,
    plot_data,
    record_file,
    write_evaluation,
)
from tests.components.charts.protos import HOSTILE, charts, notes, tables, texts_of

_NO_ROC = (
    "The evaluation has no data of a ROC curve: Evaluator was configured without "
    "ConfusionMatrixPlot, or the examples are all of one class."
)
_SPECS = [
    {
        "metrics": [
            {"className": "AUC", "threshold": {"valueThreshold": {"lowerBound": 0.6}}},
            {"className": "Recall", "config": '{"thresholds": [0.25]}'},
        ]
    }
]
_PLOTS = plot_data(
    [(40, 4, 4.0), (60, 16, 20.0)],
    [(-1e-6, 20, 80, 0, 0), (0.25, 12, 12, 68, 8), (0.5, 0, 0, 80, 20), (1.0, 0, 0, 80, 20)],
)


def _slice(name: str) -> Slice:
    return (("product", name),)


def _passed() -> object:
    return message_class("ValidationResult")(validation_ok=True)


@pytest.fixture
def compared(tmp_path: pathlib.Path) -> str:
    """An evaluation of two models with two slices, one of few examples."""
    few = METRICS | {"example_count": 10.0, "auc": 0.9}
    one_class = METRICS | {"example_count": 5.0, "auc": 0.0, "mean_label": 0.0}
    of_slices: Mapping[Slice, Mapping[str, float]] = {
        ALL: METRICS,
        _slice("Loan"): METRICS | {"example_count": 85.0, "auc": 0.7},
        _slice("Bank"): METRICS | {"example_count": 80.0, "auc": 0.8},
        _slice("Card"): few,
        _slice("Rare"): one_class,
    }
    baseline = {key: metrics | {"auc": 0.5} for key, metrics in of_slices.items()}
    return write_evaluation(
        tmp_path,
        of_slices,
        baseline=baseline,
        metrics_specs=_SPECS,
        validation=_passed(),
        plots={"candidate": _PLOTS, "baseline": _PLOTS},
    )


def test_a_blessed_model_has_reached_its_thresholds(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(
        tmp_path, {ALL: METRICS}, metrics_specs=_SPECS, validation=_passed(), plots={"": _PLOTS}
    )

    section = evaluation_section(uri, True)

    assert section.id == "evaluation"
    assert notes(section) == [
        ("good", "The model is blessed: 1 threshold reached."),
        (
            "info",
            "No model had been blessed before, so there is no baseline: thresholds on the change "
            "against one did not apply.",
        ),
    ]
    assert tables(section)["Thresholds"].rows == [
        ["auc", "all examples", "at least 0.6", 0.75, "reached"]
    ]


def test_a_model_that_is_not_blessed_says_what_was_missed(tmp_path: pathlib.Path) -> None:
    result = message_class("ValidationResult")()
    of_slice = result.metric_validations_per_slice.add()
    of_slice.slice_key.SetInParent()
    failure = of_slice.failures.add()
    failure.metric_key.name = "auc"
    failure.metric_threshold.value_threshold.lower_bound.value = 0.6
    result.missing_slices.add(feature_values={"product": "Loan"})
    uri = write_evaluation(
        tmp_path,
        {ALL: METRICS | {"auc": 0.5}},
        baseline={ALL: METRICS},
        metrics_specs=_SPECS,
        validation=result,
    )

    section = evaluation_section(uri, False)

    assert notes(section)[:2] == [
        ("failure", "The model is not blessed: 1 of 1 threshold missed."),
        ("warning", "Thresholds without examples: product: Loan."),
    ]
    assert tables(section)["Thresholds"].rows == [
        ["auc", "all examples", "at least 0.6", 0.5, None, None, "missed"]
    ]


def test_metrics_are_beside_the_baselines_with_intervals(compared: str) -> None:
    table = tables(evaluation_section(compared, True))["Metrics of all examples"]

    rows = {row[0]: row for row in table.rows}
    assert list(table.columns) == [
        *("metric", "candidate", "95% interval", "baseline", "baseline's 95% interval", "change")
    ]
    assert rows["example_count"] == ["example_count", 100, None, 100, None, 0]
    assert rows["auc"] == [
        *("auc", 0.75, "0.6181\u00a0to\u00a00.8819", 0.5, "0.3578\u00a0to\u00a00.6422", 0.25)
    ]
    assert "Hanley and McNeil" in table.note
    assert "same examples" in table.note


def test_slices_with_few_examples_are_shown_as_such(compared: str) -> None:
    table = tables(evaluation_section(compared, True))["Quality by product, with 95% intervals"]

    assert list(table.columns)[:4] == ["product", "examples", "positive", "auc"]
    assert [(row[0], row[1], row[2], row[-1]) for row in table.rows] == [
        ("Loan", 85, 17, ""),
        ("Bank", 80, 16, ""),
        ("Card", 10, 2, "few examples"),
        ("Rare", 5, 0, "one class only"),
    ]
    assert table.rows[3][3] is None  # An area over one class is no measurement.
    assert "fewer than 10" in table.note


def test_the_change_of_each_slice_is_shown(compared: str) -> None:
    table = tables(evaluation_section(compared, True))["Change against the baseline by product"]

    assert [row[:3] for row in table.rows] == [
        ["Loan", 85, pytest.approx(0.2)],
        ["Bank", 80, pytest.approx(0.3)],
        ["Card", 10, pytest.approx(0.4)],
        ["Rare", 5, None],
    ]


def test_the_chart_of_slices_tells_its_numbers(compared: str) -> None:
    chart = charts(evaluation_section(compared, True))["auc by product"]

    # The extremes of few examples are chance.
    assert chart.description == (
        "auc of all examples: 0.7500 (0.6181\u00a0to\u00a00.8819); of the slices with enough "
        "examples, 0.7000 (0.5499\u00a0to\u00a00.8501) for Loan is lowest and 0.8000 "
        "(0.6625\u00a0to\u00a00.9375) for Bank highest, a difference of 0.100. "
        "Not drawn: 1 slice, small or without a value."
    )
    candidate, baseline = chart.figure.data
    assert (candidate.name, baseline.name) == ("candidate", "baseline")
    assert list(candidate.y) == ["Card", "Bank", "Loan", "all examples"]
    assert list(candidate.x) == [0.9, 0.8, 0.7, 0.75]
    assert candidate.error_x.array[3] == pytest.approx(0.1319, abs=1e-4)
    assert candidate.error_x.arrayminus[3] == pytest.approx(0.1319, abs=1e-4)


def test_the_roc_curve_has_the_decision_marked(compared: str) -> None:
    chart = charts(evaluation_section(compared, True))["ROC curve"]

    candidate, baseline, chance, decision = chart.figure.data
    assert list(zip(candidate.x, candidate.y, strict=True)) == [(0, 0), (0.15, 0.6), (1, 1)]
    assert list(baseline.x) == list(candidate.x)
    assert (chance.name, list(chance.x)) == ("chance", [0, 1])
    assert (decision.name, decision.x[0], decision.y[0]) == ("decision at 0.25", 0.15, 0.6)
    assert "candidate's area under the curve is 0.75" in chart.description
    assert "baseline's area under the curve is 0.5" in chart.description


def test_the_calibration_has_what_was_observed(compared: str) -> None:
    chart = charts(evaluation_section(compared, True))["Calibration"]

    candidate, _, perfect = chart.figure.data
    assert list(candidate.x) == pytest.approx([0.1, 1 / 3])
    assert list(candidate.y) == pytest.approx([0.1, 4 / 15])
    assert candidate.error_y.arrayminus[0] == pytest.approx(0.1 - 0.0396, abs=1e-4)
    assert list(perfect.x) == list(perfect.y)
    assert "predicts 0.24 on average where 0.2 are positive" in chart.description


def test_an_evaluation_before_there_were_roc_curves_has_a_note(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(
        tmp_path, {ALL: METRICS}, validation=_passed(), plots={"": plot_data([(40, 4, 4.0)])}
    )

    section = evaluation_section(uri, True)

    assert ("info", _NO_ROC) in notes(section)
    assert list(charts(section)) == ["Calibration"]


def test_an_evaluation_without_plots_has_a_note(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS}, validation=_passed())

    section = evaluation_section(uri, True)

    assert notes(section)[-1] == (
        "warning",
        f"{uri} has no plots-*.tfrecord; is it an evaluation of TFMA?",
    )
    assert tables(section)["Metrics of all examples"].rows


def test_a_curve_of_one_class_is_no_curve(tmp_path: pathlib.Path) -> None:
    only_negative = plot_data([(4, 0, 1)], [(0.25, 0, 1, 3, 0), (0.5, 0, 0, 4, 0)])
    uri = write_evaluation(tmp_path, {ALL: METRICS}, plots={"": only_negative})

    section = evaluation_section(uri)

    assert roc_points(read_plots(uri)[""].confusion) == []
    assert ("info", _NO_ROC) in notes(section)


def test_what_is_not_known_is_said(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS}, metrics_specs=_SPECS)

    section = evaluation_section(uri)

    assert notes(section)[:2] == [
        ("info", "It is not known whether the model is blessed."),
        ("info", "Evaluator has not recorded which thresholds were reached."),
    ]
    assert tables(section)["Thresholds"].rows[0][-1] == "not recorded"


def test_without_thresholds_there_is_a_warning(tmp_path: pathlib.Path) -> None:
    section = evaluation_section(write_evaluation(tmp_path, {ALL: METRICS}), True)

    assert ("good", "The model is blessed.") in notes(section)
    assert ("warning", "No threshold is configured.") in notes(section)


@pytest.mark.parametrize(
    "metrics",
    [
        dict.fromkeys(METRICS, math.nan),
        dict.fromkeys(METRICS, math.inf),
        METRICS | {"example_count": 0.0},
        {"auc": 0.75},
        {"example_count": 100.0},
    ],
    ids=["NaN", "infinite", "no examples", "AUC only", "count only"],
)
def test_any_metrics_make_a_section_that_can_be_drawn(
    tmp_path: pathlib.Path, metrics: dict[str, float]
) -> None:
    uri = write_evaluation(
        tmp_path,
        {ALL: metrics, _slice("Loan"): metrics, _slice("Gone"): {}},
        baseline={ALL: metrics},
        metrics_specs=_SPECS,
        validation=_passed(),
        plots={"candidate": plot_data([(math.nan, 1, 1), (4, math.nan, math.nan)])},
    )

    section = evaluation_section(uri, True)

    for chart in charts(section).values():
        assert "nan" not in figure_to_svg(chart.figure)
        assert "NaN" not in chart.figure.to_json()
        assert "nan" not in chart.description
    assert not [
        row for table in tables(section).values() for row in table.rows if "nan" in str(row)
    ]


def test_an_evaluation_of_nothing_has_a_warning(tmp_path: pathlib.Path) -> None:
    section = evaluation_section(write_evaluation(tmp_path, {}), False)

    assert ("warning", "The evaluation has no metrics of all examples.") in notes(section)


def test_hostile_names_do_nothing(tmp_path: pathlib.Path) -> None:
    names = [HOSTILE, "x" * 20_000, f"{'x' * 20_000}y", "\u202eabc", ""]
    uri = write_evaluation(
        tmp_path,
        {ALL: METRICS, **{_slice(name): METRICS for name in names}, ((HOSTILE, "a"),): METRICS},
        metrics_specs=[{"thresholds": {HOSTILE: {"valueThreshold": {"lowerBound": 1}}}}],
        validation=_passed(),
    )

    section = evaluation_section(uri, True)

    chart = charts(section)["auc by product"]
    assert not [text for text in texts_of(chart.figure) if "<" in text]
    # Alike ones are told apart, or plotly draws one over the other.
    assert len(set(chart.figure.data[0].y)) == 1 + len(names)
    other = charts(section)[next(title for title in charts(section) if "script" in title)]
    assert len(set(other.figure.data[0].y)) == 1 + 1
    cells = [cell for table in tables(section).values() for row in table.rows for cell in row]
    assert max(len(cell) for cell in cells if isinstance(cell, str)) <= 210
    assert len(chart.description) < 1_000


def test_many_slices_and_metrics_are_bounded_and_counted(tmp_path: pathlib.Path) -> None:
    many = METRICS | {f"metric_{index}": 0.5 for index in range(90)}
    slices = {_slice(f"p{index}"): many for index in range(100)}
    uri = write_evaluation(
        tmp_path,
        {ALL: many, **slices},
        metrics_specs=[{"thresholds": {"auc": {"valueThreshold": {"lowerBound": 0.5}}}}],
        validation=_passed(),
    )

    section = evaluation_section(uri, True)

    found = tables(section)
    assert all(len(table.rows) <= 60 for table in found.values())
    assert found["Thresholds"].note == "Not shown: 41 thresholds more."
    assert found["Metrics of all examples"].note.endswith("Not shown: 36 metrics more.")
    assert found["Other metrics by product"].note == (
        "Not shown: 40 slices more. Not shown: 83 metrics more."
    )
    chart = charts(section)["auc by product"]
    assert len(chart.figure.data[0].y) == 21
    assert chart.description.endswith("Not drawn: 80 slices, small or without a value.")


def test_an_evaluation_that_cannot_be_read_is_said_with_its_verdict(
    tmp_path: pathlib.Path,
) -> None:
    section = evaluation_section(str(tmp_path / "gone"), False)

    assert [level for level, _ in notes(section)] == ["failure", "unreadable"]
    assert notes(section)[0][1] == "The model is not blessed."
    assert notes(section)[1][1].endswith("cannot be read: No such file or directory")


def test_a_validation_that_cannot_be_read_does_not_hide_the_metrics(compared: str) -> None:
    (pathlib.Path(compared) / "validations.tfrecord").write_bytes(b"cut")

    section = evaluation_section(compared, True)

    assert any(level == "warning" and "is cut off" in text for level, text in notes(section))
    assert tables(section)["Metrics of all examples"].rows


def test_comparisons_of_slices_are_counted(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS})
    crossed = message_class("MetricsForSlice")()
    crossed.cross_slice_key.SetInParent()
    (tmp_path / "metrics-1.tfrecord").write_bytes(record_file([crossed, crossed]))

    found = notes(evaluation_section(uri))

    assert ("info", "Not shown: 2 comparisons of slices with each other.") in found


def test_figures_can_be_made_of_values_alone(compared: str) -> None:
    evaluation, plots = read_evaluation(compared), read_plots(compared)

    assert len(slice_figure(evaluation, "recall", evaluation.slices()).data) == 2
    # No threshold to mark, or none that the curve has.
    assert len(roc_figure({"model": plots["candidate"].confusion}).data) == 2
    assert len(roc_figure({"model": plots["candidate"].confusion}, 0.3).data) == 2
    assert len(roc_figure({}, 0.5).data) == 1
    assert list(calibration_figure({"<b>": [Bucket(2, 1, 1)]}).data[0].y) == [0.5]
    assert calibration_figure({"<b>": []}).data[0].name == "&lt;b&gt;"
