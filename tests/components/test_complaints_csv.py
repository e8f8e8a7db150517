"""Reading complaints from CSV: what is taken, and what each bad file is told."""

import io

import pytest

from components.complaints_csv import MAX_CELL_LENGTH, Complaint, read_complaints
from components.errors import InputDataError
from components.features import COLUMNS, LABEL_KEY, NARRATIVE_KEY, TEXT_COLUMNS

HEADER = ",".join(COLUMNS)
ROW = "Mortgage,VA mortgage,Settlement,,They said no.,Acme Bank,NJ,08540,Closed,Yes,1"


def read(*lines: str | bytes, end: bytes = b"\n") -> list[Complaint]:
    content = [line if isinstance(line, bytes) else line.encode() for line in lines]
    return list(read_complaints(io.BytesIO(end.join([*content, b""])), "a.csv"))


def cell(complaint: Complaint, column: str) -> str:
    return complaint.cells[TEXT_COLUMNS.index(column)].decode()


def refusal(*lines: str | bytes) -> str:
    with pytest.raises(InputDataError) as caught:
        read(*lines)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_row_becomes_text_cells_and_a_label() -> None:
    (complaint,) = read(HEADER, ROW)

    assert cell(complaint, "company") == "Acme Bank"
    assert cell(complaint, "zip_code") == "08540"
    assert cell(complaint, "sub_issue") == ""
    assert complaint.disputed == 1


def test_columns_may_be_in_any_order() -> None:
    shuffled = [LABEL_KEY, *reversed(TEXT_COLUMNS)]
    values = {column: f"value of {column}" for column in TEXT_COLUMNS} | {LABEL_KEY: "0"}

    (complaint,) = read(",".join(shuffled), ",".join(values[column] for column in shuffled))

    assert all(cell(complaint, column) == values[column] for column in TEXT_COLUMNS)
    assert complaint.disputed == 0


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        ((",".join(TEXT_COLUMNS), ROW.rpartition(",")[0]), None),
        ((HEADER, ROW.rpartition(",")[0] + ","), None),
        ((HEADER, ROW), 1),
        ((HEADER, ROW.rpartition(",")[0] + ",unknown"), None),
    ],
)
def test_where_a_label_may_be_missing_nothing_is_asked_of_its_column(
    lines: tuple[str, ...], label: int | None
) -> None:
    content = io.BytesIO("\n".join([*lines, ""]).encode())

    (complaint,) = read_complaints(content, "a.csv", with_label=False)

    assert cell(complaint, "timely_response") == "Yes"
    assert complaint.disputed == label


def test_without_labels_every_other_column_must_be_there() -> None:
    content = io.BytesIO(b"product,issue\nMortgage,Other\n")

    with pytest.raises(InputDataError, match="the header lacks sub_product"):
        list(read_complaints(content, "a.csv", with_label=False))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_breaks_and_quotes_inside_cells_are_kept(end: bytes) -> None:
    narrative = 'First, "no".\nThen\r\n\r\nnothing.'
    row = ROW.replace("They said no.", '"{}"'.format(narrative.replace('"', '""')))

    first, second = read(HEADER, row, ROW, end=end)

    assert cell(first, NARRATIVE_KEY) == narrative
    assert cell(second, NARRATIVE_KEY) == "They said no."


def test_a_byte_order_mark_and_blank_lines_are_passed_over() -> None:
    assert len(read(b"\xef\xbb\xbf" + HEADER.encode(), "", ROW, "", ROW, "")) == 2


def test_a_last_line_without_a_line_end_is_read() -> None:
    content = f"{HEADER}\n{ROW}".encode()

    assert len(list(read_complaints(io.BytesIO(content), "a.csv"))) == 1


def test_unicode_and_a_narrative_longer_than_pythons_limit_are_kept() -> None:
    narrative = "Ünïcödé £ 日本 " * 20_000
    assert len(narrative) > 131_072

    (complaint,) = read(HEADER, ROW.replace("They said no.", narrative))

    assert cell(complaint, NARRATIVE_KEY) == narrative


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param(
            [],
            "a.csv: the file is empty; its first line must name the columns",
            id="empty file",
        ),
        pytest.param(
            [HEADER],
            "a.csv: a header and no complaint; add at least one row or remove the file",
            id="header only",
        ),
        pytest.param(
            [HEADER.replace(",state", ""), ROW],
            "a.csv, row 1: the header lacks state; every column must be there",
            id="missing column",
        ),
        pytest.param(
            [HEADER.replace("zip_code", "zipcode"), ROW],
            "a.csv, row 1: unknown column 'zipcode'; did you mean 'zip_code'?",
            id="misspelt column",
        ),
        pytest.param(
            [HEADER + ",Tags", ROW + ","],
            "a.csv, row 1: unknown column 'Tags'; remove it",
            id="extra column",
        ),
        pytest.param(
            [HEADER + ",state", ROW + ",NJ"],
            "a.csv, row 1: column 'state' is there twice; remove one",
            id="duplicate column",
        ),
        pytest.param(
            [HEADER.replace(",", ";"), ROW],
            "a.csv, row 1: no comma in the header; separate the cells by commas",
            id="other separator",
        ),
        pytest.param(
            [HEADER, ROW, ROW.replace("said no", "said, no")],
            "a.csv, row 3: 12 cells, but the header has 11; "
            "quote each cell that holds a comma, a quote or a line break",
            id="unquoted comma",
        ),
        pytest.param(
            [HEADER, ROW, "Mortgage"],
            "a.csv, row 3: 1 cell, but the header has 11; "
            "quote each cell that holds a comma, a quote or a line break",
            id="line break outside quotes",
        ),
        pytest.param(
            [HEADER, ROW, ROW.replace("They", '"They'), ROW, ROW],
            "a.csv, row 3: a quote that opens in this record is never closed; close it",
            id="unbalanced quote",
        ),
        pytest.param(
            [HEADER, ROW, ROW.replace("They said no.", '"They said "no"."')],
            "a.csv, row 3: a quoted cell goes on after its closing quote; "
            "double quotes inside a cell",
            id="undoubled quote",
        ),
        pytest.param(
            [HEADER, ROW.replace("They", '"They'), "x" * (MAX_CELL_LENGTH + 1)],
            "a.csv, row 2: a cell is longer than 1,048,576 characters, most likely after a stray "
            "quote; close or remove it",
            id="stray quote in a long file",
        ),
        pytest.param(
            [HEADER, ROW, ROW[:-1] + "Yes"],
            "a.csv, row 3: consumer_disputed is 'Yes'; write 1 for disputed and 0 for not disputed",
            id="label in words",
        ),
        pytest.param(
            [HEADER, ROW[:-1]],
            "a.csv, row 2: consumer_disputed is ''; write 1 for disputed and 0 for not disputed",
            id="label missing",
        ),
        pytest.param(
            [HEADER, ROW, ROW.encode().replace(b"They", b"Caf\xe9")],
            "a.csv, row 3: byte 0xe9 is not UTF-8; save the file as UTF-8",
            id="Latin-1",
        ),
        pytest.param(
            [b"\x1f\x8b" + HEADER.encode(), ROW],
            "a.csv, row 1: byte 0x8b is not UTF-8; save the file as UTF-8",
            id="gzip in disguise",
        ),
        pytest.param(
            [HEADER, ROW, ROW.replace("They", "Th\0ey")],
            "a.csv, row 3: a NUL byte; remove it, or save the file as UTF-8 if it is UTF-16",
            id="NUL byte",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_row_and_the_mend(
    lines: list[str | bytes], message: str
) -> None:
    assert refusal(*lines) == message


def test_a_row_is_named_by_the_line_at_which_it_begins() -> None:
    three_lines = ROW.replace("They said no.", '"one\ntwo\nthree"')

    assert refusal(HEADER, three_lines, "", ROW[:-1] + "2").startswith("a.csv, row 6: ")


def test_a_bad_cell_is_shown_short_and_on_one_line() -> None:
    bad_label = '"{}"'.format("long\n" * 100)

    message = refusal(HEADER, ROW[:-1] + bad_label)

    assert len(message) < 200


def test_rows_before_the_bad_one_are_read_without_holding_the_file() -> None:
    complaints = read_complaints(io.BytesIO(f"{HEADER}\n{ROW}\n{ROW},\n".encode()), "a.csv")

    assert next(complaints).disputed == 1
    with pytest.raises(InputDataError, match="row 3"):
        next(complaints)
