"""The commands data prepare and data split: files in, shards and a manifest out."""

import contextlib
import csv
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from components.complaints_csv import read_complaints
from orchestration import cli

HEADER = [
    "Date received", "Product", "Sub-product", "Issue", "Sub-issue",
    "Consumer complaint narrative", "Company public response", "Company", "State", "ZIP code",
    "Tags", "Consumer consent provided?", "Submitted via", "Date sent to company",
    "Company response to consumer", "Timely response?", "Consumer disputed?", "Complaint ID",
]  # fmt: skip


def row(number: int, **changes: str) -> list[str]:
    cells = [
        "2016-03-04", "Mortgage", "", "Other", "", f"narrative {number}", "", "A Bank", "NJ",
        "8540", "", "Consent provided", "Web", "2016-03-05", "Closed", "Yes", "No", str(number),
    ]  # fmt: skip
    for name, value in changes.items():
        cells[[item.lower().replace(" ", "_").strip("?") for item in HEADER].index(name)] = value
    return cells


def csv_text(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


@pytest.fixture
def published(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "published.csv"
    rows = [
        row(1),
        row(2, consumer_disputed="Yes", date_received="2016-04-01"),
        row(3, consumer_disputed="N/A"),
        row(4, consumer_complaint_narrative=""),
        row(2),
        row(5, consumer_complaint_narrative='two\r\nlines, "quoted"'),
        row(6, date_received=""),
    ]
    path.write_text(csv_text(rows), encoding="utf-8", newline="")
    return path


class Printed(NamedTuple):
    """What a command has left."""

    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Printed:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main(["data", *map(str, arguments)])
    return Printed(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def done(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refusal(*arguments: object) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def read(folder: pathlib.Path) -> list[dict[str, str]]:
    rows = []
    for path in sorted(folder.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    return rows


def test_what_is_kept_is_what_example_gen_reads(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"

    done("prepare", published, "--out", out)

    (path,) = out.glob("*.csv")
    with path.open("rb") as stream:
        complaints = list(read_complaints(stream, path.name))
    assert [complaint.disputed for complaint in complaints] == [0, 1, 0, 0]
    assert b'two\r\nlines, "quoted"' in complaints[2].cells


def test_what_is_dropped_is_counted_by_reason_with_the_first_row(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    manifest = done("prepare", published, "--out", tmp_path / "data")

    assert (manifest["rows_in"], manifest["rows_out"], manifest["disputed"]) == (7, 4, 1)
    assert manifest["dropped"] == {
        "complaint ID was there before": {"rows": 1, "first": "published.csv, row 6"},
        "dispute is N/A: the consumer was not asked": {"rows": 1, "first": "published.csv, row 4"},
        "without a narrative": {"rows": 1, "first": "published.csv, row 5"},
    }


def test_the_manifest_has_the_checksums_of_what_came_and_what_went(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"
    printed = done("prepare", published, "--out", out)

    manifest = json.loads((out / "manifest.json").read_text())

    assert manifest == printed
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    size = published.stat().st_size
    assert manifest["sources"] == [{"name": "published.csv", "bytes": size, "sha256": digest}]
    for shard in manifest["shards"]:
        data = (out / shard["name"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["bytes"] == len(data)
    assert sum(shard["rows"] for shard in manifest["shards"]) == 4


def test_the_same_file_gives_the_same_bytes(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for name in ("a", "b"):
        done("prepare", published, "--out", tmp_path / name)

    files = [sorted((tmp_path / name).iterdir()) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_packed_files_give_what_the_plain_one_gives(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    packed = tmp_path / "complaints.csv.gz"
    packed.write_bytes(gzip.compress(published.read_bytes()))
    archive = tmp_path / "complaints.csv.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(published, "complaints.csv")
    expected = done("prepare", published, "--out", tmp_path / "plain")["shards"]

    for path in (packed, archive):
        assert done("prepare", path, "--out", tmp_path / f"{path.name}-out")["shards"] == expected


def test_months_have_a_file_or_a_folder_each(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    by_month = done("prepare", published, "--out", tmp_path / "months", "--by", "month")
    by_span = done("prepare", published, "--out", tmp_path / "spans", "--by", "span")

    assert [(item["name"], item["rows"]) for item in by_month["shards"]] == [
        ("complaints-2016-03.csv", 2),
        ("complaints-2016-04.csv", 1),
    ]
    assert [item["name"] for item in by_span["shards"]] == [
        "2016-03-01/complaints.csv",
        "2016-04-01/complaints.csv",
    ]
    why = "without a date received, which the layout needs"
    assert by_span["dropped"][why] == {"rows": 1, "first": "published.csv, row 9"}


def test_narrative_and_label_may_be_optional(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"
    done("prepare", published, "--out", out, "--narrative", "optional", "--label", "optional")

    labels = {row["complaint_id"]: row["consumer_disputed"] for row in read(out)}
    assert labels == {"1": "0", "2": "1", "3": "", "4": "0", "5": "0", "6": "0"}


def test_shards_of_a_size_hold_whole_records(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "big.csv"
    narrative = 'a "quoted"\nline ' * 20
    rows = [row(number, consumer_complaint_narrative=narrative) for number in range(100)]
    path.write_text(csv_text(rows), encoding="utf-8", newline="")

    manifest = done("prepare", path, "--out", tmp_path / "data", "--size", "8Ki")

    assert len(manifest["shards"]) > 4
    assert all(shard["bytes"] <= 8192 for shard in manifest["shards"])
    ids = [item["complaint_id"] for item in read(tmp_path / "data")]
    assert ids == [str(number) for number in range(100)]


def test_columns_that_are_missing_or_strange_are_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "few.csv"
    header = ["", "product", "issue", "company", "consumer_disputed.", "mood"]
    path.write_text(csv_text([["0", "Mortgage", "Other", "A Bank", "Yes", "bad"]], header))

    result = run("prepare", path, "--out", tmp_path / "data", "--narrative", "optional")

    assert result.exit_code == 0, result.stderr
    assert "1 of 1 complaints in 1 file, 1 disputed" in result.stdout
    assert "left out, since they are no columns of complaints: (unnamed), mood" in result.stdout
    assert "empty, since no file has them: sub_product, " in result.stdout


def test_if_nothing_is_left_the_option_that_would_keep_it_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text(csv_text([row(1, consumer_complaint_narrative="Blank")]))

    said = refusal("prepare", path, "--out", tmp_path / "data")

    assert "no complaint is left (1 without a narrative; first none.csv, row 2)" in said
    assert "--narrative optional keeps complaints without one" in said
    assert not (tmp_path / "data").exists()


def test_a_row_of_another_width_is_dropped_with_its_number(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(csv_text([row(1), [*row(2), "more"], row(3)]))

    manifest = done("prepare", path, "--out", tmp_path / "data")

    assert manifest["dropped"] == {
        "another number of cells than the header": {"rows": 1, "first": "wide.csv, row 3"}
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "the header lacks product, issue, company"),
        ((csv_text([row(1)]) + '"open').encode(), "row 3: unexpected end of data"),
        ((csv_text([row(1)]).replace("A Bank", "\xe9")).encode("latin-1"), "--encoding"),
        (b"\x1f\x8b broken", "is damaged"),
        (b"PK\x03\x04 broken", "is damaged"),
        (csv_text([row(1)]).encode("utf-16"), "is UTF-16; give --encoding utf-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_left(
    tmp_path: pathlib.Path, content: bytes, said: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)

    message = refusal("prepare", path, "--out", tmp_path / "data")

    assert str(path) in message
    assert said in message
    assert [item.name for item in tmp_path.iterdir()] == ["bad.csv"]


def test_another_encoding_can_be_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(csv_text([row(1, company="Caf\xe9 Bank")]).encode("cp1252"))

    done("prepare", path, "--out", tmp_path / "data", "--encoding", "cp1252")

    assert read(tmp_path / "data")[0]["company"] == "Caf\xe9 Bank"


def test_an_archive_must_hold_one_csv_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")

    assert "holds 2 CSV files, not one" in refusal("prepare", path, "--out", tmp_path / "data")


def test_data_that_is_there_is_replaced_only_when_asked(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "old.csv").write_text("old")

    assert "is not empty" in refusal("prepare", published, "--out", out)
    assert (out / "old.csv").read_text() == "old"

    done("prepare", published, "--out", out, "--overwrite")
    assert sorted(path.name for path in out.iterdir()) == ["complaints-00001.csv", "manifest.json"]


def test_what_is_no_data_is_never_replaced(published: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.txt").write_text("old")

    said = refusal("prepare", published, "--out", out, "--overwrite")

    assert "holds 'thesis.txt', which is no data" in said
    assert (out / "thesis.txt").read_text() == "old"


def test_a_link_leads_to_the_folder_that_is_written(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "data").symlink_to("volume")

    done("prepare", published, "--out", tmp_path / "data")

    assert (tmp_path / "data").is_symlink()
    assert (tmp_path / "volume/manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "published.csv", "volume"]


def test_what_a_killed_process_has_left_is_cleaned_up(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    for kind in ("partial", "old"):
        (tmp_path / f".data.{dead.pid}.{kind}").mkdir()
    (tmp_path / f".data.{dead.pid}.old/old.csv").write_text("old")
    (tmp_path / f".data.{os.getpid()}.partial").mkdir()

    # Killed between two renames, the old data have no name.
    assert "is not empty" in refusal("prepare", published, "--out", tmp_path / "data")

    assert (tmp_path / "data/old.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f".data.{os.getpid()}.partial",
        "data",
        "published.csv",
    ]


def test_a_source_is_never_replaced(published: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "data"
    out.mkdir()
    source = published.rename(out / "published.csv")

    for command in ("prepare", "split"):
        assert "which is replaced" in refusal(command, source, "--out", out, "--overwrite")
    assert source.is_file()


def test_a_failure_leaves_what_was_there(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "old.csv").write_text("old")
    bad = tmp_path / "bad.csv"
    bad.write_text(csv_text([row(1)]) + '"open')

    refusal("prepare", bad, "--out", out, "--overwrite")

    assert [path.name for path in out.iterdir()] == ["old.csv"]


def test_memory_does_not_grow_with_the_rows(tmp_path: pathlib.Path) -> None:
    import tracemalloc

    from data.cfpb.preparation import Rules, prepare

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(HEADER)
            writer.writerows(row(number) for number in range(rows))
        tracemalloc.start()
        prepare([path], tmp_path / f"out-{rows}", Rules(max_bytes=2**20))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # imports
    few, many = peak(10_000), peak(40_000)

    # The rows of the second file are more than 5 MB.
    assert many < few + 500_000


def test_a_file_is_split_without_breaking_a_record(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"

    shards = done("split", published, "--size", "500", "--out", out)

    assert len(shards) > 1
    assert sum(shard["rows"] for shard in shards) == 7
    with published.open(encoding="utf-8", newline="") as stream:
        assert read(out) == list(csv.DictReader(stream))


def test_files_with_other_headers_are_not_split_together(
    published: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")

    assert "has another header than" in refusal(
        "split", published, other, "--out", tmp_path / "data"
    )
    assert not (tmp_path / "data").exists()


def test_what_is_not_of_complaints_is_not_split(tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")

    assert f"{other}: the header lacks product, issue, company; is this a file of complaints" in (
        refusal("split", other, "--out", tmp_path / "data")
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif("CFPB_SAMPLES" not in os.environ, reason="no real rows: set CFPB_SAMPLES")
def test_real_rows_are_prepared(tmp_path: pathlib.Path) -> None:
    samples = sorted(pathlib.Path(os.environ["CFPB_SAMPLES"]).glob("*.csv"))

    manifest = done("prepare", *samples, "--narrative", "optional", "--out", tmp_path / "data")

    dropped = sum(item["rows"] for item in manifest["dropped"].values())
    assert manifest["rows_in"] == manifest["rows_out"] + dropped
    assert set(manifest["dropped"]) == {"dispute is N/A: the consumer was not asked"}
