"""Checks of Kubeflow Pipelines itself: its deployments, its version, and Argo."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.cluster.doctor.check import (
    Check,
    failure,
    not_looked,
    ok,
    skipped,
    warning,
)
from orchestration.cluster.doctor.cluster_view import API_SERVER
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.errors import ClusterError

SCHEDULER = "ml-pipeline-scheduledworkflow"
METADATA_SERVER = "metadata-grpc-deployment"

#: What a v1 run needs, and for what.
_DEPLOYMENTS = {
    API_SERVER: "the API",
    METADATA_SERVER: "ML Metadata, which TFX cannot do without",
    "workflow-controller": "Argo, which runs the steps",
    "ml-pipeline-persistenceagent": "what keeps the state of runs",
    SCHEDULER: "schedules",
}
_GUIDE = "see docs/kubeflow.md"

#: The table of docs/kubeflow.md.
_OLD = (1, 8)
_FIRST, _LAST = (2, 0), (2, 17)

_VERSION = re.compile(r"v?(\d+)\.(\d+)(\.\d+)?")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")  # strconv.ParseBool
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_BLOCK = "BLOCK_V1_PIPELINES"
_ALLOWED = "V1_ALLOWED_NAMESPACES"


def deployments(examination: Examination) -> Iterator[Check]:
    """Its deployments are there and available."""
    namespace, found = examination.cluster.deployments()
    title = f"Kubeflow Pipelines in {namespace}"
    lacking = []
    for name, purpose in _DEPLOYMENTS.items():
        if name not in found:
            lacking.append(f"there is no deployment {name} ({purpose})")
        elif not _is_available(found[name]):
            lacking.append(f"deployment {name} ({purpose}) is not available")
    if len(lacking) == len(_DEPLOYMENTS):
        yield failure(
            title, "it is not installed", f"install it, or give another --namespace; {_GUIDE}"
        )
    elif lacking:
        yield failure(title, "; ".join(lacking), f"see 'kubectl -n {namespace} get pods'; {_GUIDE}")
    else:
        yield ok(title, f"its {len(_DEPLOYMENTS)} deployments are available")


def version(examination: Examination) -> Iterator[Check]:
    """The API answers, and is of a version that takes this pipeline."""
    title = "Kubeflow Pipelines' version"
    if examination.connection is None:
        try:
            examination.cluster.versions()
        except ClusterError:
            yield skipped(title, "cluster failed, and no --host is given")
            return
    health: Mapping[str, Any] = {}
    try:
        health = _health(examination)
        yield from _api(examination, health)
    except ClusterError as error:
        if examination.connection is not None:
            yield failure("Kubeflow Pipelines' API", str(error), "mend --host, or leave it out")
        else:
            yield not_looked("Kubeflow Pipelines' API", error)
    tag = str(health.get("tag_name") or health.get("apiServerTagName") or "")
    source = "its API says"
    if _VERSION.match(tag) is None:
        try:
            found = examination.cluster.deployments()[1]
            tag, source = deployed_tag(found.get(API_SERVER)), "its image"
        except ClusterError as error:
            yield not_looked(title, error)
            return
    yield _judged(title, tag, source)


def v1_pipelines(examination: Examination) -> Iterator[Check]:
    """Its administrator has not forbidden pipelines such as this one."""
    namespace, found = examination.cluster.deployments()
    for name, level, effect in (
        (API_SERVER, failure, "uploads and runs are refused"),
        (SCHEDULER, warning, "schedules start no runs"),
    ):
        title = f"v1 pipelines by {name}"
        if name not in found:
            yield skipped(title, f"there is no deployment {name}")
            continue
        try:
            container = _container(found[name])
            blocked = examination.cluster.variable(container, _BLOCK, namespace)
            allowed = examination.cluster.variable(container, _ALLOWED, namespace) or ""
        except ClusterError as error:
            yield not_looked(title, error)
            continue
        namespaces = [item.strip().lower() for item in allowed.split(",")]
        mend = (
            f"add {examination.cluster.namespace} to {_ALLOWED} in the ConfigMap "
            f"pipeline-install-config, and restart deployment/{name}; {_GUIDE}"
        )
        if not blocked or blocked in _FALSE:
            yield ok(title, "taken")
        elif blocked not in _TRUE:
            said = f"{_BLOCK} is neither true nor false: the server does not start"
            yield failure(title, said, f"set it to false; {_GUIDE}")
        elif examination.cluster.namespace.lower() in namespaces:
            yield ok(title, f"taken in namespace {examination.cluster.namespace}")
        else:
            yield level(title, f"{_BLOCK} is {blocked}: {effect}", mend)


def argo(examination: Examination) -> Iterator[Check]:
    """Kubernetes knows Argo's workflows."""
    # What is served is established; unlike the definition itself, everybody may see it.
    try:
        served = examination.cluster.raw("/apis/argoproj.io/v1alpha1")
        kinds = {item.get("name") for item in served.get("resources") or []}
    except ClusterError as error:
        if "NotFound" not in str(error) and "could not find" not in str(error):
            raise
        kinds = set()
    if "workflows" in kinds:
        yield ok("Argo", "Kubernetes serves workflows of argoproj.io/v1alpha1")
    else:
        yield failure(
            "Argo",
            "Kubernetes knows no workflows of argoproj.io/v1alpha1",
            f"apply Kubeflow Pipelines' cluster-scoped-resources; {_GUIDE}",
        )


def version_of(tag: str) -> tuple[int, int] | None:
    """Returns major and minor version of a tag such as ``2.17.2``, or ``None``."""
    match = _VERSION.match(tag)
    return None if match is None else (int(match[1]), int(match[2]))


def _is_available(deployment: Mapping[str, Any]) -> bool:
    conditions = (deployment.get("status") or {}).get("conditions") or []
    return any(
        item.get("type") == "Available" and item.get("status") == "True" for item in conditions
    )


def _api(examination: Examination, health: Mapping[str, Any]) -> Iterator[Check]:
    title = "Kubeflow Pipelines' API"
    connection = examination.connection
    way = "by way of Kubernetes" if connection is None else f"at {connection.host}"
    is_multi_user = health.get("multi_user", health.get("apiServerMultiUser"))
    if is_multi_user and connection is not None and connection.namespace is None:
        yield warning(
            title,
            f"it answers {way}, and is for several users",
            "give your profile: --namespace or KFP_NAMESPACE",
        )
        return
    users = "for several users" if is_multi_user else "for one user"
    yield ok(title, f"it answers {way}, {users}")


def _health(examination: Examination) -> Mapping[str, Any]:
    """Returns what the API says of itself.

    Its first path is that of KFP 1.8 and 2; a release without v1 has the second one only.
    """
    paths = ("/apis/v1beta1/healthz", "/apis/v2beta1/healthz")
    if examination.connection is not None:
        from orchestration.cluster.connection import connect

        api = connect(examination.connection).runs.api_client
        read = lambda path: api.call_api(  # noqa: E731
            path,
            "GET",
            response_type="object",
            auth_settings=["Bearer"],
            _return_http_data_only=True,
        )
    else:
        namespace = examination.cluster.kubeflow_namespace()
        service = f"/api/v1/namespaces/{namespace}/services/{API_SERVER}:8888/proxy"
        read = lambda path: examination.cluster.raw(service + path)  # noqa: E731
    try:
        answer = read(paths[0])
    except ClusterError as error:
        if error.status != 404 and "NotFound" not in str(error):
            raise
        answer = read(paths[1])
    if not isinstance(answer, dict):
        raise ClusterError("what answers is not Kubeflow Pipelines' API; check the address")
    return answer


def _judged(title: str, tag: str, source: str) -> Check:
    found = version_of(tag)
    if found is None:
        said = f"neither its API nor its image tells it ({tag or 'no tag'})"
        return warning(title, said, f"compare it with the supported ones yourself; {_GUIDE}")
    if _FIRST <= found <= _LAST:
        return ok(title, f"{tag} ({source})")
    if found == _OLD:
        return warning(title, f"{tag} ({source}) is no longer maintained", f"upgrade; {_GUIDE}")
    if found < _FIRST:
        return warning(
            title, f"{tag} ({source}) is older than any supported one", f"upgrade; {_GUIDE}"
        )
    said = f"{tag} ({source}) is later than the last one known to take v1 pipelines, 2.17"
    level = failure if found[0] > _LAST[0] else warning
    return level(
        title, said, f"look for v1 pipelines and ML Metadata in its release notes; {_GUIDE}"
    )


def deployed_tag(deployment: Mapping[str, Any] | None) -> str:
    """Returns the tag of a deployment's first image, empty where it has none."""
    if deployment is None:
        return ""
    return image_tag(str(_container(deployment).get("image") or ""))


def _container(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    return containers[0]


def image_tag(image: str) -> str:
    """Returns the tag of an image's name, empty where it has none."""
    last = image.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2]
