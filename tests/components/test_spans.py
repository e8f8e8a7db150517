"""Which files make which span, and which spans a run reads."""

import re

import pytest

from components.errors import InputDataError
from components.spans import InputPattern, Span, SpanRange, spans_of, window


def spans(*numbers: int) -> dict[int, Span]:
    return {n: Span(number=n, version=None, pattern=f"span-{n}/*.csv") for n in numbers}


@pytest.mark.parametrize(
    ("pattern", "name", "number", "version", "resolved"),
    [
        ("span-{SPAN}/*.csv", "span-3/a.csv", 3, None, "span-3/*.csv"),
        ("span-{SPAN}/*.csv", "span-003/a.csv", 3, None, "span-003/*.csv"),
        ("span-{SPAN:2}/*.csv", "span-03/a.csv", 3, None, "span-03/*.csv"),
        ("{SPAN}.csv", "12.csv", 12, None, "12.csv"),
        ("{YYYY}-{MM}-{DD}/*.csv", "1970-01-31/a.csv", 30, None, "1970-01-31/*.csv"),
        ("{YYYY}{MM}{DD}/*.csv", "20000101/a.csv", 10957, None, "20000101/*.csv"),
        ("d/{SPAN}/v{VERSION}/?.csv", "d/4/v02/a.csv", 4, 2, "d/4/v02/?.csv"),
    ],
)
def test_a_file_belongs_to_the_span_in_its_path(
    pattern: str, name: str, number: int, version: int | None, resolved: str
) -> None:
    assert InputPattern(pattern).span(name) == Span(
        number=number, version=version, pattern=resolved
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("span-{SPAN}/*.csv", "span-new/a.csv"),
        ("span-{SPAN}/*.csv", "span-3/sub/a.csv"),
        ("span-{SPAN}/*.csv", "span-3/a.txt"),
        ("span-{SPAN:2}/*.csv", "span-3/a.csv"),
        ("span-{SPAN:2}/*.csv", "span-003/a.csv"),
        ("{YYYY}-{MM}-{DD}/*.csv", "2026-02-30/a.csv"),
        ("{YYYY}-{MM}-{DD}/*.csv", "1969-12-31/a.csv"),
        ("span-{SPAN}/*.csv", "span-٣/a.csv"),
    ],
)
def test_a_file_that_does_not_fit_belongs_to_no_span(pattern: str, name: str) -> None:
    assert InputPattern(pattern).span(name) is None


@pytest.mark.parametrize("text", ["*.csv", "complaints.csv", "2026/*.csv", "data*"])
def test_a_pattern_without_specs_has_no_spans(text: str) -> None:
    assert not InputPattern(text).has_spans


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("/data/{SPAN}/*.csv", "absolute"),
        ("../{SPAN}/*.csv", "'..'"),
        ("a/./{SPAN}.csv", "'.'"),
        ("a//{SPAN}.csv", "empty"),
        (".hidden/{SPAN}.csv", "hidden"),
        ("span-{SPAN}", "ends in a folder"),
        ("span-{SPAN}/", "empty"),
        ("**/{SPAN}.csv", "'**'"),
        ("[ab]/{SPAN}.csv", "letters, digits"),
        ("a\n{SPAN}.csv", "letters, digits"),
        ("{SPAN/*.csv", "letters, digits"),
        ("{span}/*.csv", "{span}"),
        ("{SPAN:0}/*.csv", "{SPAN:0}"),
        ("{SPAN:x}/*.csv", "{SPAN:x}"),
        ("{SPAN}/{SPAN}.csv", "twice"),
        ("{SPAN}/{YYYY}-{MM}-{DD}.csv", "both"),
        ("{YYYY}-{MM}/*.csv", "part of a date"),
        ("{VERSION}/*.csv", "without"),
        ("{SPAN}*.csv", "side by side"),
        ("{SPAN}{VERSION}/*.csv", "side by side"),
        ("*{SPAN:2}/*.csv", "side by side"),
    ],
)
def test_a_pattern_that_is_not_valid_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        InputPattern(text)


def test_the_highest_version_of_a_span_counts() -> None:
    pattern = InputPattern("{SPAN}/v{VERSION}/*.csv")

    found = spans_of(pattern, ["1/v9/a.csv", "1/v10/a.csv", "1/v2/a.csv", "1/v10/b.csv"])

    assert found == {1: Span(number=1, version=10, pattern="1/v10/*.csv")}


def test_two_names_of_one_span_are_refused() -> None:
    with pytest.raises(InputDataError) as caught:
        spans_of(InputPattern("span-{SPAN}/*.csv"), ["span-01/a.csv", "span-1/a.csv"])

    assert str(caught.value) == ("span-1/*.csv and span-01/*.csv are both span 1; remove one")


@pytest.mark.parametrize(
    ("there", "wanted", "read", "missing"),
    [
        ((1, 2, 10), SpanRange(), (10,), ()),
        ((1, 2, 3), SpanRange(length=2), (2, 3), ()),
        ((1, 3), SpanRange(length=2), (1, 3), ()),
        ((1, 3, 70), SpanRange(length=2), (3, 70), ()),
        # What is before the first span is not missing.
        ((4, 5), SpanRange(length=9), (4, 5), ()),
        ((1, 2, 3, 4), SpanRange(length=9, lowest=3), (3, 4), ()),
        ((1, 2, 3, 4), SpanRange(first=2, last=3), (2, 3), ()),
        ((2, 4, 5), SpanRange(first=1, last=4), (2, 4), (1, 3)),
        ((0,), SpanRange(), (0,), ()),
    ],
)
def test_a_window_ends_at_its_last_span_and_says_what_is_missing(
    there: tuple[int, ...], wanted: SpanRange, read: tuple[int, ...], missing: tuple[int, ...]
) -> None:
    found = window(spans(*there), wanted)

    assert found is not None
    assert tuple(span.number for span in found.spans) == read
    assert found.missing == missing
    assert found.newest.number == read[-1]


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), SpanRange()),
        ((1, 2), SpanRange(first=1, last=3)),
        ((1, 2), SpanRange(lowest=3)),
    ],
)
def test_a_window_whose_last_span_is_not_there_is_none(
    there: tuple[int, ...], wanted: SpanRange
) -> None:
    assert window(spans(*there), wanted) is None


def test_the_list_of_missing_spans_is_bounded() -> None:
    found = window(spans(1, 900_000_000), SpanRange(first=1, last=900_000_000))

    assert found is not None
    assert len(found.missing) == 10
    assert found.missing[-1] == 899_999_999
