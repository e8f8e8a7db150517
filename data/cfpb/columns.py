"""The columns of published complaints, by all the names under which they go around."""

import re
from collections.abc import Mapping, Sequence

from components.errors import InputDataError
from components.features import COLUMNS, LABEL_KEY, NARRATIVE_KEY, UNREAD_COLUMNS, ZIP_CODE_KEY

DATE_RECEIVED = "date_received"

#: What a prepared file holds, in order: what the model reads, then what audits and spans need.
PREPARED_COLUMNS: tuple[str, ...] = (*COLUMNS, *UNREAD_COLUMNS)

#: Columns without which a file is something else.
_REQUIRED = ("product", "issue", "company")

#: Names that differ from ours by more than case and punctuation: the CSV file's, and those of
#: the search API (https://cfpb.github.io/ccdb5-api/documentation/).
_OTHER_NAMES: Mapping[str, str] = {
    "company_response_to_consumer": "company_response",
    "complaint_what_happened": NARRATIVE_KEY,
    "narrative": NARRATIVE_KEY,
    "timely": "timely_response",
    "zip": ZIP_CODE_KEY,
    "zipcode": ZIP_CODE_KEY,
    "subproduct": "sub_product",
    "subissue": "sub_issue",
    "disputed": LABEL_KEY,
}


def column_of(name: str) -> str | None:
    """Returns our name of a column, or ``None`` for one that is not of complaints.

    Args:
        name: Its name in a file, such as ``Consumer disputed?`` or ``complaint_what_happened``.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    plain = _OTHER_NAMES.get(plain, plain)
    return plain if plain in PREPARED_COLUMNS else None


def positions(header: Sequence[str], place: str, *, with_label: bool) -> dict[str, int]:
    """Finds our columns in a header.

    Args:
        header: The names in a file's first record.
        place: The file, for messages.
        with_label: Whether the label must be there.

    Returns:
        Where each column is that the file has.

    Raises:
        InputDataError: If a column is there twice, or one that must be there is not.
    """
    found: dict[str, int] = {}
    for position, name in enumerate(header):
        column = column_of(name)
        if column is None:
            continue
        if column in found:
            raise InputDataError(
                f"{place}: columns {header[found[column]]!a} and {name!a} are both {column}; "
                "remove one"
            )
        found[column] = position
    required = (*_REQUIRED, LABEL_KEY) if with_label else _REQUIRED
    missing = [column for column in required if column not in found]
    if missing:
        mend = "is this a file of complaints, with its header in the first line?"
        if missing == [LABEL_KEY]:
            mend = "give --label optional to prepare complaints without an answer"
        raise InputDataError(f"{place}: the header lacks {', '.join(missing)}; {mend}")
    return found
