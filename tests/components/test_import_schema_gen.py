"""ImportSchemaGen's executor for the curated schema."""

import pathlib
from typing import Any

import pytest

from components.errors import WorkflowError

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
