"""The metadata store: where the steps look for it, whether it answers, and its schema."""

import concurrent.futures
import contextlib
import json
import pathlib
import socket
import sqlite3
from collections.abc import Iterator
from typing import Any

import grpc
import ml_metadata
import pytest
import yaml
from ml_metadata.proto import metadata_store_service_pb2 as service

from orchestration.cluster.doctor import metadata
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_target import SqliteTarget
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import COMMITTED, Look
from tests.shell_workflow import container, workflow

GOLDEN = COMMITTED.parents[1] / "tests" / "golden"
SERVER_IMAGE = "gcr.io/tfx-oss-public/ml_metadata_store_server"

starts_a_server = pytest.mark.whole


class Tunnels:
    """Stands in for port-forwards: all lead to one address, or none comes about."""

    def __init__(self, host: str = "", port: int = 0, error: str = "") -> None:
        self.asked: list[tuple[str, str, int]] = []
        self._address = (host, port)
        self._error = error

    @contextlib.contextmanager
    def __call__(self, kubectl: Kubectl, name: str, port: int) -> Iterator[tuple[str, int]]:
        self.asked.append((kubectl.namespace, name, port))
        if self._error:
            raise ClusterError(self._error)
        yield self._address


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Tunnels]:
    """Ways to a real metadata server of the ml-metadata that is installed."""
    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        yield Tunnels(address.host, address.port)


@pytest.fixture
def old_server() -> Iterator[Tunnels]:
    """Ways to a server that knows only calls which ml-metadata had before schema 10."""
    answers = {
        "GetArtifactTypesByID": grpc.unary_unary_rpc_method_handler(
            lambda *_: service.GetArtifactTypesByIDResponse().SerializeToString()
        )
    }
    handler = grpc.method_handlers_generic_handler("ml_metadata.MetadataStoreService", answers)
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        running = grpc.server(workers)
        running.add_generic_rpc_handlers((handler,))
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        try:
            yield Tunnels("127.0.0.1", port)
        finally:
            running.stop(0).wait()


@pytest.fixture
def closed() -> Tunnels:
    """Ways that do not come about."""
    return Tunnels(error="kubectl port-forward: error: no pods")


def set_image(ready: KubernetesServer, image: str) -> None:
    pod = ready.get("deployments", "metadata-grpc-deployment")["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = image


def set_address(ready: KubernetesServer, host: str, port: str = "8080") -> None:
    ready.get("configmaps", "metadata-grpc-configmap")["data"] = {
        "METADATA_GRPC_SERVICE_HOST": host,
        "METADATA_GRPC_SERVICE_PORT": port,
    }


@starts_a_server
def test_a_server_that_answers_is_ok_with_its_schema(
    ready: KubernetesServer, look: Look, server: Tunnels
) -> None:
    found = look(metadata.metadata, open_tunnel=server)

    assert [str(check) for check in found] == [
        "ok       metadata service: Service metadata-grpc-service.kubeflow:8080 has a ready pod",
        "ok       metadata server: it answers through a port-forward",
        "ok       metadata schema: ml-metadata 1.14.0 by its image, schema 10; ml-metadata "
        f"{ml_metadata.__version__}, schema 10, in the steps",
    ]
    assert server.asked == [("kubeflow", "metadata-grpc-service", 8080)]


def test_steps_with_other_variables_of_their_own_are_looked_at_once(
    ready: KubernetesServer, look: Look, committed: dict[str, Any], closed: Tunnels
) -> None:
    for template in committed["spec"]["templates"]:
        if template["name"] == "trainer":
            template["container"]["env"].append({"name": "TF_CPP_MIN_LOG_LEVEL", "value": "2"})

    look(metadata.metadata, committed, open_tunnel=closed)

    assert closed.asked == [("kubeflow", "metadata-grpc-service", 8080)]


@starts_a_server
@pytest.mark.parametrize(
    ("image", "said"),
    [
        (f"{SERVER_IMAGE}:1.99.0", "ml-metadata 1.99.0, which is not known here"),
        (f"{SERVER_IMAGE}@sha256:00", "of unknown release"),
        (f"{SERVER_IMAGE}:1.7.0", "ml-metadata 1.7.0 by its image, schema 8"),
    ],
)
def test_a_release_that_is_not_known_or_other_is_a_warning(
    ready: KubernetesServer, look: Look, server: Tunnels, image: str, said: str
) -> None:
    set_image(ready, image)

    *_, schema = look(metadata.metadata, open_tunnel=server)

    assert schema.level == "warning"
    assert said in schema.message


def test_a_server_without_a_call_of_schema_10_is_a_warning_whatever_its_image(
    ready: KubernetesServer, look: Look, old_server: Tunnels
) -> None:
    _, answers, schema = look(metadata.metadata, open_tunnel=old_server)

    assert (answers.level, schema.level) == ("ok", "warning")
    assert "is older than ml-metadata 1.11 and schema 10" in schema.message


@starts_a_server
def test_a_server_whose_deployment_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look, server: Tunnels
) -> None:
    ready.forbidden.add("list deployments")

    *_, schema = look(metadata.metadata, open_tunnel=server)

    assert schema.level == "warning"
    assert "of unknown release" in schema.message


@pytest.mark.parametrize(
    ("release", "schema"),
    [
        ((0, 21), None),
        ((0, 22), 5),
        ((1, 0), 6),
        ((1, 5), 7),
        ((1, 7), 8),
        ((1, 14), 10),
        ((1, 17), 10),
        ((1, 18), None),
    ],
)
def test_the_schema_of_a_release(release: tuple[int, int], schema: int | None) -> None:
    assert metadata.schema_of(release) == schema


@starts_a_server
def test_the_schema_of_the_installed_release_is_that_of_its_database(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "metadata.db"
    with MetadataServer(SqliteTarget(path)):
        pass
    with contextlib.closing(sqlite3.connect(path)) as database:
        ((schema,),) = database.execute("SELECT schema_version FROM MLMDEnv").fetchall()

    assert metadata._ours() == (ml_metadata.__version__, schema)


def test_a_missing_config_map_is_a_failure(
    ready: KubernetesServer, look: Look, closed: Tunnels
) -> None:
    ready.remove("configmaps", "metadata-grpc-configmap")

    (check,) = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "failure"
    assert "the ConfigMap metadata-grpc-configmap of namespace kubeflow does not say" in (
        check.message
    )


def test_a_config_map_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look, closed: Tunnels
) -> None:
    ready.forbidden.add("get configmaps")

    (check,) = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "warning"
    assert "you may not get configmaps in namespace kubeflow" in check.message


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("none", "8080", "there is no Service none in namespace kubeflow"),
        ("metadata-grpc-service.team-a", "8080", "there is no Service metadata-grpc-service in"),
        ("metadata-grpc-service", "9090", "has no port 9090, but 8080"),
        ("metadata-grpc-service", "none", "does not say where it is"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_failure(
    ready: KubernetesServer, look: Look, closed: Tunnels, host: str, port: str, said: str
) -> None:
    set_address(ready, host, port)

    check, *skipped = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "failure"
    assert said in check.message
    assert all(check.level == "skipped" for check in skipped)
    assert closed.asked == []


@pytest.mark.parametrize(
    "host", ["metadata-grpc-service.kubeflow", "metadata-grpc-service.kubeflow.svc.cluster.local."]
)
def test_a_service_of_another_namespace_is_found_by_its_full_name(
    ready: KubernetesServer, look: Look, closed: Tunnels, host: str
) -> None:
    ready.add(
        "configmaps",
        "metadata-grpc-configmap",
        "team-a",
        data={"METADATA_GRPC_SERVICE_HOST": host, "METADATA_GRPC_SERVICE_PORT": "8080"},
    )

    check, *_ = look(metadata.metadata, namespace="team-a", open_tunnel=closed)

    assert check.level == "ok"
    assert closed.asked == [("kubeflow", "metadata-grpc-service", 8080)]


@pytest.mark.parametrize("host", ["metadata.example.com", "10.1.2.3", "fd00::1"])
def test_a_host_outside_of_the_cluster_is_a_warning(
    ready: KubernetesServer, look: Look, closed: Tunnels, host: str
) -> None:
    set_address(ready, host)

    (check,) = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "warning"
    assert f"{host}:8080 is not in the cluster" in check.message


@pytest.mark.parametrize("endpoints", [None, [{"conditions": {"ready": False}}]])
def test_a_service_without_a_ready_pod_is_a_failure(
    ready: KubernetesServer, look: Look, closed: Tunnels, endpoints: Any
) -> None:
    ready.get("endpointslices", "metadata-grpc-service-x1")["endpoints"] = endpoints

    check, skipped = look(metadata.metadata, open_tunnel=closed)

    assert (check.level, skipped.level) == ("failure", "skipped")
    assert "no pod behind Service metadata-grpc-service in namespace kubeflow is ready" in (
        check.message
    )


@starts_a_server
def test_a_service_that_may_not_be_looked_at_is_a_warning_and_the_server_is_asked(
    ready: KubernetesServer, look: Look, server: Tunnels
) -> None:
    ready.forbidden.add("list endpointslices")

    check, answers, _ = look(metadata.metadata, open_tunnel=server)

    assert (check.level, answers.level) == ("warning", "ok")
    assert "you may not list endpointslices.discovery.k8s.io" in check.message


def test_a_way_that_does_not_come_about_is_a_warning(
    ready: KubernetesServer, look: Look, closed: Tunnels
) -> None:
    _, answers, schema = look(metadata.metadata, open_tunnel=closed)

    assert (answers.level, schema.level) == ("warning", "skipped")
    assert "error: no pods" in answers.message


def test_a_way_that_is_forbidden_names_the_missing_right(
    ready: KubernetesServer, look: Look
) -> None:
    tunnels = Tunnels(
        error='kubectl port-forward: error: error upgrading connection: pods "m" is forbidden: '
        'User "ann" cannot create resource "pods/portforward" in API group "" in the namespace '
        '"kubeflow"'
    )

    _, answers, _ = look(metadata.metadata, open_tunnel=tunnels)

    assert answers.mend == (
        "ask for the right to create pods/portforward in namespace kubeflow (RBAC)"
    )


def test_a_server_that_never_answers_is_a_failure_within_the_time(
    ready: KubernetesServer, look: Look
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tunnels = Tunnels(*silent.getsockname()[:2])

        _, answers, schema = look(metadata.metadata, open_tunnel=tunnels, timeout_seconds=1.0)

    assert (answers.level, schema.level) == ("failure", "skipped")
    assert "within 1 s" in answers.message
    assert "logs deployment/metadata-grpc-deployment" in answers.mend


def test_an_address_that_kubectl_would_take_for_an_option_is_not_asked_for(
    ready: KubernetesServer, look: Look, closed: Tunnels
) -> None:
    set_address(ready, "--kubeconfig=x")

    check, *_ = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "warning"
    assert "'--kubeconfig=x' is not the name of an object" in check.message


@pytest.mark.parametrize("has_option", [True, False])
def test_tfx_steps_without_a_readable_store_are_a_warning(
    ready: KubernetesServer, look: Look, committed: dict[str, Any], has_option: bool
) -> None:
    for template in committed["spec"]["templates"]:
        if "container" in template:
            option = ["--kubeflow_metadata_config", "{{inputs.parameters.store}}"]
            template["container"]["args"] = option if has_option else []

    (check,) = look(metadata.metadata)

    assert check.level == "warning"


def test_a_workflow_without_tfx_needs_no_store(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(metadata.metadata, workflow([container("a", "true")]))

    assert check.level == "skipped"


@pytest.fixture
def mysql() -> dict[str, Any]:
    """A workflow whose steps open a database themselves, mysql.kubeflow."""
    text = (GOLDEN / "mysql.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def test_a_database_of_its_own_is_found_and_its_schema_is_a_warning(
    ready: KubernetesServer, look: Look, closed: Tunnels, mysql: dict[str, Any]
) -> None:
    ready.add("services", "mysql", spec={"ports": [{"port": 3306}]})
    ready.add(
        "endpointslices",
        "mysql-x1",
        metadata={"labels": {"kubernetes.io/service-name": "mysql"}},
        endpoints=[{"conditions": {}}],
    )

    database, schema = look(metadata.metadata, mysql, open_tunnel=closed)

    assert (
        str(database) == "ok       metadata database: Service mysql.kubeflow:3306 has a ready pod"
    )
    assert schema.level == "warning"
    assert schema.mend.endswith("it must be 10")


def test_a_database_that_is_not_there_is_a_failure(
    ready: KubernetesServer, look: Look, closed: Tunnels, mysql: dict[str, Any]
) -> None:
    database, _ = look(metadata.metadata, mysql, open_tunnel=closed)

    assert database.level == "failure"
    assert "there is no Service mysql in namespace kubeflow" in database.message


def test_a_workflow_may_name_the_service_itself(
    ready: KubernetesServer, look: Look, closed: Tunnels, committed: dict[str, Any]
) -> None:
    address = {"grpc_service_host": {"value": "store"}, "grpc_service_port": {"value": "9000"}}
    for template in committed["spec"]["templates"]:
        args = template.get("container", {}).get("args", [])
        if "--kubeflow_metadata_config" in args:
            place = args.index("--kubeflow_metadata_config") + 1
            args[place] = json.dumps({"grpc_config": address})

    check, *_ = look(metadata.metadata, open_tunnel=closed)

    assert check.level == "failure"
    assert "there is no Service store in namespace kubeflow" in check.message
