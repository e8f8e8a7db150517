"""What would go where, and what has gone."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from orchestration.cluster.errors import ClusterError
from orchestration.cluster.staging.target import ABSENT, BLOCKED, DIFFERS, SAME, Found, Target

SEND = "send"
RESUME = "resume"
REPLACE = "replace"

_DONE = {SEND: "sent", RESUME: "sent", REPLACE: "replaced"}
_STYLES = {DIFFERS: "bold red", BLOCKED: "bold red", SAME: "dim"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, its place, and what becomes of it.

    Attributes:
        target: The volume or bucket of the place.
        found: The file, and what is at its place.
        action: ``send``, ``resume``, ``replace``, ``same``, ``differs`` or ``blocked``.
    """

    target: Target
    found: Found
    action: str

    @property
    def is_to_send(self) -> bool:
        """Whether something of it is to be sent."""
        return self.action in _DONE

    @property
    def bytes_to_send(self) -> int:
        """How much of it is to be sent."""
        return self.found.wanted.source.size - self.found.partial if self.is_to_send else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """All files, and what the user should know.

    Attributes:
        entries: The files.
        warnings: What the user should know, a line each.
    """

    entries: Sequence[Entry]
    warnings: Sequence[str]

    def refuse(self) -> None:
        """Refuses to put a file where another one is.

        Raises:
            ClusterError: If there is such a file.
        """
        blocked = [item for item in self.entries if item.action == BLOCKED]
        if blocked:
            place = blocked[0].found.wanted.place.path
            raise ClusterError(
                f"{place}: something that is no file has this name; remove it. Nothing was sent"
            )
        differing = [item for item in self.entries if item.action == DIFFERS]
        if differing:
            place = differing[0].found.wanted.place.path
            more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
            raise ClusterError(
                f"{place}{more}: there with other content; --overwrite replaces what differs. "
                "Nothing was sent"
            )


def action(found: Found, overwrite: bool) -> str:
    """Returns what becomes of a file."""
    if found.state == DIFFERS and overwrite:
        return REPLACE
    if found.state == ABSENT:
        return RESUME if found.partial else SEND
    return found.state


def plan_json(plan: Plan, is_done: bool) -> dict[str, Any]:
    """Returns a plan for scripts.

    Args:
        plan: The plan.
        is_done: Whether it has been carried out.
    """
    return {
        "is_done": is_done,
        "files": [
            {
                "source": str(item.found.wanted.source.path),
                "destination": item.found.wanted.place.path,
                "size": item.found.wanted.source.size,
                "bytes_to_send": item.bytes_to_send,
                "action": item.action,
            }
            for item in plan.entries
        ],
        "warnings": list(plan.warnings),
    }


def plan_table(plan: Plan, is_done: bool) -> Table:
    """Returns a plan as a table.

    Args:
        plan: The plan.
        is_done: Whether it has been carried out.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("goes to", overflow="fold")
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for item in plan.entries:
        wanted = item.found.wanted
        state = _DONE[item.action] if is_done and item.is_to_send else item.action
        if item.action == RESUME and not is_done:
            state = f"resume at {item.found.partial:,}"
        table.add_row(
            Text(str(wanted.source.path)),
            Text(wanted.place.path),
            f"{wanted.source.size:,}",
            Text(state, style=_STYLES.get(item.action, "")),
        )
    return table
