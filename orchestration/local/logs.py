"""Reads the end of a step's log."""

import pathlib
import re
from collections import deque

#: How much of a log's end is read: enough for a traceback, little enough for any log.
_TAIL_BYTES = 64 * 1024

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# "components.errors.InputDataError: data.csv, row 3: ..." at the end of a traceback.
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)(?::|$)")

_TRACEBACK = "Traceback (most recent call last):"


def last_lines(log: pathlib.Path, count: int, start: int = 0) -> list[str]:
    """Returns the last lines of a log that are not blank.

    Args:
        log: The log.
        count: How many lines at most.
        start: Byte offset before which nothing is read.

    Returns:
        The lines, without what ends them; none if there is no log.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    lines = (without_controls(line).rstrip() for line in text.splitlines())
    return list(deque((line for line in lines if line), count))


def without_controls(text: str) -> str:
    """Takes out of a text what a terminal would obey: escape sequences and control characters."""
    return _CONTROL.sub("", text)


def own_line(log: pathlib.Path, start: int, prefix: str) -> tuple[str, bool] | None:
    """Returns what the entry point has said of an error.

    Threads of Beam and gRPC may write on after it.

    Args:
        log: The log.
        start: Byte offset before which nothing is read.
        prefix: What the line begins with.

    Returns:
        The line without the prefix, and whether it is of an error that was not written for the
        user, whose traceback follows; ``None`` if there is no such line.
    """
    lines = last_lines(log, 400, start)
    for index in reversed(range(len(lines))):
        if lines[index].startswith(prefix):
            is_unknown = lines[index + 1 : index + 2] == [_TRACEBACK]
            return lines[index].removeprefix(prefix), is_unknown
    return None


def error_line(log: pathlib.Path, start: int = 0) -> str | None:
    """Returns the line of a log that says why its program failed.

    Args:
        log: The log.
        start: Byte offset before which nothing is read.

    Returns:
        The last line of the last traceback, else the last line, else ``None``.
    """
    lines = last_lines(log, 400, start)
    for line in reversed(lines):
        if _EXCEPTION.match(line):
            return line
    return lines[-1] if lines else None
