"""What Beam's components have written on a volume, in a form that two runners' can be compared."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict

from components.charts.evaluation_files import read_evaluation

#: Beam adds floating-point numbers in the order in which its workers bring them.
_ROUNDING = 1e-9

_PIPELINE = "output/consumer_complaint_pipeline_kubeflow"
_SPLITS = ("train", "eval")


@dataclasses.dataclass(frozen=True)
class BeamOutputs:
    """What came out, without the order of examples and features, which no runner promises.

    Attributes:
        examples: Examples of each split, as sorted bytes.
        transformed: Transformed examples, likewise.
        statistics: TFDV's statistics by split: numbers and texts by where they stand.
        vocabulary: Transform's vocabulary.
    """

    examples: Mapping[str, list[bytes]]
    transformed: Mapping[str, list[bytes]]
    statistics: Mapping[str, Mapping[str, Any]]
    vocabulary: bytes


def read_outputs(volume: pathlib.Path) -> BeamOutputs:
    """Reads the newest outputs of ExampleGen, StatisticsGen and Transform."""
    graph = _newest(volume, "Transform/transform_graph")
    (vocabulary,) = (graph / "transform_fn/assets").iterdir()
    return BeamOutputs(
        examples=_examples(_newest(volume, "CsvExampleGen/examples")),
        transformed=_examples(_newest(volume, "Transform/transformed_examples")),
        statistics=_statistics(_newest(volume, "StatisticsGen/statistics")),
        vocabulary=vocabulary.read_bytes(),
    )


def read_metrics(volume: pathlib.Path) -> dict[str, float]:
    """Reads the model's metrics of the newest evaluation, by slice and name."""
    evaluation = read_evaluation(str(_newest(volume, "Evaluator/evaluation")))
    return {
        f"{key}, {name}": value
        for key, values in evaluation.metrics[evaluation.candidate].items()
        for name, value in values.items()
    }


def different_statistics(outputs: BeamOutputs, others: BeamOutputs) -> list[str]:
    """Returns where statistics differ by more than rounding."""
    return [
        f"{split}{place}"
        for split in _SPLITS
        for place in sorted(outputs.statistics[split].keys() | others.statistics[split].keys())
        if not _alike(outputs.statistics[split].get(place), others.statistics[split].get(place))
    ]


def _alike(value: Any, other: Any) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=_ROUNDING)
    return value == other


def _newest(volume: pathlib.Path, output: str) -> pathlib.Path:
    # Named by the execution's number.
    folders = [path for path in (volume / _PIPELINE / output).iterdir() if path.name.isdigit()]
    return max(folders, key=lambda path: int(path.name))


def _examples(folder: pathlib.Path) -> dict[str, list[bytes]]:
    import tensorflow as tf

    return {
        split: sorted(
            # A map's order differs from process to process.
            tf.train.Example.FromString(record.numpy()).SerializeToString(deterministic=True)
            for record in tf.data.TFRecordDataset(
                sorted(str(path) for path in (folder / f"Split-{split}").glob("*.gz")),
                compression_type="GZIP",
            )
        )
        for split in _SPLITS
    }


def _statistics(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = {}
    for split in _SPLITS:
        path = folder / f"Split-{split}/FeatureStats.pb"
        (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(
            path.read_bytes()
        ).datasets
        features = {
            ".".join(feature.path.step): MessageToDict(feature) for feature in dataset.features
        }
        found[split] = _leaves({"num_examples": dataset.num_examples, **features})
    return found


def _leaves(tree: Any, place: str = "") -> dict[str, Any]:
    if isinstance(tree, dict):
        entries = list(tree.items())
    elif isinstance(tree, list):
        entries = list(enumerate(tree))
    else:
        return {place: tree}
    return {
        name: leaf
        for key, value in entries
        for name, leaf in _leaves(value, f"{place}/{key}").items()
    }
