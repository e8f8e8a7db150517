"""The schema's file: comments at its head, and the schema as text in one form."""

import contextlib
import importlib.resources
import os
import pathlib

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.charts.files import ArtifactError
from components.charts.schema import FILE_NAME, read_schema_file
from components.errors import InputDataError


def curated_schema_path() -> pathlib.Path:
    """Returns the path of the schema that comes with the package."""
    return pathlib.Path(str(importlib.resources.files("components").joinpath(FILE_NAME)))


def read_schema(path: pathlib.Path) -> schema_pb2.Schema:
    """Reads a schema.

    Args:
        path: The file.

    Raises:
        InputDataError: If there is none, or it cannot be read.
    """
    try:
        return read_schema_file(str(path))
    except ArtifactError as error:
        raise InputDataError(
            f"{error}; name a schema in Protocol Buffers' text format with --schema"
        ) from error


def schema_text(schema: schema_pb2.Schema, head: str = "") -> str:
    """Returns a schema as text: the same for the same schema.

    Args:
        schema: The schema.
        head: Comments that stand before it.
    """
    return head + text_format.MessageToString(schema, as_utf8=True)


def write_schema(path: pathlib.Path, schema: schema_pb2.Schema) -> None:
    """Writes a schema; the comments at the head of the file that is there stay.

    Args:
        path: The file. It is replaced as a whole, or stays as it was.
        schema: The schema.

    Raises:
        InputDataError: If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        head = _head(path.read_text(encoding="utf-8")) if path.exists() else ""
        try:
            partial.write_text(schema_text(schema, head), encoding="utf-8")
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    except OSError as error:
        raise InputDataError(
            f"{path}: cannot be written ({error.strerror}); name a writable file"
        ) from error


def _head(text: str) -> str:
    lines = text.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if line[:1] not in ("#", "\n")), len(lines))
    return "".join(lines[:end])
