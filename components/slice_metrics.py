"""A metric for the gate on the worst slice, which TFMA has none for."""

from typing import Any

from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.metrics.binary_confusion_matrices import Matrices
from tensorflow_model_analysis.metrics.confusion_matrix_metrics import (
    AUC,
    ConfusionMatrixMetricBase,
)

from components.charts.intervals import hanley_mcneil

#: The metric's name in an evaluation.
AUC_UPPER_BOUND = "auc_upper_bound"


class AucUpperBound(AUC):
    """The upper end of the AUC's 95% interval, by Hanley and McNeil.

    A bound on it is missed only where a slice is worse than the bound for certain: the AUC of a
    slice with few examples is chance, and TFMA's ``min_slice_size`` takes a small slice for one
    that misses every bound.
    """

    def __init__(self, minimum_examples: int = 1, name: str | None = None) -> None:
        """Makes the metric.

        Args:
            minimum_examples: A slice with fewer has an upper end of 1.
            name: The metric's name.
        """
        # AUC itself takes no parameter more.
        ConfusionMatrixMetricBase.__init__(
            self,
            curve="ROC",
            summation_method="interpolation",
            minimum_examples=minimum_examples,
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the parameters of ``__init__``."""
        return {name: self.kwargs[name] for name in ("minimum_examples", "name")}

    def _default_name(self) -> str:
        return AUC_UPPER_BOUND

    def _metric_value(
        self,
        curve: str,
        summation_method: str,
        minimum_examples: int,
        key: metric_types.MetricKey,
        matrices: Matrices,
    ) -> float:
        positives = round(matrices.tp[0] + matrices.fn[0])
        negatives = round(matrices.fp[0] + matrices.tn[0])
        if positives + negatives < minimum_examples:
            return 1.0
        auc = float(super()._metric_value(curve, summation_method, key, matrices))
        found = hanley_mcneil(auc, positives, negatives)
        return 1.0 if found is None else found[1]
