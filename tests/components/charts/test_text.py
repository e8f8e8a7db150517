"""Texts of tables and figures."""

import html

import pytest

from components.charts.section import label
from components.charts.text import (
    counted,
    distinct_labels,
    number_cell,
    number_text,
    percent_cell,
    percent_text,
    short,
)
from tests.components.charts.protos import HOSTILE


def test_a_label_has_no_markup_and_no_formula() -> None:
    made = label(HOSTILE)

    assert not set("<>$") & set(made)
    assert html.unescape(made) == f"{HOSTILE[:39]}…"


def test_categories_that_are_alike_when_cut_off_stay_apart() -> None:
    made = distinct_labels(["a long value 1", "a long value 2", "", "a<b"], 8)

    assert made == ["a long …", "a l… (2)", "(empty)", "a&lt;b"]


@pytest.mark.parametrize(
    ("value", "cell", "text"),
    [
        (0.0, 0, "0"),
        (1234567.0, 1234567, "1,234,567"),
        (0.123456, 0.123456, "0.1235"),
        (12345.67, 12345.67, "12,346"),
        (1.5e300, 1.5e300, "1.5e+300"),
        (float("inf"), "infinity", "inf"),
        (float("-inf"), "-infinity", "-inf"),
        (float("nan"), None, "nan"),
    ],
)
def test_numbers_have_four_digits_and_thousands(value: float, cell: object, text: str) -> None:
    assert number_cell(value) == cell
    assert number_text(value) == text


def test_shares_are_in_percent() -> None:
    assert percent_cell(0.125) == 12.5
    assert percent_cell(None) is None
    assert percent_text(1 / 3) == "33.33%"


def test_what_is_too_long_is_cut_off() -> None:
    assert short("x" * 20_000) == f"{'x' * 199}…"
    assert short("as it is") == "as it is"


def test_a_text_does_not_turn_the_text_around_it() -> None:
    assert short("a\u202egnp.exe\x00") == "a\ufffdgnp.exe\ufffd"
    assert short("عربى") == "\u2068عربى\u2069"
    assert short("two\nlines\tof text") == "two lines of text"


def test_a_chinese_character_takes_two_columns_of_a_label() -> None:
    assert distinct_labels(["中国工商银行", "abcdef"], 6) == ["中国…", "abcdef"]


def test_a_count_has_its_noun() -> None:
    assert [counted(1, "value"), counted(2000, "value")] == ["1 value", "2,000 values"]
