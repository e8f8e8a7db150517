"""From published files to shards that the pipeline reads, and a manifest of what was dropped."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.errors import InputDataError
from components.features import COMPLAINT_ID_KEY, LABEL_KEY, NARRATIVE_KEY
from data.cfpb.columns import DATE_RECEIVED, PREPARED_COLUMNS, column_of, positions
from data.cfpb.complaint import NO_NARRATIVE, prepared
from data.cfpb.reading import Source
from data.cfpb.shards import BY_SIZE, MANIFEST, Shard, ShardWriter, appearing_folder

DUPLICATE = "complaint ID was there before"
WRONG_WIDTH = "another number of cells than the header"
NO_DATE = "without a date received, which the layout needs"

_PROGRESS_ROWS = 2_000
_CHUNK_BYTES = 2**20

#: Ids are numbers of eight digits, given in order; a larger one is compared with none.
_MAX_COMPLAINT_ID = 2**31


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """What is kept, and how it is written.

    Attributes:
        needs_narrative: Whether complaints without a narrative are dropped.
        needs_label: Whether those without a Yes or No to the dispute are dropped.
        layout: One of ``shards.LAYOUTS``.
        max_bytes: For layout ``size``: the largest shard, in bytes.
        encoding: Of the files' text.
    """

    needs_narrative: bool = True
    needs_label: bool = True
    layout: str = BY_SIZE
    max_bytes: int = 64 * 2**20
    encoding: str = "utf-8-sig"


@dataclasses.dataclass(kw_only=True)
class Dropped:
    """Rows that were dropped for a reason.

    Attributes:
        rows: How many.
        first: The first one: its file and row.
    """

    rows: int
    first: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was prepared from what.

    Attributes:
        sources: The files: ``name``, ``bytes``, ``sha256`` and whatever else is known of them.
        rows_in: Complaints that were read.
        rows_out: Complaints that were written.
        disputed: How many of those have the label 1.
        dropped: The others, by reason.
        absent: Columns that no file has, which are empty.
        empty: Columns that a file has, but that are empty in all complaints that were written.
        left_out: Columns of the files that are no columns of complaints.
        shards: The files that were written.
    """

    sources: tuple[Mapping[str, Any], ...]
    rows_in: int
    rows_out: int
    disputed: int
    dropped: Mapping[str, Dropped]
    absent: tuple[str, ...]
    empty: tuple[str, ...]
    left_out: tuple[str, ...]
    shards: tuple[Shard, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns it for scripts, and for the file ``manifest.json``."""
        return dataclasses.asdict(self)


def prepare(
    files: Sequence[pathlib.Path],
    out: pathlib.Path,
    rules: Rules,
    *,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Prepares published files.

    The same files and rules give the same bytes. Memory does not grow with the rows, but for one
    bit for each complaint ID.

    Args:
        files: The files, in the order of their rows.
        out: The folder to write; it appears once it is whole, with a ``manifest.json``.
        rules: What is kept, and how it is written.
        overwrite: To replace data that is there.
        origin: What the manifest says of the files besides, such as their URL.
        on_progress: Is called with the bytes of the files that were read so far.

    Returns:
        What was done.

    Raises:
        InputDataError: If a file cannot be read, nothing is left of it, or the folder cannot be
            written; nothing is left behind.
    """
    state = _Preparation(rules, on_progress or (lambda _: None))
    with appearing_folder(out, overwrite=overwrite, sources=files) as folder:
        with ShardWriter(folder, PREPARED_COLUMNS, rules.layout, rules.max_bytes) as writer:
            for path in files:
                state.read(path, writer)
            shards = writer.finish()
        if not state.rows_out:
            raise InputDataError(state.nothing_left(files))
        manifest = Manifest(
            sources=tuple({**_described(path), **(origin or {})} for path in files),
            rows_in=state.rows_in,
            rows_out=state.rows_out,
            disputed=state.disputed,
            dropped=dict(sorted(state.dropped.items())),
            absent=tuple(name for name in PREPARED_COLUMNS if name not in state.present),
            empty=tuple(
                name for name in PREPARED_COLUMNS if name in state.present & state.unfilled
            ),
            left_out=tuple(state.left_out),
            shards=tuple(shards),
        )
        text = json.dumps(manifest.to_json(), indent=1, ensure_ascii=False)
        (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
    return manifest


class _Preparation:
    """What is known while files are read."""

    def __init__(self, rules: Rules, on_progress: Callable[[int], None]) -> None:
        self._rules = rules
        self._on_progress = on_progress
        self._seen = _SeenIds()
        self._bytes_before = 0
        self.rows_in = self.rows_out = self.disputed = 0
        self.dropped: dict[str, Dropped] = {}
        self.present: set[str] = set()
        self.unfilled = set(PREPARED_COLUMNS)
        self.left_out: dict[str, None] = {}

    def read(self, path: pathlib.Path, writer: ShardWriter) -> None:
        source = Source(path, self._rules.encoding)
        records = iter(source.records())
        header = next(records, None)
        if header is None:
            raise InputDataError(f"{path}: the file is empty; its first line must name the columns")
        place = f"{path}, row {source.row}"
        found = positions(header, place, with_label=self._rules.needs_label)
        if self._rules.layout != BY_SIZE and DATE_RECEIVED not in found:
            raise InputDataError(
                f"{place}: there is no date received, by which --by {self._rules.layout} tells "
                "them apart; use --by size"
            )
        self.present |= found.keys()
        self.left_out |= dict.fromkeys(name for name in header if column_of(name) is None)
        for number, record in enumerate(records):
            if number % _PROGRESS_ROWS == 0:
                self._on_progress(self._bytes_before + source.bytes_read)
            self.rows_in += 1
            reason = self._take(record, len(header), found, writer)
            if reason is not None:
                first = Dropped(rows=0, first=f"{path.name}, row {source.row}")
                self.dropped.setdefault(reason, first).rows += 1
        self._bytes_before += path.stat().st_size
        self._on_progress(self._bytes_before)

    def _take(
        self, record: Sequence[str], width: int, found: Mapping[str, int], writer: ShardWriter
    ) -> str | None:
        """Writes a record, or returns the reason why not."""
        if len(record) != width:
            return WRONG_WIDTH
        cells = {column: record[position] for column, position in found.items()}
        row = prepared(
            cells,
            needs_narrative=self._rules.needs_narrative,
            needs_label=self._rules.needs_label,
        )
        if isinstance(row, str):
            return row
        if self._rules.layout != BY_SIZE and not row[DATE_RECEIVED]:
            return NO_DATE
        if not self._seen.is_new(row[COMPLAINT_ID_KEY]):
            return DUPLICATE
        writer.write(row, row[DATE_RECEIVED])
        self.rows_out += 1
        self.disputed += row[LABEL_KEY] == "1"
        if self.unfilled:
            self.unfilled -= {name for name in self.unfilled if row[name]}
        return None

    def nothing_left(self, files: Sequence[pathlib.Path]) -> str:
        names = ", ".join(str(path) for path in files)
        if not self.rows_in:
            return f"{names}: a header and no complaint; name files with rows"
        reasons = "; ".join(f"{item.rows:,} {reason}" for reason, item in self.dropped.items())
        mend = "look at the rows that are named"
        if NO_NARRATIVE in self.dropped or NARRATIVE_KEY not in self.present:
            mend = "--narrative optional keeps complaints without one"
        first = "; ".join(item.first for item in self.dropped.values())
        return f"{names}: no complaint is left ({reasons}; first {first}); {mend}"


class _SeenIds:
    """Complaint ids that were there, a bit for each."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def is_new(self, text: str) -> bool:
        """Whether an id is there for the first time; one that is no number always is."""
        if not (text.isascii() and text.isdigit()) or len(text) > 10:
            return True
        number = int(text)
        if number >= _MAX_COMPLAINT_ID:
            return True
        place, bit = number // 8, 1 << (number % 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1 - len(self._bits), 2**16)))
        if self._bits[place] & bit:
            return False
        self._bits[place] |= bit
        return True


def _described(path: pathlib.Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def sha256_of(path: pathlib.Path) -> str:
    """Returns a file's checksum.

    Raises:
        InputDataError: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
