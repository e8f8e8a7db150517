"""``complaint-pipeline schema``, on CSV files."""

import csv
import json
import pathlib
import shutil
from collections.abc import Callable, Mapping

import pytest

from components.features import COLUMNS
from data.generator import write_complaints
from orchestration.cli import main

pytestmark = pytest.mark.whole

COMMITTED = pathlib.Path(__file__).resolve().parents[3] / "components/schema.pbtxt"


@pytest.fixture
def schema(tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copy(COMMITTED, tmp_path / "schema.pbtxt"))


@pytest.fixture
def complaints(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Makes a CSV file of complaints, the first of which has other cells."""

    def made(cells: Mapping[str, str] | None = None, rows: int = 30) -> pathlib.Path:
        path = tmp_path / "complaints.csv"
        write_complaints(path, rows=rows, seed=4)
        with path.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        read[0].update(cells or {})
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(read)
        return path

    return made


def run(*arguments: str | pathlib.Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["schema", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_data_that_fit_differ_in_nothing(
    complaints: Callable[..., pathlib.Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("diff", complaints()) == 0
    assert capsys.readouterr().out == f"the data fit {COMMITTED}\n"


def test_diff_says_what_would_have_to_change_and_changes_nothing(
    complaints: Callable[..., pathlib.Path],
    schema: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = complaints({"product": "Pet insurance", "company": ""})

    assert run("diff", path, "--schema", schema, "--json") == 1

    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == str(schema)
    assert {(each["feature"], each["change"]) for each in found["changes"]} == {
        ("product", "domain"),
        ("company", "values per example"),
    }
    assert "Pet insurance" in found["changes"][0]["after"]
    assert schema.read_bytes() == COMMITTED.read_bytes()


def test_update_widens_the_file_by_what_is_new_and_then_the_data_fit(
    complaints: Callable[..., pathlib.Path], schema: pathlib.Path
) -> None:
    path = complaints({"product": "Pet insurance"})

    assert run("update", path, "--schema", schema) == 0

    before, after = COMMITTED.read_text().splitlines(), schema.read_text().splitlines()
    assert [line for line in after if line not in before] == ['  value: "Pet insurance"']
    assert len(after) == len(before) + 1
    assert run("diff", path, "--schema", schema) == 0


def test_all_digit_zip_codes_stay_text(
    complaints: Callable[..., pathlib.Path], schema: pathlib.Path
) -> None:
    assert run("update", complaints({"zip_code": "08540"}, rows=1), "--schema", schema) == 0

    assert schema.read_bytes() == COMMITTED.read_bytes()


def test_another_type_in_the_schema_is_refused_and_the_file_stays(
    complaints: Callable[..., pathlib.Path],
    schema: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, _, tail = schema.read_text().partition('name: "zip_code"')
    flipped = f'{head}name: "zip_code"{tail.replace("type: BYTES", "type: INT", 1)}'
    schema.write_text(flipped)

    assert run("update", complaints({"product": "Pet insurance"}), "--schema", schema) == 1

    assert "zip_code: the data have it as BYTES, the schema as INT" in " ".join(
        capsys.readouterr().err.split()
    )
    assert schema.read_text() == flipped


def test_infer_writes_a_schema_with_the_declared_types_and_replaces_none(
    complaints: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    from orchestration.schema.schema_file import read_schema

    out = tmp_path / "inferred.pbtxt"

    assert run("infer", complaints({"zip_code": "08540"}, rows=1), "--out", out) == 0
    written = out.read_bytes()
    assert run("infer", complaints(), "--out", out) == 1

    assert out.read_bytes() == written
    types = {feature.name: feature.type for feature in read_schema(out).feature}
    assert list(types) == list(COLUMNS)
    assert types["zip_code"] == read_schema(COMMITTED).feature[7].type


def test_files_are_read_in_batches_as_one(
    complaints: Callable[..., pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.schema import csv_statistics

    path = complaints(rows=50)
    whole = csv_statistics.csv_statistics([path, path])
    monkeypatch.setattr(csv_statistics, "_BATCH", 7)
    counts: list[int] = []

    parts = csv_statistics.csv_statistics([path, path], counts.append)

    assert counts == [*range(7, 100, 7), 100]
    assert parts.datasets[0].num_examples == whole.datasets[0].num_examples == 100
    for one, other in zip(whole.datasets[0].features, parts.datasets[0].features, strict=True):
        assert one.string_stats.rank_histogram == other.string_stats.rank_histogram
        assert one.string_stats.unique == other.string_stats.unique


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("diff",), 2, "CSV files or a run"),
        (("diff", "a.csv", "--run", "x"), 2, "CSV files or a run"),
        (("diff", "missing.csv"), 1, "missing.csv: there is no such file"),
        (("update",), 2, "FILE"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], status: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == status
    assert why in capsys.readouterr().err
