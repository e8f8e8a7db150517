"""Writes a file whole or not at all."""

import contextlib
import errno
import os
import pathlib


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Writes a file; one that is there stays as it is until the new one is whole.

    Args:
        path: The file; its folder must exist.
        data: What it is to hold.

    Raises:
        OSError: If it cannot be written; nothing is left behind then.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, "it names no file", str(path))
    # Beside the file, because os.replace is atomic only within a file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
