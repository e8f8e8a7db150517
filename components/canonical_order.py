"""An order of examples that follows from what they hold.

Beam promises neither an order of the records that it writes nor a number of files. Both differ
from runner to runner, and with them the model that is trained from a shuffled order.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

#: Examples that are parsed at a time.
_BATCH = 4096

#: Bits of a text's hash.
_HASH_BUCKETS = 2**62


def in_memory(serialized: Any, feature_spec: Mapping[str, Any]) -> Any:
    """Reads serialized examples into memory, in an order that only their content decides.

    Their bytes would not do: those of a map differ from process to process.

    Args:
        serialized: A ``tf.data.Dataset`` of serialized ``tf.Example``s; at least one.
        feature_spec: Spec of their features.

    Returns:
        A ``tf.data.Dataset`` of the same.
    """
    records, keys = [], []
    for batch in serialized.batch(_BATCH):
        records.append(batch.numpy())
        keys.append(content_keys(tf.io.parse_example(batch, dict(feature_spec))))
    order = np.argsort(np.concatenate(keys), kind="stable")
    return tf.data.Dataset.from_tensor_slices(np.concatenate(records)[order])


def content_keys(parsed: Mapping[str, Any]) -> np.ndarray:
    """Returns a number for each example that all with the same features have, and hardly others.

    Args:
        parsed: Features of whole numbers or texts, dense or sparse, ``[batch, ...]``.

    Returns:
        Unsigned 64-bit numbers, ``[batch]``.
    """
    parts = []
    for stream, name in enumerate(sorted(parsed)):
        value = parsed[name]
        if isinstance(value, tf.SparseTensor):
            rows, places = value.indices.numpy()[:, :2].T
            entries = _numbers(value.values) * _weights(stream, places)
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(entries, dtype=np.uint64)])
            # The rows are in order: each example's entries are a range of them.
            ends = np.searchsorted(rows, np.arange(int(value.dense_shape[0]) + 1))
            parts.append(sums[ends[1:]] - sums[ends[:-1]])
        else:
            flat = _numbers(tf.reshape(value, [tf.shape(value)[0], -1]))
            weights = _weights(stream, np.arange(flat.shape[1]))
            parts.append((flat * weights).sum(axis=1, dtype=np.uint64))
    return np.sum(parts, axis=0, dtype=np.uint64)


def _numbers(values: Any) -> np.ndarray:
    if values.dtype == tf.string:
        values = tf.strings.to_hash_bucket_fast(values, _HASH_BUCKETS)
    # 0 is a value like others, and must count.
    return values.numpy().astype(np.uint64) + np.uint64(1)


def _weights(stream: int, places: np.ndarray) -> np.ndarray:
    """Returns a random odd factor for each place, always the same one; sums wrap around."""
    width = int(places.max()) + 1 if places.size else 0
    factors = np.random.default_rng(stream).integers(0, 2**64, size=width, dtype=np.uint64)
    return (factors | np.uint64(1))[places]
