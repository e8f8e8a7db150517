"""One published complaint, mapped or dropped."""

import pytest

from components.errors import InputDataError
from data.cfpb.columns import column_of, positions
from data.cfpb.complaint import (
    NO_ANSWER,
    NO_NARRATIVE,
    NOT_ASKED,
    UNKNOWN_ANSWER,
    iso_date,
    prepared,
)

CELLS = {
    "product": " Mortgage ",
    "issue": "Other",
    "consumer_complaint_narrative": "They did n't answer.\r\nTwice.",
    "company": "A\u00a0Bank",
    "zip_code": "8540",
    "consumer_disputed": "Yes",
    "consumer_consent_provided": "N/A",
    "date_received": "03/04/2017",
}


def mapped(**cells: str) -> dict[str, str]:
    row = prepared({**CELLS, **cells}, needs_narrative=True, needs_label=True)
    assert isinstance(row, dict), row
    return row


def reason(**cells: str) -> object:
    return prepared({**CELLS, **cells}, needs_narrative=True, needs_label=True)


def test_texts_are_kept_as_they_are_but_for_spaces_around_them() -> None:
    row = mapped()

    assert row["product"] == "Mortgage"
    assert row["consumer_complaint_narrative"] == "They did n't answer.\r\nTwice."
    assert row["company"] == "A\u00a0Bank"


def test_not_applicable_is_a_value_and_not_missing() -> None:
    assert mapped()["consumer_consent_provided"] == "N/A"
    assert mapped(sub_product="N/A")["sub_product"] == "N/A"


@pytest.mark.parametrize("missing", ["", "  ", "None", "nan", "NULL", "Blank", "<NA>"])
def test_what_stands_for_a_missing_value_becomes_empty(missing: str) -> None:
    assert mapped(sub_product=missing)["sub_product"] == ""


@pytest.mark.parametrize(
    ("answer", "label"),
    [("Yes", "1"), ("No", "0"), (" yes ", "1"), ("1", "1"), ("0.0", "0"), ("TRUE", "1")],
)
def test_an_answer_becomes_a_label(answer: str, label: str) -> None:
    assert mapped(consumer_disputed=answer)["consumer_disputed"] == label


@pytest.mark.parametrize(
    ("answer", "why"),
    [("N/A", NOT_ASKED), ("", NO_ANSWER), ("nan", NO_ANSWER), ("Perhaps", UNKNOWN_ANSWER)],
)
def test_without_an_answer_there_is_a_reason(answer: str, why: str) -> None:
    assert reason(consumer_disputed=answer) == why


def test_without_an_answer_a_row_may_be_kept_with_an_empty_label() -> None:
    row = prepared({**CELLS, "consumer_disputed": "N/A"}, needs_narrative=True, needs_label=False)

    assert isinstance(row, dict)
    assert row["consumer_disputed"] == ""


@pytest.mark.parametrize("narrative", ["", "Blank", "Yes", "No"])
def test_a_mark_in_place_of_a_narrative_is_none(narrative: str) -> None:
    assert reason(consumer_complaint_narrative=narrative) == NO_NARRATIVE


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("8540", "8540"),
        ("08540", "08540"),
        ("335XX", "335XX"),
        ("945", "945"),
        ("8540.0", "8540"),
        ("33510-1234", "33510-1234"),
    ],
)
def test_a_zip_code_is_text_and_loses_only_a_decimal_point(given: str, kept: str) -> None:
    assert mapped(zip_code=given)["zip_code"] == kept


@pytest.mark.parametrize(
    ("given", "date"),
    [
        ("2017-03-04", "2017-03-04"),
        ("2017-03-04T12:00:00-05:00", "2017-03-04"),
        ("2017-03-04 00:00:00", "2017-03-04"),
        ("03/04/2017", "2017-03-04"),
        ("3/4/17", "2017-03-04"),
        ("03/04/2017 12:00:00 AM", "2017-03-04"),
        ("20170304", "2017-03-04"),
        ("", ""),
        ("01", ""),
        ("2017-02-30", ""),
        ("31/12/2017", ""),
    ],
)
def test_dates_become_iso_and_what_is_none_becomes_empty(given: str, date: str) -> None:
    assert iso_date(given) == date


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Consumer disputed?", "consumer_disputed"),
        ("consumer_disputed.", "consumer_disputed"),
        ("Sub-product", "sub_product"),
        ("ZIP code", "zip_code"),
        ("complaint_what_happened", "consumer_complaint_narrative"),
        ("Company response to consumer", "company_response"),
        ("timely", "timely_response"),
        ("has_narrative", None),
        ("Unnamed: 0", None),
    ],
)
def test_columns_go_by_many_names(name: str, column: str | None) -> None:
    assert column_of(name) == column


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["product", "issue"], "lacks company, consumer_disputed"),
        (["Product", "Issue", "Company"], "lacks consumer_disputed; give --label optional"),
        (
            ["product", "Product", "issue", "company", "consumer_disputed"],
            "columns 'product' and 'Product' are both product",
        ),
    ],
)
def test_a_header_that_does_not_do_is_refused(header: list[str], said: str) -> None:
    with pytest.raises(InputDataError, match=said):
        positions(header, "f.csv", with_label=True)
