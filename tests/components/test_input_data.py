"""Training input: which files are read, in which order, and what is counted."""

import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from components.errors import InputDataError
from components.features import LABEL_KEY, transformed_name

pytestmark = pytest.mark.whole

LABEL = transformed_name(LABEL_KEY)


def write(path: pathlib.Path, numbers: Sequence[int]) -> None:
    """Writes an example a number; odd ones are disputed."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in numbers:
            example = tf.train.Example()
            example.features.feature[LABEL].int64_list.value.append(number % 2)
            example.features.feature["number"].int64_list.value.append(number)
            writer.write(example.SerializeToString())


@pytest.fixture
def spans(tmp_path: pathlib.Path) -> list[str]:
    """Two spans of two files each, with the numbers from 0 to 99."""
    for file in range(4):
        write(tmp_path / f"span-{file // 2}/examples-{file}.gz", range(file * 25, file * 25 + 25))
    return [str(tmp_path / f"span-{span}" / "*") for span in (0, 1)]


def spec() -> dict[str, Any]:
    import tensorflow as tf

    return {name: tf.io.FixedLenFeature([1], tf.int64) for name in (LABEL, "number")}


def numbers_of(batches: Any) -> list[int]:
    return [int(number) for inputs, _ in batches for number in inputs["number"]]


def test_the_examples_of_all_spans_are_read(spans: list[str]) -> None:
    from components.input_data import batches, read_serialized

    read = numbers_of(batches(read_serialized(spans), spec(), batch_size=7))

    assert sorted(read) == list(range(100))


def test_a_file_that_two_patterns_match_is_read_once(spans: list[str]) -> None:
    from components.input_data import read_serialized, summarize

    assert summarize(read_serialized([*spans, spans[0]])).examples == 100


def test_a_span_without_a_file_is_refused(spans: list[str], tmp_path: pathlib.Path) -> None:
    from components.input_data import read_serialized

    with pytest.raises(InputDataError, match=r"no transformed example in .*span-7"):
        read_serialized([*spans, str(tmp_path / "span-7" / "*")])


def test_labels_and_bytes_are_counted(tmp_path: pathlib.Path) -> None:
    from components.input_data import read_serialized, summarize

    write(tmp_path / "few.gz", [1, 3, 4])
    write(tmp_path / "many.gz", [1, 3, 4] * 10)

    few = summarize(read_serialized([str(tmp_path / "few.gz")]))
    many = summarize(read_serialized([str(tmp_path / "many.gz")]))

    assert (few.negative, few.positive, few.examples) == (1, 2, 3)
    assert many.memory_bytes == 10 * few.memory_bytes
    assert few.memory_bytes > 3 * 40


@pytest.mark.parametrize("cache", [True, False])
def test_a_seed_fixes_an_order_that_mixes_files_and_changes_at_each_pass(
    spans: list[str], cache: bool
) -> None:
    from components.input_data import batches, read_serialized

    def read(seed: int) -> list[int]:
        shuffled = batches(
            read_serialized(spans, shuffle_seed=None if cache else seed),
            spec(),
            batch_size=10,
            shuffle_seed=seed,
            cache=cache,
            shuffle_buffer=100,
        )
        return numbers_of(shuffled.take(20))

    once, again, other = read(3), read(3), read(4)

    assert once == again
    assert once != other
    first, second = once[:100], once[100:]
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert len({number // 25 for number in first[:25]}) == 4


def test_in_memory_the_order_follows_from_the_examples_and_not_from_their_files(
    spans: list[str], tmp_path: pathlib.Path
) -> None:
    from components.input_data import batches, read_serialized

    write(tmp_path / "elsewhere/one.gz", range(99, 30, -1))
    write(tmp_path / "elsewhere/two.gz", range(31))

    def read(patterns: list[str], cache: bool) -> list[int]:
        shuffled = batches(
            read_serialized(patterns),
            spec(),
            batch_size=10,
            shuffle_seed=3,
            cache=cache,
            shuffle_buffer=100,
        )
        return numbers_of(shuffled.take(20))

    elsewhere = [str(tmp_path / "elsewhere" / "*")]
    assert read(spans, cache=True) == read(elsewhere, cache=True)
    assert read(spans, cache=False) != read(elsewhere, cache=False)
