"""Keys of examples: the same for the same features, and different for others."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.whole


def serialized(
    numbers: Sequence[int] = (), words: Sequence[bytes] = (), tokens: Sequence[int] = ()
) -> bytes:
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["numbers"].int64_list.value.extend(numbers or (0, 0))
    example.features.feature["word"].bytes_list.value.extend(words or (b"",))
    example.features.feature["tokens"].int64_list.value.extend(tokens)
    return example.SerializeToString()


def spec() -> Mapping[str, Any]:
    import tensorflow as tf

    return {
        "numbers": tf.io.FixedLenFeature([2], tf.int64),
        "word": tf.io.FixedLenFeature([1], tf.string),
        "tokens": tf.io.VarLenFeature(tf.int64),
    }


def keys(*examples: bytes) -> list[int]:
    import tensorflow as tf

    from components.canonical_order import content_keys

    found = content_keys(tf.io.parse_example(list(examples), spec()))
    return [int(key) for key in found]


DIFFERENT = {
    "numbers": ({"numbers": (1, 2)}, {"numbers": (1, 3)}),
    "their places": ({"numbers": (1, 2)}, {"numbers": (2, 1)}),
    "texts": ({"words": (b"a",)}, {"words": (b"b",)}),
    "tokens": ({"tokens": (5, 6)}, {"tokens": (5, 7)}),
    "order of tokens": ({"tokens": (5, 6)}, {"tokens": (6, 5)}),
    "a token more": ({"tokens": (5, 6)}, {"tokens": (5, 6, 0)}),
    "no token": ({}, {"tokens": (0,)}),
    "the feature": ({"numbers": (7, 0)}, {"tokens": (7,)}),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_examples_that_differ_have_different_keys(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = keys(serialized(**one), serialized(**other))

    assert first != second


def test_a_key_does_not_depend_on_the_examples_beside_it() -> None:
    example = serialized((3, 4), (b"word",), (5, 6, 7))
    longer = serialized(tokens=range(50))

    (alone,) = keys(example)

    assert keys(serialized(), example, longer, example)[1::2] == [alone, alone]


def test_all_examples_are_kept_with_those_that_are_there_twice() -> None:
    import tensorflow as tf

    from components.canonical_order import in_memory

    examples = [serialized(tokens=(number % 7,)) for number in range(30)]

    ordered = [
        record.numpy() for record in in_memory(tf.data.Dataset.from_tensor_slices(examples), spec())
    ]

    assert ordered != examples
    assert sorted(ordered) == sorted(examples)
