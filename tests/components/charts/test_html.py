"""Sections as HTML: whole, and inert whatever the data are."""

import html.parser
import re
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


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ((0.2225, 11.09, 1.625), ["0.2225", "11.0900", "1.6250"]),
        ((0.5, 12345.678), ["0.500", "12,345.678"]),
        ((561, 0.65369, 1.0), ["561", "0.6537", "1.0000"]),
        ((0.5, 0.00001, 0.0), ["0.5000", "1e-05", "0.0000"]),
        ((2.0, 3.0, None), ["2", "3", "-"]),
    ],
)
def test_the_numbers_of_a_column_have_the_same_decimals(
    cells: tuple[float | None, ...], texts: list[str]
) -> None:
    rows = [(f"row{index}:", cell) for index, cell in enumerate(cells)]

    text = page(Table(title="t", columns=("", "value"), rows=rows)).text

    assert re.findall(r"row\d: (\S+)", text) == texts


def test_a_column_can_say_how_many_decimals_its_numbers_have() -> None:
    table = Table(
        title="t", columns=("x", "%"), rows=[("a", 10.0), ("b", 0.125)], decimals={"%": 2}
    )

    assert "a 10.00 b 0.12" in page(table).text


def test_a_missing_value_is_at_the_right_below_numbers() -> None:
    found = page(Table(title="t", columns=("x", "n"), rows=[("a", None), ("b", 1)]))

    classes = [value for name, value in found.attributes if name == "class"]
    assert classes.count("number") == 3


def test_an_anchor_is_an_anchor() -> None:
    with pytest.raises(ValueError, match="no anchor"):
        Section(id='x" onload="', title="t", blocks=[])
