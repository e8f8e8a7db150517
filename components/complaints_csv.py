"""Reads complaints from CSV, and says which row is wrong and how to mend it.

Neither TensorFlow nor Beam is imported here: the checks run in milliseconds in a test, and the
command line can run them before a pipeline does.
"""

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from components.errors import InputDataError
from components.features import (
    COLUMNS,
    COMPLAINT_ID_KEY,
    LABEL_KEY,
    TEXT_COLUMNS,
    UNREAD_COLUMNS,
)

#: The longest cell, in characters. Python's default of 131,072 is too near to real narratives.
MAX_CELL_LENGTH = 2**20

_LABELS = {"0": 0, "1": 1}

#: What Python's csv module says, and how to mend it.
_CSV_MENDS = {
    "unexpected end of data": "a quote that opens in this record is never closed; close it",
    "field larger than field limit": (
        f"a cell is longer than {MAX_CELL_LENGTH:,} characters, most likely after a stray quote; "
        "close or remove it"
    ),
    "line contains NUL": "a NUL byte; remove it, or save the file as UTF-8 if it is UTF-16",
    "expected after": "a quoted cell goes on after its closing quote; double quotes inside a cell",
}


class Complaint(NamedTuple):
    """One record.

    Attributes:
        cells: UTF-8 text in the order of ``features.TEXT_COLUMNS``; empty where missing.
        disputed: The label, 0 or 1; ``None`` where there is none.
        complaint_id: The complaint's ID; empty where the file has none.
    """

    cells: tuple[bytes, ...]
    disputed: int | None
    complaint_id: str = ""


def read_complaints(stream: BinaryIO, name: str, *, with_label: bool = True) -> Iterator[Complaint]:
    """Reads the complaints of a CSV file, one at a time.

    The file is UTF-8 with or without a byte order mark, separated by commas, and its first
    line names the columns of ``features.COLUMNS`` in any order, and maybe some of
    ``features.UNREAD_COLUMNS``. Line breaks inside quoted cells
    are kept; blank lines are skipped.

    Args:
        stream: The file, open for reading bytes.
        name: The file's name, for messages.
        with_label: Whether each complaint has a label; otherwise its column may be missing, and
            what is not 0 or 1 is none.

    Yields:
        The complaints.

    Raises:
        InputDataError: If the file cannot be taken. The message is one line with the file,
            the line at which the record begins, and the mend.
    """
    # A setting of the whole process, and Python has no other.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_LENGTH))
    # Bytes that are not UTF-8 become lone surrogates, which fail to encode in their own record;
    # a decoding error would name no row.
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    records = _records(text, name)
    row, header = next(records, (1, []))
    if not header:
        raise InputDataError(f"{name}: the file is empty; its first line must name the columns")
    positions = _positions(header, f"{name}, row {row}", with_label)
    width = len(header)
    label_position = header.index(LABEL_KEY) if LABEL_KEY in header else None
    id_position = header.index(COMPLAINT_ID_KEY) if COMPLAINT_ID_KEY in header else None
    empty = True
    for row, record in records:
        if len(record) != width:
            raise InputDataError(
                f"{name}, row {row}: {_cells(len(record))}, but the header has {width}; "
                "quote each cell that holds a comma, a quote or a line break"
            )
        label = None if label_position is None else _LABELS.get(record[label_position])
        if label is None and with_label and label_position is not None:
            raise InputDataError(
                f"{name}, row {row}: {LABEL_KEY} is {_shown(record[label_position])}; "
                "write 1 for disputed and 0 for not disputed"
            )
        try:
            cells = tuple([record[position].encode() for position in positions])
        except UnicodeEncodeError as error:
            raise _not_utf8(error, f"{name}, row {row}") from None
        empty = False
        complaint_id = "" if id_position is None else record[id_position]
        yield Complaint(cells, label, complaint_id)
    if empty:
        raise InputDataError(
            f"{name}: a header and no complaint; add at least one row or remove the file"
        )


def _records(text: io.TextIOWrapper, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each record that is not blank, with the line at which it begins."""
    reader = csv.reader(text, strict=True)
    while True:
        row = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputDataError(f"{name}, row {row}: {_csv_mend(str(error))}") from None
        if record:
            if "\0" in "".join(record):
                # Python 3.11 and later take NUL for text.
                raise InputDataError(f"{name}, row {row}: {_csv_mend('line contains NUL')}")
            yield row, record


def _positions(header: Sequence[str], place: str, with_label: bool) -> list[int]:
    """Checks the header; returns where each text column is in a record."""
    try:
        ",".join(header).encode()
    except UnicodeEncodeError as error:
        raise _not_utf8(error, place) from None
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise InputDataError(f"{place}: no comma in the header; separate the cells by commas")
    for column in header:
        if header.count(column) > 1:
            raise InputDataError(f"{place}: column {_shown(column)} is there twice; remove one")
        if column not in COLUMNS and column not in UNREAD_COLUMNS:
            close = difflib.get_close_matches(column.strip().lower(), COLUMNS, n=1)
            mend = f"did you mean {close[0]!r}?" if close else "remove it"
            raise InputDataError(f"{place}: unknown column {_shown(column)}; {mend}")
    required = COLUMNS if with_label else TEXT_COLUMNS
    missing = [column for column in required if column not in header]
    if missing:
        columns = ", ".join(missing)
        raise InputDataError(f"{place}: the header lacks {columns}; every column must be there")
    return [header.index(column) for column in TEXT_COLUMNS]


def _cells(number: int) -> str:
    return f"{number} cell" if number == 1 else f"{number} cells"


def _csv_mend(problem: str) -> str:
    for text, mend in _CSV_MENDS.items():
        if text in problem:
            return mend
    return f"{problem}; write the file as CSV with doubled quotes"


def _not_utf8(error: UnicodeEncodeError, place: str) -> InputDataError:
    # surrogateescape holds byte 0xNN as U+DCNN.
    byte = ord(error.object[error.start]) & 0xFF
    return InputDataError(f"{place}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8")


def _shown(cell: str) -> str:
    """Returns a cell for a message: quoted, on one line, and not too long."""
    return ascii(cell) if len(cell) <= 40 else f"{cell[:40]!a}..."
