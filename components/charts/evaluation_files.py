"""Reads what TFMA has written of an evaluation, without TensorFlow and TFMA.

TFMA 0.46 writes ``eval_config.json``, TFRecord files of its messages, and a record for each slice.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf import json_format, message

from components.charts.files import ArtifactError, exists, join, list_folder, read_bytes
from components.charts.tfma_messages import message_class
from components.charts.tfrecord import CutOffError, records

#: A slice of the examples: columns with the value that they have in it.
Slice: TypeAlias = tuple[tuple[str, str], ...]

#: The slice of all examples.
ALL: Slice = ()

#: TFMA's classes of metrics that take a prediction as positive or negative.
_AT_A_THRESHOLD = ("BinaryAccuracy", "Precision", "Recall")

_CONFIG, _VALIDATIONS = "eval_config.json", "validations.tfrecord"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The metrics of an evaluation.

    Attributes:
        config: What was measured: TFMA's ``EvalConfig``.
        candidate: Name of the model that was evaluated; empty where it was the only one.
        baseline: Name of the model that it was compared with; ``None`` without one.
        metrics: Numbers by model, slice and name of the metric; some may not be finite.
        cross_slices: How many comparisons of two slices there are besides.
    """

    config: Any
    candidate: str
    baseline: str | None
    metrics: Mapping[str, Mapping[Slice, Mapping[str, float]]]
    cross_slices: int = 0

    def of_candidate(self, key: Slice = ALL) -> Mapping[str, float]:
        """Returns the candidate's metrics on a slice; none where there is no such slice."""
        return self.metrics.get(self.candidate, {}).get(key, {})

    def of_baseline(self, key: Slice = ALL) -> Mapping[str, float]:
        """Returns the baseline's metrics on a slice; none where there is no baseline."""
        return self.metrics.get(self.baseline, {}).get(key, {}) if self.baseline is not None else {}

    def slices(self) -> list[Slice]:
        """Returns the slices but that of all examples, those with most examples first."""
        found = [key for key in self.metrics.get(self.candidate, {}) if key != ALL]
        return sorted(found, key=lambda key: (-_count(self.of_candidate(key)), key))


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Examples whose predictions are near each other.

    Attributes:
        examples: How many.
        labels: Sum of their labels: how many are positive.
        predictions: Sum of their predictions.
    """

    examples: float
    labels: float
    predictions: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """Examples by label and prediction, where a prediction above a threshold is positive."""

    threshold: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plots:
    """What the plots of a model on a slice are made of.

    Attributes:
        calibration: Buckets of the calibration plot that have examples and finite sums, by rising
            prediction.
        confusion: Confusion matrices by rising threshold.
    """

    calibration: Sequence[Bucket] = ()
    confusion: Sequence[ConfusionMatrix] = ()


def read_evaluation(uri: str) -> Evaluation:
    """Reads the metrics of an evaluation.

    Args:
        uri: Folder or URI of the artifact.

    Raises:
        ArtifactError: If there is none, or a file of it cannot be read.
    """
    config = _read_config(uri)
    candidate, baseline = _models(config)
    metrics: dict[str, dict[Slice, dict[str, float]]] = {}
    cross_slices = 0
    for of_slice in _messages(uri, "metrics", "MetricsForSlice"):
        if of_slice.HasField("cross_slice_key"):
            cross_slices += 1
            continue
        for pair in of_slice.metric_keys_and_values:
            value = _number(pair.value)
            # The difference between two models is that of their metrics.
            if value is not None and not pair.key.is_diff:
                by_slice = metrics.setdefault(pair.key.model_name, {})
                by_slice.setdefault(slice_of(of_slice.slice_key), {})[metric_name(pair.key)] = value
    return Evaluation(
        config=config,
        candidate=candidate,
        baseline=baseline,
        metrics=metrics,
        cross_slices=cross_slices,
    )


def read_plots(uri: str, key: Slice = ALL) -> dict[str, Plots]:
    """Reads what the plots of a slice are made of.

    Args:
        uri: Folder or URI of the artifact.
        key: The slice.

    Returns:
        Plots by the model's name; none where the evaluation has no plots of this slice.

    Raises:
        ArtifactError: If a file cannot be read.
    """
    plots: dict[str, Plots] = {}
    for of_slice in _messages(uri, "plots", "PlotsForSlice"):
        if of_slice.HasField("cross_slice_key") or slice_of(of_slice.slice_key) != key:
            continue
        for pair in of_slice.plot_keys_and_values:
            known = plots.get(pair.key.model_name, Plots())
            plots[pair.key.model_name] = Plots(
                calibration=_calibration(pair.value) or known.calibration,
                confusion=_confusion(pair.value) or known.confusion,
            )
    return plots


def read_validation(uri: str) -> Any | None:
    """Reads which thresholds were missed.

    Args:
        uri: Folder or URI of the artifact.

    Returns:
        TFMA's ``ValidationResult``; ``None`` where the evaluation had nothing to validate.

    Raises:
        ArtifactError: If the file cannot be read.
    """
    file = join(uri, _VALIDATIONS)
    if not exists(file):
        return None
    found = list(_messages_of_file(file, "ValidationResult"))
    return found[-1] if found else None


def decision_threshold(config: Any) -> float | None:
    """Returns the threshold that accuracy, precision and recall are measured at.

    Args:
        config: TFMA's ``EvalConfig``.

    Returns:
        The threshold; ``None`` where none is configured.
    """
    for metrics in config.metrics_specs:
        for metric in metrics.metrics:
            if metric.class_name in _AT_A_THRESHOLD and metric.config:
                try:
                    settings = json.loads(metric.config)
                    found = settings.get("threshold", settings.get("thresholds"))
                    return float(found[0] if isinstance(found, list) else found)
                except (ValueError, TypeError, AttributeError, IndexError):
                    continue
    return None


def metric_name(key: Any) -> str:
    """Returns the name of a metric, with what tells it apart from others of that name.

    Args:
        key: TFMA's ``MetricKey``.
    """
    details = [key.output_name] if key.output_name else []
    details += [
        f"{field.name} {value.value}" for field, value in key.sub_key.ListFields()
    ]  # class_id, k, top_k
    details += [field.name for field, _ in key.aggregation_type.ListFields()]
    if key.example_weighted.value:
        details.append("weighted")
    return f"{key.name} ({', '.join(details)})" if details else key.name


def slice_of(key: Any) -> Slice:
    """Returns a slice.

    Args:
        key: TFMA's ``SliceKey``.
    """
    return tuple((each.column, _slice_value(each)) for each in key.single_slice_keys)


def slice_text(key: Slice) -> str:
    """Returns a slice as text: its value, with the column where it has several."""
    if not key:
        return "all examples"
    if len(key) == 1:
        return key[0][1] or "(empty)"
    return ", ".join(f"{column}: {value or '(empty)'}" for column, value in key)


def slice_label(key: Slice) -> str:
    """Returns a slice as text that says what of, such as ``state NJ``."""
    return ", ".join(f"{column} {value or '(empty)'}" for column, value in key) or slice_text(ALL)


def _count(metrics: Mapping[str, float]) -> float:
    count = metrics.get("example_count", 0.0)
    return count if math.isfinite(count) else 0.0


def _models(config: Any) -> tuple[str, str | None]:
    names = [spec.name for spec in config.model_specs if not spec.is_baseline]
    baselines = [spec.name for spec in config.model_specs if spec.is_baseline]
    return names[0] if names else "", baselines[0] if baselines else None


def _slice_value(each: Any) -> str:
    kind = each.WhichOneof("kind")
    if kind is None:
        return ""
    value = getattr(each, kind)
    return value.decode(errors="replace") if isinstance(value, bytes) else f"{value:g}"


def _number(value: Any) -> float | None:
    kind = value.WhichOneof("type")
    if kind == "double_value":
        return float(value.double_value.value)
    if kind == "bounded_value":
        return float(value.bounded_value.value.value)
    if kind == "t_distribution_value":
        return float(value.t_distribution_value.unsampled_value.value)
    return None  # Matrices, arrays and texts.


def _calibration(data: Any) -> list[Bucket]:
    buckets = [
        Bucket(
            bucket.num_weighted_examples.value,
            bucket.total_weighted_label.value,
            bucket.total_weighted_refined_prediction.value,
        )
        for bucket in data.calibration_histogram_buckets.buckets
    ]
    # Sums with a prediction that is not a number say nothing.
    return [
        bucket
        for bucket in buckets
        if bucket.examples > 0 and all(map(math.isfinite, dataclasses.astuple(bucket)))
    ]


def _confusion(data: Any) -> list[ConfusionMatrix]:
    matrices = [
        ConfusionMatrix(
            threshold=matrix.threshold,
            true_positives=matrix.true_positives,
            false_positives=matrix.false_positives,
            true_negatives=matrix.true_negatives,
            false_negatives=matrix.false_negatives,
        )
        for matrix in data.confusion_matrix_at_thresholds.matrices
    ]
    return sorted(matrices, key=lambda matrix: matrix.threshold)


def _read_config(uri: str) -> Any:
    file = join(uri, _CONFIG)
    run = message_class("EvalRun")()
    try:
        json_format.Parse(read_bytes(file), run, ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"{file} is no configuration of an evaluation: {reason}") from error
    return run.eval_config


def _messages(uri: str, kind: str, name: str) -> Iterator[Any]:
    """Yields the messages of all files of a kind; TFMA splits large ones."""
    names = [each for each in list_folder(uri) if re.fullmatch(rf"{kind}(-.*)?\.tfrecord", each)]
    if not names:
        raise ArtifactError(f"{uri} has no {kind}-*.tfrecord; is it an evaluation of TFMA?")
    for each in names:
        yield from _messages_of_file(join(uri, each), name)


def _messages_of_file(file: str, name: str) -> Iterator[Any]:
    kind = message_class(name)
    try:
        for record in records(read_bytes(file)):
            yield kind.FromString(record)
    except CutOffError as error:
        raise ArtifactError(f"{file} is cut off: {error}") from error
    except message.DecodeError as error:
        raise ArtifactError(f"{file} has something else than a {name}") from error
