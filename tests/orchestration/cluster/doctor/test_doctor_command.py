"""The command ``doctor``, from its words to its exit status."""

import json
import pathlib
import shutil
from collections.abc import Callable

import pytest

from orchestration import cli
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_target import SqliteTarget
from tests.kubeflow_server import KubeflowServer
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import COMMITTED, add_node
from tests.shell_workflow import container, workflow, write

Command = Callable[..., tuple[int, str, str]]
Forward = Callable[[str], None]


@pytest.fixture
def forward(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Forward:
    """Sets what stands in for ``kubectl port-forward``; all other calls are the real kubectl's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    kubectl = shutil.which("kubectl")
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def set_script(script: str) -> None:
        path = folder / "kubectl"
        case = f'case " $* " in *" port-forward "*) {script};; *) exec {kubectl} "$@";; esac'
        path.write_text(f"#!/bin/sh\n{case}\n")
        path.chmod(0o755)

    set_script('echo "error: none in tests" >&2; exit 1')
    return set_script


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], forward: Forward) -> Command:
    """Runs ``doctor``; returns its status, output and errors."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", *map(str, words)])
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, shown.out, shown.err

    return run


@pytest.mark.whole
def test_a_ready_cluster_is_all_ok_and_status_0(
    ready: KubernetesServer, command: Command, forward: Forward, tmp_path: pathlib.Path
) -> None:
    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        forward(f"echo 'Forwarding from 127.0.0.1:{address.port} -> 8080'; exec sleep 60")

        status, out, err = command(COMMITTED)

    *lines, summary = out.splitlines()
    assert status == 0, out
    assert [line for line in lines if not line.startswith("ok       ")] == []
    assert summary == f"{len(lines)} ok"
    assert err == ""


def test_it_changes_nothing(ready: KubernetesServer, command: Command) -> None:
    command(COMMITTED)

    changing = [call for call in ready.calls if not call.startswith("GET ")]
    assert set(changing) == {"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}


def test_a_failure_is_status_1_with_its_mend_in_the_line(
    ready: KubernetesServer, command: Command
) -> None:
    ready.remove("persistentvolumeclaims", "tfx-pvc")

    status, out, _ = command(COMMITTED)

    assert status == 1
    (line,) = [line for line in out.splitlines() if line.startswith("failure")]
    assert line.startswith("failure  claim tfx-pvc: there is none in namespace kubeflow; create it")
    assert "1 failure" in out.splitlines()[-1]


def test_a_warning_is_status_0(ready: KubernetesServer, command: Command) -> None:
    status, out, _ = command(COMMITTED)

    assert status == 0
    assert "warning  metadata server: could not be looked at: " in out


def test_json_has_check_level_message_and_mend(ready: KubernetesServer, command: Command) -> None:
    status, out, err = command(COMMITTED, "--json")

    rows = json.loads(out)
    assert (status, err) == (0, "")
    assert all(set(row) == {"check", "level", "message", "mend"} for row in rows)
    assert {
        "check": "claim tfx-pvc",
        "level": "ok",
        "message": "Bound, ReadWriteMany",
        "mend": "",
    } in rows


def test_without_a_cluster_the_rest_is_skipped(
    kubernetes: KubernetesServer, command: Command
) -> None:
    kubernetes.is_silent = True

    status, out, _ = command(COMMITTED, "--request-timeout", "0.3")

    first, *rest, summary = out.splitlines()
    assert status == 1
    assert first.startswith("failure  cluster: kubectl version: no answer within 0.3 s")
    assert all(line.startswith("skipped  ") for line in rest)
    assert summary == f"1 failure, {len(rest)} skipped"


def test_without_the_namespace_only_what_is_in_it_is_skipped(
    ready: KubernetesServer, command: Command
) -> None:
    status, out, _ = command(COMMITTED, "--namespace", "team-a")

    levels = {
        line.split(maxsplit=1)[1].partition(":")[0]: line.split()[0] for line in out.splitlines()
    }
    assert status == 1
    assert levels["namespace team-a"] == "failure"
    assert levels["claims"] == levels["images"] == levels["metadata"] == "skipped"
    assert levels["capacity"] == levels["Argo"] == "ok"


def test_with_an_address_the_api_is_asked_there_even_without_a_cluster(
    kubernetes: KubernetesServer, kubeflow: KubeflowServer, command: Command
) -> None:
    kubernetes.is_silent = True

    status, out, _ = command(COMMITTED, "--request-timeout", "0.5", "--host", kubeflow.url)

    assert status == 1
    assert f"ok       Kubeflow Pipelines' API: it answers at {kubeflow.url}" in out


def test_another_context_is_used(ready: KubernetesServer, command: Command) -> None:
    status, out, _ = command(COMMITTED, "--context", "none")

    assert status == 1
    assert out.startswith("failure  cluster: ")
    assert 'context "none" does not exist' in out


def test_a_broken_workflow_is_an_error_before_anything_is_asked(
    ready: KubernetesServer, command: Command, tmp_path: pathlib.Path
) -> None:
    manifest = workflow([container("a", "true")])
    manifest["spec"]["entrypoint"] = "mian"

    status, out, err = command(write(tmp_path, manifest))

    assert (status, out) == (1, "")
    assert "spec.entrypoint" in err
    assert ready.calls == []


def test_no_line_holds_the_credentials_or_what_a_terminal_would_obey(
    ready: KubernetesServer, command: Command
) -> None:
    ready.add("events", "e", reason="Failed", message="")
    add_node(ready, "node-a")
    said = 'Failed to pull image "complaint-pipeline:0.1.0": \x1b[31mred\x07\nnext [bold]line'
    ready.add("events", "e", reason="Failed", message=said)
    ready.get("namespaces", "kubeflow")["status"]["phase"] = "\x1b[2JGone"

    _, out, err = command(COMMITTED)

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "kubeconfig-secret" not in out + err


def test_the_committed_workflow_is_the_default(
    ready: KubernetesServer, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(COMMITTED.parents[1])

    _, out, _ = command()

    assert "claim tfx-pvc" in out


def test_an_odd_object_is_a_warning_and_the_rest_is_looked_at(
    ready: KubernetesServer, command: Command
) -> None:
    ready.get("nodes", "node-a")["status"]["allocatable"] = ["x"]

    status, out, _ = command("--json")

    checks = json.loads(out)
    assert status in (0, 1)
    assert any("not as Kubernetes has them" in check["message"] for check in checks)
    assert "limits of the namespace" in {check["check"] for check in checks} or len(checks) > 10
