"""Claims: there, bound, and of an access mode that fits the nodes."""

from typing import Any

import pytest

from orchestration.cluster.doctor import volume
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look, add_node
from tests.shell_workflow import container, workflow


def claim(ready: KubernetesServer, mode: str, phase: str = "Bound", **spec: Any) -> None:
    ready.add(
        "persistentvolumeclaims",
        "tfx-pvc",
        spec={"accessModes": [mode], **spec},
        status={"phase": phase, **({"accessModes": [mode]} if phase == "Bound" else {})},
    )


def test_a_bound_claim_for_many_is_ok(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(volume.claims)

    assert str(check) == "ok       claim tfx-pvc: Bound, ReadWriteMany"


def test_a_missing_claim_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    ready.remove("persistentvolumeclaims", "tfx-pvc")

    (check,) = look(volume.claims)

    assert (check.level, check.message) == ("failure", "there is none in namespace kubeflow")
    assert "kubectl apply -k manifests/overlays/" in check.mend


def test_a_claim_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("get persistentvolumeclaims")

    (check,) = look(volume.claims)

    assert (check.name, check.level) == ("claim tfx-pvc", "warning")
    assert "you may not get persistentvolumeclaims in namespace kubeflow" in check.message


def test_a_claim_that_argo_names_later_is_a_warning(ready: KubernetesServer, look: Look) -> None:
    source = {"claimName": "{{workflow.parameters.claim}}"}
    volumes = [{"name": "v", "persistentVolumeClaim": source}]

    (check,) = look(volume.claims, workflow([container("a", "true", volumes=volumes)]))

    assert check.level == "warning"
    assert "Argo fills it in when a run starts" in check.message


def test_a_claim_that_is_lost_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    claim(ready, "ReadWriteMany", "Lost")

    (check,) = look(volume.claims)

    assert (check.level, check.message) == ("failure", "it is Lost: its volume is gone")


def test_a_claim_that_is_being_deleted_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    ready.get("persistentvolumeclaims", "tfx-pvc")["metadata"]["deletionTimestamp"] = "2026"

    (check,) = look(volume.claims)

    assert (check.level, check.message) == ("failure", "it is being deleted")


def test_a_pending_claim_without_a_volume_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    claim(ready, "ReadWriteMany", "Pending", storageClassName="fast")
    ready.add("storageclasses", "fast", volumeBindingMode="Immediate")

    (check,) = look(volume.claims)

    assert check.level == "failure"
    assert check.mend == "see 'kubectl describe pvc tfx-pvc'"


@pytest.mark.parametrize("name", ["late", None])
def test_a_claim_that_waits_for_its_first_pod_is_a_warning(
    ready: KubernetesServer, look: Look, name: str | None
) -> None:
    claim(ready, "ReadWriteMany", "Pending", **({"storageClassName": name} if name else {}))
    ready.add(
        "storageclasses",
        "late",
        metadata={"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        volumeBindingMode="WaitForFirstConsumer",
    )

    (check,) = look(volume.claims)

    assert check.level == "warning"
    assert "WaitForFirstConsumer" in check.message


def test_a_pending_claim_whose_class_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    claim(ready, "ReadWriteMany", "Pending", storageClassName="late")
    ready.forbidden.add("list storageclasses")

    (check,) = look(volume.claims)

    assert check.level == "warning"
    assert "you may not list storageclasses.storage.k8s.io" in check.message


@pytest.mark.parametrize("mode", ["ReadWriteOncePod", "ReadOnlyMany"])
def test_a_mode_in_which_steps_cannot_share_or_write_is_a_failure(
    ready: KubernetesServer, look: Look, mode: str
) -> None:
    claim(ready, mode)

    (check,) = look(volume.claims)

    assert check.level == "failure"
    assert f"its access mode is {mode}" in check.message


def test_a_claim_for_one_node_is_ok_where_there_is_one(ready: KubernetesServer, look: Look) -> None:
    claim(ready, "ReadWriteOnce")
    add_node(ready, "cordoned", is_cordoned=True)
    add_node(ready, "down", is_ready=False)
    add_node(ready, "tainted", taints=({"key": "gpu", "effect": "NoSchedule"},))

    (check,) = look(volume.claims)

    assert (check.level, check.message) == (
        "ok",
        "Bound, ReadWriteOnce; all its pods run on node node-a",
    )


def test_a_claim_for_one_node_is_a_failure_where_pods_may_run_on_two(
    ready: KubernetesServer, look: Look
) -> None:
    claim(ready, "ReadWriteOnce")
    add_node(ready, "node-b")

    (check,) = look(volume.claims)

    assert check.level == "failure"
    assert "the pods may run on 2" in check.message
    assert "default.node_selector" in check.mend


def test_a_node_selector_keeps_all_pods_on_one_node(
    ready: KubernetesServer, look: Look, committed: dict[str, Any]
) -> None:
    claim(ready, "ReadWriteOnce")
    add_node(ready, "node-b", labels={"pool": "pipelines"})
    committed["spec"]["nodeSelector"] = {"pool": "pipelines"}

    (check,) = look(volume.claims)

    assert check.level == "ok"
    assert "node node-b" in check.message


def test_steps_on_different_nodes_are_a_failure(
    ready: KubernetesServer, look: Look, committed: dict[str, Any]
) -> None:
    claim(ready, "ReadWriteOnce")
    add_node(ready, "node-b", labels={"pool": "gpu"})
    committed["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "node-a"}
    trainer = next(item for item in committed["spec"]["templates"] if item["name"] == "trainer")
    trainer["nodeSelector"] = {"pool": "gpu"}

    (check,) = look(volume.claims)

    assert check.level == "failure"


def test_a_local_volume_keeps_all_pods_on_its_node(ready: KubernetesServer, look: Look) -> None:
    claim(ready, "ReadWriteOnce", volumeName="pv-1")
    add_node(ready, "node-b")
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-b"]}
    ready.add(
        "persistentvolumes",
        "pv-1",
        spec={"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}},
    )

    (check,) = look(volume.claims)

    assert check.level == "ok"
    assert "node node-b" in check.message


@pytest.mark.parametrize("right", ["list nodes", "get persistentvolumes"])
def test_a_claim_for_one_node_is_a_warning_where_the_nodes_cannot_be_told(
    ready: KubernetesServer, look: Look, right: str
) -> None:
    claim(ready, "ReadWriteOnce", volumeName="pv-1")
    add_node(ready, "node-b")
    ready.forbidden.add(right)

    (check,) = look(volume.claims)

    assert check.level == "warning"
    assert f"you may not {right}" in check.message
    assert check.mend.startswith(f"ask for the right to {right}")


def test_a_claim_for_one_node_is_a_warning_where_no_node_takes_its_pods(
    ready: KubernetesServer, look: Look
) -> None:
    claim(ready, "ReadWriteOnce")
    ready.get("nodes", "node-a")["spec"]["unschedulable"] = True

    (check,) = look(volume.claims)

    assert check.level == "warning"
