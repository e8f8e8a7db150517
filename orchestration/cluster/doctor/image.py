"""Checks of the images that the pods run. Nothing is pulled."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestration.cluster.doctor import nodes
from orchestration.cluster.doctor.check import Check, failure, not_looked, ok, warning
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.kubeflow import image_tag
from orchestration.cluster.doctor.needs import PodNeeds
from orchestration.cluster.errors import ClusterError

#: Where a name without a registry leads: Docker Hub's official images.
_OFFICIAL = "docker.io/library/"

#: A kubelet reports its largest images, so many (--node-status-max-images).
_REPORTED = 50

_PULL_SECRET_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
_PULL_FAILED = re.compile(r'Failed to pull image "([^"]+)"')
_LOAD = "load it ('kind load docker-image', 'minikube image load'), or push it to a registry and "
_SETTING = "name it so in the setting image"


def images(examination: Examination) -> Iterator[Check]:
    """Each image is on the nodes, or may be pulled."""
    users: dict[tuple[str, str], list[PodNeeds]] = {}
    for pod in examination.needs.pods:
        for container in pod.containers:
            users.setdefault((str(container["image"]), _policy(container)), []).append(pod)
    for (image, policy), pods in users.items():
        title = f"image {image}"
        try:
            yield _image(examination, image, policy, pods)
        except ClusterError as error:
            yield not_looked(title, error)
        if "@" not in image and image_tag(image) in ("", "latest"):
            yield warning(title, "its tag is latest, which means another image later", "use a tag")


def pull_secrets(examination: Examination) -> Iterator[Check]:
    """Each is there, and holds a registry's login."""
    for name in examination.needs.pull_secrets:
        title = f"pull secret {name}"
        try:
            found = examination.cluster.keys("secret", name)
        except ClusterError as error:
            yield not_looked(title, error)
            continue
        create = "create it: kubectl create secret docker-registry --help"
        if found is None:
            said = f"there is none in namespace {examination.cluster.namespace}"
            yield failure(title, said, create)
        elif found.type not in _PULL_SECRET_TYPES:
            yield failure(title, f"it is of type {found.type}, which holds no login", create)
        else:
            yield ok(title, f"is there, of type {found.type}")


def full_name(image: str) -> str:
    """Returns an image's name as a node has it: with its registry, and a tag."""
    first, slash, _ = image.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost")
    if not has_registry:
        image = f"docker.io/{image}" if slash else f"{_OFFICIAL}{image}"
    return image if "@" in image or image_tag(image) else f"{image}:latest"


def _policy(container: Mapping[str, Any]) -> str:
    """The pull policy; Kubernetes' default depends on the tag."""
    image = str(container["image"])
    is_latest = "@" not in image and image_tag(image) in ("", "latest")
    return container.get("imagePullPolicy") or ("Always" if is_latest else "IfNotPresent")


def _image(examination: Examination, image: str, policy: str, pods: Sequence[PodNeeds]) -> Check:
    title = f"image {image}"
    try:
        found = examination.cluster.items("nodes")
    except ClusterError:
        if problem := _refused(examination, image):
            return _pull_failed(title, problem)
        raise
    places = {nodes.name_of(node): node for pod in pods for node in nodes.open_to(found, pod)}
    having = [name for name, node in places.items() if _has(node, image)]
    is_everywhere = bool(places) and len(having) == len(places)
    where = f"on {len(having)} of the {len(places)} nodes that take its pods"
    is_local = full_name(image).startswith(_OFFICIAL) and any(pod.is_tfx for pod in pods)
    if policy != "Always" and is_everywhere:
        return ok(title, f"is on every node that takes its pods ({len(places)})")
    if is_local or policy == "Never":
        is_certain = not any(_is_cut(node) for node in places.values())
        return _local(title, policy, where, is_certain and not having)
    if problem := _refused(examination, image):
        return _pull_failed(title, problem)
    if having:
        return ok(title, f"is {where}, so that the registry has given it; policy {policy}")
    return warning(
        title,
        "no node has it yet; whether the nodes may pull it cannot be told from here",
        "see that the first step starts; a private registry needs the setting image_pull_secrets",
    )


def _local(title: str, policy: str, where: str, is_nowhere: bool) -> Check:
    """An image that no registry gives: it must have been loaded into the nodes."""
    if policy == "Always":
        return failure(
            title,
            "the policy Always asks a registry for it each time, and its name has none",
            "set image_pull_policy to IfNotPresent, or push it to a registry and " + _SETTING,
        )
    why = "the policy is Never" if policy == "Never" else "its name has no registry"
    if is_nowhere:
        return failure(title, f"is {where}, and {why}", _LOAD + _SETTING)
    return warning(
        title, f"is seen {where}, and {why}: pods on the others do not start", _LOAD + _SETTING
    )


def _pull_failed(title: str, problem: str) -> Check:
    return failure(
        title,
        f"a node could not pull it lately: {problem}",
        "check the name and tag, the registry, and the setting image_pull_secrets",
    )


def _is_cut(node: nodes.Node) -> bool:
    return len((node.get("status") or {}).get("images") or []) >= _REPORTED


def _has(node: nodes.Node, image: str) -> bool:
    wanted = full_name(image)
    known = (node.get("status") or {}).get("images") or []
    names = {full_name(name) for item in known for name in item.get("names") or []}
    return wanted in names


def _refused(examination: Examination, image: str) -> str | None:
    """Returns what an event says of a pull that failed within the last hour."""
    for event in examination.cluster.events("Failed"):
        said = str(event.get("message") or "")
        match = _PULL_FAILED.search(said)
        if match and full_name(match[1]) == full_name(image):
            return said
    return None
