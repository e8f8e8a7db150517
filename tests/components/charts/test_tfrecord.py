"""Records of TFRecord files."""

import pathlib

import pytest

from components.charts.tfrecord import CutOffError, records
from tests.components.charts.artifacts_of_models import record_file


def test_records_come_in_their_order() -> None:
    assert list(records(record_file([b"one", b"", b"three"]))) == [b"one", b"", b"three"]


def test_an_empty_file_has_no_records() -> None:
    assert list(records(b"")) == []


@pytest.mark.parametrize("kept", range(1, len(record_file([b"two"]))))
def test_what_is_before_the_cut_is_whole(kept: int) -> None:
    first = record_file([b"one"])
    found = records(first + record_file([b"two"])[:kept])

    assert next(found) == b"one"
    with pytest.raises(CutOffError, match=f"within the record at byte {len(first)}$"):
        next(found)


def test_a_damaged_length_ends_the_file() -> None:
    with pytest.raises(CutOffError):
        list(records(b"\xff" * 8 + record_file([b"one"])))


@pytest.mark.whole
def test_tensorflows_own_files_are_read(tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    path = tmp_path / "file"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (b"one", b"", b"\x00" * 70_000):
            writer.write(record)

    assert list(records(path.read_bytes())) == [b"one", b"", b"\x00" * 70_000]
