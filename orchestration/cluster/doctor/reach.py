"""Checks of the cluster and the namespace."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.cluster.doctor.check import Check, failure, ok, warning
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import PodNeeds, steps_text
from orchestration.cluster.errors import ClusterError

#: kubectl is supported within one minor version of the server
#: (https://kubernetes.io/releases/version-skew-policy/#kubectl).
_SKEW = 1

_ENFORCE = "pod-security.kubernetes.io/enforce"


def cluster(examination: Examination) -> Iterator[Check]:
    """The cluster answers, and ``kubectl`` is of a version that fits it."""
    try:
        versions = examination.cluster.versions()
    except ClusterError as error:
        yield failure(
            "cluster",
            str(error),
            "check that it runs, and --context ('kubectl config get-contexts')",
        )
        return
    server, client = versions.get("serverVersion") or {}, versions.get("clientVersion") or {}
    found = f"Kubernetes {server.get('gitVersion', 'of an unknown version')}"
    minors = [_minor(server), _minor(client)]
    if None in minors:
        yield ok("cluster", found)
    elif server.get("major") != client.get("major") or abs(minors[0] - minors[1]) > _SKEW:  # type: ignore[operator]
        yield warning(
            "cluster",
            f"{found}, more than one minor version from kubectl {client.get('gitVersion')}",
            "install a kubectl of the cluster's version",
        )
    else:
        yield ok("cluster", f"{found}, kubectl {client.get('gitVersion')}")


def namespace(examination: Examination) -> Iterator[Check]:
    """The namespace is there, and lets such pods in."""
    name = examination.cluster.namespace
    title = f"namespace {name}"
    found = examination.cluster.get("namespace", name)
    if found is None:
        yield failure(title, "there is none of this name", "create it, or give another --namespace")
        return
    phase = (found.get("status") or {}).get("phase")
    if phase != "Active":
        yield failure(title, f"it is {phase}", "wait until it has gone, and create it anew")
        return
    yield ok(title, "active")
    standard = (found["metadata"].get("labels") or {}).get(_ENFORCE)
    if standard in ("baseline", "restricted"):
        yield _pod_security(examination, standard)


def _pod_security(examination: Examination, standard: str) -> Check:
    title = f"pod security {standard}"
    lacking: dict[str, list[str]] = {}
    for pod in examination.needs.pods:
        for problem in _violations(pod, standard):
            lacking.setdefault(problem, []).append(pod.step)
    if lacking:
        said = "; ".join(f"{problem} in {steps_text(steps)}" for problem, steps in lacking.items())
        return failure(
            title,
            f"the namespace would refuse the pods: {said}",
            f"set what is missing in the workflow, or lower the namespace's label {_ENFORCE}",
        )
    return ok(title, "the steps' containers meet it; Argo's own beside them were not looked at")


def _violations(pod: PodNeeds, standard: str) -> list[str]:
    """What the Pod Security Standards refuse of what such workflows hold.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    found = ["a hostPath volume"] if any("hostPath" in item for item in pod.volumes) else []
    contexts = [container.get("securityContext") or {} for container in pod.containers]
    if any(context.get("privileged") for context in contexts):
        found.append("a privileged container")
    if standard == "restricted":
        for context in contexts:
            found += _unrestricted({**pod.security_context, **context}, context)
    return list(dict.fromkeys(found))


def _unrestricted(both: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    if not both.get("runAsNonRoot"):
        yield "no runAsNonRoot"
    if container.get("allowPrivilegeEscalation") is not False:
        yield "no allowPrivilegeEscalation: false"
    if "ALL" not in ((container.get("capabilities") or {}).get("drop") or ()):
        yield "capabilities not dropped"
    if (both.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccompProfile"


def _minor(version: Mapping[str, Any]) -> int | None:
    digits = re.match(r"\d+", str(version.get("minor", "")))
    return None if digits is None else int(digits[0])
