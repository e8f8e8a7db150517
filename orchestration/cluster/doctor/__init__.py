"""Looks whether a cluster is ready for a workflow. Nothing in the cluster is changed."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from orchestration.cluster.doctor import (
    account,
    capacity,
    image,
    kubeflow,
    metadata,
    reach,
    references,
    volume,
)
from orchestration.cluster.doctor.check import FAILURE, Check, not_looked, skipped
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.errors import ClusterError

__all__ = ["SUBJECTS", "Subject", "examine"]


class Subject(NamedTuple):
    """A group of checks.

    Attributes:
        name: What they look at.
        needs: Subjects without which they make no sense.
        check: Looks, and yields what it finds.
    """

    name: str
    needs: tuple[str, ...]
    check: Callable[[Examination], Iterator[Check]]


_NAMESPACE = ("cluster", "namespace")

#: In the order in which they are looked at.
SUBJECTS: Sequence[Subject] = (
    Subject("cluster", (), reach.cluster),
    Subject("namespace", ("cluster",), reach.namespace),
    Subject("Kubeflow Pipelines", ("cluster",), kubeflow.deployments),
    Subject("version", (), kubeflow.version),
    Subject("v1 pipelines", ("cluster",), kubeflow.v1_pipelines),
    Subject("Argo", ("cluster",), kubeflow.argo),
    Subject("metadata", _NAMESPACE, metadata.metadata),
    Subject("claims", _NAMESPACE, volume.claims),
    Subject("secrets and ConfigMaps", _NAMESPACE, references.references),
    Subject("service account", _NAMESPACE, account.service_accounts),
    Subject("pull secrets", _NAMESPACE, image.pull_secrets),
    Subject("images", _NAMESPACE, image.images),
    Subject("capacity", ("cluster",), capacity.capacity),
    Subject("devices", ("cluster",), capacity.devices),
    Subject("limits of the namespace", _NAMESPACE, capacity.limits),
)


def examine(
    examination: Examination, subjects: Sequence[Subject] = SUBJECTS
) -> Iterator[list[Check]]:
    """Makes the checks, one subject after the other.

    Args:
        examination: The cluster, and what the workflow asks of it.
        subjects: What to look at; each after those that it needs.

    Yields:
        The checks of a subject; what could not be looked at is among them.
    """
    failed: set[str] = set()
    for subject in subjects:
        checks: list[Check] = []
        unmet = [name for name in subject.needs if name in failed]
        if unmet:
            checks.append(skipped(subject.name, f"{unmet[0]} failed"))
            failed.add(subject.name)
        else:
            try:
                # One by one: what was found before an error is kept.
                for check in subject.check(examination):
                    checks.append(check)
            except ClusterError as error:
                checks.append(not_looked(subject.name, error))
            except Exception as error:  # noqa: BLE001 (one odd object must not end the whole)
                odd = f"an object is not as Kubernetes has them ({type(error).__name__}: {error})"
                checks.append(not_looked(subject.name, ClusterError(odd)))
            if any(check.level == FAILURE for check in checks):
                failed.add(subject.name)
        yield checks
