"""What a page is made of: sections of charts, tables and notes, not yet HTML."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from plotly import graph_objects

#: What stands in a table's cell; ``None`` where there is no value.
Cell: TypeAlias = str | int | float | bool | None

_ID = re.compile(r"[a-z][a-z0-9-]*")

#: The longest text of an axis or a legend; the whole one is in the chart's table.
_LABEL_LENGTH = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """A plotly figure.

    Attributes:
        title: Its heading.
        figure: The figure, without a title of its own.
        description: What it shows, for those who cannot see it: one or two sentences with the
            main numbers.
    """

    title: str
    figure: graph_objects.Figure
    description: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        title: Its heading.
        columns: Names of the columns.
        rows: The rows, each with a cell for every column.
        note: A line below it; empty for none.
        decimals: How many decimals the floating-point numbers of a column have, by its name; those
            of other columns have as many as their least number needs for four digits.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    decimals: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """A line of text.

    Attributes:
        text: The text.
        level: ``info``, ``good``, ``warning``, ``failure``, or ``unreadable`` for what
            cannot be shown.
    """

    text: str
    level: str = "info"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A box of a diagram.

    Attributes:
        x: Its left edge, in pixels.
        y: Its upper edge, in pixels.
        name: Its first line.
        subtitle: Its second line.
        colour: Colour of its mark, such as ``#009E73``; the subtitle says the same in words.
    """

    x: int
    y: int
    name: str
    subtitle: str
    colour: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagram:
    """Boxes and arrows between them, drawn without a script.

    Attributes:
        title: Its heading.
        description: What it shows, for those who cannot see it.
        note: A line below it.
        boxes: The boxes.
        arrows: SVG's path of each arrow.
        box_width: Width of each box, in pixels.
        box_height: Height of each box, in pixels.
        width: Width of all, in pixels.
        height: Height of all, in pixels.
    """

    title: str
    description: str
    note: str
    boxes: Sequence[Box]
    arrows: Sequence[str]
    box_width: int
    box_height: int
    width: int
    height: int


Block: TypeAlias = Chart | Diagram | Table | Note


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page under one heading.

    Attributes:
        id: Anchor of the heading: lower-case letters, digits and hyphens.
        title: The heading.
        blocks: What is in it, in order.
    """

    id: str
    title: str
    blocks: Sequence[Block]

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is no anchor")


def label(text: str) -> str:
    """Returns a text as a label of a figure: short, and inert.

    plotly reads HTML-like tags and entities in its texts, and formulas between dollar signs where a
    page has MathJax, as notebooks do; text from data must not be read so.

    Args:
        text: Any text, such as a company's name.
    """
    short = text if len(text) <= _LABEL_LENGTH else f"{text[: _LABEL_LENGTH - 1]}…"
    return (
        short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    )
