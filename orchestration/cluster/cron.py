"""When a schedule fires: cron expressions in the form that Kubeflow reads, and intervals.

Kubeflow Pipelines reads cron with github.com/robfig/cron v1: six fields, seconds first. It takes
five fields too, but as six without the last one, and so fires at the wrong time.
"""

import datetime
import re
from collections.abc import Sequence

from orchestration.cluster.errors import ClusterError

_FIVE, _SIX = 5, 6

_FIELDS = (
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
_DAY, _MONTH, _WEEKDAY = 3, 4, 5
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = {
    _MONTH: _MONTHS,
    _WEEKDAY: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_SHORTHANDS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")

_INTERVAL = re.compile(r"(\d+)\s*(s|m|h|d|w)?", re.IGNORECASE)
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def normalise_cron(expression: str) -> str:
    """Returns a cron expression in the six fields that Kubeflow reads, seconds first.

    Args:
        expression: Five fields (minute, hour, day of month, month, day of week), six (seconds
            first), or a shorthand such as ``@daily``.

    Raises:
        ClusterError: If it is none, or never fires.
    """
    words = expression.split()
    if len(words) == 1 and words[0].lower() in _SHORTHANDS:
        return _SHORTHANDS[words[0].lower()]
    if len(words) == 1 and words[0].startswith("@"):
        raise ClusterError(
            f"--cron {expression}: no such shorthand; there are {', '.join(_SHORTHANDS)}, and "
            "--interval for what @every does"
        )
    if len(words) not in (_FIVE, _SIX):
        raise ClusterError(
            f"--cron '{expression}': has {len(words)} fields; give five (minute hour day month "
            "weekday) or six (second first), such as '0 2 * * *' for 02:00 UTC every day"
        )
    if len(words) == _FIVE:
        words = ["0", *words]
    fields = [_field(expression, index, word) for index, word in enumerate(words)]
    _check_days(expression, fields)
    normal = " ".join(fields)
    if not firing_times(normal, datetime.datetime.now(datetime.timezone.utc), 1):
        raise ClusterError(
            f"--cron '{expression}': never fires, because no such date exists; correct the day or "
            "the month"
        )
    return normal


def firing_times(cron: str, after: datetime.datetime, count: int) -> list[datetime.datetime]:
    """Returns when a cron expression fires next, in UTC.

    Args:
        cron: Six fields, as ``normalise_cron`` returns them.
        after: The time after which it fires.
        count: How many times to return.

    Returns:
        The times; none where it never fires.
    """
    # Imported here, because only schedules need it.
    import croniter

    times = croniter.croniter(
        cron, after.astimezone(datetime.timezone.utc), second_at_beginning=True
    )
    try:
        return [times.get_next(datetime.datetime) for _ in range(count)]
    except croniter.CroniterBadDateError:
        return []


def parse_interval(text: str) -> int:
    """Returns an interval such as ``6h``, ``30m`` or ``90`` in seconds.

    Raises:
        ClusterError: If it is none, or shorter than the second that Kubeflow asks for.
    """
    match = _INTERVAL.fullmatch(text.strip())
    if match is None:
        raise ClusterError(f"--interval {text}: is no interval such as 90s, 30m, 6h, 1d or 1w")
    seconds = int(match[1]) * _UNITS[match[2].lower() if match[2] else None]
    if seconds < 1:
        raise ClusterError(f"--interval {text}: must be at least a second")
    return seconds


def interval_words(seconds: int) -> str:
    """Returns an interval as a person would give it, such as ``6h``."""
    for unit in ("w", "d", "h", "m"):
        if seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def _field(expression: str, index: int, word: str) -> str:
    """Returns a field as Kubeflow reads it: numbers for names, Sunday as 0."""
    return ",".join(_part(expression, index, part) for part in word.split(","))


def _part(expression: str, index: int, part: str) -> str:
    name, _, high = _FIELDS[index]
    match = _PART.fullmatch(part)
    if match is None:
        raise ClusterError(
            f"--cron '{expression}': the {name} '{part}' is not one that Kubeflow reads; give *, a "
            "number, a range such as 1-5, a step such as */10, or a list of these"
        )
    first, last, step = match["first"], match["last"], match["step"]
    if step is not None and int(step) < 1:
        raise ClusterError(f"--cron '{expression}': the step of the {name} must be at least 1")
    tail = "" if step is None else f"/{step}"
    if first in ("*", "?"):
        if last is not None:
            raise ClusterError(f"--cron '{expression}': the {name} '{part}' mixes * and a range")
        return f"*{tail}"
    begin = _value(expression, index, first)
    if last is None:
        return f"{begin % 7 if index == _WEEKDAY else begin}{tail}"
    end = _value(expression, index, last)
    if begin > end:
        raise ClusterError(
            f"--cron '{expression}': the {name} '{part}' goes backwards; give it as a list"
        )
    if index == _WEEKDAY and end == high + 1:
        # Sunday at the end of a range is 7, which Kubeflow does not know.
        days = range(begin, end + 1, int(step or 1))
        return ",".join(str(day) for day in sorted({day % 7 for day in days}))
    return f"{begin}-{end}{tail}"


def _value(expression: str, index: int, text: str) -> int:
    name, low, high = _FIELDS[index]
    names: Sequence[str] = _NAMES.get(index, ())
    if text.lower() in names:
        return names.index(text.lower()) + low
    # Sunday is 0 and, in most readers but Kubeflow's, also 7.
    highest = high + 1 if index == _WEEKDAY else high
    if not text.isdecimal() or not low <= int(text) <= highest:
        raise ClusterError(
            f"--cron '{expression}': the {name} '{text}' is not within {low} to {high}"
        )
    return int(text)


def _check_days(expression: str, fields: Sequence[str]) -> None:
    """Refuses what readers of cron understand in different ways."""
    day, weekday = fields[_DAY], fields[_WEEKDAY]
    if "*" not in (day, weekday) and ("*" in day or "*" in weekday):
        raise ClusterError(
            f"--cron '{expression}': a day of month and a day of week of which one is a step of * "
            "mean 'both' to Kubeflow and 'either' to others; list the days"
        )
