"""Follows the log of a step until the step has ended, here or on Kubeflow."""

import dataclasses
import time
from collections.abc import Callable, Iterator

from orchestration.local.logs import without_controls
from orchestration.local.run_record import StepRecord


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogLook:
    """What a look at the log of a step has found.

    Attributes:
        run: The run's id.
        step: The step as of just before the look.
        gained: What the log has gained since the look before; at the first, all that is there.
        is_over: Whether nothing more comes: the step has ended, or its run.
        missing: What could not be read, and where it may be; ``None`` if nothing is missing.
    """

    run: str
    step: StepRecord
    gained: bytes
    is_over: bool
    missing: str | None = None


def followed_lines(
    look: Callable[[], LogLook], *, every_seconds: float, tail: int | None = None
) -> Iterator[tuple[LogLook, list[str]]]:
    """Yields a step's log as it grows, until the step has ended.

    Args:
        look: Reads on in the log.
        every_seconds: How long to wait between two looks.
        tail: How many lines at most of what is there at first; ``None`` for all.

    Yields:
        Each look, and the lines that are whole since the one before, without what ends them or
        a terminal would obey; the last look is over.
    """
    begun = b""
    while True:
        found = look()
        # A line that is not whole yet waits for its end.
        whole, newline, begun = (begun + found.gained).rpartition(b"\n")
        if found.is_over:
            whole, newline, begun = whole + newline + begun, b"", b""
        text = (whole + newline).decode("utf-8", "replace")
        lines = [without_controls(line) for line in text.splitlines()]
        yield found, lines if tail is None else lines[-tail:]
        if found.is_over:
            return
        tail = None
        time.sleep(every_seconds)
