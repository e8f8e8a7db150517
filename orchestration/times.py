"""Times as people read them."""

import datetime


def utc(seconds: float | None) -> str:
    """Returns a time such as ``2026-11-26 02:00:00 UTC``; empty where it is not known.

    Args:
        seconds: Seconds since 1970; 0 and less are not known either.
    """
    if seconds is None or seconds <= 0:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def local_time(seconds: float | None) -> str:
    """Returns a time in the local zone, such as ``2026-11-26 02:00``; empty if not known."""
    if seconds is None:
        return ""
    zoned = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).astimezone()
    return zoned.strftime("%Y-%m-%d %H:%M")
