"""Reads artifacts' files: local ones by pathlib, those in buckets by TensorFlow."""

import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import message

from components import bucket_check, object_storage
from components.errors import PipelineError

_SPLIT_PREFIX = "Split-"

#: The splits that come first, in this order; others follow by name.
_FIRST_SPLITS = ("train", "eval")

ResultT = TypeVar("ResultT")
MessageT = TypeVar("MessageT", bound=message.Message)


class ArtifactError(PipelineError):
    """An artifact that is not there, or that cannot be read."""


def read_bytes(uri: str) -> bytes:
    """Returns a file's content.

    Args:
        uri: A path, or the URI of a file in a bucket (``gs://``, ``s3://``).

    Raises:
        ArtifactError: If there is no such file, or it cannot be read.
    """
    if _is_local(uri):
        try:
            return pathlib.Path(uri).read_bytes()
        except OSError as error:
            raise ArtifactError(f"{uri} cannot be read: {error.strerror or error}") from error
    tf = open_storage(uri)
    try:
        with tf.io.gfile.GFile(uri, "rb") as file:
            return file.read()
    except (tf.errors.OpError, OSError) as error:
        raise ArtifactError(f"{uri} cannot be read: {_first_line(error)}") from error


def open_storage(uri: str) -> Any:
    """Lets TensorFlow read a bucket, once it can be reached.

    Args:
        uri: A path, which needs nothing, or a URI in a bucket.

    Returns:
        TensorFlow, imported.

    Raises:
        ArtifactError: If the bucket is not there, or cannot be read.
    """
    place = object_storage.location(uri)
    if place is not None:
        try:
            bucket_check.open_bucket(place)
        except PipelineError as error:
            raise ArtifactError(str(error)) from error
    # Its start-up notes are about training.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    return tf


def list_folder(uri: str) -> list[str]:
    """Returns the names of what is in a folder, sorted.

    Args:
        uri: A path, or the URI of a folder in a bucket.

    Raises:
        ArtifactError: If there is no such folder, or it cannot be read.
    """
    if _is_local(uri):
        try:
            return sorted(path.name for path in pathlib.Path(uri).iterdir())
        except OSError as error:
            raise ArtifactError(f"{uri} cannot be listed: {error.strerror or error}") from error
    tf = open_storage(uri)
    try:
        # Folders of buckets come with a slash at their end.
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(uri))
    except (tf.errors.OpError, OSError) as error:
        raise ArtifactError(f"{uri} cannot be listed: {_first_line(error)}") from error


def exists(uri: str) -> bool:
    """Returns whether there is a file or a folder.

    Args:
        uri: A path, or a URI in a bucket.

    Raises:
        ArtifactError: If it cannot be looked for.
    """
    if _is_local(uri):
        return pathlib.Path(uri).exists()
    tf = open_storage(uri)
    try:
        return bool(tf.io.gfile.exists(uri))
    except tf.errors.UnimplementedError as error:
        raise ArtifactError(
            f"{uri}: TensorFlow has no file system for {uri.partition('://')[0]}:// here; copy it "
            "to gs://, s3:// or this machine"
        ) from error
    except (tf.errors.OpError, OSError) as error:
        raise ArtifactError(f"{uri} cannot be read: {_first_line(error)}") from error


def file_sizes(uri: str) -> dict[str, int]:
    """Returns the sizes of all files below a folder, by their path within it.

    Args:
        uri: A path, or the URI of a folder in a bucket.

    Returns:
        Bytes by path, sorted by path.

    Raises:
        ArtifactError: If there is no such folder, or it cannot be read.
    """
    if _is_local(uri):
        list_folder(uri)  # Raises where there is none.
        folder = pathlib.Path(uri)
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    tf = open_storage(uri)
    try:
        if not tf.io.gfile.isdir(uri):
            raise ArtifactError(f"{uri} cannot be listed: it is no folder")
        files = sorted(
            join(folder, name) for folder, _, names in tf.io.gfile.walk(uri) for name in names
        )
        start = len(join(uri, ""))
        return {file[start:]: tf.io.gfile.stat(file).length for file in files}
    except (tf.errors.OpError, OSError) as error:
        raise ArtifactError(f"{uri} cannot be listed: {_first_line(error)}") from error


def join(uri: str, *names: str) -> str:
    """Returns the URI of what is in a folder.

    Args:
        uri: The folder.
        *names: Names of folders and of a file, from the outside in.
    """
    return "/".join((uri.rstrip("/"), *names))


def split_uris(uri: str, file_name: str) -> dict[str, str]:
    """Returns where each split of an artifact has its file; ``train`` and ``eval`` come first.

    Args:
        uri: The artifact, with a folder ``Split-...`` for each split.
        file_name: Name of the file in each of them; it need not be there.

    Raises:
        ArtifactError: If the folder cannot be listed, or has no split.
    """
    names = [
        name.removeprefix(_SPLIT_PREFIX)
        for name in list_folder(uri)
        if name.startswith(_SPLIT_PREFIX)
    ]
    if not names:
        raise ArtifactError(f"{uri} has no folder {_SPLIT_PREFIX}...; is it the right artifact?")
    names.sort(key=lambda name: (name not in _FIRST_SPLITS, name != _FIRST_SPLITS[0], name))
    return {name: join(uri, f"{_SPLIT_PREFIX}{name}", file_name) for name in names}


def read_splits(
    uri: str, file_name: str, read: Callable[[str, str], ResultT]
) -> tuple[dict[str, ResultT], list[ArtifactError]]:
    """Reads the file of each split as far as it can be read.

    Args:
        uri: The artifact.
        file_name: Name of the file in each split's folder.
        read: Takes a split and its file's URI, and returns what is in it.

    Returns:
        What was read by split, ``train`` and ``eval`` first; and what could not be read.
    """
    found: dict[str, ResultT] = {}
    errors: list[ArtifactError] = []
    try:
        files = split_uris(uri, file_name)
    except ArtifactError as error:
        return {}, [error]
    for split, file in files.items():
        try:
            found[split] = read(split, file)
        except ArtifactError as error:
            errors.append(error)
    return found, errors


def read_message(uri: str, kind: type[MessageT]) -> MessageT:
    """Returns a protocol buffer from a binary file.

    Args:
        uri: The file.
        kind: The message's class.

    Raises:
        ArtifactError: If the file is not there, or holds something else.
    """
    try:
        return kind.FromString(read_bytes(uri))
    except message.DecodeError as error:
        raise ArtifactError(f"{uri} is no {kind.DESCRIPTOR.name}, or is cut off") from error


def _is_local(uri: str) -> bool:
    return "://" not in uri


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
