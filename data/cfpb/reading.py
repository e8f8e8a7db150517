"""Reads the records of published files: .csv, .csv.gz and .zip, in constant memory."""

import codecs
import contextlib
import csv
import gzip
import io
import lzma
import pathlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from components.errors import InputDataError

#: The longest cell, in characters. Python's default of 131,072 is too near to real narratives.
_MAX_CELL_LENGTH = 2**20

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"


class DamagedFileError(InputDataError):
    """An archive whose bytes are not those that it was packed with."""


class Source:
    """A published file that is read from front to back.

    Attributes:
        path: The file.
        bytes_read: How much of the file itself, packed or not, was read; for progress.
        row: The line of the text at which the last record began.
    """

    def __init__(self, path: pathlib.Path, encoding: str = "utf-8-sig") -> None:
        """Takes the file.

        Args:
            path: The file; what it is, its first bytes say.
            encoding: Of its text.
        """
        self.path = path
        self.bytes_read = 0
        self.row = 0
        self._encoding = encoding

    def records(self) -> Iterator[Sequence[str]]:
        """Yields the records, the header first; blank lines are skipped.

        Raises:
            InputDataError: If the file cannot be read, or is not CSV. The message names the row.
        """
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL_LENGTH))
        try:
            with self._opened() as stream:
                text = io.TextIOWrapper(stream, self._encoding, newline="")
                reader = csv.reader(text, strict=True)
                while True:
                    self.row = reader.line_num + 1
                    record = next(reader, None)
                    if record is None:
                        return
                    if record:
                        yield record
        except (csv.Error, UnicodeDecodeError, NotImplementedError, OSError, *_DAMAGE) as error:
            is_damage = isinstance(error, _DAMAGE)
            kind = DamagedFileError if is_damage else InputDataError
            raise kind(f"{self.path}{self._problem(error)}") from None

    def _problem(self, error: Exception) -> str:
        """Returns what a reader's error means, to follow the file's name."""
        if isinstance(error, csv.Error):
            return f", row {self.row}: {error}; is a quote missing or too many?"
        if isinstance(error, UnicodeDecodeError):
            if error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return ": is UTF-16; give --encoding utf-16"
            return (
                f", near row {self.row}: byte 0x{error.object[error.start]:02x} is not "
                f"{error.encoding}; name the file's encoding by --encoding, such as cp1252"
            )
        if isinstance(error, NotImplementedError):
            return f": is packed in a way that Python cannot read ({error}); unpack it first"
        if isinstance(error, OSError) and error.strerror is not None:
            return f": cannot be read: {error.strerror}"
        return f": is damaged ({error}); download or copy it anew"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with contextlib.ExitStack() as stack:
            if not self.path.is_file():
                problem = (
                    "is a folder; name files" if self.path.is_dir() else "there is no such file"
                )
                raise InputDataError(f"{self.path}: {problem}")
            raw = stack.enter_context(self.path.open("rb"))
            magic = raw.read(4)
            raw.seek(0)
            counted = _Counted(raw, self)
            if magic.startswith(_GZIP_MAGIC):
                yield stack.enter_context(gzip.GzipFile(fileobj=counted, mode="rb"))  # type: ignore[misc]
            elif magic == _ZIP_MAGIC:
                archive = stack.enter_context(zipfile.ZipFile(counted))
                yield stack.enter_context(archive.open(_only_csv(archive, self.path)))  # type: ignore[misc]
            else:
                yield counted


def _only_csv(archive: zipfile.ZipFile, path: pathlib.Path) -> zipfile.ZipInfo:
    members = [item for item in archive.infolist() if item.filename.lower().endswith(".csv")]
    # What macOS adds to archives.
    members = [item for item in members if not item.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        found = "no CSV file" if not members else f"{len(members)} CSV files"
        raise InputDataError(f"{path}: holds {found}, not one; unpack it, and name the files")
    if members[0].flag_bits & 1:
        raise InputDataError(f"{path}: is encrypted; unpack it first")
    return members[0]


class _Counted(io.BufferedIOBase, BinaryIO):
    """A file that tells its source how far it was read."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self._stream = stream
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        chunk = self._stream.read(-1 if size is None else size)
        self._source.bytes_read = max(self._source.bytes_read, self._stream.tell())
        return chunk

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)
