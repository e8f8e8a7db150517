"""Texts of tables and figures that come from data: short, and told apart."""

import math
from collections.abc import Sequence

from components.charts.section import Cell, label

#: The longest text of a table's cell, in characters.
_CELL_LENGTH = 200


def short(text: str, length: int = _CELL_LENGTH) -> str:
    """Returns a text, cut off with an ellipsis where it is longer.

    Args:
        text: Any text.
        length: The most characters.
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def distinct_labels(texts: Sequence[str], length: int) -> list[str]:
    """Returns labels for the categories of an axis.

    plotly draws categories with the same name over each other, so texts that are alike when cut
    off get a number.

    Args:
        texts: The categories.
        length: The most characters of a label, without its number.
    """
    labels: list[str] = []
    taken: set[str] = set()
    for text in texts:
        base = short(text, length) or "(empty)"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base} ({number})"
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
    """Returns a share as a table's cell, in percent.

    Args:
        share: From 0 to 1; ``None`` where there is none.
    """
    return number_cell(None if share is None else 100 * share)


def percent_text(share: float) -> str:
    """Returns a share as text, such as ``12.5%``.

    Args:
        share: From 0 to 1.
    """
    return f"{number_text(100 * share)}%"


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun, such as ``1 feature`` or ``2,000 features``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
