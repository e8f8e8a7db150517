"""The Flink session cluster of manifests/flink, and the settings that point the pipeline at it."""

import importlib.metadata
import pathlib
import re
import shutil

import kubernetes_validate
import pytest

from pipelines.settings import SecuritySettings, Settings, load_settings
from pipelines.settings.quantities import parse_quantity
from tests.manifests.rendering import (
    KUBERNETES_VERSIONS,
    MANIFESTS,
    Object,
    kubectl_minor,
    needs_kubectl,
    older_kustomize,
    render,
)

pytestmark = needs_kubectl

GUIDE = (MANIFESTS.parent / "docs/beam.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    copy = tmp_path_factory.mktemp("manifests") / "manifests"
    shutil.copytree(MANIFESTS, copy)
    if kubectl_minor() < 21:
        older_kustomize(copy)
    return render(copy / "flink")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings that the guide shows."""
    (text,) = re.findall(r"```yaml\n(beam:\n  runner: FlinkRunner\n.*?)```", GUIDE, re.DOTALL)
    path: pathlib.Path = tmp_path_factory.mktemp("settings") / "flink.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


@pytest.fixture(scope="module")
def with_buckets(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """What the guide's patch for roots in a bucket makes of the cluster."""
    (text,) = (
        block
        for block in re.findall(r"```yaml\n(resources:.*?)```", GUIDE, re.DOTALL)
        if "patches:" in block
    )
    copy = tmp_path_factory.mktemp("buckets") / "manifests"
    shutil.copytree(MANIFESTS, copy)
    (copy / "my-flink").mkdir()
    (copy / "my-flink" / "kustomization.yaml").write_text(text, encoding="utf-8")
    if kubectl_minor() < 21:
        older_kustomize(copy)
    return render(copy / "my-flink")


def named(objects: list[Object], kind: str, name: str) -> Object:
    [found] = [
        item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name
    ]
    return found


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pods' specifications by the name of their Deployment."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in objects
        if item["kind"] == "Deployment"
    }


def container(objects: list[Object], deployment: str, name: str) -> Object:
    [found] = [each for each in pods(objects)[deployment]["containers"] if each["name"] == name]
    return found


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_object_fits_the_schema_of_kubernetes(objects: list[Object], version: str) -> None:
    assert len(objects) == 7
    for item in objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_the_pipeline_finds_the_job_server(objects: list[Object], settings: Settings) -> None:
    service = named(objects, "Service", "flink-job-server")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}

    beam = settings.beam
    assert beam.runner == "FlinkRunner"
    assert beam.job_endpoint == f"{service['metadata']['name']}:{ports['jobs']}"
    assert beam.artifact_endpoint == f"{service['metadata']['name']}:{ports['artifacts']}"
    arguments = container(objects, "flink-job-server", "job-server")["args"]
    assert f"--job-port={ports['jobs']}" in arguments
    assert f"--artifact-port={ports['artifacts']}" in arguments


def test_a_task_manager_finds_the_worker_pool_in_its_own_pod(
    objects: list[Object], settings: Settings
) -> None:
    pool = container(objects, "flink-task-manager", "beam-worker-pool")
    port = pool["ports"][0]["containerPort"]

    assert settings.beam.environment_type == "EXTERNAL"
    assert settings.beam.environment_config == f"localhost:{port}"
    assert f"--service_port={port}" in pool["args"]


def test_the_worker_pool_is_the_pipelines_image_user_and_volume(objects: list[Object]) -> None:
    settings = Settings()
    assert settings.volume is not None
    pool = container(objects, "flink-task-manager", "beam-worker-pool")

    assert pool["image"] == settings.image
    assert pool["securityContext"]["runAsUser"] == SecuritySettings().user
    assert pool["securityContext"]["runAsGroup"] == SecuritySettings().group
    volume = {"name": settings.volume.name, "mountPath": settings.volume.mount_path}
    assert pool["volumeMounts"] == [volume]
    for name in ("flink-task-manager", "flink-job-server"):
        assert pods(objects)[name]["volumes"] == [
            {
                "name": settings.volume.name,
                "persistentVolumeClaim": {"claimName": settings.volume.claim},
            }
        ]


def test_the_task_managers_read_what_the_job_server_was_given(objects: list[Object]) -> None:
    server = container(objects, "flink-job-server", "job-server")
    [folder] = [
        argument.removeprefix("--artifacts-dir=")
        for argument in server["args"]
        if argument.startswith("--artifacts-dir=")
    ]

    task_manager = container(objects, "flink-task-manager", "task-manager")
    for each in (server, task_manager):
        [mount] = each["volumeMounts"]
        assert folder.startswith(f"{mount['mountPath']}/")


def test_job_server_flink_and_beam_are_of_one_version(objects: list[Object]) -> None:
    beam = importlib.metadata.version("apache-beam")
    image = container(objects, "flink-job-server", "job-server")["image"]
    found = re.fullmatch(r"apache/beam_flink(\d+\.\d+)_job_server:(.+)", image)

    assert found is not None
    assert found[2] == beam
    flink = {
        container(objects, f"flink-{name}", name)["image"]
        for name in ("job-manager", "task-manager")
    }
    assert len(flink) == 1
    assert flink.pop().startswith(f"flink:{found[1]}.")


def test_every_service_reaches_its_pods_by_ports_that_they_have(objects: list[Object]) -> None:
    for service in (item for item in objects if item["kind"] == "Service"):
        deployment = named(objects, "Deployment", service["metadata"]["name"])
        template = deployment["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ports = {
            port["containerPort"]
            for each in template["spec"]["containers"]
            for port in each["ports"]
        }
        assert {port["port"] for port in service["spec"]["ports"]} <= ports


def test_only_the_cluster_itself_and_tfx_steps_may_call_it(objects: list[Object]) -> None:
    # Flink and the job server run whatever they are sent.
    inside = named(objects, "NetworkPolicy", "flink")["spec"]
    outside = named(objects, "NetworkPolicy", "flink-job-server")["spec"]

    for item in objects:
        if item["kind"] == "Deployment":
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert inside["podSelector"]["matchLabels"].items() <= labels.items()
    [rule] = inside["ingress"]
    assert rule == {"from": [{"podSelector": inside["podSelector"]}]}
    [rule] = outside["ingress"]
    assert rule["from"] == [
        {"podSelector": {"matchLabels": {"pipelines.kubeflow.org/pipeline-sdk-type": "tfx"}}}
    ]
    assert {port["port"] for port in rule["ports"]} == {8098, 8099}


def test_the_pods_have_no_rights_and_limits(objects: list[Object]) -> None:
    for spec in pods(objects).values():
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in spec["containers"]:
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {**spec["securityContext"], **each["securityContext"]}["runAsUser"] != 0
            assert re.search(r":[^:/]*\d", each["image"])
            for name in ("cpu", "memory"):
                limit = parse_quantity(name, each["resources"]["limits"][name])
                assert 0 < parse_quantity(name, each["resources"]["requests"][name]) <= limit


def test_what_has_a_namespace_is_in_that_of_kubeflow(objects: list[Object]) -> None:
    assert {item["metadata"]["namespace"] for item in objects} == {"kubeflow"}


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_guides_patch_for_buckets_fits_the_schema_of_kubernetes(
    with_buckets: list[Object], version: str
) -> None:
    for item in with_buckets:
        kubernetes_validate.validate(item, version, strict=True)


def test_the_guides_patch_gives_the_workers_what_reaches_the_buckets(
    objects: list[Object], with_buckets: list[Object]
) -> None:
    pool = container(with_buckets, "flink-task-manager", "beam-worker-pool")

    assert pool["envFrom"] == [{"secretRef": {"name": "minio"}}]
    assert {item["name"] for item in pool["env"]} == {"AWS_ENDPOINT_URL_S3", "AWS_REGION"}
    assert pool["image"].startswith("registry.example.com/complaint-pipeline:")
    assert pods(with_buckets)["flink-task-manager"]["serviceAccountName"] == "pipeline-runner"
    # The rest is as it was.
    before = container(objects, "flink-task-manager", "beam-worker-pool")
    assert {**before, "image": pool["image"]} == {
        name: value for name, value in pool.items() if name not in ("env", "envFrom")
    }
    assert container(with_buckets, "flink-task-manager", "task-manager") == container(
        objects, "flink-task-manager", "task-manager"
    )
