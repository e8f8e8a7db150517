"""The raw files behind examples: names, checksums and row counts, as far as they were recorded."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.spans import FIRST_SPAN_PROPERTY, SPAN_PROPERTY
from orchestration.lineage.graph import (
    STATISTICS,
    Artifact,
    Execution,
    Graph,
    Links,
    json_value,
)
from orchestration.lineage.reader import Reader

#: Larger ones are no statistics of this pipeline.
_MAX_STATISTICS_BYTES = 64 * 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file that ExampleGen has read.

    Attributes:
        name: Its name in the folder.
        bytes: Its size.
        sha256: Checksum of its contents, hexadecimal.
        rows: How many rows it has, without the header.
    """

    name: str
    bytes: int
    sha256: str
    rows: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputFiles:
    """What examples were made from.

    Attributes:
        artifact: Id of the examples.
        folders: The folders that it was read from; several where the cache was reused.
        files: The files; none where the run has not recorded them.
        left_out: How many files more there were.
        bytes: Size of all files; ``None`` where nobody has recorded it.
        rows: Rows of all files; ``None`` where nobody has recorded them.
        rows_by: Who has counted the rows: ``CsvExampleGen`` or ``StatisticsGen``.
        fingerprint: TFX's own fingerprint, of sizes and times.
        spans: The first and the last span; ``None`` where the input has none.
    """

    artifact: int
    folders: tuple[str, ...]
    files: tuple[DataFile, ...] = ()
    left_out: int = 0
    bytes: int | None = None
    rows: int | None = None
    rows_by: str | None = None
    fingerprint: str = ""
    spans: tuple[int, int] | None = None

    def paths(self) -> Iterator[str]:
        """Yields the paths of the files, in each folder."""
        for folder in self.folders:
            for file in self.files:
                yield f"{folder}/{file.name}"


def input_files(reader: Reader, artifacts: Iterable[Artifact]) -> list[InputFiles]:
    """Returns what examples were made from.

    Args:
        reader: The store.
        artifacts: The examples.
    """
    listed = list(artifacts)
    producers = reader.producers(artifact.id for artifact in listed)
    return [_input_files(artifact, producers.get(artifact.id, [])) for artifact in listed]


def with_rows(found: InputFiles, graph: Graph, links: Links) -> InputFiles:
    """Adds the number of rows from StatisticsGen's output where the run has recorded none.

    Args:
        found: What examples were made from.
        graph: A graph with the examples.
        links: Its links.
    """
    if found.rows is not None:
        return found
    for reading in links.of_artifact(found.artifact, "input"):
        for made in links.of_execution(reading.execution, "output"):
            if graph.artifacts[made.artifact].type == STATISTICS:
                rows = rows_of_statistics(graph.artifacts[made.artifact].uri)
                if rows is not None:
                    return dataclasses.replace(found, rows=rows, rows_by="StatisticsGen")
    return found


def rows_of_statistics(uri: str) -> int | None:
    """Returns the number of examples of all splits, or ``None`` where it cannot be read here."""
    if not uri.startswith("/"):
        return None
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    rows = None
    try:
        for path in sorted(pathlib.Path(uri).glob("Split-*/FeatureStats.pb")):
            if path.stat().st_size > _MAX_STATISTICS_BYTES:
                return None
            statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
            rows = (rows or 0) + sum(int(part.num_examples) for part in statistics.datasets[:1])
    except (OSError, ValueError, DecodeError):
        return None
    return rows


def _input_files(artifact: Artifact, producers: Iterable[Execution]) -> InputFiles:
    folders = {
        base.rstrip("/")
        for execution in producers
        if isinstance(base := execution.properties.get("input_base"), str)
    }
    fingerprint = artifact.properties.get("input_fingerprint")
    common = InputFiles(
        artifact=artifact.id,
        folders=tuple(sorted(folders)),
        fingerprint=fingerprint if isinstance(fingerprint, str) else "",
        spans=_spans(artifact),
    )
    try:
        return _recorded(common, json_value(artifact.properties.get("input_files")))
    except (KeyError, TypeError, ValueError):
        # Another component's property of the same name.
        return common


def _spans(artifact: Artifact) -> tuple[int, int] | None:
    first = artifact.properties.get(FIRST_SPAN_PROPERTY)
    last = artifact.properties.get(SPAN_PROPERTY)
    return (first, last) if isinstance(first, int) and isinstance(last, int) else None


def _recorded(common: InputFiles, recorded: Any) -> InputFiles:
    if not isinstance(recorded, Mapping):
        return common
    files = tuple(
        DataFile(
            name=str(file["name"]),
            bytes=int(file["bytes"]),
            sha256=str(file["sha256"]),
            rows=int(file["rows"]),
        )
        for file in recorded["files"]
    )
    return dataclasses.replace(
        common,
        files=files,
        left_out=int(recorded["left_out"]),
        bytes=int(recorded["bytes"]),
        rows=int(recorded["rows"]),
        rows_by="CsvExampleGen",
    )
