"""What a check says: one line with its level, and the mend where there is something to mend."""

import dataclasses
import re

from components.errors import PipelineError
from orchestration.local.logs import without_controls

OK = "ok"
WARNING = "warning"
FAILURE = "failure"
SKIPPED = "skipped"
LEVELS = (OK, WARNING, FAILURE, SKIPPED)

# Such as: nodes is forbidden: User "ann" cannot list resource "nodes" in API group "" at the
# cluster scope
_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r'( in API group "(?P<group>[^"]*)")?( in the namespace "(?P<namespace>[^"]+)")?'
)
_NOT_LOGGED_IN = ("Unauthorized", "provide credentials")


@dataclasses.dataclass(frozen=True)
class Check:
    """What was found out about one thing.

    Attributes:
        name: What was looked at, such as ``claim tfx-pvc``.
        level: ``ok``, ``warning``, ``failure`` or ``skipped``.
        message: What was found; part of a line.
        mend: What to do about it; part of a line, empty where there is nothing to do.
    """

    name: str
    level: str
    message: str
    mend: str = ""

    def __post_init__(self) -> None:
        # Names and messages of a cluster may hold anything, and a check is one line.
        for field in ("name", "message", "mend"):
            text = without_controls(" ".join(getattr(self, field).split()))
            object.__setattr__(self, field, text)

    def __str__(self) -> str:
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.level:<8} {self.name}: {self.message}{mend}"


def ok(name: str, message: str) -> Check:
    """Returns a check that found nothing to mend."""
    return Check(name, OK, message)


def warning(name: str, message: str, mend: str) -> Check:
    """Returns a check that found what may go wrong, or could not look."""
    return Check(name, WARNING, message, mend)


def failure(name: str, message: str, mend: str) -> Check:
    """Returns a check that found what will go wrong."""
    return Check(name, FAILURE, message, mend)


def skipped(name: str, why: str) -> Check:
    """Returns a check that was not made, since another one has to succeed first."""
    return Check(name, SKIPPED, f"not checked: {why}")


def not_looked(name: str, error: PipelineError) -> Check:
    """Returns the check of what could not be looked at: never ``ok``.

    Args:
        name: What was to be looked at.
        error: Why it could not be.
    """
    text = str(error)
    if any(word in text for word in _NOT_LOGGED_IN):
        return failure(name, text, "log in to the cluster anew, or choose another --context")
    match = _FORBIDDEN.search(text)
    if match is None:
        return warning(name, f"could not be looked at: {text}", "mend that, and run doctor again")
    group = f".{match['group']}" if match["group"] else ""
    place = f" in namespace {match['namespace']}" if match["namespace"] else ""
    right = f"{match['verb']} {match['resource']}{group}{place}"
    return warning(
        name, f"could not be looked at: you may not {right}", f"ask for the right to {right} (RBAC)"
    )
