"""Checks of the persistent volume claims."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestration.cluster.doctor import nodes
from orchestration.cluster.doctor.check import OK, Check, failure, not_looked, ok, warning
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import PodNeeds
from orchestration.cluster.errors import ClusterError

_DESCRIBE = "see 'kubectl describe pvc {}'"
_MANIFESTS = "kubectl apply -k manifests/overlays/OVERLAY"


def claims(examination: Examination) -> Iterator[Check]:
    """Each is bound, in an access mode that lets all its pods in."""
    users: dict[str, list[PodNeeds]] = {}
    for pod in examination.needs.pods:
        for name in pod.claims:
            users.setdefault(name, []).append(pod)
    for name, pods in users.items():
        title = f"claim {name}"
        try:
            claim = examination.cluster.get("persistentvolumeclaim", name)
            if claim is None:
                yield failure(
                    title,
                    f"there is none in namespace {examination.cluster.namespace}",
                    f"create it: {_MANIFESTS}; or name another one in the setting volume.claim",
                )
                continue
            bound, may_work = _bound(examination, title, claim)
        except ClusterError as error:
            yield not_looked(title, error)
            continue
        if bound is not None:
            yield bound
        if may_work:
            access = _access(examination, title, claim, pods)
            if bound is None or access.level != OK:
                yield access


def _bound(
    examination: Examination, title: str, claim: Mapping[str, Any]
) -> tuple[Check | None, bool]:
    """Returns what is wrong with a claim that is not bound, and whether it may still become so."""
    name = claim["metadata"]["name"]
    phase = (claim.get("status") or {}).get("phase")
    describe = _DESCRIBE.format(name)
    if claim["metadata"].get("deletionTimestamp"):
        return failure(title, "it is being deleted", f"wait, and create it: {_MANIFESTS}"), False
    if phase == "Bound":
        return None, True
    if phase != "Pending":
        return failure(title, f"it is {phase}: its volume is gone", describe), False
    try:
        waits = _waits_for_a_pod(examination, claim)
    except ClusterError as error:
        return not_looked(f"storage class of {title}", error), True
    if waits:
        said = "Pending: its storage class waits for the first pod (WaitForFirstConsumer)"
        return warning(title, said, "put the data there by a pod; that binds it"), True
    return failure(title, "it is Pending, and no volume fits it", describe), False


def _waits_for_a_pod(examination: Examination, claim: Mapping[str, Any]) -> bool:
    wanted = (claim.get("spec") or {}).get("storageClassName")
    classes = examination.cluster.items("storageclasses")
    for item in classes:
        annotations = item["metadata"].get("annotations") or {}
        is_default = annotations.get("storageclass.kubernetes.io/is-default-class") == "true"
        if item["metadata"]["name"] == wanted or (wanted is None and is_default):
            return item.get("volumeBindingMode") == "WaitForFirstConsumer"
    return False


def _access(
    examination: Examination, title: str, claim: Mapping[str, Any], pods: Sequence[PodNeeds]
) -> Check:
    status, spec = claim.get("status") or {}, claim.get("spec") or {}
    modes = status.get("accessModes") or spec.get("accessModes") or []
    phase, shown = status.get("phase"), ", ".join(modes)
    if "ReadWriteMany" in modes:
        return ok(title, f"{phase}, {shown}")
    if "ReadWriteOnce" not in modes:
        return failure(
            title,
            f"its access mode is {shown or 'not given'}: the pods of the steps must share it, "
            "and write",
            "use ReadWriteMany; see manifests/README.md",
        )
    try:
        found = [*examination.cluster.items("nodes")]
        places = _places(found, pods)
        if len(places) > 1:
            places = _places(_nodes_of_volume(examination, claim, found), pods)
    except ClusterError as error:
        unseen = not_looked(title, error)
        return warning(
            title,
            f"{phase}, {shown}, which is for one node; whether all pods run on one "
            f"{unseen.message}",
            unseen.mend,
        )
    if len(places) > 1:
        return failure(
            title,
            f"{shown} is for one node, and the pods may run on {len(places)}: those on a second "
            "one would not start",
            "use ReadWriteMany, or keep all steps on one node by the setting "
            "default.node_selector; see manifests/README.md",
        )
    if not places:
        return warning(
            title, f"{phase}, {shown}, but no node takes its pods", "see the line on capacity"
        )
    return ok(title, f"{phase}, {shown}; all its pods run on node {places.pop()}")


def _places(found: Sequence[nodes.Node], pods: Sequence[PodNeeds]) -> set[str]:
    """Returns the names of the nodes on which a claim's pods may run."""
    return {nodes.name_of(node) for pod in pods for node in nodes.open_to(found, pod)}


def _nodes_of_volume(
    examination: Examination, claim: Mapping[str, Any], found: Sequence[nodes.Node]
) -> Sequence[nodes.Node]:
    """Returns the nodes that reach a volume: a local one names its node."""
    name = (claim.get("spec") or {}).get("volumeName")
    volume = examination.cluster.get("persistentvolume", name) if name else None
    affinity = ((volume or {}).get("spec") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms")
    return found if terms is None else [node for node in found if nodes.matches(node, terms)]
