"""Secrets and ConfigMaps that the pods need; no value of a secret is ever seen."""

import base64
from typing import Any

import pytest

from orchestration.cluster.doctor import image, references
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look
from tests.shell_workflow import container, workflow

VALUE = base64.b64encode(b"hunter2").decode()


def secret_variable(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


@pytest.fixture
def manifest() -> dict[str, Any]:
    """A workflow that needs the keys user and password of a secret, and mounts it."""
    return workflow(
        [
            container(
                "a",
                "true",
                container={
                    "env": [secret_variable("db", "user"), secret_variable("db", "password")]
                },
            ),
            container("b", "true", volumes=[{"name": "v", "secret": {"secretName": "db"}}]),
        ]
    )


def test_the_committed_workflow_needs_none(ready: KubernetesServer, look: Look) -> None:
    assert look(references.references) == []


def test_a_secret_with_its_keys_is_ok_in_one_line(
    ready: KubernetesServer, look: Look, manifest: dict[str, Any]
) -> None:
    ready.add("secrets", "db", type="Opaque", data={"user": VALUE, "password": VALUE})

    (check,) = look(references.references, manifest)

    assert str(check) == "ok       secret db: has user, password"


def test_a_missing_secret_is_a_failure_that_names_the_steps(
    ready: KubernetesServer, look: Look, manifest: dict[str, Any]
) -> None:
    (check,) = look(references.references, manifest)

    assert check.level == "failure"
    assert "there is none in namespace kubeflow, and steps a, b cannot start" in check.message


def test_a_missing_key_is_a_failure_without_any_value(
    ready: KubernetesServer, look: Look, manifest: dict[str, Any]
) -> None:
    ready.add("secrets", "db", type="Opaque", data={"user": VALUE, "passwort": VALUE})

    (check,) = look(references.references, manifest)

    assert check.level == "failure"
    assert "it has no key password" in check.message
    assert "did you mean 'passwort'?" in check.message
    assert VALUE not in str(check)
    assert "hunter2" not in str(check)


def test_the_values_of_a_secret_never_enter_the_process(
    ready: KubernetesServer, look: Look, manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    ready.add("secrets", "db", type="Opaque", data={"user": VALUE, "password": VALUE})
    printed = []
    run = subprocess.run

    def recording(*args: Any, **options: Any) -> Any:
        done = run(*args, **options)
        printed.append(done.stdout + done.stderr)
        return done

    monkeypatch.setattr(subprocess, "run", recording)

    look(references.references, manifest)

    assert any(b"password" in text for text in printed)
    assert all(VALUE.encode() not in text for text in printed)


def test_a_secret_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look, manifest: dict[str, Any]
) -> None:
    ready.forbidden.add("get secrets")

    (check,) = look(references.references, manifest)

    assert (check.name, check.level) == ("secret db", "warning")
    assert "you may not get secrets in namespace kubeflow" in check.message


def test_what_is_optional_may_be_missing(ready: KubernetesServer, look: Look) -> None:
    inside = {
        "env": [secret_variable("db", "user", optional=True)],
        "envFrom": [{"configMapRef": {"name": "none", "optional": True}}],
    }

    assert look(references.references, workflow([container("a", "true", container=inside)])) == []


def test_config_maps_count_with_their_binary_keys(ready: KubernetesServer, look: Look) -> None:
    ready.add("configmaps", "c", data={"text": "x"}, binaryData={"bytes": VALUE})
    volumes = [
        {"name": "v", "configMap": {"name": "c", "items": [{"key": "bytes", "path": "b"}]}},
        {"name": "w", "configMap": {"name": "c", "items": [{"key": "none", "path": "n"}]}},
    ]

    (check,) = look(references.references, workflow([container("a", "true", volumes=volumes)]))

    assert (check.name, check.level) == ("ConfigMap c", "failure")
    assert "it has no key none" in check.message


@pytest.fixture
def private(committed: dict[str, Any]) -> dict[str, Any]:
    committed["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    return committed


def test_a_pull_secret_of_the_right_type_is_ok(
    ready: KubernetesServer, look: Look, private: dict[str, Any]
) -> None:
    kind = "kubernetes.io/dockerconfigjson"
    ready.add("secrets", "registry", type=kind, data={".dockerconfigjson": VALUE})

    (check,) = look(image.pull_secrets)

    assert str(check) == f"ok       pull secret registry: is there, of type {kind}"


def test_a_pull_secret_of_another_type_is_a_failure(
    ready: KubernetesServer, look: Look, private: dict[str, Any]
) -> None:
    ready.add("secrets", "registry", type="Opaque", data={"x": VALUE})

    (check,) = look(image.pull_secrets)

    assert check.level == "failure"
    assert "it is of type Opaque" in check.message


def test_a_missing_pull_secret_is_a_failure(
    ready: KubernetesServer, look: Look, private: dict[str, Any]
) -> None:
    (check,) = look(image.pull_secrets)

    assert check.level == "failure"
    assert "kubectl create secret docker-registry" in check.mend


def test_a_pull_secret_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look, private: dict[str, Any]
) -> None:
    ready.forbidden.add("get secrets")

    (check,) = look(image.pull_secrets)

    assert check.level == "warning"
