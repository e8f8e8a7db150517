"""From settings to the pods of all components, on real ContainerOps."""

from typing import Any

import pytest
from kfp import dsl
from kfp.compiler._op_to_template import _op_to_template

from components import entrypoint
from pipelines.kubeflow_pipelines.pods import pod_op_funcs
from pipelines.settings import COMPONENT_IDS, SAME_POD_AS, Settings, load_settings
from pipelines.settings.checks import require_label_value

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

TFX_COMMAND = ("python", "-m", "tfx.orchestration.kubeflow.container_entrypoint")
TFX_ARGUMENTS = ("--node_id", "N", "--pipeline_root", "{{inputs.parameters.pipeline-root}}")
METADATA_LABELS = {"add-pod-env": "true", "pipelines.kubeflow.org/pipeline-sdk-type": "tfx"}


def pods(*overrides: str, node_ids: tuple[str, ...] = COMPONENT_IDS) -> dict[str, dict[str, Any]]:
    """Returns each component's Argo template by node id."""
    settings = load_settings(overrides=overrides)
    return {node_id: _template(settings, node_id) for node_id in node_ids}


def _template(settings: Settings, node_id: str) -> dict[str, Any]:
    op = dsl.ContainerOp(
        name=node_id, image="image:1", command=list(TFX_COMMAND), arguments=list(TFX_ARGUMENTS)
    )
    for name, value in METADATA_LABELS.items():
        op.add_pod_label(name, value)
    for func in pod_op_funcs(settings):
        op.apply(func)
    return _op_to_template(op)


def variables(pod: dict[str, Any]) -> dict[str, Any]:
    env = pod["container"].get("env", [])
    names = [entry["name"] for entry in env]
    assert len(set(names)) == len(names)
    return {entry["name"]: entry.get("value") or entry["valueFrom"] for entry in env}


def secret_ref(name: str, key: str) -> dict[str, dict[str, str]]:
    return {"secretKeyRef": {"key": key, "name": name}}


def test_every_pod_mounts_the_volume() -> None:
    for pod in pods("volume.claim=c", "volume.name=v", "volume.mount_path=/m").values():
        assert pod["volumes"] == [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        assert pod["container"]["volumeMounts"] == [{"mountPath": "/m", "name": "v"}]


def test_without_a_volume_nothing_is_mounted() -> None:
    for pod in pods("volume=null", "input_root=gs://input", "output_root=gs://output").values():
        assert "volumes" not in pod
        assert "volumeMounts" not in pod["container"]


def test_every_pod_is_unprivileged() -> None:
    for pod in pods("security.user=1234", "security.group=5678").values():
        context = pod["container"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert (context["runAsUser"], context["runAsGroup"]) == (1234, 5678)


def test_pods_run_as_the_image_says_when_root_is_allowed() -> None:
    for pod in pods("security.run_as_non_root=false").values():
        assert "securityContext" not in pod["container"]


def test_every_pod_has_requests_a_memory_limit_retries_and_a_timeout_by_default() -> None:
    for node_id, pod in pods().items():
        resources = pod["container"]["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}, node_id
        assert resources["limits"].keys() == {"memory"}, node_id
        assert pod["retryStrategy"]["limit"] >= 1, node_id
        assert pod["retryStrategy"]["backoff"].keys() == {"duration", "factor"}, node_id
        assert pod["activeDeadlineSeconds"] > 0, node_id


def test_one_component_differs_from_the_default() -> None:
    templates = pods(
        "default.ephemeral_storage=1Gi",
        "default.ephemeral_storage_limit=2Gi",
        "trainer.ephemeral_storage=3Gi",
        "trainer.ephemeral_storage_limit=4Gi",
    )

    for node_id, pod in templates.items():
        resources = pod["container"]["resources"]
        found = [resources[kind]["ephemeral-storage"] for kind in ("requests", "limits")]
        assert found == (["3Gi", "4Gi"] if node_id == "Trainer" else ["1Gi", "2Gi"]), node_id


def test_gpus_of_the_default_section_are_in_the_trainers_pod_alone() -> None:
    templates = pods("default.gpus=1", "default.gpu_type=nvidia-l4")

    limits = {
        node_id: pod["container"]["resources"]["limits"] for node_id, pod in templates.items()
    }
    assert [node_id for node_id, limit in limits.items() if "nvidia.com/gpu" in limit] == [
        "Trainer"
    ]
    assert [node_id for node_id, pod in templates.items() if "nodeSelector" in pod] == ["Trainer"]
    assert templates["Trainer"]["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}


def test_a_gpu_count_of_0_asks_for_none() -> None:
    limits = pods("trainer.gpus=0")["Trainer"]["container"]["resources"]["limits"]

    assert "nvidia.com/gpu" not in limits


def test_placement_of_one_component() -> None:
    templates = pods(
        "trainer.node_selector={pool: big}",
        "trainer.tolerations=[{key: gpu, operator: Exists, effect: NoSchedule}]",
    )

    assert templates["Trainer"]["nodeSelector"] == {"pool": "big"}
    assert templates["Trainer"]["tolerations"] == [
        {"effect": "NoSchedule", "key": "gpu", "operator": "Exists"}
    ]
    assert "nodeSelector" not in templates["Evaluator"]
    assert "tolerations" not in templates["Evaluator"]


def test_zero_retries_is_no_retry_strategy() -> None:
    templates = pods("trainer.retries=0")

    assert "retryStrategy" not in templates["Trainer"]
    assert "retryStrategy" in templates["Evaluator"]


@pytest.mark.parametrize(
    ("section", "node_ids"),
    [
        ("schema_gen", ("SchemaGen", "ImportSchemaGen")),
        ("resolver", ("Resolver", "PreviousStatistics")),
        ("csv_example_gen", ("CsvExampleGen", "ServingExampleGen")),
        ("statistics_gen", ("StatisticsGen", "ServingStatisticsGen")),
    ],
)
def test_a_node_without_a_section_is_set_up_as_its_like(
    section: str, node_ids: tuple[str, ...]
) -> None:
    templates = pods(f"{section}.timeout_seconds=77", node_ids=node_ids)

    assert {pod["activeDeadlineSeconds"] for pod in templates.values()} == {77}


def test_labels_and_annotations_are_added_to_tfxs() -> None:
    for pod in pods("pod_labels={team: a}", "pod_annotations={example.com/b: c d}").values():
        assert pod["metadata"]["labels"].items() >= {**METADATA_LABELS, "team": "a"}.items()
        assert pod["metadata"]["annotations"]["example.com/b"] == "c d"


def test_the_pull_policy_is_the_clusters_unless_set() -> None:
    assert "imagePullPolicy" not in pods()["Trainer"]["container"]
    for pod in pods("image_pull_policy=Always").values():
        assert pod["container"]["imagePullPolicy"] == "Always"


def test_secrets_reach_every_pod_by_reference() -> None:
    templates = pods(
        "secret_variables=[{secret: db, key: password, variable: DB_PASSWORD}]",
        "secret_files=[{secret: keys, mount_path: /keys, variable: KEY_FILE, key: a.json}]",
        "aws_secret=aws",
        "gcp_secret=gcp",
        "azure_secret=azure",
    )

    for pod in templates.values():
        found = variables(pod)
        assert found["DB_PASSWORD"] == secret_ref("db", "password")
        assert found["KEY_FILE"] == "/keys/a.json"
        assert found["AWS_SECRET_ACCESS_KEY"] == secret_ref("aws", "AWS_SECRET_ACCESS_KEY")
        assert found["AZURE_STORAGE_CONNECTION_STRING"] == secret_ref(
            "azure", "AZURE_STORAGE_CONNECTION_STRING"
        )
        assert found["GOOGLE_APPLICATION_CREDENTIALS"] == "/secret/gcp-credentials/gcp.json"
        secrets = [
            volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume
        ]
        assert secrets == ["gcp", "keys"]


def test_s3_elsewhere_is_told_by_awss_own_variables() -> None:
    templates = pods(
        "storage.s3_endpoint=http://minio.kubeflow:9000",
        "storage.s3_region=eu-west-1",
        "storage.s3_ca_file=/secret/ca/ca.crt",
    )

    for pod in templates.values():
        assert (
            variables(pod).items()
            >= {
                "AWS_ENDPOINT_URL_S3": "http://minio.kubeflow:9000",
                "AWS_REGION": "eu-west-1",
                "AWS_CA_BUNDLE": "/secret/ca/ca.crt",
            }.items()
        )


def test_without_storage_settings_no_pod_has_variables_of_a_cloud() -> None:
    for pod in pods("input_root=s3://input", "output_root=s3://output").values():
        assert not [name for name in variables(pod) if name.startswith(("AWS", "S3", "AZURE"))]


def test_azures_workload_identity_is_a_label_of_every_pod() -> None:
    for pod in pods("pod_labels={azure.workload.identity/use: 'true'}").values():
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_mysqls_user_and_password_come_from_the_secret() -> None:
    templates = pods(
        "metadata={kind: mysql, host: db, port: 3306, secret: s, user_key: u, password_key: p}"
    )

    for pod in templates.values():
        found = variables(pod)
        assert found["METADATA_MYSQL_USER"] == secret_ref("s", "u")
        assert found["METADATA_MYSQL_PASSWORD"] == secret_ref("s", "p")


def test_only_the_steps_with_user_code_look_for_it_beside_the_module_file() -> None:
    templates = pods("module_file=/tfx-data/release-7/components/module.py")

    paths = {
        node_id: pod["container"]["args"][pod["container"]["args"].index("--python_path") + 1]
        for node_id, pod in templates.items()
        if "--python_path" in pod["container"]["args"]
    }
    assert paths == dict.fromkeys(("Transform", "Trainer"), "/tfx-data/release-7")
    assert not any("PYTHONPATH" in variables(pod) for pod in templates.values())


def test_with_the_plain_entry_point_they_look_for_it_by_a_variable() -> None:
    templates = pods(
        "module_file=/tfx-data/release-7/components/module.py", "plain_entrypoint=true"
    )

    paths = {node_id: variables(pod).get("PYTHONPATH") for node_id, pod in templates.items()}
    assert {node_id for node_id, path in paths.items() if path} == {"Transform", "Trainer"}
    assert paths["Trainer"] == "/tfx-data/release-7"


@pytest.mark.parametrize("module", ["null", "gs://bucket/components/module.py"])
def test_code_in_the_image_or_a_bucket_needs_no_python_path(module: str) -> None:
    for pod in pods(f"module_file={module}").values():
        assert "PYTHONPATH" not in variables(pod)
        assert "--python_path" not in pod["container"]["args"]


# The entry point


def labels_read(pod: dict[str, Any]) -> dict[str, str]:
    """Returns what the variables hold in the pod that read its labels."""
    labels = pod["metadata"]["labels"]
    fields = {
        name: value["fieldRef"]["fieldPath"]
        for name, value in variables(pod).items()
        if name.startswith("EXPECTED_")
    }
    return {
        name: labels[field.removeprefix("metadata.labels['").removesuffix("']")]
        for name, field in fields.items()
    }


def test_every_pod_runs_tfxs_arguments_through_the_entry_point() -> None:
    for pod in pods("volume.mount_path=/m").values():
        container = pod["container"]
        assert container["command"] == ["python", "-m", "components.entrypoint"]
        assert container["args"][:2] == ["--mount_path", "/m"]
        separator = container["args"].index("--")
        assert container["args"][separator + 1 :] == list(TFX_ARGUMENTS)


def test_without_a_volume_no_mount_is_checked() -> None:
    for pod in pods("volume=null", "input_root=gs://input", "output_root=gs://output").values():
        assert "--mount_path" not in pod["container"]["args"]


def test_the_labels_say_what_the_image_must_hold_and_this_one_does() -> None:
    for pod in pods(node_ids=(*COMPONENT_IDS, *SAME_POD_AS)).values():
        expected = labels_read(pod)

        assert expected.keys() == entrypoint.installed_versions().keys()
        entrypoint.check_versions(expected)
        for value in expected.values():
            require_label_value("label", value)


def test_the_code_beside_a_module_file_is_not_compared_with_the_images() -> None:
    for pod in pods("module_file=/tfx-data/components/module.py").values():
        assert labels_read(pod).keys() == {
            entrypoint.PACKAGE_VERSION_VARIABLE,
            entrypoint.TFX_VERSION_VARIABLE,
        }
        assert "complaint-pipeline/code-hash" not in pod["metadata"]["labels"]


def test_trainer_and_evaluator_alone_leave_metrics() -> None:
    templates = pods()

    leaving = {
        node_id: pod["outputs"]["artifacts"]
        for node_id, pod in templates.items()
        if "outputs" in pod
    }
    artifact = {"name": "mlpipeline-metrics", "path": "/tmp/mlpipeline-metrics.json"}
    assert leaving == {"Trainer": [artifact], "Evaluator": [artifact]}
    for node_id, pod in templates.items():
        assert ("--metrics_path" in pod["container"]["args"]) is (node_id in leaving)


def test_the_plain_entry_point_is_tfxs_own() -> None:
    for pod in pods("plain_entrypoint=true").values():
        assert pod["container"]["command"] == list(TFX_COMMAND)
        assert pod["container"]["args"] == list(TFX_ARGUMENTS)
        assert "outputs" not in pod
        assert variables(pod) == {}
        assert not [name for name in pod["metadata"]["labels"] if "complaint-pipeline" in name]
