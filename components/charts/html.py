"""From sections to HTML: nothing is fetched, and every text is escaped."""

import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jinja2
import markupsafe
import plotly.io
from plotly import graph_objects

from components.charts.section import Cell, Chart, Section, Table
from components.charts.svg import figure_to_svg
from components.charts.text import short

_TEMPLATES = pathlib.Path(__file__).parent / "templates"

#: What a note begins with, for those who do not see its colour.
_LEVEL_WORDS = {
    "info": "",
    "good": "✓",
    "warning": "Warning:",
    "failure": "Failure:",
    "unreadable": "Failure:",
}

_NO_VALUE = "-"

#: Longest text of a table's cell, in characters.
_CELL_LENGTH = 300

#: From so many characters on, a cell's text may break within a word.
_LONG_TEXT = 30

#: Digits of the least number of a column, its most decimals, and the most digits of a number.
_DIGITS, _MOST_DECIMALS, _MOST_DIGITS = 4, 4, 8

#: Without plotly's buttons: one of them uploads the data, and each is a stop for the Tab key.
_CONFIG = {"displayModeBar": False, "responsive": True}


def environment(*folders: pathlib.Path) -> jinja2.Environment:
    """Returns the templates' environment: everything is escaped, and nothing undefined passes.

    Args:
        *folders: Folders with templates, looked in before those of this package.
    """
    loader = jinja2.FileSystemLoader([str(folder) for folder in (*folders, _TEMPLATES)])
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = shown
    made.filters["kind"] = _kind
    made.filters["fitting"] = _fitting
    made.filters["decimals"] = _decimals
    made.filters["is_numeric"] = _is_numeric
    made.globals["level_words"] = _LEVEL_WORDS
    return made


def stylesheet() -> markupsafe.Markup:
    """Returns the stylesheet of all pages."""
    return markupsafe.Markup(  # noqa: S704 (our own file)
        (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    )


def plotly_script() -> markupsafe.Markup:
    """Returns plotly's library, for a page that draws interactive charts."""
    from plotly.offline import get_plotlyjs

    # In a script, only its own end tag is read.
    script = get_plotlyjs().replace("</script", "<\\/script")
    return markupsafe.Markup(script)  # noqa: S704 (plotly's own file)


def interactive(chart: Chart) -> markupsafe.Markup:
    """Returns a chart that plotly draws; the page must hold ``plotly_script``."""
    html = plotly.io.to_html(
        graph_objects.Figure(chart.figure),
        full_html=False,
        include_plotlyjs=False,
        config=_CONFIG,
        default_height=f"{chart.figure.layout.height or 320}px",
    )
    return markupsafe.Markup(html)  # noqa: S704 (plotly escapes a figure's texts)


def static(chart: Chart) -> markupsafe.Markup:
    """Returns a chart as SVG, which needs no script; a note for one that has other traces."""
    try:
        svg = figure_to_svg(chart.figure)
    except ValueError:
        return markupsafe.Markup("<p>In the report only.</p>")
    return markupsafe.Markup(svg)  # noqa: S704 (its texts are escaped)


def static_page(title: str, sections: Sequence[Section]) -> str:
    """Returns a page without scripts, small enough for Kubeflow's UI to show inline.

    Args:
        title: The page's title.
        sections: What is on it.
    """
    template = environment().get_template("static_page.html")
    return template.render(title=title, sections=sections, draw=static, style=stylesheet())


def shown(cell: Cell, decimals: int | None = None) -> str:
    """Returns a table's cell as text, thousands separated.

    Args:
        cell: The cell.
        decimals: How many decimals a floating-point number has; ``None`` for four significant
            digits. One that would be shown as 0 has two digits.
    """
    if cell is None:
        return _NO_VALUE
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return _number(cell, decimals)
    text = str(cell)
    return text if len(text) <= _CELL_LENGTH else f"{text[: _CELL_LENGTH - 1]}…"


def _kind(cell: Cell) -> str:
    """Returns the class of a table's cell in the stylesheet."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return "number"
    # A long text may break anywhere, a short one only between words.
    return "long" if len(str(cell)) > _LONG_TEXT else "text"


def _fitting(text: str, pixels: int, letter: int) -> str:
    """Returns as much of a text as fits on a line of a diagram's box.

    Args:
        text: The text.
        pixels: The width of the line.
        letter: The width of a letter; wider ones are rare.
    """
    return short(text, pixels // letter)


def _is_numeric(table: Table, index: int) -> bool:
    """Returns whether a column has numbers, and nothing else but missing values."""
    cells = [row[index] for row in table.rows if row[index] is not None]
    return bool(cells) and all(_kind(cell) == "number" for cell in cells)


def _decimals(table: Table) -> list[int | None]:
    """Returns how many decimals each column's numbers have; ``None`` without such numbers."""
    found: list[int | None] = []
    for index, column in enumerate(table.columns):
        numbers = [
            abs(cell)
            for row in table.rows
            if isinstance(cell := row[index], float) and math.isfinite(cell) and cell
        ]
        if column in table.decimals:
            found.append(table.decimals[column])
        elif all(number.is_integer() for number in numbers):
            found.append(None)
        else:
            digits_before = [math.floor(math.log10(number)) + 1 for number in numbers]
            room = _MOST_DIGITS - max(*digits_before, 1)
            found.append(max(0, min(_DIGITS - min(digits_before), _MOST_DECIMALS, room)))
    return found


def _number(value: float, decimals: int | None) -> str:
    if not math.isfinite(value):
        return _NO_VALUE
    if decimals is not None:
        is_lost = value != 0 and abs(value) < 0.5 * 10**-decimals
        return f"{value:.2g}" if is_lost else f"{value:,.{decimals}f}"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


#: Makes the HTML of a chart.
Draw = Callable[[Chart], Any]
