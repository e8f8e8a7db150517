"""Service accounts: there, and with the rights that Argo needs."""

from typing import Any

import pytest

from orchestration.cluster.doctor import account
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look


def test_an_account_with_its_rights_is_ok(ready: KubernetesServer, look: Look) -> None:
    assert [str(check) for check in look(account.service_accounts)] == [
        "ok       service account pipeline-runner: is there",
        "ok       rights of pipeline-runner: it may report results to Argo",
    ]


def test_a_missing_account_is_a_failure(ready: KubernetesServer, look: Look) -> None:
    ready.remove("serviceaccounts", "pipeline-runner")

    (check,) = look(account.service_accounts)

    assert check.level == "failure"
    assert "there is none in namespace kubeflow" in check.message
    assert "default-editor" in check.mend


def test_an_account_that_may_not_be_looked_at_is_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("get serviceaccounts")

    (check,) = look(account.service_accounts)

    assert check.level == "warning"
    assert "you may not get serviceaccounts in namespace kubeflow" in check.message


@pytest.mark.parametrize(
    ("denied", "level"),
    [
        ({"create workflowtaskresults"}, "warning"),
        ({"patch workflowtaskresults"}, "warning"),
        ({"create workflowtaskresults", "patch pods"}, "failure"),
        ({"patch pods"}, "ok"),
    ],
)
def test_an_account_must_be_able_to_report_results(
    ready: KubernetesServer, look: Look, denied: set[str], level: str
) -> None:
    ready.denied |= denied

    _, rights = look(account.service_accounts)

    assert rights.level == level


def test_without_impersonation_the_rights_are_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("impersonate serviceaccounts")

    _, rights = look(account.service_accounts)

    assert rights.level == "warning"
    assert "you may not impersonate serviceaccounts in namespace kubeflow" in rights.message


def test_steps_without_an_account_run_as_default(
    ready: KubernetesServer, look: Look, committed: dict[str, Any]
) -> None:
    del committed["spec"]["serviceAccountName"]

    (check,) = look(account.service_accounts)

    assert (check.name, check.level) == ("service account default", "failure")


def test_a_cluster_that_goes_silent_is_a_warning_within_the_time(
    ready: KubernetesServer, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = ready._review

    def silent(body: bytes) -> Any:
        import time

        time.sleep(2)
        return review(body)

    monkeypatch.setattr(ready, "_review", silent)

    _, rights = look(account.service_accounts, timeout_seconds=0.5)

    assert rights.level == "warning"
    assert "no answer in time" in rights.message
