"""Transformed examples as batches for Keras."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.canonical_order import in_memory
from components.errors import InputDataError
from components.features import LABEL_KEY, transformed_name

#: Serialized examples that are shuffled together where they do not all fit into memory; one is
#: about a kilobyte.
SHUFFLE_BUFFER = 2**15

#: Files that are read at the same time. It is fixed, because the order of the examples, and so
#: the trained model, follows from it.
_PARALLEL_READS = 8

#: What TensorFlow needs in memory for an example, over its own bytes.
_EXAMPLE_OVERHEAD_BYTES = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """What a split holds.

    Attributes:
        negative: Examples with label 0.
        positive: Examples with label 1.
        memory_bytes: What its serialized examples take in memory.
    """

    negative: int
    positive: int
    memory_bytes: int

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self.negative + self.positive


def read_serialized(patterns: Sequence[str], *, shuffle_seed: int | None = None) -> Any:
    """Returns a ``tf.data.Dataset`` of the serialized examples that Transform wrote.

    Args:
        patterns: Globs of gzipped TFRecord files, one a span.
        shuffle_seed: Read the files in another order at each pass, from this seed; ``None``
            reads them in the order of their names.

    Raises:
        InputDataError: If a pattern matches no file, or the files hold no example.
    """
    found = {pattern: tf.io.gfile.glob(pattern) for pattern in patterns}
    for pattern, paths in found.items():
        if not paths:
            raise InputDataError(
                f"no transformed example in {pattern}; add rows to the CSV files, or run "
                "Transform again if its files were removed"
            )
    files = tf.data.Dataset.from_tensor_slices(
        sorted({path for paths in found.values() for path in paths})
    )
    if shuffle_seed is not None:
        files = files.shuffle(len(files), seed=shuffle_seed)
    examples = files.interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=_PARALLEL_READS,
        num_parallel_calls=_PARALLEL_READS,
        deterministic=True,
    )
    if not any(True for _ in examples.take(1)):
        raise InputDataError(
            f"no transformed example in {', '.join(patterns)}; add rows to the CSV files"
        )
    return examples


def summarize(serialized: Any) -> SplitSummary:
    """Counts the examples of a split in one pass over it.

    Args:
        serialized: What ``read_serialized`` returns.
    """
    name = transformed_name(LABEL_KEY)
    spec = {name: tf.io.FixedLenFeature([], tf.int64)}
    total = positive = size = 0
    for records in serialized.batch(4096):
        labels = tf.io.parse_example(records, spec)[name]
        total += int(tf.size(labels))
        positive += int(tf.reduce_sum(labels))
        size += int(tf.reduce_sum(tf.strings.length(records)))
    return SplitSummary(
        negative=total - positive,
        positive=positive,
        memory_bytes=size + total * _EXAMPLE_OVERHEAD_BYTES,
    )


def batches(
    serialized: Any,
    feature_spec: Mapping[str, Any],
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
    class_weights: tuple[float, float] | None = None,
    cache: bool = False,
    shuffle_buffer: int = SHUFFLE_BUFFER,
) -> Any:
    """Returns batches of parsed examples.

    Args:
        serialized: What ``read_serialized`` returns.
        feature_spec: Spec of the transformed features, with the label.
        batch_size: Examples in a batch.
        shuffle_seed: Shuffle and repeat without end, from this seed; ``None`` does neither.
        class_weights: Weight of an example of class 0 and of class 1.
        cache: Read the serialized examples into memory, where their order follows from their
            content.
        shuffle_buffer: Examples that are shuffled together.

    Returns:
        A ``tf.data.Dataset`` of (features, label) or (features, label, weight).
    """

    def parse(records: Any) -> Any:
        parsed = tf.io.parse_example(records, dict(feature_spec))
        label = parsed.pop(transformed_name(LABEL_KEY))
        if class_weights is None:
            return model_inputs(parsed), label
        return model_inputs(parsed), label, tf.gather(tf.constant(class_weights), label)

    if cache:
        serialized = in_memory(serialized, feature_spec)
    if shuffle_seed is not None:
        serialized = serialized.shuffle(shuffle_buffer, seed=shuffle_seed).repeat()
    # Parsing a batch at a time is many times faster than one example at a time.
    return (
        serialized.batch(batch_size)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def model_inputs(transformed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns transformed features as the model takes them: sparse ones padded with 0."""
    return {
        name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
        for name, value in transformed.items()
    }
