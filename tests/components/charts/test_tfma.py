"""The section of an evaluation that TFMA has written, configured as the pipeline's Evaluator is."""

import itertools
import pathlib

import pytest

from components.charts.evaluation import evaluation_section
from components.charts.evaluation_files import ALL, read_evaluation, read_plots
from components.charts.section import Section
from components.kubeflow_metrics import evaluation_metrics
from tests.components.charts.protos import charts, notes, tables, texts_of
from tests.components.charts.tfma_evaluation import HOSTILE, ONE_CLASS, evaluate

pytestmark = [
    pytest.mark.whole,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An evaluation of a model that is worse than the baseline."""
    return evaluate(tmp_path_factory.mktemp("compared"))


@pytest.fixture(scope="module")
def section(compared: str) -> Section:
    return evaluation_section(compared, False)


def test_the_numbers_are_those_that_tfma_reads(compared: str) -> None:
    import tensorflow_model_analysis as tfma

    for model, name in (("candidate", "candidate"), ("baseline", "baseline")):
        own = {
            key: {
                metric: value["doubleValue"]
                for metric, value in metrics[""][""].items()
                if not metric.endswith("_diff")
            }
            for key, metrics in tfma.load_eval_result(compared, model_name=name).slicing_metrics
        }
        read = read_evaluation(compared).metrics[model]
        assert set(read) == set(own)
        for key, metrics in own.items():
            assert read[key] == pytest.approx(
                {k: float(v) for k, v in metrics.items()}, nan_ok=True
            )


def test_kubeflow_gets_the_candidates(compared: str) -> None:
    assert evaluation_metrics(compared) == read_evaluation(compared).of_candidate(ALL)


def test_the_threshold_that_was_missed_comes_first(section: Section) -> None:
    rows = tables(section)["Thresholds"].rows

    assert notes(section) == [("failure", "The model is not blessed: 1 of 2 thresholds missed.")]
    assert [(row[2], row[-1]) for row in rows] == [
        ("not below the baseline", "missed"),
        ("at least 0.6", "reached"),
    ]
    measured, baseline, change = rows[0][3:6]
    assert 0.6 < measured < baseline
    assert change == pytest.approx(measured - baseline)


def test_a_first_model_has_nothing_to_compare_with(tmp_path: pathlib.Path) -> None:
    section = evaluation_section(evaluate(tmp_path, auc_lower_bound=0.99, baseline=False), False)

    assert notes(section) == [
        ("failure", "The model is not blessed: 1 of 1 threshold missed."),
        (
            "info",
            "No model had been blessed before, so there is no baseline: thresholds on the change "
            "against one did not apply.",
        ),
    ]
    assert len(charts(section)["ROC curve"].figure.data) == 3


def test_the_slices_are_the_products(section: Section) -> None:
    table = tables(section)["Quality by product, with 95% intervals"]

    assert table.columns[0] == "product"
    notes_of = {row[0]: row[-1] for row in table.rows}
    assert notes_of == {"Mortgage": "", "Credit card": "", HOSTILE: "", ONE_CLASS: "one class only"}


def test_every_interval_of_the_section_is_computed(section: Section) -> None:
    rows = {row[0]: row for row in tables(section)["Metrics of all examples"].rows}

    for name in ("auc", "auc_precision_recall", "binary_accuracy", "precision", "recall"):
        assert rows[name][2] is not None, name
        assert rows[name][4] is not None, name


def test_the_roc_curve_agrees_with_the_auc(compared: str, section: Section) -> None:
    for trace, auc in zip(
        charts(section)["ROC curve"].figure.data[:2],
        (
            read_evaluation(compared).of_candidate()["auc"],
            read_evaluation(compared).of_baseline()["auc"],
        ),
        strict=True,
    ):
        points = list(zip(trace.x, trace.y, strict=True))
        area = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(points))
        assert (points[0], points[-1]) == ((0, 0), (1, 1))
        assert area == pytest.approx(auc, abs=0.005)


def test_the_point_of_decision_is_that_of_the_recall(compared: str, section: Section) -> None:
    decision = charts(section)["ROC curve"].figure.data[-1]

    assert decision.name == "decision at 0.25"
    assert decision.y[0] == pytest.approx(read_evaluation(compared).of_candidate()["recall"])


def test_the_calibration_counts_all_examples(compared: str) -> None:
    counts = {
        name: sum(bucket.examples for bucket in plots.calibration)
        for name, plots in read_plots(compared).items()
    }

    assert counts == {"candidate": 305, "baseline": 305}


def test_a_slice_of_its_own_has_plots(compared: str) -> None:
    plots = read_plots(compared, (("product", HOSTILE),))

    assert plots["candidate"].confusion
    assert len(plots["candidate"].confusion) <= 102


def test_a_hostile_product_stays_text(section: Section) -> None:
    figure = charts(section)["auc by product"].figure

    assert not [text for text in texts_of(figure) if "<" in text]
