"""Thresholds of an evaluation with what was measured."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.charts.evaluation_files import ALL, Slice, read_evaluation, read_validation
from components.charts.tfma_messages import message_class
from components.charts.thresholds import Check, checks, exempt, missing_slices
from tests.components.charts.artifacts_of_models import METRICS, set_slice, write_evaluation

_MORTGAGE, _CARD = (("product", "Mortgage"),), (("product", "Card"),)
_SLICES: Mapping[Slice, Mapping[str, float]] = {
    ALL: METRICS,
    _MORTGAGE: {"auc": 0.5},
    _CARD: {"auc": 0.875},
}


def _failure(
    metric: str, key: Slice, *, lower: float | None = None, absolute: float | None = None
) -> Any:
    """Returns a ``ValidationResult`` with one threshold that was missed."""
    result = message_class("ValidationResult")()
    of_slice = result.metric_validations_per_slice.add()
    set_slice(of_slice.slice_key, key)
    failure = of_slice.failures.add()
    failure.metric_key.name = metric
    if lower is not None:
        failure.metric_threshold.value_threshold.lower_bound.value = lower
    if absolute is not None:
        failure.metric_key.is_diff = True
        failure.metric_threshold.change_threshold.absolute.value = absolute
        failure.metric_threshold.change_threshold.direction = 2
    return result


def _passed() -> Any:
    return message_class("ValidationResult")(validation_ok=True)


def _checks(
    folder: pathlib.Path,
    specs: Sequence[Mapping[str, Any]],
    validation: Any | None,
    *,
    metrics: Mapping[Slice, Mapping[str, float]] = _SLICES,
    baseline: Mapping[Slice, Mapping[str, float]] | None = None,
) -> list[Check]:
    uri = write_evaluation(
        folder, metrics, baseline=baseline, metrics_specs=specs, validation=validation
    )
    return checks(read_evaluation(uri), read_validation(uri))


def _value(lower: float) -> dict[str, Any]:
    return {"valueThreshold": {"lowerBound": lower}}


def test_a_value_and_a_change_are_two_thresholds(tmp_path: pathlib.Path) -> None:
    threshold = _value(0.6) | {
        "changeThreshold": {"absolute": -0.01, "direction": "HIGHER_IS_BETTER"}
    }
    auc = {
        "className": "AUC",
        "perSliceThresholds": [{"slicingSpecs": [{}], "threshold": threshold}],
    }

    found = _checks(
        tmp_path,
        [{"metrics": [auc]}],
        _failure("auc", ALL, absolute=-0.01),
        baseline={ALL: {"auc": 0.875}},
    )

    assert found == [
        Check(
            metric="auc",
            where="all examples",
            demand="at most 0.01 below the baseline",
            is_change=True,
            measured=0.75,
            baseline=0.875,
            reached=False,
        ),
        Check(
            metric="auc",
            where="all examples",
            demand="at least 0.6",
            is_change=False,
            measured=0.75,
            baseline=None,
            reached=True,
        ),
    ]


@pytest.mark.parametrize(
    ("specs", "where"),
    [
        ([{"metrics": [{"className": "AUC", "threshold": _value(0.6)}]}], "all"),
        ([{"thresholds": {"auc": _value(0.6)}}], "all"),
        (
            [
                {
                    "perSliceThresholds": {
                        "auc": {
                            "thresholds": [
                                {
                                    "slicingSpecs": [{"featureKeys": ["product"]}],
                                    "threshold": _value(0.6),
                                }
                            ]
                        }
                    }
                }
            ],
            "products",
        ),
        (
            [
                {
                    "metrics": [
                        {
                            "className": "AUC",
                            "perSliceThresholds": [
                                {
                                    "slicingSpecs": [{"featureValues": {"product": "Mortgage"}}],
                                    "threshold": _value(0.6),
                                }
                            ],
                        }
                    ]
                }
            ],
            "mortgage",
        ),
    ],
    ids=["metric's own", "by name", "each value", "one value"],
)
def test_a_threshold_holds_for_the_slices_that_it_describes(
    tmp_path: pathlib.Path, specs: list[dict[str, Any]], where: str
) -> None:
    found = _checks(tmp_path, specs, _failure("auc", _MORTGAGE, lower=0.6))

    missed, reached = (
        ["product Mortgage"],
        {
            "all": ["all examples", "product Card"],
            "products": ["product Card"],
        },
    )
    assert [check.where for check in found if check.reached is False] == missed
    assert [check.where for check in found if check.reached] == reached.get(where, [])


@pytest.mark.parametrize(
    ("class_name", "config", "measured"),
    [
        ("AUCPrecisionRecall", "", "auc_precision_recall"),
        ("BinaryAccuracy", "", "binary_accuracy"),
        ("AUC", '{"name": "my_auc"}', "my_auc"),
        ("Precision", "", "precision (class_id 1)"),
    ],
)
def test_a_metric_is_found_by_its_class_or_its_own_name(
    tmp_path: pathlib.Path, class_name: str, config: str, measured: str
) -> None:
    metric = {"className": class_name, "config": config, "threshold": _value(0.5)}

    (check,) = _checks(
        tmp_path, [{"metrics": [metric]}], _passed(), metrics={ALL: {measured: 0.625}}
    )

    assert (check.metric, check.measured, check.reached) == (measured, 0.625, True)


@pytest.mark.parametrize(
    ("threshold", "demand"),
    [
        ({"valueThreshold": {"lowerBound": 0.5, "upperBound": 1.0}}, "at least 0.5 and at most 1"),
        ({"valueThreshold": {"upperBound": 12_345.0}}, "at most 12,345"),
        ({"valueThreshold": {}}, "any value"),
        ({"changeThreshold": {"absolute": -1e-10, "direction": 2}}, "not below the baseline"),
        ({"changeThreshold": {"absolute": 1e-10, "direction": 1}}, "not above the baseline"),
        (
            {"changeThreshold": {"absolute": 0.5, "direction": 1}},
            "at most 0.5 above the baseline",
        ),
        (
            {"changeThreshold": {"absolute": -0.5, "direction": 1}},
            "at least 0.5 below the baseline",
        ),
        (
            {"changeThreshold": {"absolute": 0.5, "direction": 2}},
            "at least 0.5 above the baseline",
        ),
        (
            {"changeThreshold": {"absolute": -0.5, "relative": -0.05, "direction": 2}},
            "at most 0.5 below the baseline and at most 5% below the baseline",
        ),
        ({"changeThreshold": {"direction": 2}}, "any change"),
        ({"changeThreshold": {"absolute": "-Infinity", "direction": 2}}, "any change"),
    ],
)
def test_a_threshold_is_told_in_words(
    tmp_path: pathlib.Path, threshold: dict[str, Any], demand: str
) -> None:
    specs = [{"thresholds": {"auc": threshold}}]

    (check,) = _checks(tmp_path, specs, _passed(), metrics={ALL: METRICS})

    assert check.demand == demand


def test_a_slice_with_too_few_examples_for_a_threshold_is_exempt(tmp_path: pathlib.Path) -> None:
    threshold = {
        "slicingSpecs": [{"featureKeys": ["product"]}],
        "threshold": _value(0.6),
    }
    config = {"className": "AUC", "config": '{"minimum_examples": 100}'}
    uri = write_evaluation(
        tmp_path,
        {
            ALL: METRICS,
            _MORTGAGE: {"auc": 0.75, "example_count": 100.0},
            _CARD: {"auc": 1.0, "example_count": 99.0},
        },
        metrics_specs=[{"metrics": [{**config, "perSliceThresholds": [threshold]}]}],
        validation=_passed(),
    )
    evaluation = read_evaluation(uri)

    assert [check.where for check in checks(evaluation, read_validation(uri))] == [
        "product Mortgage"
    ]
    assert exempt(evaluation) == [("auc", 100, 1)]


def test_two_thresholds_of_a_metric_are_told_apart(tmp_path: pathlib.Path) -> None:
    specs = [
        {
            "thresholds": {"auc": _value(0.6)},
            "metrics": [{"className": "AUC", "threshold": _value(0.9)}],
        }
    ]

    found = _checks(tmp_path, specs, _failure("auc", ALL, lower=0.9), metrics={ALL: METRICS})

    assert [(check.demand, check.reached) for check in found] == [
        ("at least 0.9", False),
        ("at least 0.6", True),
    ]


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (None, "every slice"),
        ({"featureValues": {"product": "Loan"}}, "product: Loan"),
        ({"featureKeys": ["state", "product"]}, "each state, each product"),
        ({"sliceKeysSql": "SELECT 1"}, "slices of an SQL query"),
    ],
)
def test_a_threshold_of_nothing_that_was_measured_is_not_left_out(
    tmp_path: pathlib.Path, spec: dict[str, Any] | None, where: str
) -> None:
    name = "auc" if spec else "f1_score"
    threshold: dict[str, Any] = {"thresholds": {name: _value(0.6)}}
    if spec:
        per_slice = {"slicingSpecs": [spec], "threshold": _value(0.6)}
        threshold = {"perSliceThresholds": {name: {"thresholds": [per_slice]}}}

    (check,) = _checks(tmp_path, [threshold], _passed())

    assert (check.metric, check.where, check.measured, check.reached) == (name, where, None, None)


def test_a_failure_without_a_known_threshold_is_shown(tmp_path: pathlib.Path) -> None:
    (check,) = _checks(tmp_path, [{}], _failure("auc", _MORTGAGE, lower=0.9))

    assert (check.metric, check.where, check.demand) == ("auc", "product Mortgage", "at least 0.9")
    assert (check.measured, check.reached) == (0.5, False)


def test_without_a_record_it_is_not_known_what_was_reached(tmp_path: pathlib.Path) -> None:
    (check,) = _checks(
        tmp_path, [{"thresholds": {"auc": _value(0.6)}}], None, metrics={ALL: METRICS}
    )

    assert (check.measured, check.reached) == (0.75, None)


def test_slices_without_examples_are_named() -> None:
    result = _passed()
    result.missing_slices.add(feature_values={"product": "Loan"})

    assert missing_slices(result) == ["product: Loan"]
    assert missing_slices(None) == []
