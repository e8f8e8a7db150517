"""Evaluations and logs of trainings made by hand, as TFMA and Keras write them."""

import json
import pathlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.util import tensor_util

from components.charts.evaluation_files import Slice
from components.charts.tfma_messages import message_class

#: Metrics of 100 examples, of which 20 are positive; 24 are predicted as such, 12 rightly.
METRICS = {
    "example_count": 100.0,
    "auc": 0.75,
    "binary_accuracy": 0.8,
    "precision": 0.5,
    "recall": 0.6,
    "mean_label": 0.2,
}


def record_file(messages: Iterable[Any]) -> bytes:
    """Returns the content of a TFRecord file; its checksums are not real ones."""
    content = b""
    for message in messages:
        data = message if isinstance(message, bytes) else message.SerializeToString()
        content += struct.pack("<Q", len(data)) + b"head" + data + b"foot"
    return content


def write_evaluation(
    folder: pathlib.Path,
    metrics: Mapping[Slice, Mapping[str, float]],
    *,
    baseline: Mapping[Slice, Mapping[str, float]] | None = None,
    metrics_specs: Sequence[Mapping[str, Any]] = ({"metrics": [{"className": "AUC"}]},),
    validation: Any | None = None,
    plots: Mapping[str, Any] | None = None,
) -> str:
    """Writes an evaluation.

    Args:
        folder: Where it goes.
        metrics: The candidate's metrics by slice.
        baseline: The baseline's; ``None`` for an evaluation of one model.
        metrics_specs: What is measured, as JSON of TFMA's ``MetricsSpec``.
        validation: TFMA's ``ValidationResult``; ``None`` for no such file.
        plots: TFMA's ``PlotData`` of all examples by the model's name; ``None`` for no such file.
    """
    by_model = {"": metrics} if baseline is None else {"candidate": metrics, "baseline": baseline}
    model_specs = [
        {"name": name} | ({"isBaseline": True} if name == "baseline" else {}) for name in by_model
    ]
    config = {"evalConfig": {"modelSpecs": model_specs, "metricsSpecs": list(metrics_specs)}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "eval_config.json").write_text(json.dumps(config))
    of_slices = []
    for key in metrics:
        of_slice = message_class("MetricsForSlice")()
        set_slice(of_slice.slice_key, key)
        for name, by_slice in by_model.items():
            for metric, value in by_slice.get(key, {}).items():
                pair = of_slice.metric_keys_and_values.add()
                pair.key.name, pair.key.model_name = metric, name
                pair.value.double_value.value = value
        of_slices.append(of_slice)
    (folder / "metrics-00000-of-00001.tfrecord").write_bytes(record_file(of_slices))
    if validation is not None:
        (folder / "validations.tfrecord").write_bytes(record_file([validation]))
    if plots is not None:
        of_all = message_class("PlotsForSlice")()
        of_all.slice_key.SetInParent()
        for name, data in plots.items():
            pair = of_all.plot_keys_and_values.add()
            pair.key.model_name = name
            pair.value.CopyFrom(data)
        (folder / "plots-00000-of-00001.tfrecord").write_bytes(record_file([of_all]))
    return str(folder)


def set_slice(message: Any, key: Slice) -> None:
    """Fills in a ``SliceKey``."""
    message.SetInParent()
    for column, value in key:
        message.single_slice_keys.add(column=column, bytes_value=value.encode())


def plot_data(
    buckets: Sequence[tuple[float, float, float]] = (),
    matrices: Sequence[tuple[float, float, float, float, float]] = (),
) -> Any:
    """Returns ``PlotData``.

    Args:
        buckets: Examples, sum of labels and sum of predictions.
        matrices: Threshold, true and false positives, true and false negatives.
    """
    data = message_class("PlotData")()
    for examples, labels, predictions in buckets:
        bucket = data.calibration_histogram_buckets.buckets.add()
        bucket.num_weighted_examples.value = examples
        bucket.total_weighted_label.value = labels
        bucket.total_weighted_refined_prediction.value = predictions
    for threshold, tp, fp, tn, fn in matrices:
        data.confusion_matrix_at_thresholds.matrices.add(
            threshold=threshold,
            true_positives=tp,
            false_positives=fp,
            true_negatives=tn,
            false_negatives=fn,
        )
    return data


def event(epoch: int, metrics: Mapping[str, float], *, time: float = 1.0) -> event_pb2.Event:
    """Returns what Keras logs of an epoch."""
    made = event_pb2.Event(step=epoch, wall_time=time)
    for name, number in metrics.items():
        value = made.summary.value.add(tag=f"epoch_{name}")
        value.tensor.CopyFrom(tensor_util.make_tensor_proto(number))
    return made


def write_log(
    folder: pathlib.Path, split: str, epochs: Sequence[Mapping[str, float]], *, name: str = "1"
) -> pathlib.Path:
    """Writes the log of a split, of epochs from 0, and returns the file."""
    path = folder / split / f"events.out.tfevents.{name}.v2"
    path.parent.mkdir(parents=True, exist_ok=True)
    version = event_pb2.Event(file_version="brain.Event:2")
    path.write_bytes(
        record_file([version, *(event(epoch, metrics) for epoch, metrics in enumerate(epochs))])
    )
    return path
