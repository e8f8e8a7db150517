"""Metrics of a run as Kubeflow shows them, in columns of its list of runs and its comparison."""

import json
import math
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import message

from components.charts.evaluation_files import read_evaluation
from components.charts.files import exists, file_sizes, join, read_bytes
from components.charts.tfrecord import CutOffError, records
from components.execution_outcome import Artifact, span_numbers
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
        Finite numbers by name: those of an evaluation over all examples, those of the epoch
        of a training that was exported, or the spans that examples come from; empty for other
        steps.
    """
    metrics: dict[str, float] = {}
    for artifacts in outputs.values():
        for artifact in artifacts:
            if artifact.type == "ModelEvaluation":
                metrics |= evaluation_metrics(artifact.uri)
            elif artifact.type == "ModelRun":
                metrics |= training_metrics(artifact.uri)
            elif artifact.type == "Examples":
                metrics |= span_numbers(artifact)
    return metrics


def evaluation_metrics(uri: str) -> dict[str, float]:
    """Returns the finite metrics of an evaluation over all examples.

    Args:
        uri: Folder or URI of TFMA's evaluation.
    """
    return {
        name: value
        for name, value in read_evaluation(uri).of_candidate().items()
        if math.isfinite(value)
    }


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
    exported = epochs[exported_epoch(epochs)]
    return {name: value for name, value in exported.items() if math.isfinite(value)}


def exported_epoch(epochs: Mapping[int, Mapping[str, float]]) -> int:
    """Returns the epoch whose weights were exported.

    Args:
        epochs: Metrics by epoch, at least one.

    Returns:
        The epoch with the highest ``MONITORED_METRIC``; the last where none was logged.
    """
    monitored = {
        epoch: metrics[MONITORED_METRIC]
        for epoch, metrics in epochs.items()
        if math.isfinite(metrics.get(MONITORED_METRIC, math.nan))
    }
    # The first of equal ones, as Keras' EarlyStopping.
    return max(monitored, key=lambda epoch: (monitored[epoch], -epoch), default=max(epochs))


def training_epochs(uri: str) -> dict[int, dict[str, float]]:
    """Returns the metrics of each epoch from the TensorBoard logs of a training.

    Args:
        uri: Folder or URI with the logs that Keras' TensorBoard callback wrote.

    Returns:
        By epoch from 0, numbers by name, such as ``train_loss`` and ``val_loss``; some may not be
        finite. Empty where nothing was logged.

    Raises:
        ArtifactError: If a log cannot be read.
    """
    found: dict[tuple[int, str], tuple[float, float]] = {}
    for path in file_sizes(uri) if exists(uri) else ():
        folder, _, name = join(uri, path).rpartition("/")
        prefix = _LOG_FOLDERS.get(folder.rpartition("/")[2])
        if prefix is None or "tfevents" not in name:
            continue
        for event in _events(join(uri, path)):
            for value in event.summary.value:
                number = _scalar(value) if value.tag.startswith(_EPOCH_TAG) else None
                if number is None:
                    continue
                key = (event.step, prefix + value.tag.removeprefix(_EPOCH_TAG))
                # A training that was interrupted has logged some epochs twice.
                if event.wall_time >= found.get(key, (0.0, 0.0))[0]:
                    found[key] = (event.wall_time, number)
    epochs: dict[int, dict[str, float]] = {}
    for (epoch, name), (_, number) in sorted(found.items()):
        epochs.setdefault(epoch, {})[name] = number
    return epochs


def _events(path: str) -> Iterator[Any]:
    # TensorBoard, which comes with TensorFlow, has its messages, and imports nothing of it.
    from tensorboard.compat.proto import event_pb2

    try:
        for record in records(read_bytes(path)):
            yield event_pb2.Event.FromString(record)
    except (CutOffError, message.DecodeError):
        return  # The writer was killed; what comes before is whole.


def _scalar(value: Any) -> float | None:
    """Returns the number of a summary; ``None`` where it holds something else."""
    from tensorboard.util import tensor_util

    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    try:
        tensor = tensor_util.make_ndarray(value.tensor)
        return float(tensor) if tensor.size == 1 else None
    except (TypeError, ValueError):
        return None


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
