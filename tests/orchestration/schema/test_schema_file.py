"""The schema's file."""

import pathlib

import pytest

from components.errors import InputDataError
from orchestration.schema.schema_file import curated_schema_path, read_schema, write_schema

COMMITTED = pathlib.Path(__file__).resolve().parents[3] / "components/schema.pbtxt"


def test_the_default_is_the_packages_schema() -> None:
    assert curated_schema_path() == COMMITTED


def test_the_committed_file_is_as_it_would_be_written(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(COMMITTED.read_bytes())

    write_schema(path, read_schema(path))

    assert path.read_bytes() == COMMITTED.read_bytes()


def test_the_comments_at_the_head_stay(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('# License\n\n# About\nfeature { name: "a" }  # one\n')

    write_schema(path, read_schema(path))

    assert path.read_text() == '# License\n\n# About\nfeature {\n  name: "a"\n}\n'


def test_a_new_file_has_no_head(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new.pbtxt"

    write_schema(path, read_schema(COMMITTED))

    assert path.read_text().startswith("feature {")


@pytest.mark.parametrize(
    ("text", "why"), [(None, "cannot be read"), ("featur {}", "is no schema"), ("\xff", "schema")]
)
def test_what_is_no_schema_is_refused_by_name(
    tmp_path: pathlib.Path, text: str | None, why: str
) -> None:
    path = tmp_path / "schema.pbtxt"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))

    with pytest.raises(InputDataError) as raised:
        read_schema(path)

    assert str(path) in str(raised.value)
    assert why in str(raised.value)


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "missing" / "schema.pbtxt"

    with pytest.raises(InputDataError, match="cannot be written"):
        write_schema(path, read_schema(COMMITTED))

    assert not list(tmp_path.iterdir())
