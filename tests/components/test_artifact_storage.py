"""Whether an artifact's files are still there, also in buckets that a run does not name."""

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from components import bucket_check
from components.errors import RunError
from tests.s3 import S3Server, running_s3

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3("there") as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_check, "_outcomes", {})


def model_at(uri: str) -> Any:
    from tfx.types import standard_artifacts

    model = standard_artifacts.Model()
    model.id, model.uri = 7, uri
    return model


def is_there(uri: str) -> bool:
    from components.artifact_storage import is_there

    return is_there(model_at(uri))


def test_a_folder_is_there_until_it_is_deleted(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "model"
    assert not is_there(str(folder))

    folder.mkdir()

    assert is_there(str(folder))


def test_what_was_in_a_bucket_that_has_been_deleted_is_not_there(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in s3.variables.items():
        monkeypatch.setenv(name, text)

    assert not is_there("s3://deleted/model")


def test_a_bucket_that_does_not_answer_is_told_with_the_artifact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    with pytest.raises(RunError) as raised:
        is_there("s3://elsewhere/model")

    line = str(raised.value)
    assert line.startswith(
        "Model 7 of an earlier run is at s3://elsewhere/model: http://127.0.0.1:9 does not answer"
    )
    assert "compile with another pipeline_name" in line
    assert "\n" not in line
