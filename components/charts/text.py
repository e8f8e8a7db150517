"""Texts of tables and figures that come from data: short, and told apart."""

import math
import re
import unicodedata
from collections.abc import Sequence

from components.charts.section import Cell, label

#: The longest text of a table's cell, in characters.
_CELL_LENGTH = 200

_PERCENT_DECIMALS = 2

#: Characters without a look of their own, some of which turn the direction of what follows them.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

#: Unicode's classes of characters that are written from right to left, and two that isolate them.
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_ISOLATE, _POP = "\u2068", "\u2069"


def short(text: str, length: int = _CELL_LENGTH) -> str:
    """Returns a text that can stand within another: on one line, and cut off where it is longer.

    Args:
        text: Any text; one from right to left does not turn the text around it.
        length: The most characters.
    """
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    visible = _CONTROLS.sub(_visible, cut)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in visible):
        return f"{_ISOLATE}{visible}{_POP}"
    return visible


def distinct_labels(texts: Sequence[str], length: int) -> list[str]:
    """Returns labels for the categories of an axis.

    plotly draws categories with the same name over each other, so texts that are alike when cut
    off get a number.

    Args:
        texts: The categories.
        length: The most columns of a label; a Chinese character takes two.
    """
    labels: list[str] = []
    taken: set[str] = set()
    for text in texts:
        name, number = _narrow(text, length) or "(empty)", 1
        while name in taken:
            number += 1
            suffix = f" ({number})"
            name = f"{_narrow(text, max(length - len(suffix), 1)) or '(empty)'}{suffix}"
        taken.add(name)
        labels.append(label(name))
    return labels


def number_cell(value: float | None) -> Cell:
    """Returns a number as a table's cell: whole ones without a fraction, infinity as text."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def number_text(value: float) -> str:
    """Returns a number as text: four significant digits, thousands separated."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def percent_cell(share: float | None) -> Cell:
    """Returns a share as a table's cell, in percent; not a whole number, nor is any other share.

    Args:
        share: From 0 to 1; ``None`` where there is none.
    """
    return None if share is None or not math.isfinite(share) else 100.0 * share


def percent_decimals(columns: Sequence[str]) -> dict[str, int]:
    """Returns the decimals of those columns of a table that are in percent.

    Args:
        columns: Names of columns; those in percent end with ``%``.
    """
    return {column: _PERCENT_DECIMALS for column in columns if column.endswith("%")}


def percent_text(share: float) -> str:
    """Returns a share as text, such as ``12.5%``.

    Args:
        share: From 0 to 1.
    """
    return f"{number_text(100 * share)}%"


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun, such as ``1 feature`` or ``2,000 features``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _visible(control: re.Match[str]) -> str:
    return " " if control.group() in "\t\n\r" else "\ufffd"


def _narrow(text: str, columns: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > columns:
            return short(text, max(index, 1))
    return short(text)
