"""What Transform leaves for the Trainer, made from complaints without a pipeline."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from components.complaints_csv import Complaint
from components.features import LABEL_KEY, TEXT_COLUMNS


@dataclasses.dataclass(frozen=True)
class Transformed:
    """What the Trainer gets.

    Attributes:
        graph: Folder of the transform graph.
        files: Globs of the transformed examples by split.
        raw_examples: Serialized examples as ExampleGen writes them, by split.
    """

    graph: str
    files: Mapping[str, list[str]]
    raw_examples: Mapping[str, list[bytes]]


def transform(
    folder: pathlib.Path,
    splits: Mapping[str, Sequence[Complaint]],
    text_encoder: Mapping[str, Any],
) -> Transformed:
    """Analyzes split ``train``, and transforms all splits, as the Transform component does.

    Args:
        folder: Where to write; it may exist.
        splits: Complaints by split.
        text_encoder: What ``preprocessing_fn`` gets as ``text_encoder``.
    """
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
    from tfx_bsl.public import tfxio

    from components.csv_executor import serialized_example
    from components.module import preprocessing_fn

    spec: dict[str, Any] = {LABEL_KEY: tf.io.FixedLenFeature([1], tf.int64)}
    # As SchemaGen infers it: required where no value was missing, left out where all were.
    for place, column in enumerate(TEXT_COLUMNS):
        present = [bool(complaint.cells[place]) for complaint in splits["train"]]
        if all(present):
            spec[column] = tf.io.FixedLenFeature([1], tf.string)
        elif any(present):
            spec[column] = tf.io.VarLenFeature(tf.string)
    schema = schema_utils.schema_from_feature_spec(spec)
    examples = {
        split: [serialized_example(complaint) for complaint in complaints]
        for split, complaints in splits.items()
    }
    source = tfxio.TFExampleBeamRecord("raw", schema=schema)
    with (
        beam.Pipeline() as pipeline,
        tft_beam.Context(temp_dir=str(folder / "temp")),
    ):
        raw = {
            split: (
                pipeline
                | f"Create[{split}]" >> beam.Create(records)
                | f"Raw[{split}]" >> source.BeamSource(),
                source.TensorAdapterConfig(),
            )
            for split, records in examples.items()
        }
        transform_fn = raw["train"] | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, {"text_encoder": text_encoder})
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
        for split, dataset in raw.items():
            transformed, metadata = (dataset, transform_fn) | f"T[{split}]" >> (
                tft_beam.TransformDataset()
            )
            coder = tft.coders.ExampleProtoCoder(metadata.schema)
            _ = (
                transformed
                | f"Encode[{split}]" >> beam.Map(coder.encode)
                | f"Write[{split}]"
                >> beam.io.WriteToTFRecord(str(folder / split / "examples"), file_name_suffix=".gz")
            )
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema), str(folder / "graph" / "metadata")
    )
    return Transformed(
        graph=str(folder / "graph"),
        files={split: [str(folder / split / "*")] for split in splits},
        raw_examples=examples,
    )
