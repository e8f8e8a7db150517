"""Metrics of a run as Kubeflow shows them, in columns of its list of runs and its comparison."""

import json
import math
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.execution_outcome import Artifact
from components.hyperparameters import MONITORED_METRIC

#: The most metrics that Kubeflow takes of a step (kubeflow/pipelines, persistence agent).
_MAX_METRICS = 50

# A metric's name is ^[a-zA-Z]([-_a-zA-Z0-9]{0,62}[a-zA-Z0-9])?$ (kubeflow/pipelines,
# backend/src/apiserver/resource/resource_manager.go).
_NOT_IN_A_NAME = re.compile(r"[^-_a-zA-Z0-9]")
_MAX_NAME = 64

#: The folders in which Keras' TensorBoard callback logs, and what its metrics' names begin with.
#: Kubeflow shows a run's metrics by name: those of the train split must not hide the evaluation's.
_LOG_FOLDERS = {"train": "train_", "validation": "val_"}
_EPOCH_TAG = "epoch_"


def metrics_of(outputs: Mapping[str, list[Artifact]]) -> dict[str, float]:
    """Returns the metrics that a step's outputs hold.

    Args:
        outputs: The step's output artifacts, by the output's name.

    Returns:
        Finite numbers by name: those of an evaluation over all examples, or those of the epoch
        of a training that was exported; empty for other steps.
    """
    metrics: dict[str, float] = {}
    for artifacts in outputs.values():
        for artifact in artifacts:
            if artifact.type == "ModelEvaluation":
                metrics |= evaluation_metrics(artifact.uri)
            elif artifact.type == "ModelRun":
                metrics |= training_metrics(artifact.uri)
    return metrics


def evaluation_metrics(uri: str) -> dict[str, float]:
    """Returns the finite metrics of an evaluation over all examples.

    Args:
        uri: Folder or URI of TFMA's evaluation.
    """
    import tensorflow_model_analysis as tfma

    metrics = {}
    for key, values in tfma.load_eval_result(uri).slicing_metrics:
        if key:
            continue
        for value in values.values():
            for by_metric in value.values():
                for name, number in by_metric.items():
                    # Protocol buffers' JSON has text for what is not a finite number.
                    metric = float(number.get("doubleValue", "nan"))
                    # The change against the baseline is said with the threshold that it misses.
                    if math.isfinite(metric) and not name.endswith("_diff"):
                        metrics[name] = metric
    return metrics


def training_metrics(uri: str) -> dict[str, float]:
    """Returns the metrics of the exported epoch from the TensorBoard logs of a training.

    Args:
        uri: Folder or URI with the logs that Keras' TensorBoard callback wrote.

    Returns:
        ``train_loss``, ``val_loss`` and so on; those of the last epoch where
        ``MONITORED_METRIC`` was not logged.
    """
    epochs = training_epochs(uri)
    if not epochs:
        return {}
    monitored = [
        epoch for epoch in epochs if math.isfinite(epochs[epoch].get(MONITORED_METRIC, math.nan))
    ]
    # The first of equal ones, as Keras' EarlyStopping.
    best = (
        max(monitored, key=lambda epoch: (epochs[epoch][MONITORED_METRIC], -epoch))
        if monitored
        else max(epochs)
    )
    return {name: value for name, value in epochs[best].items() if math.isfinite(value)}


def training_epochs(uri: str) -> dict[int, dict[str, float]]:
    """Returns the metrics of each epoch from the TensorBoard logs of a training.

    Args:
        uri: Folder or URI with the logs that Keras' TensorBoard callback wrote.

    Returns:
        By epoch, numbers by name, such as ``train_loss`` and ``val_loss``.
    """
    import tensorflow as tf

    found: dict[tuple[int, str], tuple[float, float]] = {}
    for folder, _, files in tf.io.gfile.walk(uri):
        prefix = _LOG_FOLDERS.get(folder.rstrip("/").rpartition("/")[2])
        if prefix is None:
            continue
        for name in files:
            if "tfevents" not in name:
                continue
            for event in _events(f"{folder.rstrip('/')}/{name}"):
                for value in event.summary.value:
                    if not value.tag.startswith(_EPOCH_TAG):
                        continue
                    key = (event.step, prefix + value.tag.removeprefix(_EPOCH_TAG))
                    # A training that was interrupted has logged some epochs twice.
                    if event.wall_time >= found.get(key, (0.0, 0.0))[0]:
                        found[key] = (event.wall_time, float(tf.make_ndarray(value.tensor)))
    epochs: dict[int, dict[str, float]] = {}
    for (epoch, name), (_, number) in sorted(found.items()):
        epochs.setdefault(epoch, {})[name] = number
    return epochs


def _events(path: str) -> Iterator[Any]:
    import tensorflow as tf

    try:
        for record in tf.data.TFRecordDataset(path):
            yield tf.compat.v1.Event.FromString(record.numpy())
    except tf.errors.DataLossError:
        return  # The writer was killed; what comes before is whole.


def write_metrics(path: pathlib.Path, metrics: Mapping[str, float]) -> None:
    """Writes the file that Kubeflow reads as the output artifact ``mlpipeline-metrics``.

    Args:
        path: The file.
        metrics: Finite numbers by name; Kubeflow takes the first 50.
    """
    listed = [
        {"name": metric_name(name), "numberValue": number, "format": "RAW"}
        for name, number in sorted(metrics.items())
    ]
    path.write_text(json.dumps({"metrics": listed[:_MAX_METRICS]}), encoding="utf-8")


def metric_name(name: str) -> str:
    """Returns a name that Kubeflow takes for a metric, made from another."""
    fit = _NOT_IN_A_NAME.sub("-", name)
    if not fit[:1].isalpha():
        fit = f"m{fit}"
    return fit[:_MAX_NAME].rstrip("-_")
