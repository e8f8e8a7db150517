"""Spans: folders of data that come one after the other, as TFX numbers them.

A pattern such as ``span-{SPAN}/*.csv`` or ``{YYYY}-{MM}-{DD}/*.csv`` names them. The specs are
those of TFX (https://www.tensorflow.org/tfx/guide/examplegen#span): ``{SPAN}`` or
``{SPAN:WIDTH}``, or all of ``{YYYY}``, ``{MM}`` and ``{DD}``; besides them ``{VERSION}`` or
``{VERSION:WIDTH}``. A date's span number is its days since 1970-01-01. TensorFlow is not imported
here.
"""

import dataclasses
import datetime
import fnmatch
import re
from collections.abc import Iterable

from components.errors import InputDataError, SettingsError

_SPEC = re.compile(r"\{(SPAN|VERSION)(?::([^}]*))?\}|\{(YYYY|MM|DD)\}")
_DATE_SPECS = ("YYYY", "MM", "DD")
_EPOCH = datetime.date(1970, 1, 1)


@dataclasses.dataclass(frozen=True, order=True)
class Span:
    """A span that is there.

    Attributes:
        number: Its number.
        version: Its newest version; ``None`` where the pattern has none.
        pattern: The pattern of its files.
        name: Its name for people: the number, or the date.
    """

    number: int
    version: int | None
    pattern: str
    name: str


@dataclasses.dataclass(frozen=True)
class SpanPattern:
    """A pattern of input files, with or without spans."""

    text: str

    def __post_init__(self) -> None:
        if not self.text or self.text.startswith("/") or ".." in self.text.split("/"):
            raise SettingsError(
                f"input_pattern: '{self.text}' is not a path beneath the data's folder, such as "
                "*.csv or span-{SPAN}/*.csv"
            )
        names = [found[1] or found[3] for found in _SPEC.finditer(self.text)]
        rest = _SPEC.sub("", self.text)
        if "{" in rest or "}" in rest:
            raise SettingsError(
                f"input_pattern: '{self.text}' has braces that are no spec; use {{SPAN}}, "
                "{YYYY}-{MM}-{DD} or {VERSION}"
            )
        for found in _SPEC.finditer(self.text):
            width = found[2]
            if width is not None and not (width.isascii() and width.isdigit() and int(width) > 0):
                raise SettingsError(
                    f"input_pattern: '{found[0]}': the width is not a whole number above 0"
                )
        dates = [name for name in names if name in _DATE_SPECS]
        if dates and (sorted(dates) != sorted(_DATE_SPECS) or "SPAN" in names):
            raise SettingsError(
                f"input_pattern: '{self.text}': use either {{SPAN}}, or each of {{YYYY}}, {{MM}} "
                "and {DD} once"
            )
        if names.count("SPAN") > 1 or names.count("VERSION") > 1:
            raise SettingsError(f"input_pattern: '{self.text}': use each spec once")
        if "VERSION" in names and not self.has_spans:
            raise SettingsError(
                f"input_pattern: '{self.text}': {{VERSION}} is of a span; use {{SPAN}} as well"
            )
        if "**" in self.text or not self.text.endswith(".csv"):
            raise SettingsError(
                f"input_pattern: '{self.text}' does not name CSV files; end it in .csv, and use * "
                "within a name only"
            )

    @property
    def has_spans(self) -> bool:
        """Whether it tells spans apart."""
        return re.search(r"\{(SPAN(:[^}]*)?|YYYY)\}", self.text) is not None

    @property
    def glob(self) -> str:
        """The pattern of the files of all spans."""
        return _SPEC.sub("*", self.text)

    def spans(self, names: Iterable[str]) -> list[Span]:
        """Finds the spans among files.

        Args:
            names: Paths of files beneath the data's folder, with slashes.

        Returns:
            The spans in order, each with its newest version.

        Raises:
            InputDataError: If a file is named like one of a span but for its number or date.
        """
        regex = re.compile(self._regex())
        found: dict[int, Span] = {}
        for name in names:
            match = regex.fullmatch(name)
            if match is None:
                raise InputDataError(
                    f"{name}: has no number or date where the pattern {self.text} has one; move it "
                    "to another folder"
                )
            span = self._span(name, match)
            before = found.get(span.number)
            if before is None or (span.version or 0) > (before.version or 0):
                found[span.number] = span
        return sorted(found.values())

    def _regex(self) -> str:
        parts = []
        end = 0
        for found in _SPEC.finditer(self.text):
            parts.append(_glob_regex(self.text[end : found.start()]))
            name, width = found[1] or found[3], found[2]
            digits = {"YYYY": "{4}", "MM": "{2}", "DD": "{2}"}.get(name, f"{{{width}}}")
            parts.append(f"(?P<{name}>[0-9]{digits if width or name in _DATE_SPECS else '+'})")
            end = found.end()
        return "".join([*parts, _glob_regex(self.text[end:])])

    def _span(self, name: str, match: re.Match[str]) -> Span:
        groups = match.groupdict()
        if "SPAN" in groups:
            number = int(groups["SPAN"])
            label = str(number)
        else:
            year, month, day = (int(groups[spec]) for spec in _DATE_SPECS)
            try:
                date = datetime.date(year, month, day)
            except ValueError:
                raise InputDataError(
                    f"{name}: {year:04}-{month:02}-{day:02} is no date; rename its folder"
                ) from None
            number, label = (date - _EPOCH).days, date.isoformat()
        version = int(groups["VERSION"]) if "VERSION" in groups else None
        # The digits as they are in the name, whatever their padding.
        pattern = _SPEC.sub(lambda found: groups[found[1] or found[3]], self.text)
        return Span(number, version, pattern, label)


def _glob_regex(glob: str) -> str:
    """Returns a glob as a regular expression in which ``*`` and ``?`` do not match a slash."""
    parts = []
    for part in re.split(r"([*?])", glob):
        if part == "*":
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        else:
            parts.append(fnmatch.translate(part)[4:-3] if "[" in part else re.escape(part))
    return "".join(parts)


@dataclasses.dataclass(frozen=True)
class Window:
    """Which spans a run takes.

    Attributes:
        first: The least span number, or ``None``.
        last: The largest, or ``None`` for the newest that is there.
        length: The most spans, counted back from the last; ``None`` for all from the first.
    """

    first: int | None = None
    last: int | None = None
    length: int | None = 1

    def choose(self, spans: list[Span], place: str) -> list[Span]:
        """Returns the spans of the window that are there, in order.

        Args:
            spans: The spans that are there, in order.
            place: Where, for messages.

        Raises:
            InputDataError: If the last one is not there, or none is.
        """
        there = f"{spans[0].name} to {spans[-1].name}" if spans else "none"
        if self.last is not None and self.last not in [span.number for span in spans]:
            raise InputDataError(
                f"{place}: there is no span {self.last}; there are {there}. Set range-config to "
                "one of them"
            )
        chosen = [
            span
            for span in spans
            if (self.first is None or span.number >= self.first)
            and (self.last is None or span.number <= self.last)
        ]
        if not chosen:
            raise InputDataError(f"{place}: no span is in the range; there are {there}")
        return chosen if self.length is None else chosen[-self.length :]
