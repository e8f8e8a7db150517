"""Checks of the service accounts that the pods run as."""

from collections.abc import Iterator

from orchestration.cluster.doctor.check import Check, failure, not_looked, ok, warning
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import steps_text
from orchestration.cluster.errors import ClusterError

#: How Argo's container in each pod reports the step's result: since Argo 3.4 as an object of its
#: own, before that in the pod's annotations
#: (https://argo-workflows.readthedocs.io/en/latest/workflow-rbac/).
_RESULTS = "workflowtaskresults.argoproj.io"
_REPORTS = (("create", _RESULTS), ("patch", _RESULTS))
_OLD_REPORT = ("patch", "pods")


def service_accounts(examination: Examination) -> Iterator[Check]:
    """Each is there, and may report results to Argo."""
    steps: dict[str, list[str]] = {}
    for pod in examination.needs.pods:
        steps.setdefault(pod.service_account, []).append(pod.step)
    for name, its_steps in steps.items():
        title = f"service account {name}"
        try:
            if examination.cluster.get("serviceaccount", name) is None:
                yield failure(
                    title,
                    f"there is none in namespace {examination.cluster.namespace}, and "
                    f"{steps_text(its_steps)} cannot start without it",
                    "name another one in the setting service_account (default-editor in a "
                    "profile's namespace), or create it",
                )
                continue
        except ClusterError as error:
            yield not_looked(title, error)
            continue
        yield ok(title, "is there")
        yield _rights(examination, name)


def _rights(examination: Examination, name: str) -> Check:
    title = f"rights of {name}"
    can = examination.cluster.account_can
    try:
        missing = [right for right in _REPORTS if not can(name, *right)]
        if not missing:
            return ok(title, "it may report results to Argo")
        lacking = " and ".join(" ".join(right) for right in missing)
        mend = f"bind a role to it that may {lacking}; KFP's own role is pipeline-runner"
        if can(name, *_OLD_REPORT):
            return warning(title, f"it may not {lacking}, which Argo 3.4 and later need", mend)
        return failure(title, f"it may not {lacking}: Argo would not learn how a step went", mend)
    except ClusterError as error:
        return not_looked(title, error)
