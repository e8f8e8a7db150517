"""Transformed examples as batches for Keras."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.errors import InputDataError
from components.features import LABEL_KEY, transformed_name

#: Serialized examples that are shuffled together; one is about a kilobyte.
_SHUFFLE_BUFFER = 2**15


def read_serialized(patterns: Sequence[str]) -> Any:
    """Returns a ``tf.data.Dataset`` of the serialized examples that Transform wrote.

    Args:
        patterns: Globs of gzipped TFRecord files.

    Raises:
        InputDataError: If no file matches, or the files hold no example.
    """
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    examples = tf.data.TFRecordDataset(files, compression_type="GZIP") if files else None
    if examples is None or not any(True for _ in examples.take(1)):
        raise InputDataError(
            f"no transformed example in {', '.join(patterns)}; add rows to the CSV files"
        )
    return examples


def batches(
    serialized: Any,
    feature_spec: Mapping[str, Any],
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
    class_weights: tuple[float, float] | None = None,
) -> Any:
    """Returns batches of parsed examples.

    Args:
        serialized: What ``read_serialized`` returns.
        feature_spec: Spec of the transformed features, with the label.
        batch_size: Examples in a batch.
        shuffle_seed: Shuffle and repeat without end, from this seed; ``None`` does neither.
        class_weights: Weight of an example of class 0 and of class 1.

    Returns:
        A ``tf.data.Dataset`` of (features, label) or (features, label, weight).
    """

    def parse(records: Any) -> Any:
        parsed = tf.io.parse_example(records, dict(feature_spec))
        label = parsed.pop(transformed_name(LABEL_KEY))
        if class_weights is None:
            return model_inputs(parsed), label
        return model_inputs(parsed), label, tf.gather(tf.constant(class_weights), label)

    if shuffle_seed is not None:
        serialized = serialized.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed).repeat()
    # Parsing a batch at a time is many times faster than one example at a time.
    return (
        serialized.batch(batch_size)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def model_inputs(transformed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns transformed features as the model takes them: sparse ones padded with 0."""
    return {
        name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
        for name, value in transformed.items()
    }


def count_labels(serialized: Any) -> tuple[int, int]:
    """Returns how many examples have label 0 and how many have label 1."""
    name = transformed_name(LABEL_KEY)
    spec = {name: tf.io.FixedLenFeature([], tf.int64)}
    total = positive = 0
    for records in serialized.batch(4096):
        labels = tf.io.parse_example(records, spec)[name]
        total += int(tf.size(labels))
        positive += int(tf.reduce_sum(labels))
    return total - positive, positive
