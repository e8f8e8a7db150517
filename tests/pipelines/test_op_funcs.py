"""Each OpFunc alone, on a real ContainerOp, by the Argo template that KFP makes of it."""

from typing import Any

import pytest
from kfp import aws, dsl, gcp
from kfp.compiler._op_to_template import _op_to_template

from pipelines.kubeflow_pipelines import op_funcs
from pipelines.kubeflow_pipelines.op_funcs import OpFunc

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def template(*funcs: OpFunc, name: str = "Trainer") -> dict[str, Any]:
    """Returns the Argo template of a step, as KubeflowDagRunner makes and changes it."""
    op = dsl.ContainerOp(name=name, image="image:1")
    for func in funcs:
        op.apply(func)
    return _op_to_template(op)


def added(*funcs: OpFunc, name: str = "Trainer") -> dict[str, Any]:
    """Returns what the OpFuncs add to a template, and to its container."""
    plain, changed = template(name=name), template(*funcs, name=name)
    # Outside of a pipeline, KFP makes a name up.
    del changed["name"]
    container = {
        key: value
        for key, value in changed.pop("container").items()
        if plain["container"].get(key) != value
    }
    result = {key: value for key, value in changed.items() if plain.get(key) != value}
    return {**result, "container": container} if container else result


def test_mount_pvc_mounts_the_claim() -> None:
    assert added(op_funcs.mount_pvc("tfx-pvc", "tfx-pv", "/tfx-data")) == {
        "container": {"volumeMounts": [{"mountPath": "/tfx-data", "name": "tfx-pv"}]},
        "volumes": [{"name": "tfx-pv", "persistentVolumeClaim": {"claimName": "tfx-pvc"}}],
    }


def test_request_resource_requests_and_limits() -> None:
    assert added(op_funcs.request_resource("ephemeral-storage", "1Gi", "2Gi")) == {
        "container": {
            "resources": {
                "limits": {"ephemeral-storage": "2Gi"},
                "requests": {"ephemeral-storage": "1Gi"},
            }
        }
    }


def test_request_resource_leaves_out_what_is_not_given() -> None:
    assert added(op_funcs.request_resource("cpu", None, "2")) == {
        "container": {"resources": {"limits": {"cpu": "2"}}}
    }
    assert added(op_funcs.request_resource("cpu", None, None)) == {}


@pytest.mark.parametrize(
    ("op_func", "requests"),
    [
        (op_funcs.request_memory("4Gi"), {"memory": "4Gi"}),
        (op_funcs.request_min_4G_memory(), {"memory": "4G"}),
        (op_funcs.request_cpu("500m"), {"cpu": "500m"}),
    ],
)
def test_single_resources_are_requested(op_func: OpFunc, requests: dict[str, str]) -> None:
    assert added(op_func) == {"container": {"resources": {"requests": requests}}}


def test_resources_add_up() -> None:
    resources = added(op_funcs.request_cpu("1", "2"), op_funcs.request_memory("3Gi", "4Gi"))

    assert resources["container"]["resources"] == {
        "limits": {"cpu": "2", "memory": "4Gi"},
        "requests": {"cpu": "1", "memory": "3Gi"},
    }


def test_request_gpu_limits_the_extended_resource() -> None:
    assert added(op_funcs.request_gpu(2)) == {
        "container": {"resources": {"limits": {"nvidia.com/gpu": "2"}}}
    }


def test_request_gpu_of_a_type_selects_its_nodes() -> None:
    op_func = op_funcs.request_gpu(
        1,
        resource="amd.com/gpu",
        gpu_type="mi300",
        gpu_type_label="amd.com/gpu.product-name",
    )

    assert added(op_func) == {
        "container": {"resources": {"limits": {"amd.com/gpu": "1"}}},
        "nodeSelector": {"amd.com/gpu.product-name": "mi300"},
    }


def test_retry_with_backoff() -> None:
    op_func = op_funcs.retry(3, policy="OnError", backoff_seconds=30, backoff_factor=2)

    assert added(op_func) == {
        "retryStrategy": {
            "backoff": {"duration": "30s", "factor": 2},
            "limit": 3,
            "retryPolicy": "OnError",
        }
    }


def test_retry_without_backoff() -> None:
    assert added(op_funcs.retry(1)) == {"retryStrategy": {"limit": 1, "retryPolicy": "Always"}}


def test_timeout_is_a_deadline_in_seconds() -> None:
    assert added(op_funcs.timeout(60)) == {"activeDeadlineSeconds": 60}


def test_node_selector_selects_by_every_label() -> None:
    assert added(op_funcs.node_selector({"a": "b", "example.com/pool": "c"})) == {
        "nodeSelector": {"a": "b", "example.com/pool": "c"}
    }


def test_tolerations_add_up() -> None:
    tolerations = added(
        op_funcs.toleration(key="a", value="b", effect="NoSchedule"),
        op_funcs.toleration(operator="Exists"),
    )["tolerations"]

    assert tolerations == [
        {"effect": "NoSchedule", "key": "a", "operator": "Equal", "value": "b"},
        {"operator": "Exists"},
    ]


def test_secret_variable_refers_to_the_secret() -> None:
    assert added(op_funcs.secret_variable("db", "password", "DB_PASSWORD")) == {
        "container": {
            "env": [
                {
                    "name": "DB_PASSWORD",
                    "valueFrom": {"secretKeyRef": {"key": "password", "name": "db"}},
                }
            ]
        }
    }


def test_secret_files_mounts_read_only_and_names_the_file() -> None:
    op_func = op_funcs.secret_files("keys", "/secret/keys", variable="KEY_FILE", key="a.json")

    assert added(op_func) == {
        "container": {
            "env": [{"name": "KEY_FILE", "value": "/secret/keys/a.json"}],
            "volumeMounts": [
                {"mountPath": "/secret/keys", "name": "secret-keys", "readOnly": True}
            ],
        },
        "volumes": [{"name": "secret-keys", "secret": {"secretName": "keys"}}],
    }


def test_a_secret_at_two_paths_is_one_volume() -> None:
    result = added(op_funcs.secret_files("keys", "/a"), op_funcs.secret_files("keys", "/b"))

    assert [volume["name"] for volume in result["volumes"]] == ["secret-keys"]
    assert [mount["mountPath"] for mount in result["container"]["volumeMounts"]] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("first", "second"), [("a.b", "a-b"), ("a.b-c", "a-b.c"), ("a" * 80 + "1", "a" * 80 + "2")]
)
def test_secrets_with_similar_names_are_two_volumes_with_valid_names(
    first: str, second: str
) -> None:
    result = added(op_funcs.secret_files(first, "/a"), op_funcs.secret_files(second, "/b"))

    names = [volume["name"] for volume in result["volumes"]]
    assert len(set(names)) == 2
    assert all(len(name) <= 63 and "." not in name for name in names)
    assert {mount["name"] for mount in result["container"]["volumeMounts"]} == set(names)


def test_use_aws_secret_does_what_kfp_does() -> None:
    ours = added(op_funcs.use_aws_secret("keys", "id", "secret", region="eu-west-1"))

    assert ours == added(aws.use_aws_secret("keys", "id", "secret", "eu-west-1"))
    assert [variable["name"] for variable in ours["container"]["env"]] == [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
    ]


def test_use_aws_secret_has_kfps_defaults() -> None:
    assert added(op_funcs.use_aws_secret()) == added(aws.use_aws_secret())


@pytest.mark.parametrize("secret", ["user-gcp-sa", "admin-gcp-sa"])
def test_use_gcp_secret_sets_and_mounts_what_kfp_does(secret: str) -> None:
    ours, kfps = added(op_funcs.use_gcp_secret(secret)), added(gcp.use_gcp_secret(secret))

    assert ours["container"]["env"] == kfps["container"]["env"]
    assert ours["container"]["env"][0]["value"] == f"/secret/gcp-credentials/{secret}.json"
    assert [mount["mountPath"] for mount in ours["container"]["volumeMounts"]] == [
        mount["mountPath"] for mount in kfps["container"]["volumeMounts"]
    ]
    assert [volume["secret"] for volume in ours["volumes"]] == [
        volume["secret"] for volume in kfps["volumes"]
    ]


def test_use_gcp_secret_takes_the_key_by_another_name() -> None:
    variables = added(op_funcs.use_gcp_secret("sa", "key.json"))["container"]["env"]

    assert {variable["value"] for variable in variables} == {"/secret/gcp-credentials/key.json"}


def of_tfx(op: dsl.ContainerOp) -> None:
    """Gives a step what KubeflowDagRunner gives it."""
    op.command = ["python", "-m", "tfx.entry_point"]
    op.arguments = ["--node_id", "Trainer"]
    op.output_artifact_paths = {"mlpipeline-ui-metadata": "/tmp/ui.json"}


def test_entry_point_runs_the_steps_arguments_after_its_own() -> None:
    container = template(of_tfx, op_funcs.entry_point(["--mount_path", "/m"], {}, None))[
        "container"
    ]

    assert container["command"] == ["python", "-m", op_funcs.ENTRY_POINT_MODULE]
    own = ["--mount_path", "/m", "--image", container["image"]]
    assert container["args"] == [*own, "--", "--node_id", "Trainer"]


def test_entry_point_without_metrics_leaves_the_steps_artifacts_as_they_are() -> None:
    step = template(of_tfx, op_funcs.entry_point([], {}, None))

    assert step["outputs"] == template(of_tfx)["outputs"]


def test_entry_point_with_metrics_leaves_them_for_kubeflow() -> None:
    step = template(of_tfx, op_funcs.entry_point([], {}, "/tmp/metrics.json"))

    assert step["container"]["args"][2:5] == ["--metrics_path", "/tmp/metrics.json", "--"]
    paths = {artifact["name"]: artifact["path"] for artifact in step["outputs"]["artifacts"]}
    assert paths == {
        "mlpipeline-ui-metadata": "/tmp/ui.json",
        "mlpipeline-metrics": "/tmp/metrics.json",
    }


def test_entry_point_reads_what_it_expects_from_the_pods_labels() -> None:
    step = template(of_tfx, op_funcs.entry_point([], {"EXPECTED": ("team/version", "1.2")}, None))

    assert step["metadata"]["labels"]["team/version"] == "1.2"
    assert step["container"]["env"] == [
        {
            "name": "EXPECTED",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team/version']"}},
        }
    ]


def test_security_context_is_unprivileged() -> None:
    assert added(op_funcs.security_context(1000, 2000)) == {
        "container": {
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsGroup": 2000,
                "runAsNonRoot": True,
                "runAsUser": 1000,
            }
        }
    }


def test_environment_sets_variables() -> None:
    assert added(op_funcs.environment({"A": "1", "B": "2"})) == {
        "container": {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    }


def test_image_pull_policy() -> None:
    assert added(op_funcs.image_pull_policy("Never")) == {"container": {"imagePullPolicy": "Never"}}


def test_pod_metadata_is_added_to_what_is_there() -> None:
    def labelled(op: dsl.ContainerOp) -> None:
        op.add_pod_label("add-pod-env", "true")
        op.add_pod_annotation("note", "TFX's")

    metadata = template(labelled, op_funcs.pod_metadata({"team": "a"}, {"example.com/b": "c d"}))[
        "metadata"
    ]

    assert metadata["labels"].items() >= {"add-pod-env": "true", "team": "a"}.items()
    assert metadata["annotations"].items() >= {"note": "TFX's", "example.com/b": "c d"}.items()


def test_only_for_changes_the_named_component_alone() -> None:
    op_func = op_funcs.only_for("Trainer", op_funcs.timeout(5), op_funcs.request_cpu("1"))

    assert added(op_func, name="Trainer") == {
        "activeDeadlineSeconds": 5,
        "container": {"resources": {"requests": {"cpu": "1"}}},
    }
    assert added(op_func, name="Transform") == {}


def test_only_for_knows_the_component_when_kfp_has_renamed_its_step() -> None:
    # KFP makes names fit for Kubernetes when the step joins a pipeline.
    with dsl.Pipeline("pipeline") as pipeline:
        op = dsl.ContainerOp(name="CsvExampleGen", image="image:1")
        op.name = "csvexamplegen"

        op.apply(op_funcs.only_for("CsvExampleGen", op_funcs.timeout(5)))

    assert pipeline.ops
    assert op.timeout == 5
