"""Writes complaints as CSV shards, into a folder that appears only once it is whole."""

import contextlib
import csv
import dataclasses
import glob
import hashlib
import io
import os
import pathlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from components.errors import InputDataError

#: A shard that grows with the data, one for each month, or a folder for each month, as a span.
BY_SIZE, BY_MONTH, BY_SPAN = "size", "month", "span"
LAYOUTS = (BY_SIZE, BY_MONTH, BY_SPAN)

#: The name of the file that says what a folder holds.
MANIFEST = "manifest.json"

_SPAN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """A file that was written.

    Attributes:
        name: Its path in the folder, with slashes.
        rows: Its records, without the header.
        bytes: Its size.
        sha256: Its checksum.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


class ShardWriter:
    """Writes records into shards. Use it by ``with``."""

    def __init__(
        self, folder: pathlib.Path, columns: Sequence[str], layout: str, max_bytes: int
    ) -> None:
        """Takes where and how to write.

        Args:
            folder: An empty folder.
            columns: The header.
            layout: One of ``LAYOUTS``.
            max_bytes: Size above which ``size`` begins the next shard.
        """
        self._folder = folder
        self._columns = columns
        self._layout = layout
        self._max_bytes = max_bytes
        self._open: dict[str, _Open] = {}
        self._done: list[Shard] = []
        self._line = _CsvLine()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for shard in self._open.values():
            shard.stream.close()

    def write(self, row: Mapping[str, str], date: str) -> None:
        """Writes a record.

        Args:
            row: Its cells by column.
            date: When the complaint came, ``YYYY-MM-DD``; not needed by ``size``.
        """
        self.write_cells([row[column] for column in self._columns], date)

    def write_cells(self, cells: Sequence[str], date: str = "") -> None:
        """Writes a record whose cells are in the order of the columns."""
        key = self._key(date)
        shard = self._open.get(key)
        if shard is None:
            shard = self._open[key] = self._begin(key)
        data = self._line(cells)
        if self._layout == BY_SIZE and shard.rows and shard.bytes + len(data) > self._max_bytes:
            self._end(key)
            shard = self._open[key] = self._begin(key)
        shard.add(data)
        shard.rows += 1

    def finish(self) -> list[Shard]:
        """Closes all shards, and returns them by name."""
        for key in list(self._open):
            self._end(key)
        return sorted(self._done, key=lambda shard: shard.name)

    def _key(self, date: str) -> str:
        if self._layout == BY_SIZE:
            return ""
        month = date[:7]
        assert _MONTH.fullmatch(month), date
        return month

    def _begin(self, key: str) -> "_Open":
        if self._layout == BY_SIZE:
            name = f"complaints-{len(self._done) + 1:05}.csv"
        elif self._layout == BY_MONTH:
            name = f"complaints-{key}.csv"
        else:
            name = f"{key}-01/complaints.csv"
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        shard = _Open(name, path.open("xb"))
        shard.add(self._line(self._columns))
        return shard

    def _end(self, key: str) -> None:
        shard = self._open.pop(key)
        shard.stream.close()
        self._done.append(
            Shard(
                name=shard.name,
                rows=shard.rows,
                bytes=shard.bytes,
                sha256=shard.digest.hexdigest(),
            )
        )


class _Open:
    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self.stream = stream
        self.rows = 0
        self.bytes = 0
        self.digest = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.stream.write(data)
        self.digest.update(data)
        self.bytes += len(data)


class _CsvLine:
    """Makes a record of CSV, which ends with LF; the writer is made once, since it is slow."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")

    def __call__(self, cells: Sequence[str]) -> bytes:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(cells)
        return self._text.getvalue().encode()


@contextlib.contextmanager
def appearing_folder(
    folder: pathlib.Path, *, overwrite: bool, sources: Sequence[pathlib.Path] = ()
) -> Iterator[pathlib.Path]:
    """Lends a hidden folder that gets its name when the block ends well.

    What a process that was killed has left behind is removed, or gets its name back.

    Args:
        folder: The name. A folder that is there must be empty, or is replaced.
        overwrite: To replace it.
        sources: Files that must not lie in it, since they are read.

    Raises:
        InputDataError: If the name is taken, or cannot be written.
    """
    # What a link leads to is replaced, not the link.
    try:
        folder = folder.resolve()
    except RuntimeError:
        raise InputDataError(f"{folder}: is a link to itself; name a folder") from None
    _clean_up(folder)
    check_free(folder, overwrite=overwrite)
    for source in sources:
        if source.resolve().is_relative_to(folder):
            raise InputDataError(f"{source}: lies in {folder}, which is replaced; name another")
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    with _naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        hidden.mkdir()
    try:
        with _naming(folder):
            yield hidden
            check_free(folder, overwrite=overwrite)
            _swap(hidden, folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def check_free(folder: pathlib.Path, *, overwrite: bool) -> None:
    """Checks that a folder can be written.

    Raises:
        InputDataError: If it is a file, or holds something that is not to be replaced.
    """
    with _naming(folder):
        if folder.exists() and not folder.is_dir():
            raise InputDataError(f"{folder}: is a file; name a folder")
        if folder.is_mount():
            raise InputDataError(f"{folder}: is a mount point; name a folder in it")
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        if found and not overwrite:
            raise InputDataError(
                f"{folder}: is not empty; name another folder, or give --overwrite to replace all "
                "that is in it"
            )
        for path in found:
            if not _is_data(path):
                raise InputDataError(
                    f"{folder}: holds '{path.name}', which is no data; --overwrite removes only "
                    "CSV files, manifests and folders of spans"
                )


def _is_data(path: pathlib.Path) -> bool:
    """Whether a path is what data commands write, or what they may replace."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return _SPAN.fullmatch(path.name) is not None and all(
            item.suffix == ".csv" and item.is_file() for item in path.iterdir()
        )
    return path.suffix == ".csv" or path.name == MANIFEST


def _clean_up(folder: pathlib.Path) -> None:
    """Undoes what a process that was killed has left half done."""
    if not folder.parent.is_dir():
        return
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        process, _, kind = path.name.removeprefix(f".{folder.name}.").partition(".")
        if kind not in ("partial", "old") or not process.isdigit() or _is_alive(int(process)):
            continue
        if kind == "old" and not folder.exists():
            path.rename(folder)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _swap(hidden: pathlib.Path, folder: pathlib.Path) -> None:
    if not folder.exists():
        hidden.rename(folder)
        return
    # Only an empty folder is replaced by a rename.
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    folder.rename(old)
    try:
        hidden.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _naming(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputDataError(f"{folder}: cannot be written: {error.strerror}") from error
