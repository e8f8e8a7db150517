"""Nodes with room for each pod, devices, and the namespace's limits."""

from typing import Any

import pytest

from orchestration.cluster.doctor import capacity
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look, add_node
from tests.shell_workflow import container, workflow

GPU = "nvidia.com/gpu"
TAINT = {"key": "pool", "value": "gpu", "effect": "NoSchedule"}


def step(name: str = "a", resources: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
    return container(name, "true", container={"resources": resources or {}}, **extra)


def requests(**amounts: str) -> dict[str, Any]:
    return {"requests": {name.replace("_", "-"): value for name, value in amounts.items()}}


def test_the_committed_workflow_fits(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(capacity.capacity)

    assert str(check) == (
        "ok       capacity: each of 11 pods fits a node, of 1 ready ones; at most it asks for "
        "1 cpu, 4 GiB memory"
    )


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ({"cpu": "4500m"}, "it asks for 4.5 cpu, and the largest node that takes it, node-a, has"),
        ({"memory": "17Gi"}, "it asks for 17 GiB memory, and the largest node"),
        ({"ephemeral_storage": "9Gi"}, "it asks for 9 GiB ephemeral-storage"),
    ],
)
def test_a_request_above_every_node_is_a_failure_that_names_it(
    ready: KubernetesServer, look: Look, amounts: dict[str, str], said: str
) -> None:
    add_node(ready, "node-a", ephemeral_storage="8Gi")
    add_node(ready, "small", cpu="1", memory="1Gi")

    (check,) = look(capacity.capacity, workflow([step(resources=requests(**amounts))]))

    assert check.level == "failure"
    assert check.message.startswith(f"step a: {said}")


def test_a_request_that_just_fits_is_ok(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(capacity.capacity, workflow([step(resources=requests(cpu="4", memory="16Gi"))]))

    assert check.level == "ok"


def test_no_single_node_with_both_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "node-a", cpu="8", memory="2Gi")
    add_node(ready, "node-b", cpu="1", memory="32Gi")

    (check,) = look(capacity.capacity, workflow([step(resources=requests(cpu="4", memory="8Gi"))]))

    assert check.level == "failure"
    assert check.message == "step a: no single node that takes it has 4 cpu with 8 GiB memory"


def test_a_limit_without_a_request_is_one(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(capacity.capacity, workflow([step(resources={"limits": {"memory": "20Gi"}})]))

    assert check.level == "failure"


def test_sidecars_count_and_init_containers_run_before(ready: KubernetesServer, look: Look) -> None:
    extra = {"name": "x", "image": "x:1", "resources": requests(cpu="3")}
    beside = step("a", requests(cpu="3"), sidecars=[extra])
    before = step("b", requests(cpu="3"), initContainers=[extra])

    (check,) = look(capacity.capacity, workflow([beside, before]))

    assert check.level == "failure"
    assert check.message.startswith("step a: it asks for 6 cpu")


def test_steps_with_the_same_problem_share_a_line(ready: KubernetesServer, look: Look) -> None:
    ready.get("nodes", "node-a")["spec"]["unschedulable"] = True

    (check,) = look(capacity.capacity, workflow([step("a"), step("b")]))

    assert check.message == "steps a, b: no node is ready and takes pods"


@pytest.mark.parametrize("by_workflow", [True, False])
def test_a_selector_that_no_node_matches_is_a_failure(
    ready: KubernetesServer, look: Look, by_workflow: bool
) -> None:
    selector = {"nodeSelector": {"gpu": "t4"}}
    manifest = workflow([step(**({} if by_workflow else selector))])
    manifest["spec"] |= selector if by_workflow else {}

    (check,) = look(capacity.capacity, manifest)

    assert check.level == "failure"
    assert "no node has what its node selector or affinity asks for (gpu=t4)" in check.message


@pytest.mark.parametrize(
    ("operator", "values", "level"),
    [
        ("In", ["a", "b"], "ok"),
        ("In", ["b"], "failure"),
        ("NotIn", ["b"], "ok"),
        ("NotIn", ["a"], "failure"),
        ("Exists", None, "ok"),
        ("DoesNotExist", None, "failure"),
        ("Gt", ["1"], "failure"),
        ("Unknown", ["a"], "failure"),
    ],
)
def test_a_required_affinity_counts(
    ready: KubernetesServer, look: Look, operator: str, values: list[str] | None, level: str
) -> None:
    add_node(ready, "node-a", labels={"zone": "a"})
    expression = {"key": "zone", "operator": operator, **({"values": values} if values else {})}
    affinity = affinity_of({"matchExpressions": [expression]})

    (check,) = look(capacity.capacity, workflow([step(affinity=affinity)]))

    assert check.level == level


@pytest.mark.parametrize(
    ("operator", "value", "level"),
    [("Gt", "7", "ok"), ("Gt", "8", "failure"), ("Lt", "9", "ok"), ("Lt", "8", "failure")],
)
def test_a_required_affinity_compares_numbers(
    ready: KubernetesServer, look: Look, operator: str, value: str, level: str
) -> None:
    add_node(ready, "node-a", labels={"cores": "8"})
    expression = {"key": "cores", "operator": operator, "values": [value]}
    affinity = affinity_of({"matchExpressions": [expression]})

    (check,) = look(capacity.capacity, workflow([step(affinity=affinity)]))

    assert check.level == level


@pytest.mark.parametrize(("name", "level"), [("node-a", "ok"), ("node-b", "failure")])
def test_a_required_affinity_may_name_the_node(
    ready: KubernetesServer, look: Look, name: str, level: str
) -> None:
    field = {"key": "metadata.name", "operator": "In", "values": [name]}

    (check,) = look(
        capacity.capacity, workflow([step(affinity=affinity_of({"matchFields": [field]}))])
    )

    assert check.level == level


def affinity_of(term: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


@pytest.mark.parametrize(
    ("toleration", "level"),
    [
        (None, "failure"),
        ({"key": "pool", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}, "ok"),
        ({"key": "pool", "value": "gpu"}, "ok"),
        ({"key": "pool", "value": "cpu"}, "failure"),
        ({"key": "pool", "operator": "Exists"}, "ok"),
        ({"operator": "Exists"}, "ok"),
        ({"key": "other", "operator": "Exists"}, "failure"),
        ({"key": "pool", "operator": "Exists", "effect": "NoExecute"}, "failure"),
    ],
)
def test_taints_must_be_tolerated(
    ready: KubernetesServer, look: Look, toleration: dict[str, str] | None, level: str
) -> None:
    add_node(ready, "node-a", taints=(TAINT,))
    more = {"tolerations": [toleration]} if toleration else {}

    (check,) = look(capacity.capacity, workflow([step(**more)]))

    assert check.level == level
    if level == "failure":
        assert check.message == "step a: it does not tolerate the taint pool=gpu:NoSchedule"


def test_one_node_without_the_taint_is_enough(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "tainted", taints=(TAINT,))

    (check,) = look(capacity.capacity, workflow([step()]))

    assert check.level == "ok"


def test_a_taint_that_only_advises_is_none(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "node-a", taints=({"key": "x", "effect": "PreferNoSchedule"},))

    (check,) = look(capacity.capacity, workflow([step()]))

    assert check.level == "ok"


def test_nodes_that_may_not_be_looked_at_are_a_warning(ready: KubernetesServer, look: Look) -> None:
    ready.forbidden.add("list nodes")

    assert [check.level for check in look(capacity.capacity)] == ["warning"]
    assert [check.level for check in look(capacity.devices)] == ["warning"]


def test_no_devices_asked_for_is_no_line(ready: KubernetesServer, look: Look) -> None:
    assert look(capacity.devices) == []


def test_devices_that_a_node_offers_are_ok(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "gpu", **{GPU: "2"})

    (check,) = look(capacity.devices, workflow([step(resources={"limits": {GPU: 1}})]))

    assert str(check) == f"ok       device {GPU}: 1 of 2 nodes have {GPU}, at most 2"


@pytest.mark.parametrize("offered", [{}, {GPU: "0"}])
def test_devices_that_no_node_offers_are_a_failure(
    ready: KubernetesServer, look: Look, offered: dict[str, str]
) -> None:
    add_node(ready, "node-a", **offered)

    (check,) = look(capacity.devices, workflow([step(resources={"limits": {GPU: 1}})]))

    assert check.level == "failure"
    assert "no node offers any, and step a asks for it" in check.message
    assert "device plugin" in check.mend


def test_a_namespace_without_limits_has_no_line(ready: KubernetesServer, look: Look) -> None:
    assert look(capacity.limits) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"max": {"memory": "4Gi"}}, "8 GiB memory is above the 4 GiB memory of LimitRange l"),
        ({"min": {"cpu": "2"}}, "1 cpu is below the 2 cpu of LimitRange l"),
    ],
)
@pytest.mark.parametrize("kind", ["Container", "Pod"])
def test_a_limit_range_that_a_pod_breaks_is_a_failure(
    ready: KubernetesServer, look: Look, rule: dict[str, Any], said: str, kind: str
) -> None:
    ready.add("limitranges", "l", spec={"limits": [{"type": kind, **rule}]})
    resources = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}}

    (check,) = look(capacity.limits, workflow([step(resources=resources)]))

    assert (check.level, check.message) == ("failure", f"step a: {said}")


def test_limits_that_let_the_pods_in_are_ok(ready: KubernetesServer, look: Look) -> None:
    ready.add("limitranges", "l", spec={"limits": [{"type": "Container", "max": {"cpu": "8"}}]})
    ready.add("resourcequotas", "q", spec={"hard": {"requests.memory": "64Gi", "pods": "50"}})

    (check,) = look(capacity.limits)

    assert check.level == "ok"


@pytest.mark.parametrize(
    ("hard", "said"),
    [
        ({"requests.memory": "2Gi"}, "4 GiB requests.memory is above the 2 GiB requests.memory of"),
        ({"memory": "2Gi"}, "4 GiB memory is above the 2 GiB memory of"),
        ({"limits.memory": "6Gi"}, "8 GiB limits.memory is above the 6 GiB limits.memory of"),
        ({f"requests.{GPU}": "0"}, f"1 requests.{GPU} is above the 0 requests.{GPU} of"),
    ],
)
def test_a_quota_below_a_pod_is_a_failure(
    ready: KubernetesServer, look: Look, hard: dict[str, str], said: str
) -> None:
    ready.add("resourcequotas", "q", spec={"hard": hard})
    resources = {"requests": {"memory": "4Gi"}, "limits": {"memory": "8Gi", GPU: 1}}

    (check,) = look(capacity.limits, workflow([step(resources=resources)]))

    assert (check.level, check.message) == ("failure", f"step a: {said} ResourceQuota q")


def test_a_quota_demands_what_a_pod_leaves_out(ready: KubernetesServer, look: Look) -> None:
    ready.add("resourcequotas", "q", spec={"hard": {"limits.cpu": "100"}})

    (check,) = look(capacity.limits)

    assert check.level == "failure"
    assert "it has no limits.cpu, which ResourceQuota q demands of each pod" in check.message


def test_a_limit_range_gives_what_a_quota_demands(ready: KubernetesServer, look: Look) -> None:
    ready.add("resourcequotas", "q", spec={"hard": {"limits.cpu": "100"}})
    given = {"type": "Container", "default": {"cpu": "2"}}
    ready.add("limitranges", "l", spec={"limits": [given]})

    (check,) = look(capacity.limits)

    assert check.level == "ok"


def test_a_quota_with_scopes_is_said_not_to_be_looked_at(
    ready: KubernetesServer, look: Look
) -> None:
    ready.add("resourcequotas", "q", spec={"hard": {"pods": "0"}, "scopes": ["NotTerminating"]})

    (check,) = look(capacity.limits)

    assert check.level == "warning"
    assert check.message == "ResourceQuotas with scopes were not looked at: q"


@pytest.mark.parametrize(
    ("hard", "used"), [({"pods": "0"}, {}), ({"requests.cpu": "100"}, {"requests.cpu": "100"})]
)
def test_a_quota_that_is_spent_is_a_warning(
    ready: KubernetesServer, look: Look, hard: dict[str, str], used: dict[str, str]
) -> None:
    ready.add("resourcequotas", "q", spec={"hard": hard}, status={"hard": hard, "used": used})

    (check,) = look(capacity.limits)

    assert check.level == "warning"
    assert check.message.startswith("nothing is left of ResourceQuota q (")


def test_limits_that_may_not_be_looked_at_are_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("list resourcequotas")

    (check,) = look(capacity.limits)

    assert check.level == "warning"
    assert "you may not list resourcequotas in namespace kubeflow" in check.message
