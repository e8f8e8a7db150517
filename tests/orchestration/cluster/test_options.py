"""Options of the commands that reach Kubernetes."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from orchestration.cluster.options import with_kubectl, with_kubectl_and_kubeflow


def passed(decorator: Any, *words: str) -> dict[str, Any]:
    """What a command with these options is given."""
    given: dict[str, Any] = {}

    @click.command()
    @decorator
    def command(**values: Any) -> None:
        given.update(values)

    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    return given


both = pytest.mark.parametrize("decorator", [with_kubectl, with_kubectl_and_kubeflow])


@both
def test_pods_run_in_namespace_kubeflow_unless_said_otherwise(decorator: Any) -> None:
    kubectl = passed(decorator)["kubectl"]

    assert (kubectl.namespace, kubectl.context) == ("kubeflow", None)


@both
def test_context_and_namespace_are_those_of_kubectl(decorator: Any) -> None:
    kubectl = passed(decorator, "--context", "staging", "--namespace", "team-a")["kubectl"]

    assert (kubectl.namespace, kubectl.context) == ("team-a", "staging")


@both
def test_the_namespace_may_come_from_the_environment(
    decorator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_NAMESPACE", "team-b")

    assert passed(decorator)["kubectl"].namespace == "team-b"


def test_without_an_address_there_is_no_connection() -> None:
    assert passed(with_kubectl_and_kubeflow)["connection"] is None


def test_with_an_address_both_have_the_namespace_and_the_time() -> None:
    words = ("--host", "http://h", "--namespace", "team-a", "--request-timeout", "7")

    given = passed(with_kubectl_and_kubeflow, *words)

    assert (given["connection"].namespace, given["kubectl"].namespace) == ("team-a", "team-a")
    assert (given["connection"].timeout_seconds, given["kubectl"].timeout_seconds) == (7, 7)
