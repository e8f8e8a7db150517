"""Checks of the secrets and ConfigMaps that the pods need. Values are never read."""

from collections.abc import Iterator

from orchestration.cluster.doctor.check import Check, failure, not_looked, ok
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import steps_text
from orchestration.cluster.errors import ClusterError
from orchestration.suggestion import did_you_mean

_SHOWN = {"secret": "secret", "configmap": "ConfigMap"}


def references(examination: Examination) -> Iterator[Check]:
    """Each is there, and has the keys."""
    keys: dict[tuple[str, str], list[str]] = {}
    steps: dict[tuple[str, str], list[str]] = {}
    for pod in examination.needs.pods:
        for reference in pod.references:
            place = (reference.kind, reference.name)
            keys.setdefault(place, []).append(reference.key)
            steps.setdefault(place, []).append(pod.step)
    for (kind, name), wanted in sorted(keys.items()):
        title = f"{_SHOWN[kind]} {name}"
        try:
            yield _reference(examination, kind, name, wanted, steps_text(steps[kind, name]))
        except ClusterError as error:
            yield not_looked(title, error)


def _reference(
    examination: Examination, kind: str, name: str, wanted: list[str], steps: str
) -> Check:
    title = f"{_SHOWN[kind]} {name}"
    found = examination.cluster.keys(kind, name)
    if found is None:
        return failure(
            title,
            f"there is none in namespace {examination.cluster.namespace}, and {steps} cannot "
            "start without it",
            f"create it: kubectl create {kind} --help",
        )
    missing = [key for key in dict.fromkeys(wanted) if key and key not in found.names]
    if missing:
        hint = did_you_mean(missing[0], found.names)
        return failure(
            title,
            f"it has no key {', '.join(missing)}, which {steps} cannot start without{hint}",
            "add the key, or name another one in the settings",
        )
    present = [key for key in dict.fromkeys(wanted) if key]
    return ok(title, f"has {', '.join(present)}" if present else "is there")
