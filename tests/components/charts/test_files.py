"""Files of artifacts, here and in buckets."""

import pathlib

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.charts.files import (
    ArtifactError,
    exists,
    file_sizes,
    join,
    list_folder,
    read_bytes,
    read_message,
    split_uris,
)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("Split-test", "Split-eval", "Split-train", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.pb").write_bytes(b"\xff\x00 content")
    return tmp_path


def test_a_local_file_is_read(folder: pathlib.Path) -> None:
    assert read_bytes(join(f"{folder}/", "other", "file.pb")) == b"\xff\x00 content"
    assert list_folder(f"{folder}/other") == ["file.pb"]
    assert exists(f"{folder}/other")
    assert not exists(f"{folder}/another")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda uri: read_bytes(f"{uri}/no"), "/no cannot be read: No such file or directory"),
        (lambda uri: read_bytes(f"{uri}/other"), "/other cannot be read: Is a directory"),
        (lambda uri: list_folder(f"{uri}/no"), "/no cannot be listed: No such file or directory"),
        (lambda uri: split_uris(f"{uri}/other", "f"), "/other has no folder Split-...; is it"),
        (
            lambda uri: read_message(f"{uri}/other/file.pb", anomalies_pb2.Anomalies),
            "/other/file.pb is no Anomalies, or is cut off",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_of_one_line(
    folder: pathlib.Path, read: object, message: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        read(str(folder))  # type: ignore[operator]

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_splits_come_with_train_and_eval_first(folder: pathlib.Path) -> None:
    found = split_uris(str(folder), "file.pb")

    assert list(found) == ["train", "eval", "test"]
    assert found["eval"] == f"{folder}/Split-eval/file.pb"


@pytest.mark.whole
def test_other_file_systems_are_read_by_tensorflow(folder: pathlib.Path) -> None:
    uri = f"file://{folder}"

    assert read_bytes(join(uri, "other", "file.pb")) == b"\xff\x00 content"
    assert list(split_uris(uri, "file.pb")) == ["train", "eval", "test"]
    assert exists(join(uri, "other"))
    assert not exists(join(uri, "another"))
    with pytest.raises(ArtifactError, match="another cannot be listed"):
        list_folder(join(uri, "another"))
    with pytest.raises(ArtifactError, match="another cannot be read"):
        read_bytes(join(uri, "another"))


def test_files_have_their_sizes_by_their_path_in_the_folder(folder: pathlib.Path) -> None:
    (folder / "other" / "empty").write_bytes(b"")
    (folder / "other" / "gone").symlink_to(folder / "nowhere")

    assert file_sizes(f"{folder}/other/") == {"empty": 0, "file.pb": 10}
    assert list(file_sizes(str(folder))) == [
        *("Split-eval/file.pb", "Split-test/file.pb", "Split-train/file.pb"),
        *("other/empty", "other/file.pb"),
    ]


def test_a_folder_that_is_not_there_has_no_sizes(folder: pathlib.Path) -> None:
    with pytest.raises(ArtifactError, match="/no cannot be listed: No such file or directory"):
        file_sizes(f"{folder}/no")


@pytest.mark.whole
def test_files_of_a_bucket_have_their_sizes_too(folder: pathlib.Path) -> None:
    # TensorFlow's file system in memory stands for a bucket's.
    import tensorflow as tf

    tf.io.gfile.makedirs("ram://sizes/inner")
    for name in ("a", "inner/b"):
        with tf.io.gfile.GFile(f"ram://sizes/{name}", "wb") as file:
            file.write(b"12345")

    assert file_sizes("ram://sizes/") == {"a": 5, "inner/b": 5}
    with pytest.raises(ArtifactError, match=r"ram://none cannot be listed: it is no folder$"):
        file_sizes("ram://none")


@pytest.mark.whole
def test_storage_that_tensorflow_does_not_know_is_told() -> None:
    with pytest.raises(ArtifactError, match="TensorFlow has no file system for az:// here; copy"):
        exists("az://models/complaints")
