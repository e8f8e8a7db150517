"""By which variables the commands here read what a run has written into buckets."""

import pathlib

import pytest

from orchestration.local.run_record import RunRecord, StepRecord
from orchestration.local.storage_access import storage_variables
from orchestration.package import read_package
from orchestration.workflow import Workflow
from orchestration.workflow_parser import parse_workflow

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    return parse_workflow(read_package(GOLDEN / "s3.yaml").manifest)


def record(workflow: Workflow, folders: dict[str, str]) -> RunRecord:
    return RunRecord(
        id="a-run",
        uid="uid",
        package="s3.yaml",
        parameters={name: value or "" for name, value in workflow.parameters.items()},
        folders=folders,
        metadata="sqlite:/nowhere",
        max_parallel=1,
        steps=[StepRecord(name=step.name) for step in workflow.all_steps],
    )


def secret(folder: pathlib.Path, name: str, **keys: str) -> dict[str, str]:
    (folder / name).mkdir()
    for key, text in keys.items():
        (folder / name / key).write_text(text)
    return {name: str(folder / name)}


def test_they_are_those_of_the_steps_with_the_secrets_values(
    workflow: Workflow, tmp_path: pathlib.Path
) -> None:
    folders = {
        **secret(tmp_path, "aws-secret", AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key"),
        **secret(tmp_path, "azure-storage-secret", AZURE_STORAGE_CONNECTION_STRING="azure"),
        **secret(tmp_path, "minio-certificate"),
    }

    assert storage_variables(workflow, record(workflow, folders)) == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_ENDPOINT_URL_S3": "https://minio-service.kubeflow:9000",
        "AWS_REGION": "eu-west-1",
        # Where the folder of the secret is here.
        "AWS_CA_BUNDLE": f"{tmp_path}/minio-certificate/ca.crt",
        "AZURE_STORAGE_CONNECTION_STRING": "azure",
    }


def test_without_the_secrets_folders_the_callers_own_have_to_do(workflow: Workflow) -> None:
    assert storage_variables(workflow, record(workflow, {})) == {}


def test_a_run_on_a_volume_has_none() -> None:
    workflow = parse_workflow(read_package(GOLDEN / "mysql.yaml").manifest)

    assert storage_variables(workflow, record(workflow, {})) == {}
