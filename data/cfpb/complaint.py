"""From a published complaint to a row that the pipeline reads, or the reason why there is none."""

import contextlib
import datetime
import re
from collections.abc import Mapping

from components.features import LABEL_KEY, NARRATIVE_KEY, TEXT_COLUMNS, UNREAD_COLUMNS, ZIP_CODE_KEY
from data.cfpb.columns import DATE_RECEIVED

NO_NARRATIVE = "without a narrative"
NOT_ASKED = "dispute is N/A: the consumer was not asked"
NO_ANSWER = "without an answer on the dispute"
UNKNOWN_ANSWER = "dispute is neither Yes nor No"

#: What stands for a missing value; ``N/A`` is a value of its own.
_MISSING = frozenset({"", "none", "null", "nan", "<na>", "blank"})

_MISSING_LENGTH = max(map(len, _MISSING))

_ANSWERS: Mapping[str, str] = {
    **dict.fromkeys(("yes", "1", "1.0", "true"), "1"),
    **dict.fromkeys(("no", "0", "0.0", "false"), "0"),
}

#: In place of a narrative, some copies say only whether there is one.
_NOT_NARRATIVES = frozenset({"yes", "no", "true", "false", "1", "0"})

_DATE_COLUMNS = (DATE_RECEIVED, "date_sent_to_company")

#: Month first, as the Bureau's older files have it.
_DATE_FORMS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d", "%Y%m%d", "%m-%d-%Y")
_ISO_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?")

#: A ZIP code that went through a table of numbers.
_DECIMAL_ZIP = re.compile(r"([0-9]{1,5})\.0+")


def prepared(
    cells: Mapping[str, str], *, needs_narrative: bool, needs_label: bool
) -> dict[str, str] | str:
    """Maps one complaint.

    Args:
        cells: Its cells by our names of the columns; others may be missing.
        needs_narrative: Whether it must have a narrative.
        needs_label: Whether the consumer must have said Yes or No to the dispute.

    Returns:
        The row by column, with the label ``1``, ``0`` or empty and dates as ``YYYY-MM-DD``; or the
        reason why there is none.
    """
    narrative = _cleaned(cells.get(NARRATIVE_KEY, ""))
    if len(narrative) <= _MISSING_LENGTH and narrative.lower() in _NOT_NARRATIVES:
        narrative = ""
    answer = cells.get(LABEL_KEY, "").strip().lower()
    label = _ANSWERS.get(answer, "")
    if needs_label and not label:
        if answer in _MISSING:
            return NO_ANSWER
        return NOT_ASKED if answer == "n/a" else UNKNOWN_ANSWER
    # After the label, so that it is told how many labelled ones are lost to it.
    if needs_narrative and not narrative:
        return NO_NARRATIVE
    row = {column: _cleaned(cells.get(column, "")) for column in (*TEXT_COLUMNS, *UNREAD_COLUMNS)}
    row |= {NARRATIVE_KEY: narrative, LABEL_KEY: label}
    if decimal := _DECIMAL_ZIP.fullmatch(row[ZIP_CODE_KEY]):
        row[ZIP_CODE_KEY] = decimal[1]
    for column in _DATE_COLUMNS:
        row[column] = iso_date(row[column])
    return row


def _cleaned(cell: str) -> str:
    text = cell.strip()
    # Only short texts stand for a missing value, and narratives are long.
    return "" if len(text) <= _MISSING_LENGTH and text.lower() in _MISSING else text


def iso_date(text: str) -> str:
    """Returns a date as ``YYYY-MM-DD``; empty for what is none.

    Args:
        text: The date in a form of the Bureau, its API, or a spreadsheet; the month comes first
            where slashes part it.
    """
    if iso := _ISO_DATE.fullmatch(text):
        text = iso[1]
        with contextlib.suppress(ValueError):
            # The usual case, and many times as fast as strptime.
            return datetime.date.fromisoformat(text).isoformat()
    # A time after it, as spreadsheets write it, says nothing.
    text = text.partition(" ")[0]
    for form in _DATE_FORMS:
        try:
            return datetime.datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    return ""
