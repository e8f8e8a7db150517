"""Reads an Evaluator's output with TFMA: ``python -m orchestration.local.evaluation IN OUT``.

IN is the URI of the evaluation; OUT gets JSON with the metrics over all examples and the
thresholds that were missed. TFMA's import takes seconds, so this runs in the warm host.
"""

import json
import pathlib
import sys
from typing import Any

from components.charts import files
from components.charts.evaluation_files import (
    ALL,
    Slice,
    read_evaluation,
    read_validation,
    slice_label,
    slice_of,
)
from components.charts.thresholds import Check, checks
from components.kubeflow_metrics import evaluation_metrics


def evaluation_result(uri: str) -> dict[str, Any]:
    """Reads metrics and missed thresholds.

    Args:
        uri: Folder or URI of the evaluation artifact.

    Returns:
        ``metrics``: numbers by metric name, over all examples; ``missed``: a line for every
        threshold that was not reached; ``thresholds``: every threshold with what was measured.
    """
    import tensorflow_model_analysis as tfma

    files.open_storage(uri)
    result = tfma.load_validation_result(uri)
    return {
        "metrics": evaluation_metrics(uri),
        "missed": [
            _missed(failure, slice_of(validation.slice_key))
            for validation in result.metric_validations_per_slice
            for failure in validation.failures
        ],
        "thresholds": [
            _threshold(check) for check in checks(read_evaluation(uri), read_validation(uri))
        ],
    }


def _threshold(check: Check) -> dict[str, Any]:
    return {
        "metric": check.metric,
        "slice": check.where,
        "of_all_examples": check.where == slice_label(ALL),
        "demand": check.demand,
        "measured": check.measured,
        "baseline": check.baseline,
        "reached": check.reached,
    }


def _missed(failure: Any, of_slice: Slice) -> str:
    name = failure.metric_key.name
    if of_slice != ALL:
        name = f"{name} of {slice_label(of_slice)}"
    value = failure.metric_value.double_value.value
    threshold = failure.metric_threshold
    if failure.metric_key.is_diff:
        most = max(0.0, -threshold.change_threshold.absolute.value)
        return f"{name} is {-value:.4f} below the baseline's; at most {most:.4f} is allowed"
    least = threshold.value_threshold.lower_bound.value
    return f"{name} is {value:.4f}; the least is {least:.4f}"


if __name__ == "__main__":
    pathlib.Path(sys.argv[2]).write_text(
        json.dumps(evaluation_result(sys.argv[1])), encoding="utf-8"
    )
