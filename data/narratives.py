"""The text of a complaint, in the consumer's words and with the CFPB's redactions.

The CFPB replaces names by ``XXXX``, writes dates as ``XX/XX/XXXX`` and amounts as
``{$1234.00}``, and cuts nothing else: line breaks, quotes and accents stay as typed.
"""

import bisect
import dataclasses
import functools
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from data import phrases
from data.weighted import Draw, Weighted

#: The consumer's form takes no more characters.
MAX_LENGTH = 20_000

#: Below this many characters there is no room for a sentence.
_TINY_LENGTH = 30

#: Points of the distribution of the wished-for length: share of narratives, characters.
#: Sentences are whole, so that the text ends up about half a sentence longer.
_LENGTH_QUANTILES: tuple[tuple[float, int], ...] = (
    (0.0, 1),
    (0.004, 30),
    (0.02, 110),
    (0.05, 190),
    (0.1, 290),
    (0.25, 530),
    (0.5, 930),
    (0.75, 1450),
    (0.9, 2150),
    (0.95, 2750),
    (0.98, 3900),
    (0.99, 5200),
    (0.997, 8000),
    (0.9995, 13000),
    (1.0, 20400),
)

#: The most cues for a wished-for length below the first number.
_CUE_LIMITS: tuple[tuple[int, int], ...] = ((110, 0), (250, 1), (450, 3), (900, 5), (1500, 6))
_MOST_CUES = 7

#: How often a consumer in a firm (calm) mood uses a firm (calm) cue.
_IN_MOOD = 0.85

#: Long enough narratives now and then hold a rare detail.
_ROOM_FOR_RARE = 300
_RARE_SHARE = 0.16

_LINE_BREAKS: Weighted[str] = Weighted.of(
    (("", 60), ("\n", 14), ("\n\n", 15), ("\r\n", 5), ("\r\n\r\n", 6))
)
_SENTENCES_A_PARAGRAPH = 5

_T = TypeVar("_T")

_SLOT = re.compile(r"\{([a-z]+)\}")


@dataclasses.dataclass(frozen=True)
class Narrative:
    """A text and what its wording adds to the log odds of a dispute, in hundredths."""

    text: str
    effect: int


@dataclasses.dataclass(frozen=True)
class _Template:
    """A sentence ready to be filled: a ``%`` pattern and the slots that go into it."""

    pattern: str
    slots: tuple[str, ...]

    @classmethod
    def parse(cls, sentence: str) -> "_Template":
        """Returns the template of ``sentence``, whose slots are names in braces."""
        pattern = _SLOT.sub("%s", sentence.replace("%", "%%"))
        return cls(pattern, tuple(_SLOT.findall(sentence)))


@dataclasses.dataclass(frozen=True)
class _Cue:
    effect: int
    templates: tuple[_Template, ...]


def compose(product: str, issue: str, company: str, draw: Draw) -> Narrative:
    """Writes one narrative.

    Args:
        product: a name from ``data.vocabulary``.
        issue: one of the product's issues.
        company: what the text calls the company.
        draw: the source of chance.

    Returns:
        A text of 1 to ``MAX_LENGTH`` characters, and the effect of its cues.
    """
    wished = _wished_length(draw())
    if wished < _TINY_LENGTH:
        return Narrative(_choose(phrases.TINY, draw), 0)
    cues = _choose_cues(wished, draw)
    spoken = {"company": company, "issue": issue.lower()}
    sentences = _tell(wished, _topic(product, issue), cues, spoken, draw)
    text = _lay_out(sentences, draw)
    return Narrative(text[:MAX_LENGTH], sum(cue.effect for cue in cues))


def _wished_length(share: float) -> int:
    """Returns the length that ``share`` of the narratives stay below."""
    upper = bisect.bisect_right(_LENGTH_QUANTILES, (share, MAX_LENGTH * 2))
    (low_share, low), (high_share, high) = _LENGTH_QUANTILES[upper - 1 : upper + 1]
    return low + int((high - low) * ((share - low_share) / (high_share - low_share)))


def _choose_cues(wished: int, draw: Draw) -> list[_Cue]:
    """Returns the cues of a narrative, each at most once, mostly of one mood."""
    limit = next((most for below, most in _CUE_LIMITS if wished < below), _MOST_CUES)
    count = (limit + 1) // 2 + int(draw() * (limit // 2 + 1))
    firm = draw() < 0.5
    cues: list[_Cue] = []
    for _ in range(count):
        in_mood = draw() < _IN_MOOD
        cue = _choose(_firm_cues() if firm == in_mood else _calm_cues(), draw)
        if cue not in cues:
            cues.append(cue)
    return cues


def _tell(
    wished: int,
    topic: "_Topic",
    cues: Sequence[_Cue],
    spoken: dict[str, str],
    draw: Draw,
) -> list[str]:
    """Returns sentences of ``wished`` characters or a little more, cues among them."""

    def fill(template: _Template) -> str:
        if not template.slots:
            return template.pattern
        return template.pattern % tuple(
            [spoken[slot] if slot in spoken else _FILLERS[slot](draw) for slot in template.slots]
        )

    said = [fill(_choose(cue.templates, draw)) for cue in cues]
    told: list[str] = []
    length = sum(map(len, said)) + len(said)
    # A walk in equal steps that share no factor with the number of details meets each of
    # them once before it meets any twice, and costs no bookkeeping.
    place, step = int(draw() * len(topic.details)), _choose(topic.steps, draw)
    template = _choose(topic.openings, draw)
    while length < wished or not (told or said):
        told.append(fill(template))
        length += len(told[-1]) + 1
        place = (place + step) % len(topic.details)
        template = topic.details[place]
    if wished > _ROOM_FOR_RARE and draw() < _RARE_SHARE:
        told.append(fill(_choose(_rare(), draw)))
    for sentence in said:
        told.insert(int(draw() * (len(told) + 1)), sentence)
    return told


def _lay_out(sentences: list[str], draw: Draw) -> str:
    """Joins sentences to lines and paragraphs, with the habits of one consumer's keyboard."""
    line_break = _LINE_BREAKS.pick(draw)
    if line_break:
        size = 1 + int(draw() * _SENTENCES_A_PARAGRAPH)
        text = line_break.join(
            " ".join(sentences[start : start + size]) for start in range(0, len(sentences), size)
        )
    else:
        text = " ".join(sentences)
    habit = draw()
    if habit < 0.08:
        return text.replace("'", "\u2019")
    if habit < 0.11:
        return text.replace(". ", ".\u00a0 ")
    if habit < 0.13:
        return text.upper()
    return text


@dataclasses.dataclass(frozen=True)
class _Topic:
    """The templates of one product and theme."""

    openings: tuple[_Template, ...]
    details: tuple[_Template, ...]
    steps: tuple[int, ...]


@functools.cache
def _topic(product: str, issue: str) -> _Topic:
    named = issue.lower()
    theme = next(t for t in phrases.THEMES if any(mark in named for mark in t.marks))
    own = tuple(map(_Template.parse, phrases.BY_PRODUCT[product]))
    details = own + tuple(map(_Template.parse, theme.sentences + phrases.COMMON))
    steps = tuple(n for n in range(1, len(details)) if math.gcd(n, len(details)) == 1)
    return _Topic(own, details, steps)


def _parse_cues(cues: tuple[phrases.Cue, ...]) -> tuple[_Cue, ...]:
    return tuple(_Cue(cue.effect, tuple(map(_Template.parse, cue.sentences))) for cue in cues)


@functools.cache
def _firm_cues() -> tuple[_Cue, ...]:
    return _parse_cues(phrases.FIRM_CUES)


@functools.cache
def _calm_cues() -> tuple[_Cue, ...]:
    return _parse_cues(phrases.CALM_CUES)


@functools.cache
def _rare() -> tuple[_Template, ...]:
    return tuple(map(_Template.parse, phrases.RARE))


def _choose(options: Sequence[_T], draw: Draw) -> _T:
    return options[int(draw() * len(options))]


def _amount(draw: Draw) -> str:
    # The cube of a uniform number: many small amounts, few large ones.
    share = draw()
    dollars = 5 + int(share * share * share * 9000)
    return f"{{${dollars}.{_choose(_CENTS, draw)}}}"


def _date(draw: Draw) -> str:
    return _DATES.pick(draw)


def _month(draw: Draw) -> str:
    return _choose(_MONTHS, draw)


def _name(draw: Draw) -> str:
    return "XXXX XXXX" if draw() < 0.4 else "XXXX"


def _count(draw: Draw) -> str:
    return str(2 + int(draw() * 28))


def _account(_: Draw) -> str:
    return "XXXX"


_CENTS = ("00", "00", "00", "50", "99", "25", "18", "73", "06")
_MONTHS = ("XXXX 2014", "XXXX 2015", "XXXX 2016", "XXXX", "early 2016", "late 2015")
_DATES: Weighted[str] = Weighted.of(
    (
        ("XX/XX/XXXX", 60),
        ("XX/XX/2016", 12),
        ("XX/XX/2015", 12),
        ("XX/XX/16", 4),
        ("XXXX XXXX, 2016", 6),
        ("XX-XX-XXXX", 3),
        ("XXXX", 3),
    )
)

_FILLERS: Mapping[str, Callable[[Draw], str]] = types.MappingProxyType(
    {
        "account": _account,
        "amount": _amount,
        "count": _count,
        "date": _date,
        "month": _month,
        "name": _name,
    }
)
