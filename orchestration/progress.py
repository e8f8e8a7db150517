"""The bar of a command that takes long."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console


@contextlib.contextmanager
def progress(
    what: str, total: int | None, *, is_bytes: bool = False
) -> Iterator[Callable[..., None]]:
    """Shows a bar on a terminal, and nothing elsewhere.

    Args:
        what: What goes on.
        total: How much there is to do; ``None`` where that is not known yet.
        is_bytes: Whether it is counted in bytes.

    Yields:
        What moves the bar: takes how much is done, and how much there is in all where that is new.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    counter = DownloadColumn(binary_units=True) if is_bytes else MofNCompleteColumn()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        counter,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=total)

        def update(done: int, whole: int | None = None) -> None:
            bar.update(task, completed=done, total=total if whole is None else whole)

        yield update
