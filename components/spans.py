"""Spans: input folders or files that follow each other in time, as TFX's ExampleGen numbers them.

``{SPAN}`` in a pattern stands for a span's number, ``{YYYY}``, ``{MM}`` and ``{DD}`` for its
date, which counts as days since 1970-01-01, and ``{VERSION}`` for a span's version, of which
the highest counts. ``{SPAN:3}`` is a number of three digits.
https://www.tensorflow.org/tfx/guide/examplegen#span
"""

import dataclasses
import datetime
import re
from collections.abc import Iterable, Sequence

from components.errors import InputDataError

#: Custom properties of examples: the first and the last span in them. Without spans TFX records
#: 0 as the last, and nobody a first one.
FIRST_SPAN_PROPERTY = "first_span"
SPAN_PROPERTY = "span"

_SPEC = re.compile(r"\{([^{}]*)\}")
# A protocol buffer holds nine digits of a span's number.
_NUMBER = re.compile(r"(SPAN|VERSION)(?::0*([1-9]))?")
_DATE_DIGITS = {"YYYY": 4, "MM": 2, "DD": 2}
_LITERAL = re.compile(r"[A-Za-z0-9_.=+,@ /*?-]*")
_EPOCH = datetime.date(1970, 1, 1)

#: What the log lists of many.
_MOST_LISTED = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Span:
    """A span that is there.

    Attributes:
        number: Its number; days since 1970-01-01 where the pattern has a date.
        version: Its highest version, or ``None`` where the pattern has none.
        pattern: The pattern of its files, without specs.
    """

    number: int
    version: int | None
    pattern: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanRange:
    """The spans that a run asks for.

    Attributes:
        first: The first span's number, or ``None`` for the last ``length`` that are there.
        last: The last span's number, or ``None`` for the newest.
        length: How many spans the range has at most, where ``first`` is ``None``.
        lowest: Spans before this one do not count.
    """

    first: int | None = None
    last: int | None = None
    length: int = 1
    lowest: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """The spans that a run reads.

    Attributes:
        spans: Those that are there, oldest first; at least one.
        missing: Numbers between the first and the last of a fixed range that no file has.
    """

    spans: tuple[Span, ...]
    missing: tuple[int, ...]

    @property
    def newest(self) -> Span:
        """The last of the spans."""
        return self.spans[-1]


class InputPattern:
    """A pattern of input files below a folder, with or without spans.

    Args:
        text: The pattern, such as ``*.csv`` or ``span-{SPAN}/*.csv``.

    Raises:
        ValueError: If it is not valid; the message says why, without the pattern.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        specs = [match.group(1) for match in _SPEC.finditer(text)]
        _check_specs(specs)
        _check_literals(_SPEC.sub("0", text), text)
        self.has_spans = bool(specs)
        self._regex = re.compile(_regex(text))

    @property
    def glob(self) -> str:
        """The pattern that matches the files of all spans, and perhaps others."""
        return _SPEC.sub("*", self.text)

    @property
    def folder_glob(self) -> str | None:
        """The pattern of the spans' folders; ``None`` where file names hold the spans."""
        names = self.text.split("/")
        depth = max(index for index, name in enumerate(names) if "{" in name) + 1
        return _SPEC.sub("*", "/".join(names[:depth])) if depth < len(names) else None

    def matches(self, name: str) -> bool:
        """Tells whether a run may read a file.

        Args:
            name: Path of the file below the input folder. A hidden file or folder never counts.
        """
        if any(part.startswith(".") for part in name.split("/")):
            return False
        return self.span(name) is not None if self.has_spans else bool(self._regex.fullmatch(name))

    def span(self, name: str) -> Span | None:
        """Returns the span that a file belongs to.

        Args:
            name: Path of the file below the input folder.

        Returns:
            The span with this file's own version, or ``None`` where the specs do not match.
        """
        match = self._regex.fullmatch(name)
        if match is None:
            return None
        found = match.groupdict()
        if "YYYY" in found:
            try:
                date = datetime.date(*(int(found[key]) for key in _DATE_DIGITS))
            except ValueError:
                return None
            number = (date - _EPOCH).days
            if number < 0:
                return None
        else:
            number = int(found["SPAN"])
        version = int(found["VERSION"]) if "VERSION" in found else None
        pattern = _SPEC.sub(lambda spec: found[spec.group(1).partition(":")[0]], self.text)
        return Span(number=number, version=version, pattern=pattern)


def _check_specs(specs: Sequence[str]) -> None:
    names = []
    for spec in specs:
        number = _NUMBER.fullmatch(spec)
        if number is None and spec not in _DATE_DIGITS:
            raise ValueError(
                f"has {{{spec}}}; use {{SPAN}} or {{YYYY}}, {{MM}} and {{DD}}, with {{VERSION}} "
                "if wanted, or {SPAN:3} for three digits"
            )
        names.append(number.group(1) if number else spec)
    if len(set(names)) < len(names):
        raise ValueError("has one spec twice; keep one")
    dates = set(names) & set(_DATE_DIGITS)
    if dates and "SPAN" in names:
        raise ValueError("has both {SPAN} and a date; keep one")
    if dates and len(dates) < len(_DATE_DIGITS):
        raise ValueError("has a part of a date; use {YYYY}, {MM} and {DD}")
    if "VERSION" in names and not dates and "SPAN" not in names:
        raise ValueError("has {VERSION} without {SPAN} or a date; add one")


def _check_literals(literal: str, text: str) -> None:
    if literal.startswith("/"):
        raise ValueError("is absolute; it begins below input_root")
    if not _LITERAL.fullmatch(literal):
        raise ValueError("may hold letters, digits, space and _ . = + , @ - / * ? beside the specs")
    if "**" in literal:
        raise ValueError("has '**'; name each level of folders, as in */*.csv")
    *folders, file = literal.split("/")
    if any(not name or name.startswith(".") for name in (*folders, file)):
        raise ValueError("has an empty or hidden name, '.' or '..' in it; leave that out")
    if "*" not in file and "." not in file:
        raise ValueError("ends in a folder; add the files, as in span-{SPAN}/*.csv")
    if re.search(r"\}[*?]|[*?]\{|(SPAN|VERSION)[:0-9]*\}\{|\}\{(SPAN|VERSION)", text):
        # span-4* would match span-45, too.
        raise ValueError(
            "has two of {SPAN}, {VERSION}, * and ? side by side; put a sign such as '-' between"
        )


def _regex(text: str) -> str:
    parts = []
    end = 0
    for spec in _SPEC.finditer(text):
        parts.append(_literal_regex(text[end : spec.start()]))
        name, _, width = spec.group(1).partition(":")
        digits = _DATE_DIGITS.get(name) or (int(width) if width else None)
        parts.append(f"(?P<{name}>[0-9]{{{digits or '1,9'}}})")
        end = spec.end()
    return "".join(parts) + _literal_regex(text[end:])


def _literal_regex(text: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(sign, re.escape(sign)) for sign in text)


def spans_of(pattern: InputPattern, names: Iterable[str]) -> dict[int, Span]:
    """Returns the spans that files belong to, each with its highest version.

    Args:
        pattern: The pattern, with specs.
        names: Paths of the files below the input folder; others than a span's are left out.

    Raises:
        InputDataError: If one span, or one version of it, has two names.
    """
    spans: dict[int, Span] = {}
    for name in names:
        span = pattern.span(name)
        if span is None:
            continue
        other = spans.setdefault(span.number, span)
        if (span.version or 0) > (other.version or 0):
            spans[span.number] = span
        elif span.version == other.version and span.pattern != other.pattern:
            raise InputDataError(
                f"{span.pattern} and {other.pattern} are both span {span.number}"
                f"{'' if span.version is None else f', version {span.version}'}; remove one"
            )
    return spans


def window(spans: dict[int, Span], wanted: SpanRange) -> Window | None:
    """Returns the spans of a range.

    A range without ``first`` is the newest spans that are there, up to its length. TFX's
    RollingRange counts numbers instead; but those of dates are days, and folders of months would
    then be alone in any range shorter than a month.

    Args:
        spans: The spans that are there, by number.
        wanted: The range.

    Returns:
        The window; ``None`` where its last span is not there.
    """
    eligible = [number for number in spans if number >= wanted.lowest]
    last = wanted.last if wanted.last is not None else max(eligible, default=None)
    if last is None or last not in spans:
        return None
    there = sorted(number for number in eligible if number <= last)
    if wanted.first is None:
        numbers = there[-wanted.length :]
        return Window(spans=tuple(spans[number] for number in numbers), missing=())
    numbers = [number for number in there if number >= wanted.first]
    return Window(
        spans=tuple(spans[number] for number in numbers),
        # A range may be as long as a protocol buffer's number, but what is listed is bounded.
        missing=_missing(wanted.first, numbers),
    )


def _missing(first: int, numbers: Sequence[int]) -> tuple[int, ...]:
    found = set(numbers)
    missing: list[int] = []
    for number in range(numbers[-1], first - 1, -1):
        if number not in found:
            missing.append(number)
            if len(missing) == _MOST_LISTED:
                break
    return tuple(reversed(missing))
