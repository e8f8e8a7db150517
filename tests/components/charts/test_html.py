"""Sections as HTML: whole, and inert whatever the data are."""

import html.parser
from typing import Any

import pytest
from plotly import graph_objects

from components.charts.html import shown, static_page
from components.charts.section import Chart, Note, Section, Table, label
from components.charts.style import figure

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(html.parser.HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def page(*blocks: Any) -> Page:
    return Page(static_page("title", [Section(id="part", title="Part", blocks=blocks)]))


def test_a_table_has_a_heading_for_each_column_and_row() -> None:
    found = page(Table(title="Numbers", columns=("name", "value"), rows=[("a", 1), ("b", 2.5)]))

    assert found.tags.count("th") == 4
    assert found.tags.count("td") == 2
    assert "Numbers namevalue a 1 b 2.5" in found.text


def test_everything_from_data_is_text() -> None:
    chart = Chart(
        title=HOSTILE,
        figure=figure(graph_objects.Bar(x=[label(HOSTILE)], y=[1])),
        description=HOSTILE,
    )
    table = Table(title=HOSTILE, columns=(HOSTILE,), rows=[(HOSTILE,)], note=HOSTILE)
    found = page(chart, table, Note(text=HOSTILE, level="failure"))

    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") >= 6


def test_a_page_allows_no_script_and_fetches_nothing() -> None:
    found = page(Note(text="x"))

    policies = [value for name, value in found.attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies
    assert {"link", "script", "iframe"} & set(found.tags) == set()


def test_levels_are_told_in_words() -> None:
    found = page(Note(text="low", level="warning"), Note(text="bad", level="failure"))

    assert "Warning: low" in found.text
    assert "Failure: bad" in found.text


def test_a_chart_that_svg_cannot_draw_is_a_note() -> None:
    pie = Chart(title="t", figure=figure(graph_objects.Pie(values=[1])), description="d")

    assert "In the report only." in page(pie).text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1234.5678, "1,235"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (3.0, "3"),
        (1e20, "100,000,000,000,000,000,000"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_cells_are_short_and_readable(cell: Any, text: str) -> None:
    assert shown(cell) == text


def test_an_anchor_is_an_anchor() -> None:
    with pytest.raises(ValueError, match="no anchor"):
        Section(id='x" onload="', title="t", blocks=[])
