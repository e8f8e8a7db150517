"""What a volume and a bucket have in common: looking, and taking files."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orchestration.cluster.staging.places import Place
from orchestration.cluster.staging.sources import SourceFile

#: What is under a file's name: nothing, the same, something else, or what is no file.
ABSENT = "absent"
SAME = "same"
DIFFERS = "differs"
BLOCKED = "blocked"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file here, and where the pods look for it.

    Attributes:
        what: What it is to the workflow: ``DATA``, ``MODULE_FILE`` or ``SCHEMA_FILE``.
        source: The file.
        place: Where the pods look for it.
    """

    what: str
    source: SourceFile
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What is at the place of a file.

    Attributes:
        wanted: The file and its place.
        state: ``ABSENT``, ``SAME``, ``DIFFERS`` or ``BLOCKED``.
        partial: How many bytes of it a broken transfer has left there.
        checksum: What the target needs to know of the file to take it.
    """

    wanted: Wanted
    state: str
    partial: int
    checksum: Any


class Target(Protocol):
    """A volume or a bucket."""

    def look(
        self, wanted: Sequence[Wanted], folder: Place | None, on_bytes: Callable[[int], None]
    ) -> tuple[list[Found], list[str]]:
        """Compares files with what is there.

        Args:
            wanted: The files and their places.
            folder: A folder of which all CSV files are asked for.
            on_bytes: Is told how many more bytes have been read here.

        Returns:
            What is at each place, and the names of the folder's CSV files.

        Raises:
            PipelineError: If a file cannot be read, or the target does not answer.
        """
        ...

    def send(self, found: Sequence[Found], on_progress: Callable[[Found, int], None]) -> None:
        """Sends files; each gets its name only when it is there as a whole.

        Args:
            found: The files, and what is at their places: nothing, or what they replace.
            on_progress: Is told how many bytes of a file are there.

        Raises:
            PipelineError: If one cannot be sent; the message names it.
        """
        ...
