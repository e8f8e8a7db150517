"""Synthetic complaints, as many as wanted, without copying a single real one.

A file depends on the number of rows and the seed alone: it is the same on every machine,
operating system and Python version, and a longer file begins with the shorter one.
"""

import contextlib
import csv
import dataclasses
import errno
import functools
import itertools
import os
import pathlib
import random
import types
from collections.abc import Callable, Generator, Iterator, Mapping

from components import errors, features
from data import companies, disputes, narratives, places, vocabulary
from data.weighted import Draw, Weighted

#: Rows between two calls of ``on_progress``.
PROGRESS_ROWS = 1_000

_NARRATIVE_SHARE = 0.6
_STATE_SHARE = 0.991
_SUB_PRODUCT_SHARE = 0.995
_SUB_ISSUE_SHARE = 0.98

#: Of the ZIP codes with one leading zero.
_LOST_ZERO_SHARE = 0.4

_LATE_SHARE = 0.008
_LATE_SHARE_OF_SMALL = 0.06


def write_complaints(
    path: pathlib.Path,
    *,
    rows: int,
    seed: int,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Writes a CSV file of synthetic complaints with the columns of ``features.COLUMNS``.

    The file is UTF-8 with LF record ends; a missing value is an empty field. It appears under
    its name only once it is whole, and replaces what was there.

    Args:
        path: the file to write; its folder must exist.
        rows: complaints to write, at least 1. Memory does not grow with them.
        seed: 0 or more; another seed gives other complaints.
        on_progress: called with the rows written so far, after every ``PROGRESS_ROWS`` rows
            and at the end. What it raises ends the writing and leaves no file.

    Raises:
        errors.InputDataError: an argument is out of range, or the file cannot be written.
    """
    if rows < 1:
        raise errors.InputDataError(f"rows is {rows}; ask for at least 1 row")
    if seed < 0:
        raise errors.InputDataError(f"seed is {seed}; use 0 or a positive whole number")
    if path.exists() and not path.is_file() and not path.is_dir():
        # Replacing it would remove a device or a pipe.
        raise errors.InputDataError(f"{path}: is there and is not a file; choose another name")
    with _partial_file(path) as partial:
        with contextlib.closing(_write_in_steps(partial, path, rows, seed)) as steps:
            for written in steps:
                if on_progress is not None:
                    on_progress(written)
        with _naming(path):
            partial.replace(path)


@contextlib.contextmanager
def _partial_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Lends the name of a file beside ``path``, and sees that none is left behind."""
    with _naming(path):
        if not path.parent.is_dir():
            raise errors.InputDataError(
                f"cannot write {path}: the folder {path.parent} does not exist; create it or "
                "name another file"
            )
        if path.is_dir():
            raise errors.InputDataError(
                f"cannot write {path}: it is a folder; name a file inside it"
            )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _write_in_steps(
    partial: pathlib.Path, path: pathlib.Path, rows: int, seed: int
) -> Generator[int, None, None]:
    """Writes the file and yields the rows written so far, so that a caller's errors stay its own.

    An ``OSError`` here is the file's; one of ``on_progress`` never passes through this frame.
    """
    complaints = _complaints(seed)
    with _naming(path), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(features.COLUMNS)
        for start in range(0, rows, PROGRESS_ROWS):
            count = min(PROGRESS_ROWS, rows - start)
            writer.writerows(complaint.fields for complaint in itertools.islice(complaints, count))
            yield start + count


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """Turns a refusal of the file system into one line that names ``path`` and the mend."""
    try:
        yield
    except OSError as error:
        mend = _MENDS.get(error.errno or 0, "name another file or mend the folder")
        reason = error.strerror or type(error).__name__
        raise errors.InputDataError(f"cannot write {path}: {reason}; {mend}") from error


_MENDS: Mapping[int, str] = types.MappingProxyType(
    {
        errno.EACCES: "make the folder writable or name another one",
        errno.EPERM: "make the folder writable or name another one",
        errno.EROFS: "name a folder that is not read-only",
        errno.ENOSPC: "free some space or ask for fewer rows",
        errno.EDQUOT: "free some space or ask for fewer rows",
        errno.EFBIG: "raise the limit on file sizes or ask for fewer rows",
        errno.ENAMETOOLONG: "use a shorter name",
    }
)


@dataclasses.dataclass(frozen=True)
class _Complaint:
    """A row, and the probability its label was drawn with, which no file tells."""

    fields: tuple[str, ...]
    probability: float


def _complaints(seed: int) -> Iterator[_Complaint]:
    """Yields complaints without end, always the same for one seed."""
    # Python keeps the sequence of `random` for a whole-number seed; other methods may change.
    draw = random.Random(seed).random  # noqa: S311 - synthetic data, no secrets
    tables = _tables()
    while True:
        yield _draw_complaint(tables, draw)


def _draw_complaint(tables: "_Tables", draw: Draw) -> _Complaint:
    product = tables.products.pick(draw)
    sub_product = _pick_or_miss(product.sub_products, _SUB_PRODUCT_SHARE, draw)
    issue = product.issues.pick(draw)
    sub_issue = _pick_or_miss(issue.sub_issues, _SUB_ISSUE_SHARE, draw)
    trade = product.trades.pick(draw)
    company = tables.companies[trade].pick(draw)
    state, zip_code = _draw_place(tables, draw)
    response = product.responses.pick(draw)
    late_share = _LATE_SHARE_OF_SMALL if trade in companies.SMALL_TRADES else _LATE_SHARE
    timely = draw() >= late_share and response != vocabulary.UNTIMELY_RESPONSE
    if draw() < _NARRATIVE_SHARE:
        narrative = narratives.compose(product.name, issue.name, company, draw)
    else:
        narrative = _NO_NARRATIVE
    probability = disputes.probability(
        disputes.log_odds(
            product=product.name,
            company=company,
            state=state,
            response=response,
            timely=timely,
            wording=narrative.effect,
        )
    )
    fields = (
        product.name,
        sub_product,
        issue.name,
        sub_issue,
        narrative.text,
        company,
        state,
        zip_code,
        response,
        "Yes" if timely else "No",
        "1" if draw() < probability else "0",
    )
    return _Complaint(fields, probability)


_NO_NARRATIVE = narratives.Narrative("", 0)


def _pick_or_miss(terms: Weighted[str] | None, share: float, draw: Draw) -> str:
    if terms is None or draw() >= share:
        return ""
    return terms.pick(draw)


def _draw_place(tables: "_Tables", draw: Draw) -> tuple[str, str]:
    """Returns a state and a ZIP code of that state, either of which may be missing."""
    if draw() >= _STATE_SHARE:
        return "", _REDACTED_ZIP if draw() < 0.2 else ""
    state = tables.states.pick(draw)
    prefixes = tables.zip_prefixes[state]
    prefix = prefixes[int(draw() * len(prefixes))]
    form = tables.zip_forms.pick(draw)
    if form == "full":
        zip_code = f"{prefix}{int(draw() * 100):02d}"
        # A spreadsheet that takes ZIP codes for numbers drops a leading zero.
        if 1_000 <= int(zip_code) < 10_000 and draw() < _LOST_ZERO_SHARE:
            return state, zip_code[1:]
        return state, zip_code
    if form == "ending redacted":
        return state, f"{prefix}XX"
    if form == "prefix":
        return state, prefix
    return state, _REDACTED_ZIP if form == "redacted" else ""


_REDACTED_ZIP = "XXXXX"

_ZIP_FORMS: vocabulary.Terms = (
    ("full", 9060),
    ("ending redacted", 640),
    ("prefix", 150),
    ("redacted", 80),
    ("missing", 70),
)


@dataclasses.dataclass(frozen=True)
class _IssueTable:
    name: str
    sub_issues: Weighted[str] | None


@dataclasses.dataclass(frozen=True)
class _ProductTable:
    name: str
    sub_products: Weighted[str] | None
    issues: Weighted[_IssueTable]
    trades: Weighted[str]
    responses: Weighted[str]


@dataclasses.dataclass(frozen=True)
class _Tables:
    """The vocabularies, made ready for many draws."""

    products: Weighted[_ProductTable]
    companies: Mapping[str, Weighted[str]]
    states: Weighted[str]
    zip_prefixes: Mapping[str, tuple[str, ...]]
    zip_forms: Weighted[str]


@functools.cache
def _tables() -> _Tables:
    return _Tables(
        products=Weighted.of((_product_table(p), p.weight) for p in vocabulary.PRODUCTS),
        companies={trade: Weighted.of(terms) for trade, terms in companies.COMPANIES.items()},
        states=Weighted.of((state.code, state.weight) for state in places.STATES),
        zip_prefixes={state.code: state.zip_prefixes() for state in places.STATES},
        zip_forms=Weighted.of(_ZIP_FORMS),
    )


def _product_table(product: vocabulary.Product) -> _ProductTable:
    responses = vocabulary.COMPANY_RESPONSES_BY_PRODUCT.get(
        product.name, vocabulary.COMPANY_RESPONSES
    )
    return _ProductTable(
        name=product.name,
        sub_products=Weighted.of(product.sub_products) if product.sub_products else None,
        issues=Weighted.of(
            (
                _IssueTable(
                    issue.name, Weighted.of(issue.sub_issues) if issue.sub_issues else None
                ),
                issue.weight,
            )
            for issue in product.issues
        ),
        trades=Weighted.of(product.trades),
        responses=Weighted.of(responses),
    )
