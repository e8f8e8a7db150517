"""Kubeflow Pipelines: deployments, API, version, v1 pipelines, Argo."""

from typing import Any

import pytest

from orchestration.cluster.connection import Connection
from orchestration.cluster.doctor import kubeflow
from tests.kubeflow_server import KubeflowServer
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import DEPLOYMENTS, Look

HEALTH = "kubeflow/ml-pipeline:8888/apis/v1beta1/healthz"


def test_available_deployments_are_ok(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(kubeflow.deployments)

    assert str(check) == "ok       Kubeflow Pipelines in kubeflow: its 5 deployments are available"


def test_no_deployment_at_all_is_no_installation(kubernetes: KubernetesServer, look: Look) -> None:
    (check,) = look(kubeflow.deployments)

    assert (check.level, check.message) == ("failure", "it is not installed")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_missing_deployment_is_a_failure(ready: KubernetesServer, look: Look, name: str) -> None:
    ready.remove("deployments", name)

    (check,) = look(kubeflow.deployments)

    assert check.level == "failure"
    assert f"there is no deployment {name} (" in check.message


def test_a_deployment_that_is_not_available_is_a_failure(
    ready: KubernetesServer, look: Look
) -> None:
    ready.get("deployments", "workflow-controller")["status"]["conditions"][0]["status"] = "False"

    (check,) = look(kubeflow.deployments)

    assert check.level == "failure"
    assert (
        "deployment workflow-controller (Argo, which runs the steps) is not avail" in check.message
    )


def test_in_a_profile_kubeflow_is_looked_for_in_its_own_namespace(
    ready: KubernetesServer, look: Look
) -> None:
    (check,) = look(kubeflow.deployments, namespace="team-a")

    assert (check.name, check.level) == ("Kubeflow Pipelines in kubeflow", "ok")


def test_deployments_that_may_not_be_looked_at_are_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("list deployments")

    (check,) = look(kubeflow.deployments)

    assert check.level == "warning"
    assert "you may not list deployments.apps in namespace kubeflow" in check.message


@pytest.mark.parametrize(
    ("tag", "level", "said"),
    [
        ("1.7.1", "warning", "is older than any supported one"),
        ("1.8.5", "warning", "is no longer maintained"),
        ("2.0.0-alpha.1", "ok", ""),
        ("2.17.2", "ok", ""),
        ("2.18.0", "warning", "is later than the last one known to take v1 pipelines"),
        ("3.0.0", "failure", "is later than the last one known to take v1 pipelines"),
    ],
)
def test_the_version_is_judged_by_the_table_of_the_guide(
    ready: KubernetesServer, look: Look, tag: str, level: str, said: str
) -> None:
    ready.proxied[HEALTH]["tag_name"] = tag

    api, version = look(kubeflow.version)

    assert str(api) == (
        "ok       Kubeflow Pipelines' API: it answers by way of Kubernetes, for one user"
    )
    assert version.level == level
    assert version.message.startswith(f"{tag} (its API says)")
    assert said in version.message


def test_a_version_that_the_api_does_not_know_is_that_of_its_image(
    ready: KubernetesServer, look: Look
) -> None:
    ready.proxied[HEALTH]["tag_name"] = "unknown"

    _, version = look(kubeflow.version)

    assert (version.level, version.message) == ("ok", "2.17.2 (its image)")


def test_a_version_that_nothing_tells_is_a_warning(ready: KubernetesServer, look: Look) -> None:
    ready.proxied[HEALTH]["tag_name"] = "unknown"
    pod = ready.get("deployments", "ml-pipeline")["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = "registry:5000/kfp-api-server@sha256:00"

    _, version = look(kubeflow.version)

    assert version.level == "warning"
    assert "neither its API nor its image tells it" in version.message


def test_an_api_without_v1beta1_is_asked_by_v2beta1(ready: KubernetesServer, look: Look) -> None:
    ready.proxied[HEALTH.replace("v1beta1", "v2beta1")] = {"tag_name": "3.0.0"}
    del ready.proxied[HEALTH]

    _, version = look(kubeflow.version)

    assert version.level == "failure"


def test_an_api_that_may_not_be_asked_is_a_warning_and_the_image_tells(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("get services/proxy")

    api, version = look(kubeflow.version)

    assert api.level == "warning"
    assert "you may not get services/proxy in namespace kubeflow" in api.message
    assert version.message == "2.17.2 (its image)"


def test_the_version_is_skipped_without_a_cluster_and_an_address(
    kubernetes: KubernetesServer, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/none")

    (check,) = look(kubeflow.version)

    assert check.level == "skipped"


def test_with_an_address_the_api_is_asked_there(
    ready: KubernetesServer, kubeflow_at: Any, look: Look
) -> None:
    server, connection = kubeflow_at
    ready.proxied.clear()

    api, version = look(kubeflow.version, connection=connection)

    assert (api.level, version.level) == ("ok", "ok")
    assert api.message == f"it answers at {server.url}, for one user"
    assert server.called("GET", "/healthz") == 1


def test_several_users_need_a_profile(
    ready: KubernetesServer, kubeflow_at: Any, look: Look
) -> None:
    server, connection = kubeflow_at
    server.multi_user = True

    api, _ = look(kubeflow.version, connection=connection)

    assert api.level == "warning"
    assert "--namespace" in api.mend


def test_an_address_where_nothing_answers_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    connection = Connection(host="http://127.0.0.1:9", attempts=1, timeout_seconds=1)

    api, version = look(kubeflow.version, connection=connection)

    assert api.level == "failure"
    assert "http://127.0.0.1:9" in api.message
    assert version.message == "2.17.2 (its image)"


@pytest.fixture
def kubeflow_at(
    kubeflow: KubeflowServer, connection: Connection
) -> tuple[KubeflowServer, Connection]:
    """A Kubeflow Pipelines on loopback, and how to reach it."""
    return kubeflow, connection


def blocked(
    ready: KubernetesServer, name: str, value: str | None, allowed: str | None = None
) -> None:
    """Sets the variables as KFP's manifests do, by way of a ConfigMap."""
    data = {"blockV1": value, "allowedV1": allowed}
    ready.add(
        "configmaps",
        "pipeline-install-config",
        data={key: item for key, item in data.items() if item is not None},
    )
    ready.get("deployments", name)["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {
            "name": variable,
            "valueFrom": {"configMapKeyRef": {"name": "pipeline-install-config", "key": key}},
        }
        for variable, key in (
            ("BLOCK_V1_PIPELINES", "blockV1"),
            ("V1_ALLOWED_NAMESPACES", "allowedV1"),
        )
    ]


def test_v1_pipelines_are_taken_where_nothing_is_set(ready: KubernetesServer, look: Look) -> None:
    assert [str(check) for check in look(kubeflow.v1_pipelines)] == [
        "ok       v1 pipelines by ml-pipeline: taken",
        "ok       v1 pipelines by ml-pipeline-scheduledworkflow: taken",
    ]


@pytest.mark.parametrize(
    ("value", "allowed", "level"),
    [
        ("false", None, "ok"),
        ("0", None, "ok"),
        ("", None, "ok"),
        ("true", None, "failure"),
        ("1", "", "failure"),
        ("T", "team-a", "failure"),
        ("true", "team-a, Kubeflow", "ok"),
        ("yes", None, "failure"),
    ],
)
def test_v1_pipelines_are_blocked_as_the_server_reads_it(
    ready: KubernetesServer, look: Look, value: str, allowed: str | None, level: str
) -> None:
    blocked(ready, "ml-pipeline", value, allowed)

    first, second = look(kubeflow.v1_pipelines)

    assert (first.level, second.level) == (level, "ok")


def test_blocked_schedules_are_a_warning(ready: KubernetesServer, look: Look) -> None:
    blocked(ready, "ml-pipeline-scheduledworkflow", "true")

    _, check = look(kubeflow.v1_pipelines)

    assert check.level == "warning"
    assert "schedules start no runs" in check.message
    assert "V1_ALLOWED_NAMESPACES" in check.mend


def test_a_variable_may_come_with_a_whole_config_map(ready: KubernetesServer, look: Look) -> None:
    ready.add("configmaps", "settings", data={"V1_PIPELINES": "true"})
    pod = ready.get("deployments", "ml-pipeline")["spec"]["template"]["spec"]
    pod["containers"][0]["envFrom"] = [{"prefix": "BLOCK_", "configMapRef": {"name": "settings"}}]

    check, _ = look(kubeflow.v1_pipelines)

    assert check.level == "failure"


def test_a_config_map_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    blocked(ready, "ml-pipeline", "true")
    ready.forbidden.add("get configmaps")

    check, _ = look(kubeflow.v1_pipelines)

    assert check.level == "warning"
    assert "you may not get configmaps in namespace kubeflow" in check.message


def test_v1_pipelines_are_skipped_without_the_deployment(
    ready: KubernetesServer, look: Look
) -> None:
    ready.remove("deployments", "ml-pipeline-scheduledworkflow")

    _, check = look(kubeflow.v1_pipelines)

    assert check.level == "skipped"


def test_argo_is_ok_where_workflows_are_served(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(kubeflow.argo)

    assert check.level == "ok"


def test_argo_is_a_failure_where_workflows_are_not_served(
    ready: KubernetesServer, look: Look
) -> None:
    ready.groups.add("argoproj.io")

    (check,) = look(kubeflow.argo)

    assert check.level == "failure"
    assert "cluster-scoped-resources" in check.mend


def test_argo_that_cannot_be_looked_at_is_a_warning(ready: KubernetesServer, look: Look) -> None:
    ready.is_silent = True

    (check,) = look(kubeflow.argo, timeout_seconds=0.3)

    assert check.level == "warning"
    assert "no answer within 0.3 s" in check.message


def test_the_api_is_asked_without_a_right_to_the_deployments(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("list deployments")

    api, version = look(kubeflow.version)

    assert (api.level, version.level) == ("ok", "ok")


def test_a_variable_from_a_secret_is_a_warning(ready: KubernetesServer, look: Look) -> None:
    reference = {"secretKeyRef": {"name": "s", "key": "k"}}
    pod = ready.get("deployments", "ml-pipeline")["spec"]["template"]["spec"]
    pod["containers"][0]["env"] = [{"name": "BLOCK_V1_PIPELINES", "valueFrom": reference}]

    check, _ = look(kubeflow.v1_pipelines)

    assert check.level == "warning"
    assert "comes from a secret, which is not read" in check.message
