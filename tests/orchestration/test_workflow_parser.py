"""A manifest becomes frozen steps, or is refused by name."""

from typing import Any

import pytest

from components.errors import WorkflowError
from orchestration.workflow_parser import parse_workflow
from tests.shell_workflow import container, workflow


def test_steps_come_in_the_order_of_their_dependencies() -> None:
    manifest = workflow(
        [container(name, "true") for name in ("c", "b", "a")],
        dependencies={"c": ["b"], "b": ["a"]},
    )

    assert [step.name for step in parse_workflow(manifest).steps] == ["a", "b", "c"]


def test_a_workflow_of_one_container_is_one_step() -> None:
    manifest = workflow([container("only", "true")])
    manifest["spec"]["entrypoint"] = "only"

    assert [step.name for step in parse_workflow(manifest).steps] == ["only"]


def test_quantities_are_cores_and_bytes() -> None:
    resources = {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "8G"},
    }
    manifest = workflow([container("a", "true", container={"resources": resources})])

    (step,) = parse_workflow(manifest).steps

    assert (step.resources.cpu_request, step.resources.cpu_limit) == (0.5, 2.0)
    assert (step.resources.memory_request, step.resources.memory_limit) == (1024**3, 8 * 10**9)


@pytest.mark.parametrize(
    ("duration", "seconds"), [("30s", 30), ("2m", 120), (5, 5), ("500ms", 0.5), ("1h", 3600)]
)
def test_the_wait_grows_by_the_factor_up_to_the_cap(duration: object, seconds: float) -> None:
    strategy = {"limit": "3", "backoff": {"duration": duration, "factor": 2, "cap": "2h"}}
    (step,) = parse_workflow(workflow([container("a", "true", retryStrategy=strategy)])).steps

    assert step.retry is not None
    assert [step.retry.wait_seconds(attempt) for attempt in (1, 2)] == [seconds, 2 * seconds]
    assert step.retry.wait_seconds(30) == 7200


def test_argos_default_policy_is_on_failure() -> None:
    (step,) = parse_workflow(workflow([container("a", "true", retryStrategy={"limit": 1})])).steps

    assert step.retry is not None
    assert step.retry.policy == "OnFailure"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"spec": {"suspend": True}}, "spec.suspend"),
        ({"spec": {"hostNetwork": True}}, "spec.hostNetwork"),
        ({"spec": {"podMetadata": {"labels": {"a": "b"}}}}, "spec.podMetadata"),
        ({"dag": {"failFast": False}}, "dag.failFast"),
        ({"mount": {"readOnly": True}}, "volumeMounts v.readOnly"),
        ({"mount": {"subPathExpr": "$(X)"}}, "volumeMounts v.subPathExpr"),
        ({"mount": {"subPath": "/etc"}}, "subPath must be relative"),
        ({"mount": {"subPath": "a/../../etc"}}, "subPath must be relative"),
        ({"mount": {"mountPath": "v"}}, "mountPath must be absolute"),
        ({"mount": {"mountPath": "/"}}, "mountPath must be absolute"),
        (
            {"template": {"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [1]}}]}},
            "volume v.items",
        ),
        ({"container": {"envFrom": [{"prefix": "P_"}]}}, "envFrom"),
        (
            {
                "container": {
                    "env": [
                        {
                            "name": "X",
                            "valueFrom": {"secretKeyRef": {"name": "s", "key": "../other"}},
                        }
                    ]
                }
            },
            "'../other' is not a key",
        ),
        ({"spec": {"onExit": "a"}}, "spec.onExit"),
        ({"task": {"withItems": [1, 2]}}, "task a.withItems"),
        ({"task": {"when": "x == y"}}, "task a.when"),
        ({"template": {"sidecars": [{"name": "s", "image": "i:1"}]}}, "template a.sidecars"),
        ({"template": {"container": None, "suspend": {}}}, "only container templates"),
        ({"container": {"lifecycle": {"preStop": {}}}}, "template a.container.lifecycle"),
        ({"template": {"volumes": [{"name": "v", "nfs": {}}]}}, "volume v is a nfs"),
        ({"template": {"retryStrategy": {"expression": "true"}}}, "retryStrategy.expression"),
        (
            {
                "container": {
                    "env": [
                        {"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
                    ]
                }
            },
            "env X",
        ),
    ],
)
def test_what_one_machine_cannot_honour_is_refused(change: dict[str, Any], named: str) -> None:
    step = container("a", "true", container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    step["volumes"] = [{"name": "v", "emptyDir": {}}]
    step["container"].update(change.get("container", {}))
    step["container"]["volumeMounts"][0].update(change.get("mount", {}))
    step.update(change.get("template", {}))
    manifest = workflow([step])
    manifest["spec"].update(change.get("spec", {}))
    manifest["spec"]["templates"][0]["dag"].update(change.get("dag", {}))
    manifest["spec"]["templates"][0]["dag"]["tasks"][0].update(change.get("task", {}))

    with pytest.raises(WorkflowError, match=named):
        parse_workflow(manifest)


def test_what_only_places_a_pod_is_passed_over() -> None:
    manifest = workflow(
        [
            container(
                "a",
                "true",
                nodeSelector={"pool": "gpu"},
                tolerations=[{"operator": "Exists"}],
                container={"imagePullPolicy": "Always", "securityContext": {"runAsUser": 1}},
            )
        ],
        serviceAccountName="pipeline-runner",
        ttlStrategy={"secondsAfterCompletion": 60},
        securityContext={"fsGroup": 1000},
    )

    assert len(parse_workflow(manifest).steps) == 1
