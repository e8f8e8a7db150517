"""What the tests of the checks share: a cluster that is ready, and a look at it."""

import copy
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from orchestration.cluster.doctor import Subject, examine
from orchestration.cluster.doctor.check import Check
from orchestration.cluster.doctor.cluster_view import ClusterView
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import read_needs
from orchestration.cluster.kubectl import Kubectl
from tests.kubernetes_server import KubernetesServer, running_kubernetes, write_kubeconfig

COMMITTED = (
    pathlib.Path(__file__).resolve().parents[4]
    / "argo_pipeline_files"
    / "consumer_complaint_pipeline_kubeflow.yaml"
)
DEPLOYMENTS = {
    "ml-pipeline": "ghcr.io/kubeflow/kfp-api-server:2.17.2",
    "ml-pipeline-persistenceagent": "ghcr.io/kubeflow/kfp-persistence-agent:2.17.2",
    "ml-pipeline-scheduledworkflow": "ghcr.io/kubeflow/kfp-scheduled-workflow-controller:2.17.2",
    "metadata-grpc-deployment": "gcr.io/tfx-oss-public/ml_metadata_store_server:1.14.0",
    "workflow-controller": "quay.io/argoproj/workflow-controller:v3.6.7",
}

Look = Callable[..., list[Check]]


@pytest.fixture(scope="session")
def kubectl_version() -> str:
    """The version of kubectl; where there is none, the tests that need it are skipped."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on PATH: apt-get install kubernetes-client")
    done = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"], capture_output=True, check=True
    )
    version = json.loads(done.stdout)["clientVersion"]
    return f"v{version['major']}.{version['minor'].rstrip('+')}.0"


@pytest.fixture
def kubernetes(
    kubectl_version: str,
    tmp_path: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[KubernetesServer]:
    """A cluster without objects, which kubectl takes for the current one."""
    cache = str(tmp_path_factory.mktemp("kubectl"))
    with running_kubernetes() as server:
        server.version = kubectl_version
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
        monkeypatch.setenv("KUBECACHEDIR", cache)
        monkeypatch.setenv("HOME", cache)  # where an older kubectl keeps it
        yield server


@pytest.fixture
def ready(kubernetes: KubernetesServer) -> KubernetesServer:
    """A cluster that is ready for the committed workflow, its image loaded into its node."""
    kubernetes.add("namespaces", "kubeflow", status={"phase": "Active"})
    add_node(kubernetes, "node-a", images=["docker.io/library/complaint-pipeline:0.1.0"])
    for name, image in DEPLOYMENTS.items():
        kubernetes.add(
            "deployments",
            name,
            spec={
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": image}]},
                }
            },
            status={"conditions": [{"type": "Available", "status": "True"}]},
        )
    kubernetes.proxied["kubeflow/ml-pipeline:8888/apis/v1beta1/healthz"] = {
        "commit_sha": "abc",
        "tag_name": "2.17.2",
        "multi_user": False,
    }
    kubernetes.add(
        "configmaps",
        "metadata-grpc-configmap",
        data={
            "METADATA_GRPC_SERVICE_HOST": "metadata-grpc-service",
            "METADATA_GRPC_SERVICE_PORT": "8080",
        },
    )
    kubernetes.add(
        "services",
        "metadata-grpc-service",
        spec={"ports": [{"port": 8080}], "selector": {"app": "metadata-grpc-deployment"}},
    )
    kubernetes.add(
        "endpointslices",
        "metadata-grpc-service-x1",
        metadata={"labels": {"kubernetes.io/service-name": "metadata-grpc-service"}},
        endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    )
    kubernetes.add(
        "persistentvolumeclaims",
        "tfx-pvc",
        spec={"accessModes": ["ReadWriteMany"], "volumeName": "pv-1"},
        status={"phase": "Bound", "accessModes": ["ReadWriteMany"]},
    )
    kubernetes.add("serviceaccounts", "pipeline-runner")
    return kubernetes


def add_node(
    kubernetes: KubernetesServer,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    taints: tuple[dict[str, str], ...] = (),
    images: list[str] | None = None,
    is_ready: bool = True,
    is_cordoned: bool = False,
    **allocatable: str,
) -> dict[str, Any]:
    """Adds a node with 4 cores and 16 GiB, unless said otherwise."""
    return kubernetes.add(
        "nodes",
        name,
        metadata={"labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        spec={"taints": list(taints), **({"unschedulable": True} if is_cordoned else {})},
        status={
            "conditions": [{"type": "Ready", "status": "True" if is_ready else "Unknown"}],
            "allocatable": {
                "cpu": "4",
                "memory": "16Gi",
                **{key.replace("_", "-"): value for key, value in allocatable.items()},
            },
            "images": [{"names": images or []}],
        },
    )


@pytest.fixture(scope="session")
def committed_once() -> dict[str, Any]:
    return yaml.load(COMMITTED.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@pytest.fixture
def committed(committed_once: dict[str, Any]) -> dict[str, Any]:
    """The committed workflow's manifest, for changes."""
    return copy.deepcopy(committed_once)


@pytest.fixture
def look(kubernetes: KubernetesServer, committed: dict[str, Any]) -> Look:
    """Makes one check, by default for the committed workflow."""

    def run(
        check: Callable[[Examination], Iterator[Check]],
        manifest: dict[str, Any] | None = None,
        *,
        namespace: str = "kubeflow",
        timeout_seconds: float = 10.0,
        **more: Any,
    ) -> list[Check]:
        kubectl = Kubectl(namespace=namespace, timeout_seconds=timeout_seconds)
        examination = Examination(
            cluster=ClusterView(kubectl),
            needs=read_needs(committed if manifest is None else manifest),
            **more,
        )
        (checks,) = examine(examination, [Subject("subject", (), check)])
        return checks

    return run
