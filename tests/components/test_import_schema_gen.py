"""ImportSchemaGen's executor for the curated schema."""

import pathlib
from typing import Any

import pytest

from components.errors import InputDataError, WorkflowError

pytestmark = pytest.mark.whole

FILE = pathlib.Path(__file__).resolve().parents[2] / "components/schema.pbtxt"


def properties() -> dict[str, Any]:
    from components.import_schema_gen import ImportSchemaGen

    return dict(ImportSchemaGen().exec_properties)


def run(folder: pathlib.Path, exec_properties: dict[str, Any]) -> pathlib.Path:
    from tfx.types import standard_artifacts

    from components.import_schema_gen import Executor

    schema = standard_artifacts.Schema()
    schema.uri = str(folder)
    Executor().Do({}, {"schema": [schema]}, exec_properties)
    return folder / "schema.pbtxt"


def test_the_artifact_is_the_packages_file(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, properties()).read_bytes() == FILE.read_bytes()


def test_another_schema_than_the_workflows_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(WorkflowError, match=r"^components/schema.pbtxt is another one here"):
        run(tmp_path, {**properties(), "sha256": "0" * 64})

    assert not list(tmp_path.iterdir())


def file_properties(path: pathlib.Path) -> dict[str, str]:
    """What the driver makes of the properties of a schema's file."""
    from tfx.orchestration.metadata import Metadata, sqlite_metadata_connection_config
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.types import standard_artifacts

    from components.import_schema_gen import SchemaFileDriver

    store = Metadata(sqlite_metadata_connection_config(str(path.parent / "unused.sqlite")))
    output = SchemaFileDriver(store).run(
        ExecutionInfo(
            exec_properties={"schema_file": str(path)},
            output_dict={"schema": [standard_artifacts.Schema()]},
        )
    )
    assert len(output.output_artifacts["schema"].artifacts) == 1
    return {name: value.string_value for name, value in output.exec_properties.items()}


def test_a_changed_file_changes_the_cache_key(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(FILE.read_bytes())
    before, again = file_properties(path), file_properties(path)
    path.write_bytes(FILE.read_bytes() + b"\n")

    assert before == again
    assert before["schema_file"] == str(path)
    assert file_properties(path) != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"{", "is no schema: 1:1"),
        (b"\xff\xfe", "is no schema: "),
    ],
)
def test_a_file_that_is_no_schema_is_told_with_its_name(
    tmp_path: pathlib.Path, content: bytes | None, said: str
) -> None:
    from tfx.types import standard_artifacts

    from components.import_schema_gen import SchemaFileExecutor

    path = tmp_path / "broken.pbtxt"
    if content is not None:
        path.write_bytes(content)
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "out")

    with pytest.raises(InputDataError) as error:
        SchemaFileExecutor().Do({}, {"schema": [schema]}, file_properties(path))

    assert str(error.value).startswith("schema_file: ")
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
