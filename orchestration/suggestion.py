"""Suggests the name that was meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name.

    Args:
        name: The name as it was given.
        known: The names that there are.

    Returns:
        ``; did you mean 'NAME'?`` where one is close, else the list of all.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; it has {', '.join(names)}" if names else "; it has none"
