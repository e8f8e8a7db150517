"""Paths of a pod become folders of this machine, and nothing else changes."""

import pathlib

import pytest

from components.errors import RunError
from orchestration.local.folders import PathMap, check_folders
from orchestration.workflow import Workflow
from orchestration.workflow_parser import parse_workflow
from tests.shell_workflow import container, workflow

PATHS = PathMap({"/tfx-data": "/home/me/volume", "/tmp/ui.json": "/runs/1/ui.json"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/tfx-data", "/home/me/volume"),
        ("/tfx-data/data", "/home/me/volume/data"),
        ("data-root=STRING:/tfx-data/data", "data-root=STRING:/home/me/volume/data"),
        ('{"uri": "/tfx-data/output"}', '{"uri": "/home/me/volume/output"}'),
        ('"{\\"path\\": \\"/tfx-data\\"}"', '"{\\"path\\": \\"/home/me/volume\\"}"'),
        ("/tfx-data:/tfx-data/lib", "/home/me/volume:/home/me/volume/lib"),
        ("/tmp/ui.json", "/runs/1/ui.json"),
        # Parts of longer names stay.
        ("/tfx-data-old", "/tfx-data-old"),
        ("/tfx-data.csv", "/tfx-data.csv"),
        ("/mnt/tfx-data", "/mnt/tfx-data"),
        ("gs://bucket/tfx-data/x", "gs://bucket/tfx-data/x"),
        ("/tmp/ui.json.bak", "/tmp/ui.json.bak"),
    ],
)
def test_only_whole_mapped_paths_are_replaced(text: str, expected: str) -> None:
    assert PATHS.apply(text) == expected


def test_a_folder_whose_path_holds_a_mapped_path_is_not_replaced_again() -> None:
    paths = PathMap({"/tfx-data": "/home/tfx-data/volume", "/home": "/elsewhere"})

    assert paths.apply("/tfx-data/x /home/y") == "/home/tfx-data/volume/x /elsewhere/y"


def mounting(claim: str) -> Workflow:
    step = container(
        "step",
        "true",
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    )
    return parse_workflow(workflow([step]))


def test_a_folder_is_made_absolute(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "volume").mkdir()
    monkeypatch.chdir(tmp_path)

    folders = check_folders(mounting("claim"), {"claim": pathlib.Path("volume")})

    assert folders == {"claim": str(tmp_path / "volume")}


def test_a_missing_mount_names_the_claim_and_the_option(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RunError, match="claim tfx-pvc: name its folder with --mount tfx-pvc=DIR"):
        check_folders(mounting("tfx-pvc"), {})


def test_a_mount_that_the_workflow_does_not_have_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RunError, match="--mount tfx-pv: the workflow has no such volume"):
        check_folders(mounting("tfx-pvc"), {"tfx-pv": tmp_path, "tfx-pvc": tmp_path})


@pytest.mark.parametrize(
    ("name", "said"),
    [("none", "does not exist"), ("file", "is not a folder"), ('quo"te', "holds quotes")],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: pathlib.Path, name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / 'quo"te').mkdir()

    with pytest.raises(RunError, match=said):
        check_folders(mounting("claim"), {"claim": tmp_path / name})


def with_a_key_file() -> Workflow:
    step = container(
        "step",
        "true",
        volumes=[{"name": "key", "secret": {"secretName": "user-gcp-sa"}}],
        container={
            "volumeMounts": [{"name": "key", "mountPath": "/secret/gcp-credentials"}],
            "env": [
                {
                    "name": "GOOGLE_APPLICATION_CREDENTIALS",
                    "value": "/secret/gcp-credentials/user-gcp-sa.json",
                }
            ],
        },
    )
    return parse_workflow(workflow([step]))


def test_a_secret_without_the_file_that_a_variable_names_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "key.json").write_text("{}")

    with pytest.raises(RunError) as raised:
        check_folders(with_a_key_file(), {"user-gcp-sa": tmp_path})

    assert str(raised.value) == (
        f"--mount user-gcp-sa: {tmp_path}/user-gcp-sa.json is not there, which "
        "GOOGLE_APPLICATION_CREDENTIALS names; put it there under this name, as the secret has it"
    )


def test_a_secret_with_the_file_that_a_variable_names_passes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "user-gcp-sa.json").write_text("{}")

    folders = check_folders(with_a_key_file(), {"user-gcp-sa": tmp_path})

    assert folders == {"user-gcp-sa": str(tmp_path)}
