"""Logs of pods on Kubeflow, while they grow."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from orchestration import cli
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.logs import FollowedLog, unseen
from orchestration.cluster.runs import ClusterRuns
from tests.kubeflow_server import KubeflowServer

Say = Callable[..., None]


@pytest.fixture
def run_id(kubeflow: KubeflowServer, client: Any, package: Callable[..., pathlib.Path]) -> str:
    """A run on Kubeflow, none of whose steps has started."""
    version = client.upload_pipeline(str(package()), "shell")
    experiment = client.create_experiment("e")
    return client.run_pipeline(experiment.id, "one", version_id=version.default_version.id).id


@pytest.fixture
def say(kubeflow: KubeflowServer, run_id: str) -> Say:
    """Says how step ``first`` and its pods go."""
    root = kubeflow.workflows[run_id]["metadata"]["name"]

    def go(phase: str, run: str = "Running", **pods: str) -> None:
        inside = {"boundaryID": root}
        children = {
            name: {
                **inside,
                "type": "Pod",
                "displayName": f"first({number})",
                "phase": state,
                "startedAt": f"2026-11-01T00:0{number}:00Z",
            }
            for number, (name, state) in enumerate(pods.items())
        }
        retry = {"type": "Retry", "displayName": "first", "phase": phase, "children": list(pods)}
        kubeflow.progress(run_id, run, {"retry": {**inside, **retry}, **children})

    return go


@pytest.fixture
def log(client: Any, connection: Connection, run_id: str) -> FollowedLog:
    return ClusterRuns(client, connection).follow_log(run_id, "first")


@pytest.fixture
def follow(
    kubeflow: KubeflowServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Follows the log of a step by command; ``looks`` happen before answers about the run."""
    monkeypatch.setenv("KFP_HOST", kubeflow.url)
    monkeypatch.setattr("orchestration.cluster.commands._LOOK_EVERY", {"cluster": 0.01})
    monkeypatch.setattr("orchestration.cluster.transport.time.sleep", lambda _: None)
    detail = kubeflow._run_detail

    def run(*words: str, looks: list[Callable[[], None]]) -> tuple[int, str, str]:
        left = iter(looks)

        def answer(call: Any, identity: str) -> dict[str, Any]:
            next(left, lambda: None)()
            return detail(call, identity)

        monkeypatch.setattr(kubeflow, "_run_detail", answer)
        with pytest.raises(SystemExit) as ended:
            cli.main(["logs", "first", "--cluster", "--follow", *words])
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("before", "now", "new", "kept"),
    [
        (b"", b"one\n", b"one\n", b"one\n"),
        (b"one\n", b"one\ntwo\n", b"two\n", b"one\ntwo\n"),
        (b"one\n", b"one\n", b"", b"one\n"),
        # An answer that lags behind.
        (b"one\ntwo\n", b"one\n", b"", b"one\ntwo\n"),
        (b"one\n", b"", b"", b"one\n"),
        # A log whose beginning has gone.
        (b"x" * 5000 + b"two\n", b"x" * 2000 + b"two\nthree\n", b"three\n", None),
        (b"one\n", b"two\n", b"two\n", b"two\n"),
    ],
)
def test_what_was_seen_of_a_log_is_left_out(
    before: bytes, now: bytes, new: bytes, kept: bytes | None
) -> None:
    assert unseen(before, now) == (new, now if kept is None else kept)


def test_what_is_new_is_read_from_the_waiting_pod_to_its_end(
    kubeflow: KubeflowServer, say: Say, log: FollowedLog
) -> None:
    looks = [log.look()]
    say("Running", pod="Pending")
    looks.append(log.look())
    for phase, text in (
        ("Running", "one\n"),
        ("Running", "one\ntwo\n"),
        ("Succeeded", "one\ntwo\n3"),
    ):
        kubeflow.logs["pod"] = text
        say(phase, pod=phase)
        looks.append(log.look())

    assert [look.gained for look in looks] == [b"", b"", b"one\n", b"two\n", b"3"]
    assert [look.is_over for look in looks] == [False] * 4 + [True]


def test_the_pod_of_a_retry_follows_the_end_of_the_one_before(
    kubeflow: KubeflowServer, say: Say, log: FollowedLog
) -> None:
    kubeflow.logs["p0"] = "old"
    say("Running", p0="Running")
    assert log.look().gained == b"old"

    kubeflow.logs |= {"p0": "older", "p1": "new\n"}
    say("Running", p0="Failed", p1="Running")

    look = log.look()
    assert (look.gained, look.is_over) == (b"er\nnew\n", False)


def test_following_begins_with_the_last_pod(
    kubeflow: KubeflowServer, say: Say, log: FollowedLog
) -> None:
    kubeflow.logs |= {"p0": "old\n", "p1": "new\n"}
    say("Running", p0="Failed", p1="Running")

    assert log.look().gained == b"new\n"


def test_a_dropped_connection_loses_nothing(
    kubeflow: KubeflowServer, say: Say, log: FollowedLog
) -> None:
    kubeflow.logs["p0"] = "one\n"
    say("Running", p0="Running")
    log.look()
    kubeflow.logs |= {"p0": "one\ntwo\n", "p1": "three\n"}
    say("Succeeded", p0="Failed", p1="Succeeded")
    # The log of the first pod comes, that of the second does not.
    kubeflow.fail("GET", "/k8s/pod/logs", "slow", times=1)
    kubeflow.fail("GET", "/k8s/pod/logs", "lost", times=5)

    with pytest.raises(ClusterError, match="no answer"):
        log.look()

    assert log.look().gained == b"two\nthree\n"


def test_a_log_that_is_not_there_yet_is_waited_for(say: Say, log: FollowedLog) -> None:
    say("Running", pod="Running")

    look = log.look()

    assert (look.gained, look.missing, look.is_over) == (b"", None, False)


def test_a_log_that_is_gone_at_the_end_is_missing(say: Say, log: FollowedLog) -> None:
    say("Succeeded", pod="Succeeded")

    look = log.look()

    assert look.is_over
    assert "kubectl logs -n kubeflow pod -c main" in str(look.missing)


def test_a_run_that_has_ended_ends_the_following(say: Say, log: FollowedLog) -> None:
    say("Running", run="Failed")

    assert log.look().is_over


def test_a_refusal_is_not_taken_for_a_log_that_is_not_there(
    kubeflow: KubeflowServer, say: Say, log: FollowedLog
) -> None:
    say("Running", pod="Running")
    kubeflow.fail("GET", "/k8s/pod/logs", "status", status=403)

    with pytest.raises(ClusterError, match="you may not do this"):
        log.look()


def test_an_unknown_step_is_refused(client: Any, connection: Connection, run_id: str) -> None:
    with pytest.raises(ClusterError, match="did you mean 'first'"):
        ClusterRuns(client, connection).follow_log(run_id, "frist")


@pytest.mark.parametrize(("phase", "status"), [("Succeeded", 0), ("Failed", 1)])
def test_the_command_prints_each_line_once_and_its_status_is_the_steps(
    kubeflow: KubeflowServer,
    say: Say,
    follow: Callable[..., tuple[int, str, str]],
    phase: str,
    status: int,
) -> None:
    def at(phase: str, text: str) -> Callable[[], None]:
        def happen() -> None:
            kubeflow.logs["pod"] = text
            say(phase, pod=phase)

        return happen

    looks = [
        at("Running", "1\n2\n3\n"),
        lambda: None,
        at("Running", "1\n2\n3\n4"),
        at(phase, "1\n2\n3\n45\n"),
    ]
    done, out, err = follow("--tail", "2", looks=looks)

    assert (done, out) == (status, "2\n3\n45\n")
    assert (f"first of {next(iter(kubeflow.runs))}: Failed" in err) == (status == 1)


def test_the_command_prints_json_lines(
    kubeflow: KubeflowServer, say: Say, run_id: str, follow: Callable[..., tuple[int, str, str]]
) -> None:
    kubeflow.logs["pod"] = "1\n2\n"
    say("Succeeded", pod="Succeeded")

    _, out, _ = follow("--json", looks=[])

    rows = [json.loads(line) for line in out.splitlines()]
    assert rows == [{"run": run_id, "step": "first", "line": line} for line in "12"]


def test_the_command_outlasts_a_server_that_is_away_for_a_while(
    kubeflow: KubeflowServer, say: Say, run_id: str, follow: Callable[..., tuple[int, str, str]]
) -> None:
    kubeflow.logs["pod"] = "1\n"
    say("Running", pod="Running")

    def away() -> None:
        kubeflow.fail("GET", f"/runs/{run_id}", "lost", times=7)

    def over() -> None:
        kubeflow.logs["pod"] = "1\n2\n"
        say("Succeeded", pod="Succeeded")

    status, out, err = follow(looks=[lambda: None, away, over])

    assert (status, out) == (0, "1\n2\n")
    assert "looking again" in err


@pytest.mark.parametrize(
    ("text", "phase", "status", "also"),
    [(None, "Succeeded", 1, ""), ("1\n", "Succeeded", 0, ""), (None, "Failed", 1, ": Failed")],
)
def test_the_command_says_where_a_log_that_is_gone_may_be(
    kubeflow: KubeflowServer,
    say: Say,
    follow: Callable[..., tuple[int, str, str]],
    text: str | None,
    phase: str,
    status: int,
    also: str,
) -> None:
    if text:
        kubeflow.logs["pod"] = text
    say("Running", pod="Running")

    def gone() -> None:
        kubeflow.logs.clear()
        say(phase, pod=phase)

    done, out, err = follow(looks=[lambda: None, lambda: None, gone])

    assert (done, out) == (status, text or "")
    assert "kubectl logs -n kubeflow pod -c main" in err
    assert also in err
