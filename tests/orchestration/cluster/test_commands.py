"""The commands that reach Kubeflow, from their words to their exit status."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.cluster import connection as connections
from tests.kubeflow_server import KubeflowServer

Package = Callable[..., pathlib.Path]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    kubeflow: KubeflowServer, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs a command line against the server; returns its status, output and errors."""
    monkeypatch.setenv("KFP_HOST", kubeflow.url)
    monkeypatch.setattr("orchestration.cluster.commands._LOOK_EVERY", {"here": 0.1, "cluster": 0.1})
    return command_line


def test_upload_prints_the_version_and_its_page(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    status, out, _ = command("upload", package())

    assert status == 0
    assert out.splitlines()[0] == "pipeline shell, version shell: uploaded"
    assert out.splitlines()[1].startswith(f"{kubeflow.url}/#/pipelines/details/")


def test_upload_again_says_that_nothing_was_uploaded(command: Command, package: Package) -> None:
    command("upload", package())

    _, out, _ = command("upload", package(), "--json")

    assert json.loads(out)["is_new"] is False


def test_upload_takes_another_name(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    command("upload", package(), "--pipeline", "staging")

    assert [item["name"] for item in kubeflow.pipelines.values()] == ["staging"]


def test_run_uploads_and_starts(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    words = ("--cluster", "--param", "train-args={}", "--run-name", "mine", "--experiment", "e")
    status, out, _ = command("run", package(), *words, "--json")

    assert status == 0
    view = json.loads(out)
    assert (view["name"], view["experiment"], view["state"]) == ("mine", "e", "Pending")
    assert list(kubeflow.runs) == [view["id"]]


@pytest.mark.parametrize(
    ("words", "account"), [(("--service-account", "gcs-writer"), "gcs-writer"), ((), None)]
)
def test_run_gives_the_pods_a_service_account(
    kubeflow: KubeflowServer,
    command: Command,
    package: Package,
    words: tuple[str, ...],
    account: str | None,
) -> None:
    _, out, _ = command("run", package(), "--cluster", "--json", *words)

    workflow = kubeflow.workflows[json.loads(out)["id"]]
    assert workflow["spec"].get("serviceAccountName") == account


@pytest.mark.parametrize(("phase", "status"), [("Succeeded", 0), ("Failed", 1)])
def test_run_waits_for_the_end_and_its_status_says_how_it_went(
    kubeflow: KubeflowServer,
    command: Command,
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    status: int,
) -> None:
    answer = kubeflow._run_detail

    def soon_over(call: Any, identity: str) -> dict[str, Any]:
        if kubeflow.called("GET", "/runs/.*") == 3:
            kubeflow.progress(identity, phase, {})
        return answer(call, identity)

    monkeypatch.setattr(kubeflow, "_run_detail", soon_over)

    done, out, err = command("run", package(), "--cluster", "--wait", "--json")

    assert (done, json.loads(out)["state"]) == (status, phase)
    assert "/#/runs/details/" in err


def test_waiting_ends_at_the_timeout_and_the_run_goes_on(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    status, _, err = command("run", package(), "--cluster", "--wait", "--timeout", "0.05")

    assert status == 1
    assert "still Pending at the end of the time given; the run goes on" in err
    assert kubeflow.called("POST", "/runs/.*/terminate") == 0


def test_waiting_outlasts_a_server_that_is_away_for_a_while(
    kubeflow: KubeflowServer, command: Command, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.cluster.transport.time.sleep", lambda _: None)
    _, out, _ = command("run", package(), "--cluster", "--json")
    run_id = json.loads(out)["id"]
    looks = kubeflow.called("GET", "/runs/.*")
    answer = kubeflow._run_detail

    def away(call: Any, identity: str) -> dict[str, Any]:
        if kubeflow.called("GET", "/runs/.*") == looks + 2:
            kubeflow.fail("GET", f"/runs/{identity}", "status", status=503, times=7)
            kubeflow.progress(identity, "Succeeded", {})
            return {"run": {**kubeflow.runs[identity], "status": "Running"}}
        return answer(call, identity)

    monkeypatch.setattr(kubeflow, "_run_detail", away)

    status, out, _ = command("status", "--cluster", run_id, "--watch")

    assert status == 0
    assert "looking again" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--param", "train-arg=1"), "did you mean 'train-args'?"),
        (("--pipeline", "x" * 101), "1 to 100 bytes"),
        (("--service-account", "Pipeline_Runner"), "not the name of a Kubernetes object"),
        (("--service-account", ""), "not the name of a Kubernetes object"),
    ],
)
def test_what_is_impossible_is_refused_before_any_call(
    kubeflow: KubeflowServer,
    command: Command,
    package: Package,
    words: tuple[str, ...],
    said: str,
) -> None:
    status, out, err = command("run", package(), "--cluster", *words)

    assert (status, out) == (1, "")
    assert said in err
    assert kubeflow.calls == []


@pytest.mark.parametrize(
    "words",
    [
        ("--cron", "0 0 30 2 *"),
        ("--cron", "61 * * * *"),
        ("--interval", "0s"),
        (),
        ("--cron", "@daily", "--interval", "1d"),
        ("--cron", "@daily", "--end", "2020-01-01"),
        ("--cron", "@daily", "--start", "soon"),
        ("--cron", "@daily", "--param", "nothing=1"),
    ],
)
def test_an_impossible_schedule_is_refused_before_any_call(
    kubeflow: KubeflowServer, command: Command, package: Package, words: tuple[str, ...]
) -> None:
    status, out, err = command("schedule", "create", package(), *words)

    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert kubeflow.calls == []


@pytest.mark.parametrize(
    "words",
    [
        ("run", "{file}", "--cluster", "--mount", "a=b"),
        ("run", "{file}", "--cluster", "--max-parallel", "2"),
        ("run", "{file}", "--cluster", "--home", "x"),
        ("run", "{file}", "--cluster", "--timeout", "5"),
        ("run", "{file}", "--experiment", "e"),
        ("run", "{file}", "--service-account", "s"),
        ("run", "{file}", "--wait"),
        ("run", "{file}", "--host", "http://x"),
        ("retry", "x", "--wait"),
        ("runs", "--namespace", "n"),
        ("runs", "--cluster", "--home", "x"),
        ("runs", "--limit", "0"),
        ("logs",),
        ("compare", "--cluster"),
        ("compare", "--cluster", "one"),
        ("compare", "one", "two", "--namespace", "n"),
        ("terminate",),
        ("schedule", "create", "{file}", "--cron", "@daily", "--max-concurrency", "11"),
        ("schedule", "create", "{file}", "--cron", "@daily", "--param", "a=1", "--param", "a=2"),
        ("schedule", "delete"),
        ("upload",),
    ],
)
def test_a_wrong_command_line_is_status_2(
    kubeflow: KubeflowServer, command: Command, package: Package, words: tuple[str, ...]
) -> None:
    path = package()

    status, _, _ = command(*(word.format(file=path) for word in words))

    assert (status, kubeflow.calls) == (2, [])


def test_without_an_address_the_mend_is_said(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_HOST")

    status, _, err = command("runs", "--cluster")

    assert status == 1
    assert "kubectl port-forward" in err


def test_a_variable_means_the_cluster(
    command: Command, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", package(), "--cluster", "--run-name", "there")
    monkeypatch.setenv("COMPLAINT_PIPELINE_CLUSTER", "1")

    _, out, _ = command("runs", "--json")

    assert [row["name"] for row in json.loads(out)] == ["there"]


def test_runs_status_logs_terminate_and_retry_speak_of_the_same_run(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    _, out, _ = command("run", package(), "--cluster", "--json")
    run_id = json.loads(out)["id"]
    root = kubeflow.workflows[run_id]["metadata"]["name"]
    node = {"type": "Pod", "displayName": "first", "boundaryID": root, "phase": "Failed"}
    kubeflow.logs["pod"] = "1\n2\n3\n"

    assert run_id[:8] in command("runs", "--cluster")[1]
    assert "asked to end it" in command("terminate", "--cluster", run_id)[1]
    kubeflow.progress(run_id, "Failed", {"pod": {**node, "message": "exit code 1"}})
    status, out, _ = command("status", "--cluster", run_id)
    assert (status, "exit code 1" in out) == (0, True)
    status, _, err = command("status", "--cluster", run_id, "--watch")
    assert status == 1
    assert f"resume with: complaint-pipeline retry --cluster {run_id}" in err
    assert command("logs", "first", "--cluster", "--tail", "2")[1] == "2\n3\n"
    _, out, _ = command("retry", "--cluster", run_id, "--json")
    assert json.loads(out)["state"] == "Running"


def test_compare_takes_ids_and_names(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    ids = []
    for name, auc in (("one", 0.5), ("two", 0.75)):
        words = ("--run-name", name, "--param", f"train-args={auc}", "--json")
        ids.append(json.loads(command("run", package(), "--cluster", *words)[1])["id"])
        kubeflow.report_metrics(ids[-1], "evaluator", auc=auc)

    status, out, _ = command("compare", "--cluster", "one", ids[1])
    answer = json.loads(command("compare", "--cluster", "one", ids[1], "--json", "--all")[1])

    assert status == 0
    assert "+0.2500" in out
    assert [run["id"] for run in answer["runs"]] == ids
    assert [item["name"] for item in answer["parameters"]] == ["train-args", "data-root"]


def test_compare_refuses_a_run_given_by_its_id_and_its_name(
    command: Command, package: Package
) -> None:
    _, out, _ = command("run", package(), "--cluster", "--run-name", "one", "--json")

    status, _, err = command("compare", "--cluster", "one", json.loads(out)["id"])

    assert (status, "this run is given twice" in err) == (1, True)


def test_compare_says_which_run_is_unknown(command: Command, package: Package) -> None:
    command("run", package(), "--cluster", "--run-name", "one")

    status, _, err = command("compare", "--cluster", "one", "oen")

    assert (status, "oen: no run has this id or name" in err) == (1, True)


def test_create_prints_the_next_three_times_in_utc_and_local_time(
    command: Command, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        _, out, _ = command("schedule", "create", package(), "--cron", "0 2 * * *")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()

    assert "cron 0 0 2 * * *" in out
    times = [line for line in out.splitlines() if "next:" in line]
    assert len(times) == 3
    assert all("02:00:00 UTC = " in line and "11:00:00 JST" in line for line in times)


def test_a_schedule_goes_through_its_life(
    kubeflow: KubeflowServer, command: Command, package: Package
) -> None:
    words = ("--name", "nightly", "--interval", "6h", "--max-concurrency", "2", "--disabled")
    _, out, _ = command("schedule", "create", package(), *words, "--json")
    made = json.loads(out)
    assert (made["enabled"], made["interval_seconds"], made["next"]) == (False, 21600, [])

    assert json.loads(command("schedule", "enable", "nightly", "--json")[1])["enabled"]
    assert not json.loads(command("schedule", "disable", "nightly", "--json")[1])["enabled"]
    command("upload", package("echo other"))
    _, out, _ = command("schedule", "repoint", "nightly", "--json")
    assert json.loads(out)["version_id"] != made["version_id"]
    _, out, _ = command("schedule", "list", "--json")
    assert [(row["name"], row["max_concurrency"]) for row in json.loads(out)] == [("nightly", 2)]
    assert "nightly" in command("schedule", "list")[1]
    assert "deleted" in command("schedule", "delete", "nightly")[1]
    assert command("schedule", "list")[1] == "no schedules\n"


def test_a_second_schedule_of_a_name_is_refused(command: Command, package: Package) -> None:
    command("schedule", "create", package(), "--cron", "@daily")

    status, _, err = command("schedule", "create", package(), "--cron", "@daily")

    assert status == 1
    assert "shell: a schedule has this name" in err


@pytest.mark.parametrize("source", ["variable", "file"])
def test_credentials_come_from_variables_or_files(
    kubeflow: KubeflowServer,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    source: str,
) -> None:
    kubeflow.token, kubeflow.cookie = "t", "s=c"
    words: tuple[object, ...] = ()
    if source == "variable":
        monkeypatch.setenv("KFP_TOKEN", "t")
        monkeypatch.setenv("KFP_COOKIES", "s=c")
    else:
        (tmp_path / "token").write_text("t\n")
        (tmp_path / "cookies").write_text("s=c\n")
        words = ("--token-file", tmp_path / "token", "--cookies-file", tmp_path / "cookies")

    assert command("runs", "--cluster", *words)[:2] == (0, "no runs\n")


@pytest.mark.parametrize("verbose", [(), ("--verbose",)])
@pytest.mark.parametrize(
    "words",
    [
        ("upload", "{file}"),
        ("run", "{file}", "--cluster"),
        ("runs", "--cluster", "--json"),
        ("status", "--cluster"),
        ("logs", "first", "--cluster"),
        ("logs", "first", "--cluster", "--follow"),
        ("compare", "x", "y", "--cluster"),
        ("terminate", "x", "--cluster"),
        ("retry", "x", "--cluster"),
        ("schedule", "list"),
        ("schedule", "repoint", "x"),
    ],
)
def test_no_output_holds_a_credential(
    kubeflow: KubeflowServer,
    command: Command,
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    verbose: tuple[str, ...],
) -> None:
    # The server's message repeats the token, and its answer sets a cookie.
    kubeflow.token = "the-new-one"
    monkeypatch.setenv("KFP_TOKEN", "SECRET-token")
    monkeypatch.setenv("KFP_COOKIES", "session=SECRET-cookie")
    path = package()

    status, out, err = command(*verbose, *(word.format(file=path) for word in words))

    assert status == 1
    assert "expired" in err
    for secret in ("SECRET-token", "SECRET-cookie", "answered-secret"):
        assert secret not in out + err


def test_a_client_that_cannot_be_made_shows_no_credential(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kfp

    def broken(*_: object, **values: object) -> None:
        raise ValueError(f"bad token {values['existing_token']}")

    monkeypatch.setattr(kfp.Client, "__init__", broken)
    monkeypatch.setenv("KFP_TOKEN", "SECRET-token")

    status, out, err = command("--verbose", "runs", "--cluster")

    assert status == 1
    assert "bad token ***" in err
    assert "SECRET" not in out + err


def test_nothing_imports_kfp_before_a_call() -> None:
    import subprocess
    import sys

    code = (
        "import sys, orchestration.cli, orchestration.cluster.runs, "
        "orchestration.cluster.schedules; print([m for m in sys.modules if m.startswith('kfp')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
    assert connections.connect.__module__ == "orchestration.cluster.connection"


@pytest.mark.parametrize("name", ["create", "list", "enable", "disable", "delete", "repoint"])
def test_help_of_schedule_has_an_example(command: Command, name: str) -> None:
    status, out, _ = command("schedule", name, "--help")

    assert status == 0
    assert f"complaint-pipeline schedule {name}" in out
