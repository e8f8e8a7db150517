"""The way to a Service: started, ended and given up in time.

The program stands in for kubectl: a port-forward itself needs a cluster.
"""

import os
import pathlib
import signal
from collections.abc import Callable

import pytest

from orchestration.cluster.doctor.tunnel import PortForward
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl

Program = Callable[[str], Kubectl]


@pytest.fixture
def program(tmp_path: pathlib.Path) -> Program:
    """Makes a shell script that is called in place of kubectl, and writes down its process."""

    def make(script: str) -> Kubectl:
        path = tmp_path / "kubectl"
        path.write_text(
            f'#!/bin/sh\necho "$$" > {tmp_path}/pid\necho "$@" > {tmp_path}/words\n{script}\n'
        )
        path.chmod(0o755)
        return Kubectl(program=str(path), timeout_seconds=2.0, namespace="team-a", context="c")

    return make


def is_running(folder: pathlib.Path) -> bool:
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_the_port_that_kubectl_names_and_ends_when_left(
    program: Program, tmp_path: pathlib.Path
) -> None:
    kubectl = program('echo "Forwarding from 127.0.0.1:4711 -> 8080"; exec sleep 60')

    with PortForward(kubectl, "metadata", 8080) as address:
        assert address == ("127.0.0.1", 4711)
        assert is_running(tmp_path)

    assert not is_running(tmp_path)
    assert (tmp_path / "words").read_text().split() == [
        "--context=c",
        "--namespace=team-a",
        "port-forward",
        "--address=127.0.0.1",
        "service/metadata",
        ":8080",
    ]


def test_a_refusal_is_an_error_in_one_line(program: Program) -> None:
    kubectl = program('echo "error: timed out waiting for the condition" >&2; exit 1')

    with (
        pytest.raises(ClusterError, match="error: timed out waiting"),
        PortForward(kubectl, "metadata", 8080),
    ):
        pass


def test_one_that_never_comes_about_is_an_error_and_is_ended(
    program: Program, tmp_path: pathlib.Path
) -> None:
    kubectl = program("exec sleep 60")

    with (
        pytest.raises(ClusterError, match="not ready within 2 s"),
        PortForward(kubectl, "metadata", 8080),
    ):
        pass

    assert not is_running(tmp_path)


def test_one_that_does_not_heed_the_request_to_end_is_killed(
    program: Program, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.cluster.doctor.tunnel._GRACE_SECONDS", 0.2)
    kubectl = program(
        "trap '' TERM; echo 'Forwarding from 127.0.0.1:4711 -> 8080'; exec 1>&- 2>&-\n"
        "while :; do sleep 0.05; done"
    )

    with PortForward(kubectl, "metadata", 8080):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        assert is_running(tmp_path)

    assert not is_running(tmp_path)
