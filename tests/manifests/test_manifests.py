"""Each overlay of manifests/ as `kubectl kustomize` renders it."""

import pathlib
import re
import shutil
from collections.abc import Iterator

import kubernetes_validate
import pytest

from pipelines.settings import SecuritySettings, VolumeSettings
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

README = (MANIFESTS / "README.md").read_text(encoding="utf-8")
OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
STATIC = ["local", "nfs"]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of manifests/ with the README's example as overlay `example`."""
    copy = tmp_path_factory.mktemp("manifests") / "manifests"
    shutil.copytree(MANIFESTS, copy)
    example = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert example
    (copy / "overlays" / "example").mkdir()
    (copy / "overlays" / "example" / "kustomization.yaml").write_text(example[1], encoding="utf-8")
    if kubectl_minor() < 21:
        older_kustomize(copy)
    return copy


@pytest.fixture(params=["base", *OVERLAYS])
def objects(request: pytest.FixtureRequest, manifests: pathlib.Path) -> list[Object]:
    name = request.param
    return render(manifests / name if name == "base" else manifests / "overlays" / name)


def the(kind: str, objects: list[Object]) -> Object:
    [found] = [item for item in objects if item["kind"] == kind]
    return found


def pod_spec(objects: list[Object]) -> Object:
    spec: Object = the("Deployment", objects)["spec"]["template"]["spec"]
    return spec


def containers(objects: list[Object]) -> Iterator[Object]:
    spec = pod_spec(objects)
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def test_the_readme_knows_every_overlay() -> None:
    named = re.findall(r"^\| `([a-z]+)` \|", README, re.MULTILINE)

    assert sorted(named) == OVERLAYS


@needs_kubectl
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_object_fits_the_schema_of_kubernetes(objects: list[Object], version: str) -> None:
    assert objects
    for item in objects:
        # Strict: a field that Kubernetes does not know is an error.
        kubernetes_validate.validate(item, version, strict=True)


@needs_kubectl
def test_a_misspelt_field_would_be_found(objects: list[Object]) -> None:
    spec = pod_spec(objects)
    spec["securityContext"]["runAsNonroot"] = True

    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonroot"):
        kubernetes_validate.validate(
            the("Deployment", objects), KUBERNETES_VERSIONS[0], strict=True
        )


@needs_kubectl
def test_the_claim_is_the_one_that_the_pipeline_mounts(objects: list[Object]) -> None:
    volume = VolumeSettings()
    claim = the("PersistentVolumeClaim", objects)

    assert claim["metadata"]["name"] == volume.claim
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    [mounted] = pod_spec(objects)["volumes"]
    assert mounted == {
        "name": volume.name,
        "persistentVolumeClaim": {"claimName": volume.claim},
    }
    [container] = containers(objects)
    assert container["volumeMounts"] == [{"name": volume.name, "mountPath": volume.mount_path}]


@needs_kubectl
def test_what_has_a_namespace_is_in_that_of_kubeflow(objects: list[Object]) -> None:
    namespaces = {item["kind"]: item["metadata"].get("namespace") for item in objects}

    assert namespaces.pop("PersistentVolumeClaim") == "kubeflow"
    assert namespaces.pop("Deployment") == "kubeflow"
    # kubectl before 1.21 puts one on objects of the whole cluster too; the API server ignores it.
    if kubectl_minor() >= 21:
        assert set(namespaces.values()) <= {None}
    assert set(namespaces) <= {"PersistentVolume", "StorageClass"}


@needs_kubectl
def test_the_data_access_pod_has_no_rights(objects: list[Object]) -> None:
    spec = pod_spec(objects)

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & spec.keys()
    for container in containers(objects):
        security = container["securityContext"]
        assert security["privileged"] is False
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not {"runAsUser", "runAsNonRoot"} & security.keys()
        assert not container["image"].endswith(":latest")
        assert ":" in container["image"]


@needs_kubectl
def test_the_data_access_pod_is_the_user_of_the_pipelines_pods(objects: list[Object]) -> None:
    security = SecuritySettings()
    context = pod_spec(objects)["securityContext"]

    assert context["runAsUser"] == security.user
    assert context["runAsGroup"] == context["fsGroup"] == security.group


@needs_kubectl
def test_every_container_has_requests_within_its_limits(objects: list[Object]) -> None:
    for container in containers(objects):
        resources = container["resources"]
        for name in ("cpu", "memory"):
            request = parse_quantity(name, resources["requests"][name])
            assert 0 < request <= parse_quantity(name, resources["limits"][name])


@needs_kubectl
def test_the_deployment_selects_its_own_pods_and_never_runs_two(objects: list[Object]) -> None:
    spec = the("Deployment", objects)["spec"]

    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()


@needs_kubectl
def test_every_object_has_the_recommended_labels(objects: list[Object]) -> None:
    for item in objects:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "complaint-pipeline"
        assert labels["app.kubernetes.io/name"] == item["metadata"]["name"]


@needs_kubectl
@pytest.mark.parametrize("overlay", STATIC)
def test_a_static_volume_binds_to_the_claim(manifests: pathlib.Path, overlay: str) -> None:
    objects = render(manifests / "overlays" / overlay)
    volume = the("PersistentVolume", objects)
    claim = the("PersistentVolumeClaim", objects)["spec"]

    assert claim["volumeName"] == volume["metadata"]["name"]
    assert claim["storageClassName"] == volume["spec"]["storageClassName"]
    assert claim["accessModes"] == volume["spec"]["accessModes"]
    assert claim["resources"]["requests"]["storage"] == volume["spec"]["capacity"]["storage"]
    # Deleting the claim must not delete models and data.
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


@needs_kubectl
@pytest.mark.parametrize(
    ("overlay", "provisioner"), [("eks", "efs.csi.aws.com"), ("aks", "file.csi.azure.com")]
)
def test_a_class_of_ours_is_the_claims(
    manifests: pathlib.Path, overlay: str, provisioner: str
) -> None:
    objects = render(manifests / "overlays" / overlay)
    storage_class = the("StorageClass", objects)

    assert storage_class["provisioner"] == provisioner
    assert storage_class["reclaimPolicy"] == "Retain"
    claim = the("PersistentVolumeClaim", objects)["spec"]
    assert claim["storageClassName"] == storage_class["metadata"]["name"]


@needs_kubectl
def test_the_readmes_example_changes_what_it_says(manifests: pathlib.Path) -> None:
    objects = render(manifests / "overlays" / "example")
    claim = the("PersistentVolumeClaim", objects)

    assert {item["metadata"]["namespace"] for item in objects} == {"team-a"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "50Gi"}},
        "storageClassName": "standard",
    }
