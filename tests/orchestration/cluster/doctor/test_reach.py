"""The cluster, kubectl's version, the namespace and its pod security."""

from typing import Any

import pytest

from orchestration.cluster.doctor import reach
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look
from tests.shell_workflow import container, workflow

RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_a_cluster_that_answers_is_ok_with_its_version(
    kubernetes: KubernetesServer, look: Look
) -> None:
    (check,) = look(reach.cluster)

    assert check.level == "ok"
    assert check.message.startswith(f"Kubernetes {kubernetes.version}, kubectl v")


@pytest.mark.parametrize("version", ["v1.5.0", "v1.99.0", "v2.32.0"])
def test_a_kubectl_of_a_distant_version_is_a_warning(
    kubernetes: KubernetesServer, look: Look, version: str
) -> None:
    kubernetes.version = version

    (check,) = look(reach.cluster)

    assert (check.level, check.mend) == ("warning", "install a kubectl of the cluster's version")
    assert version in check.message


def test_a_cluster_that_refuses_the_connection_is_a_failure(
    kubernetes: KubernetesServer, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/none")

    (check,) = look(reach.cluster)

    assert check.level == "failure"
    assert "--context" in check.mend


def test_a_cluster_that_never_answers_is_a_failure_within_the_time(
    kubernetes: KubernetesServer, look: Look
) -> None:
    kubernetes.is_silent = True

    (check,) = look(reach.cluster, timeout_seconds=0.3)

    assert check.level == "failure"
    assert "no answer within 0.3 s" in check.message


def test_a_missing_kubectl_is_a_failure(
    kubernetes: KubernetesServer, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/none")

    (check,) = look(reach.cluster)

    assert check.level == "failure"
    assert "install kubectl" in check.message


def test_an_active_namespace_is_ok(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(reach.namespace)

    assert str(check) == "ok       namespace kubeflow: active"


@pytest.mark.parametrize(
    ("phase", "said"), [(None, "there is none of this name"), ("Terminating", "it is Terminating")]
)
def test_a_namespace_that_is_not_there_or_goes_is_a_failure(
    ready: KubernetesServer, look: Look, phase: str | None, said: str
) -> None:
    ready.remove("namespaces", "kubeflow")
    if phase is not None:
        ready.add("namespaces", "kubeflow", status={"phase": phase})

    (check,) = look(reach.namespace)

    assert (check.level, check.message) == ("failure", said)


def test_a_namespace_that_may_not_be_looked_at_is_a_warning_with_the_missing_right(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("get namespaces")

    (check,) = look(reach.namespace)

    assert check.level == "warning"
    assert check.message == "could not be looked at: you may not get namespaces"
    assert check.mend == "ask for the right to get namespaces (RBAC)"


def test_a_login_that_has_expired_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    ready.is_unauthorized = True

    (check,) = look(reach.namespace)

    assert check.level == "failure"
    assert "You must be logged in" in check.message
    assert check.mend.startswith("log in to the cluster anew")


def enforce(ready: KubernetesServer, standard: str) -> None:
    metadata = ready.get("namespaces", "kubeflow")["metadata"]
    metadata["labels"] = {"pod-security.kubernetes.io/enforce": standard}


def test_a_restricted_namespace_names_what_the_steps_lack(
    ready: KubernetesServer, look: Look, committed: dict[str, Any]
) -> None:
    enforce(ready, "restricted")
    del committed["spec"]["securityContext"]["seccompProfile"]

    _, check = look(reach.namespace, committed)

    assert (check.name, check.level) == ("pod security restricted", "failure")
    assert "no seccompProfile in 11 steps (csvexamplegen, " in check.message
    assert "capabilities" not in check.message


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"runAsNonRoot": False}, "no runAsNonRoot"),
        ({"allowPrivilegeEscalation": None}, "no allowPrivilegeEscalation: false"),
        ({"allowPrivilegeEscalation": True}, "no allowPrivilegeEscalation: false"),
        ({"capabilities": {}}, "capabilities not dropped"),
        ({"seccompProfile": {"type": "Unconfined"}}, "no seccompProfile"),
        ({"privileged": True}, "a privileged container"),
    ],
)
def test_each_field_of_the_restricted_standard_counts(
    ready: KubernetesServer, look: Look, context: dict[str, Any], said: str
) -> None:
    enforce(ready, "restricted")
    inside = {"securityContext": {**RESTRICTED, **context}}

    _, check = look(reach.namespace, workflow([container("a", "true", container=inside)]))

    assert check.level == "failure"
    assert f"{said} in step a" in check.message


def test_a_restricted_namespace_lets_restricted_steps_in(
    ready: KubernetesServer, look: Look
) -> None:
    enforce(ready, "restricted")
    inside = {"securityContext": RESTRICTED}

    _, check = look(reach.namespace, workflow([container("a", "true", container=inside)]))

    assert check.level == "ok"


@pytest.mark.parametrize("standard", ["baseline", "restricted"])
def test_a_namespace_of_a_standard_lets_the_committed_workflow_in(
    ready: KubernetesServer, look: Look, standard: str
) -> None:
    enforce(ready, standard)

    _, check = look(reach.namespace)

    assert check.level == "ok"


def test_a_baseline_namespace_refuses_a_host_path(ready: KubernetesServer, look: Look) -> None:
    enforce(ready, "baseline")
    volumes = [{"name": "v", "hostPath": {"path": "/data"}}]

    _, check = look(reach.namespace, workflow([container("a", "true", volumes=volumes)]))

    assert check.level == "failure"
    assert "a hostPath volume in step a" in check.message
