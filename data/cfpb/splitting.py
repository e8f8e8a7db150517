"""Cuts CSV files into shards without breaking a record: ExampleGen reads a file by one worker."""

import pathlib
from collections.abc import Callable, Sequence

from components.errors import InputDataError
from data.cfpb.columns import positions
from data.cfpb.reading import Source
from data.cfpb.shards import BY_SIZE, Shard, ShardWriter, appearing_folder


def split(
    files: Sequence[pathlib.Path],
    out: pathlib.Path,
    max_bytes: int,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> list[Shard]:
    """Writes the records of files, as they are, into shards of a size.

    Args:
        files: The files; all have the same header.
        out: The folder to write; it appears once it is whole.
        max_bytes: The largest shard, in bytes; a longer record has one of its own.
        overwrite: To replace data that is there.
        on_progress: Is called with the bytes of the files that were read so far.

    Returns:
        The shards.

    Raises:
        InputDataError: If a file cannot be read, is not of complaints or has another header, or the
            folder cannot be written; nothing is left behind.
    """
    with appearing_folder(out, overwrite=overwrite, sources=files) as folder:
        header: Sequence[str] = ()
        writer: ShardWriter | None = None
        before = 0
        try:
            for path in files:
                source = Source(path)
                records = iter(source.records())
                names = next(records, None)
                if names is None:
                    raise InputDataError(f"{path}: the file is empty; leave it out")
                if writer is None:
                    # Before it costs a run: of other files, ExampleGen makes nothing.
                    positions(names, str(path), with_label=False)
                    header, writer = names, ShardWriter(folder, names, BY_SIZE, max_bytes)
                if list(names) != list(header):
                    raise InputDataError(
                        f"{path}: has another header than {files[0]}; split them apart"
                    )
                for number, record in enumerate(records):
                    if len(record) != len(header):
                        raise InputDataError(
                            f"{path}, row {source.row}: {len(record)} cells, but the header has "
                            f"{len(header)}; mend the row"
                        )
                    writer.write_cells(record)
                    if on_progress is not None and number % 2_000 == 0:
                        on_progress(before + source.bytes_read)
                before += path.stat().st_size
            assert writer is not None
            shards = writer.finish()
        finally:
            if writer is not None:
                writer.__exit__()
        if not shards:
            raise InputDataError(f"{files[0]}: a header and no complaint; name files with rows")
        return shards
