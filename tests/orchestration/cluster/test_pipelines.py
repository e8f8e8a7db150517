"""Uploads: new pipelines, new versions, nothing twice."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from components.errors import WorkflowError
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.pipelines import Version, read_valid_package, upload, version_name
from tests.kubeflow_server import KubeflowServer

Package = Callable[..., pathlib.Path]


@pytest.fixture
def send(client: Any, connection: Connection) -> Callable[[pathlib.Path], Version]:
    return lambda path: upload(client, connection, read_valid_package(path))


def test_a_new_name_becomes_a_pipeline(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], package: Package
) -> None:
    version = send(package())

    (pipeline,) = kubeflow.pipelines.values()
    assert (pipeline["name"], version.is_new) == ("shell", True)
    assert version.url == (
        f"{kubeflow.url}/#/pipelines/details/{pipeline['id']}/version/{version.id}"
    )


def test_what_is_uploaded_is_what_was_checked(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], package: Package
) -> None:
    path = package("echo 'ä'")
    send(path)

    call = next(call for call in kubeflow.calls if call.method == "POST")
    assert call.body == path.read_text(encoding="utf-8")


def test_other_content_becomes_a_version_named_by_package_and_hash(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], package: Package
) -> None:
    send(package())
    path = package("echo other")
    version = send(path)

    assert len(kubeflow.pipelines) == 1
    assert version.name == version_name(read_valid_package(path))
    assert len(version.name.rpartition("-")[2]) == 12


@pytest.mark.parametrize("name", ["gs://example-bucket/data", "gcr.io/example-project/image:1"])
def test_placeholders_are_not_uploaded(
    kubeflow: KubeflowServer,
    send: Callable[[pathlib.Path], Version],
    package: Package,
    name: str,
) -> None:
    with pytest.raises(WorkflowError, match="is a placeholder, not yours; compile with settings"):
        send(package(f"echo {name}"))

    assert kubeflow.pipelines == {}


@pytest.mark.parametrize("before", [0, 1])
def test_the_same_content_is_not_uploaded_twice(
    kubeflow: KubeflowServer,
    send: Callable[[pathlib.Path], Version],
    package: Package,
    before: int,
) -> None:
    for number in range(before):
        send(package(f"echo {number}"))
    first = send(package("echo same"))
    again = send(package("echo same"))

    assert (again.id, again.is_new) == (first.id, False)
    assert len(kubeflow.versions) == before + 1


def test_an_older_version_of_the_same_content_is_found(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], package: Package
) -> None:
    kubeflow.page_limit = 2
    sent = [send(package(f"echo {number}")) for number in range(5)]

    assert [send(package(f"echo {number}")).id for number in range(5)] == [v.id for v in sent]
    assert len(kubeflow.versions) == 5


@pytest.mark.parametrize("kind", ["cut", "lost", "status"])
def test_an_upload_whose_answer_is_lost_happens_once(
    kubeflow: KubeflowServer,
    send: Callable[[pathlib.Path], Version],
    package: Package,
    kind: str,
) -> None:
    kubeflow.fail("POST", "/upload", kind, status=502)

    version = send(package())

    assert list(kubeflow.versions) == [version.id]
    assert version.is_new


def test_a_refused_upload_is_not_repeated(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], package: Package
) -> None:
    kubeflow.fail("POST", "/upload", "status", status=400, message="Argo does not like it.")

    with pytest.raises(ClusterError, match=r"Argo does not like it \(400\)"):
        send(package())

    assert kubeflow.called("POST", "/pipelines/upload") == 1


def test_a_broken_workflow_is_refused_before_any_call(
    kubeflow: KubeflowServer, send: Callable[[pathlib.Path], Version], tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {}\n")

    with pytest.raises(WorkflowError):
        send(path)

    assert kubeflow.calls == []
