"""Spans: their patterns, which ones are there, and which a run takes."""

import pytest

from components.errors import InputDataError, SettingsError
from components.spans import Span, SpanPattern, Window

THREE = [Span(1, None, "span-1/*.csv", "1"), Span(2, None, "2", "2"), Span(5, None, "5", "5")]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "not a path beneath"),
        ("/data/*.csv", "not a path beneath"),
        ("../*.csv", "not a path beneath"),
        ("span-{SPAN}/*.txt", "end it in .csv"),
        ("**/{SPAN}/*.csv", "within a name only"),
        ("span-{span}/*.csv", "braces that are no spec"),
        ("{SPAN}/{SPAN}/*.csv", "use each spec once"),
        ("{SPAN}/{YYYY}-{MM}-{DD}/*.csv", "use either {SPAN}, or each"),
        ("{YYYY}-{MM}/*.csv", "use either {SPAN}, or each"),
        ("{VERSION}/*.csv", "{VERSION} is of a span"),
        ("span-{SPAN:x}/*.csv", "the width is not a whole number"),
        ("span-{SPAN:0}/*.csv", "the width is not a whole number"),
    ],
)
def test_a_pattern_that_does_not_do_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"^input_pattern: ") as error:
        SpanPattern(pattern)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "has_spans"),
    [
        ("*.csv", False),
        ("year-*/*.csv", False),
        ("span-{SPAN}/*.csv", True),
        ("{SPAN:3}.csv", True),
        ("{YYYY}{MM}{DD}/*.csv", True),
    ],
)
def test_a_pattern_has_spans_or_not(pattern: str, has_spans: bool) -> None:
    assert SpanPattern(pattern).has_spans is has_spans


def test_numbered_spans_come_in_the_order_of_their_numbers() -> None:
    spans = SpanPattern("span-{SPAN}/*.csv").spans(
        ["span-10/a.csv", "span-9/a.csv", "span-9/b.csv", "span-011/a.csv"]
    )

    assert [(span.number, span.pattern, span.name) for span in spans] == [
        (9, "span-9/*.csv", "9"),
        (10, "span-10/*.csv", "10"),
        (11, "span-011/*.csv", "11"),
    ]


def test_a_date_is_the_days_since_1970() -> None:
    (span,) = SpanPattern("{YYYY}-{MM}-{DD}/*.csv").spans(["2016-03-01/a.csv"])

    assert span == Span(16861, None, "2016-03-01/*.csv", "2016-03-01")


def test_of_a_span_the_newest_version_counts() -> None:
    names = ["1/v2/a.csv", "1/v10/a.csv", "2/v1/a.csv"]

    spans = SpanPattern("{SPAN}/v{VERSION}/*.csv").spans(names)

    assert [(span.number, span.version, span.pattern) for span in spans] == [
        (1, 10, "1/v10/*.csv"),
        (2, 1, "2/v1/*.csv"),
    ]


@pytest.mark.parametrize(
    ("pattern", "name", "said"),
    [
        ("span-{SPAN}/*.csv", "span-x/a.csv", "has no number or date"),
        ("span-{SPAN:2}/*.csv", "span-1/a.csv", "has no number or date"),
        ("{YYYY}-{MM}-{DD}/*.csv", "2016-02-30/a.csv", "2016-02-30 is no date"),
    ],
)
def test_a_name_that_is_no_span_is_named(pattern: str, name: str, said: str) -> None:
    with pytest.raises(InputDataError, match=name) as error:
        SpanPattern(pattern).spans([name])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("window", "numbers"),
    [
        (Window(), [5]),
        (Window(length=2), [2, 5]),
        (Window(length=9), [1, 2, 5]),
        (Window(first=2, length=9), [2, 5]),
        (Window(first=1, last=2, length=None), [1, 2]),
        (Window(first=0, last=5, length=None), [1, 2, 5]),
    ],
)
def test_a_window_takes_the_spans_that_are_there(window: Window, numbers: list[int]) -> None:
    assert [span.number for span in window.choose(THREE, "data")] == numbers


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Window(first=3, last=4, length=None), "there is no span 4; there are 1 to 5"),
        (Window(first=6), "no span is in the range; there are 1 to 5"),
    ],
)
def test_a_window_without_its_last_span_is_refused(window: Window, said: str) -> None:
    with pytest.raises(InputDataError, match=said):
        window.choose(THREE, "data")
