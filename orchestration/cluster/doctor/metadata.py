"""Checks of the metadata store that the steps write to."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.errors import MetadataError
from orchestration.cluster.doctor.check import (
    Check,
    failure,
    not_looked,
    ok,
    skipped,
    warning,
)
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.kubeflow import deployed_tag, version_of
from orchestration.cluster.doctor.needs import PodNeeds
from orchestration.cluster.errors import ClusterError
from orchestration.metadata_target import MYSQL_DEFAULT_PORT
from orchestration.workflow import METADATA_CONFIG_MAP

#: From which release on ml-metadata has which schema of its database: RELEASE.md of
#: google/ml-metadata, and the databases that 1.14.0, 1.15.0 and 1.17.1 make.
_SCHEMAS = (((0, 22), 5), ((0, 25), 6), ((1, 1), 7), ((1, 7), 8), ((1, 11), 10))
_LAST_KNOWN = (1, 17)


_MYSQL_FIELDS = "mysql_db_"
_INSTALL = "install Kubeflow Pipelines with ML Metadata; see docs/kubeflow.md"
_IP_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


def metadata(examination: Examination) -> Iterator[Check]:
    """The store is where the steps look for it, answers, and is of a fitting version."""
    pods = _pods_with_other_stores(examination.needs.pods)
    if not pods:
        if any(pod.is_tfx for pod in examination.needs.pods):
            yield warning(
                "metadata service",
                "the steps do not say where it is, or not in a way that can be read",
                "compile the workflow anew",
            )
        else:
            yield skipped("metadata service", "no step of the workflow asks for it")
    for pod in pods:
        config = pod.metadata_config or {}
        if any(name.startswith(_MYSQL_FIELDS) for name in config):
            yield from _mysql(examination, pod, config)
        else:
            yield from _grpc(examination, pod, config.get("grpc_config") or {})


def schema_of(release: tuple[int, int]) -> int | None:
    """Returns the schema version of an ml-metadata release; ``None`` where it is not known."""
    if release > _LAST_KNOWN:
        return None
    return next((schema for first, schema in reversed(_SCHEMAS) if release >= first), None)


def _pods_with_other_stores(pods: Sequence[PodNeeds]) -> list[PodNeeds]:
    """Returns a pod for each way to a store: all steps have the same, unless edited by hand."""
    found: dict[str, PodNeeds] = {}
    for pod in pods:
        if pod.metadata_config is not None:
            found.setdefault(repr((pod.metadata_config, _variables_of_store(pod))), pod)
    return list(found.values())


def _variables_of_store(pod: PodNeeds) -> Any:
    """Returns what the pod says of the variables that its metadata configuration names."""
    container = pod.template.get("container") or {}
    named = _environment_variables(pod.metadata_config)
    own = [item for item in container.get("env") or [] if item.get("name") in named]
    return own, container.get("envFrom") if named else None


def _environment_variables(config: Any) -> set[str]:
    if not isinstance(config, Mapping):
        return set()
    names = {config["environment_variable"]} if "environment_variable" in config else set()
    return names.union(*(_environment_variables(value) for value in config.values()))


def _grpc(examination: Examination, pod: PodNeeds, config: Mapping[str, Any]) -> Iterator[Check]:
    title = "metadata service"
    try:
        host = _value(examination, pod, config.get("grpc_service_host") or {})
        port = _value(examination, pod, config.get("grpc_service_port") or {})
    except ClusterError as error:
        yield not_looked(title, error)
        return
    if not host or not port or not port.isdigit():
        yield failure(
            title,
            f"the ConfigMap {METADATA_CONFIG_MAP} of namespace {examination.cluster.namespace} "
            "does not say where it is",
            f"{_INSTALL}; or name it by the settings metadata.kind, metadata.host and "
            "metadata.port",
        )
        return
    place = _service_of(host, examination.cluster.namespace)
    if place is None:
        yield warning(
            title,
            f"{host}:{port} is not in the cluster: whether the pods reach it cannot be told",
            "try it from a pod",
        )
        return
    service, namespace = place
    check, is_there = _service(examination, title, service, namespace, int(port))
    yield check
    if not is_there:
        yield skipped("metadata server", f"{title} failed")
        return
    yield from _server(examination, service, namespace, int(port))


def _mysql(examination: Examination, pod: PodNeeds, config: Mapping[str, Any]) -> Iterator[Check]:
    title = "metadata database"
    try:
        host = _value(examination, pod, config.get("mysql_db_service_host") or {})
        port = _value(examination, pod, config.get("mysql_db_service_port") or {})
    except ClusterError as error:
        yield not_looked(title, error)
        return
    if not host:
        yield failure(title, "the workflow does not say where it is", "set metadata.host")
        return
    place = _service_of(host, examination.cluster.namespace)
    if place is not None:
        number = int(port) if port and port.isdigit() else MYSQL_DEFAULT_PORT
        yield _service(examination, title, *place, number)[0]
    # Its version stands in the database, which only the password opens.
    yield warning(
        "metadata schema",
        f"that of the database at {host} was not read: it takes the password; the steps refuse "
        "one of another ml-metadata",
        f"compare the column schema_version of its table MLMDEnv: it must be {_ours()[1]}",
    )


def _value(examination: Examination, pod: PodNeeds, config: Mapping[str, Any]) -> str | None:
    """Returns a ConfigValue of TFX: a text, or what a variable of the pod holds."""
    name = config.get("environment_variable")
    if name is None:
        return None if config.get("value") is None else str(config["value"])
    return examination.cluster.variable(pod.template.get("container") or {}, name)


def _service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """Returns the Service and namespace that a host's name means in a pod, else ``None``."""
    if _IP_ADDRESS.fullmatch(host):
        return None
    service, *rest = host.rstrip(".").split(".")
    if not rest:
        return service, namespace
    if len(rest) == 1 or rest[1] == "svc":
        return service, rest[0]
    return None


def _service(
    examination: Examination, title: str, service: str, namespace: str, port: int
) -> tuple[Check, bool]:
    """Returns whether a Service has the port and a pod behind it, and whether to go on."""
    try:
        found = examination.cluster.get("service", service, namespace)
        if found is None:
            said = f"there is no Service {service} in namespace {namespace}"
            return failure(title, said, _INSTALL), False
        ports = [item.get("port") for item in (found.get("spec") or {}).get("ports") or []]
        if port not in ports:
            said = f"Service {service} has no port {port}, but {', '.join(map(str, ports))}"
            return failure(title, said, "name the right port in the workflow's settings"), False
        if not _has_endpoints(examination, service, namespace):
            said = f"no pod behind Service {service} in namespace {namespace} is ready"
            return failure(title, said, f"see 'kubectl -n {namespace} get pods'"), False
    except ClusterError as error:
        return not_looked(title, error), True
    return ok(title, f"Service {service}.{namespace}:{port} has a ready pod"), True


def _has_endpoints(examination: Examination, service: str, namespace: str) -> bool:
    slices = examination.cluster.items(
        "endpointslices.discovery.k8s.io", namespace, f"kubernetes.io/service-name={service}"
    )
    return any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for item in slices
        for endpoint in item.get("endpoints") or []
    )


def _server(examination: Examination, service: str, namespace: str, port: int) -> Iterator[Check]:
    """Asks the server itself, by a way of ``kubectl port-forward``."""
    from components.metadata_client import CALL_OF_SCHEMA_10, has_call, wait_until_serving

    title = "metadata server"
    kubectl = examination.cluster.in_namespace(namespace)
    try:
        with examination.open_tunnel(kubectl, service, port) as (host, local_port):
            wait_until_serving(host, local_port, kubectl.timeout_seconds)
            is_of_schema_10 = has_call(host, local_port, CALL_OF_SCHEMA_10, kubectl.timeout_seconds)
    except ClusterError as error:
        yield not_looked(title, error)
        yield skipped("metadata schema", "the metadata server could not be asked")
        return
    except MetadataError as error:
        yield failure(
            title,
            str(error),
            f"see 'kubectl -n {namespace} logs deployment/metadata-grpc-deployment'",
        )
        yield skipped("metadata schema", f"{title} failed")
        return
    yield ok(title, "it answers through a port-forward")
    yield _schema(_server_tag(examination, service, namespace), is_of_schema_10)


def _schema(tag: str, is_of_schema_10: bool) -> Check:
    """Compares what is known of the server with the ml-metadata of the steps.

    No call tells the schema. A server serves only a database of its own library's schema, which
    the release tells; and whether it has a certain call tells the release's lower bound.
    """
    title = "metadata schema"
    our_release, ours = _ours()
    here = f"ml-metadata {our_release}, schema {ours}, in the steps"
    release = version_of(tag)
    theirs = None if release is None else schema_of(release)
    if not is_of_schema_10:
        named = f", {tag} by its image," if release else ""
        return warning(
            title,
            f"the server{named} is older than ml-metadata 1.11 and schema 10; {here}. TFX falls "
            "back to older calls",
            "upgrade Kubeflow Pipelines; never let the steps open its database themselves",
        )
    if theirs is None:
        which = f"ml-metadata {tag}, which is not known here" if release else "of unknown release"
        return warning(
            title,
            f"the server is {which}; it has schema 10 or later, {here}",
            "compare the releases of ml-metadata yourself",
        )
    if theirs != ours:
        return warning(
            title,
            f"the server is ml-metadata {tag} by its image, schema {theirs}; {here}",
            "take images of the same release",
        )
    return ok(title, f"ml-metadata {tag} by its image, schema {theirs}; {here}")


def _ours() -> tuple[str, int | None]:
    import ml_metadata

    release = str(ml_metadata.__version__)
    return release, schema_of(version_of(release) or (0, 0))


def _server_tag(examination: Examination, service: str, namespace: str) -> str:
    """Returns the tag of the image behind a Service, empty where it cannot be had."""
    with contextlib.suppress(ClusterError):
        found = examination.cluster.get("service", service, namespace) or {}
        selector = (found.get("spec") or {}).get("selector") or {}
        for deployment in examination.cluster.items("deployments", namespace):
            pods = deployment["spec"]["template"]
            labels = (pods.get("metadata") or {}).get("labels") or {}
            if selector and selector.items() <= labels.items():
                return deployed_tag(deployment)
    return ""
