"""What the pods run, without TFX: what is checked before it, and what is said when it fails."""

import importlib.metadata
import os
import pathlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import entrypoint, kubeflow_metrics
from components.entrypoint import check_mount, check_versions, installed_versions
from components.errors import RunError, WorkflowError
from components.execution_outcome import Node, executions_of_run, recorded_metrics
from components.metadata_client import PatientMetadataStore
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_client import connect
from orchestration.metadata_target import SqliteTarget
from tests.components.metadata_records import put_execution

MEND = (
    "; compile anew (make compile), or build the image from the commit that the workflow comes from"
)


@pytest.fixture(autouse=True)
def termination_log(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The file that Kubernetes gives to a pod; the variables of a pod are not set."""
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setattr(entrypoint, "_TERMINATION_LOG", path)
    for name in list(os.environ):
        if name.startswith(("EXPECTED_", "METADATA_GRPC_")):
            monkeypatch.delenv(name)
    return path


# Versions


def test_an_image_that_holds_what_the_workflow_expects_passes() -> None:
    check_versions({**installed_versions(), "PATH": "/bin"})


def test_what_is_not_expected_is_not_compared() -> None:
    check_versions({})


@pytest.mark.parametrize(
    ("variable", "difference"),
    [
        (
            "EXPECTED_COMPLAINT_PIPELINE_VERSION",
            f"complaint-pipeline {importlib.metadata.version('complaint-pipeline')} instead of 9.9",
        ),
        ("EXPECTED_TFX_VERSION", f"tfx {importlib.metadata.version('tfx')} instead of 9.9"),
        ("EXPECTED_CODE_HASH", "other code under components/"),
    ],
)
def test_each_difference_is_told(variable: str, difference: str) -> None:
    with pytest.raises(WorkflowError) as raised:
        check_versions({**installed_versions(), variable: "9.9"})

    assert str(raised.value) == f"what runs here does not fit the workflow: {difference}{MEND}"


def test_several_differences_are_told_at_once() -> None:
    with pytest.raises(WorkflowError) as raised:
        check_versions(dict.fromkeys(installed_versions(), "9.9"))

    line = str(raised.value)
    assert line.count("9.9") == 2
    assert "components/" in line
    assert "\n" not in line


def test_a_local_version_is_compared_as_a_label_can_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.2+gpu.3")

    check_versions({"EXPECTED_TFX_VERSION": "1.2_gpu.3"})
    with pytest.raises(WorkflowError, match=r"tfx 1\.2_gpu\.3 instead of 1\.2;"):
        check_versions({"EXPECTED_TFX_VERSION": "1.2"})


# Volumes


def test_a_volume_that_can_be_written_to_is_left_as_it_was(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()

    check_mount(folder)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_is_no_volume(tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "file":
        path.touch()

    with pytest.raises(RunError) as raised:
        check_mount(path)

    assert str(raised.value) == f"{path}: no volume is mounted here; check the claim of the pod"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_volume_of_another_user_is_told_with_the_mend(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(RunError) as raised:
        check_mount(tmp_path)

    assert str(raised.value).startswith(
        f"{tmp_path}: the volume cannot be written to by user {os.getuid()}: Permission denied; "
    )


def test_a_folder_that_takes_no_file_is_told_with_its_reason() -> None:
    with pytest.raises(RunError, match=r"/proc: the volume cannot be written to by user \d+: "):
        check_mount(pathlib.Path("/proc"))


# The command line


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collects what would run."""
    calls: list[Any] = []
    monkeypatch.setattr(entrypoint, "_run", lambda *arguments: calls.extend(arguments))
    return calls


def test_what_follows_the_separator_is_tfxs(ran: list[Any], tmp_path: pathlib.Path) -> None:
    tfxs = ["--node_id", "Trainer", "--mount_path", "/none", "--", "--more"]

    entrypoint.main(
        [
            *("--mount_path", str(tmp_path), "--metrics_path", "/tmp/m.json"),
            *("--metadata_timeout", "2.5", "--", *tfxs),
        ]
    )

    options, tfx_arguments = ran
    assert tfx_arguments == tfxs
    assert options.mount_path == [tmp_path]
    assert options.metrics_path == pathlib.Path("/tmp/m.json")
    assert options.metadata_timeout == 2.5


def test_nothing_of_our_own_is_required(ran: list[Any]) -> None:
    entrypoint.main(["--", "--node_id", "Resolver"])

    options, tfx_arguments = ran
    assert tfx_arguments == ["--node_id", "Resolver"]
    assert (options.mount_path, options.metrics_path) == ([], None)
    assert options.metadata_timeout == 300


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """Returns the first line that a failing command writes, and the rest."""
    with pytest.raises(SystemExit) as raised:
        entrypoint.main(arguments)
    assert raised.value.code == 1
    line, _, rest = capsys.readouterr().err.partition("\n")
    return line, rest


@pytest.mark.parametrize("arguments", [(), ("--mount_path", "/m"), ("--",), ("--", "--node_id")])
def test_without_tfxs_arguments_one_line_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], ran: list[Any], arguments: tuple[str, ...]
) -> None:
    line, _ = fails(capsys, *arguments)

    assert line == (
        "components.entrypoint: --node_id is missing from the arguments; compile the workflow anew"
    )
    assert ran == []


def test_tfxs_arguments_without_the_separator_are_refused(
    capsys: pytest.CaptureFixture[str], ran: list[Any]
) -> None:
    with pytest.raises(SystemExit) as raised:
        entrypoint.main(["--node_id", "Trainer"])

    assert raised.value.code == 2
    assert "unrecognized arguments: --node_id Trainer" in capsys.readouterr().err
    assert ran == []


@pytest.mark.parametrize("missing", ["--mount_path", "EXPECTED_CODE_HASH"])
def test_nothing_runs_where_a_check_fails(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    ran: list[Any],
    missing: str,
) -> None:
    mounted = tmp_path / "none" if missing == "--mount_path" else tmp_path
    if missing == "EXPECTED_CODE_HASH":
        monkeypatch.setenv(missing, "other")

    line, _ = fails(capsys, "--mount_path", str(mounted), "--", "--node_id", "Trainer")

    assert line.startswith("Trainer: ")
    assert ("no volume" in line) is (missing == "--mount_path")
    assert ran == []


# What is said of a failure


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no  such\ncolumn"), "Trainer: ValueError: no such column"),
        (KeyError(), "Trainer: KeyError"),
        (SystemExit(3), "Trainer: SystemExit: 3"),
        (SystemExit("no data"), "Trainer: SystemExit: no data"),
    ],
)
def test_one_line_stands_before_the_traceback_and_in_the_pods_status(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    termination_log: pathlib.Path,
    error: BaseException,
    line: str,
) -> None:
    def run(*_: object) -> None:
        raise error

    monkeypatch.setattr(entrypoint, "_run", run)

    first, rest = fails(capsys, "--", "--node_id", "Trainer")

    assert first == line
    assert rest.startswith("Traceback (most recent call last):")
    assert termination_log.read_text() == line


def test_what_google_refuses_is_said_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    termination_log: pathlib.Path,
) -> None:
    from google.api_core import exceptions

    def run(*_: object) -> None:
        raise exceptions.ResourceExhausted("Quota exceeded.")

    monkeypatch.setattr(entrypoint, "_run", run)

    line, rest = fails(capsys, "--", "--node_id", "Pusher")

    assert line.startswith("Pusher: Google Cloud refused (429): Quota exceeded; ask for more quota")
    assert rest == ""
    assert termination_log.read_text() == line


def test_an_error_that_is_written_for_the_user_has_no_traceback(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    termination_log: pathlib.Path,
) -> None:
    def run(*_: object) -> None:
        raise RunError("rejected by Ann:\n calibration")

    monkeypatch.setattr(entrypoint, "_run", run)

    assert fails(capsys, "--", "--node_id", "Approval") == (
        "Approval: rejected by Ann: calibration",
        "",
    )
    assert termination_log.read_text() == "Approval: rejected by Ann: calibration"


def test_a_long_line_is_cut_for_the_pods_status_between_characters(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    termination_log: pathlib.Path,
) -> None:
    def run(*_: object) -> None:
        raise RunError("ü" * 3000)

    monkeypatch.setattr(entrypoint, "_run", run)

    line, _ = fails(capsys, "--", "--node_id", "abc")

    assert line == f"abc: {'ü' * 3000}"
    # Two bytes each, after five: Kubernetes' 4096 would end in the middle of one.
    assert termination_log.read_text(encoding="utf-8") == f"abc: {'ü' * 2045}"


def test_outside_of_kubernetes_there_is_no_status_to_write(
    capsys: pytest.CaptureFixture[str], termination_log: pathlib.Path
) -> None:
    termination_log.unlink()

    line, _ = fails(capsys)

    assert line.startswith("components.entrypoint: ")
    assert not termination_log.exists()


# Around TFX, with a stand-in for its entry point and a metadata server

TFX_ARGUMENTS = (
    *("--node_id", "Trainer", "--tfx_ir", '{"pipelineInfo": {"id": "complaints"}}'),
    "--kubeflow_metadata_config",
    '{"grpc_config": {"grpc_service_host": {"environment_variable": "METADATA_GRPC_SERVICE_HOST"}, '
    '"grpc_service_port": {"environment_variable": "METADATA_GRPC_SERVICE_PORT"}}}',
)
NODE = Node(pipeline="complaints", node_id="Trainer", run_id="complaints-abc12")
OUTPUTS = {"model": [mlmd.Artifact(type="Model", uri="/m")]}


@pytest.fixture
def store(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ml_metadata.MetadataStore]:
    """A store whose server the pod's variables name."""
    monkeypatch.setattr(ml_metadata, "MetadataStore", ml_metadata.MetadataStore)
    monkeypatch.setattr(PatientMetadataStore, "patience", PatientMetadataStore.patience)
    monkeypatch.setenv("WORKFLOW_ID", NODE.run_id)
    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        monkeypatch.setenv("METADATA_GRPC_SERVICE_HOST", address.host)
        monkeypatch.setenv("METADATA_GRPC_SERVICE_PORT", str(address.port))
        yield connect(address)


@pytest.fixture
def tfx(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Puts a function in the place of TFX's entry point."""

    def stand_in(function: Callable[[], object]) -> None:
        package = types.ModuleType("tfx.orchestration.kubeflow")
        package.container_entrypoint = types.SimpleNamespace(  # type: ignore[attr-defined]
            main=lambda _: function()
        )
        monkeypatch.setitem(sys.modules, package.__name__, package)

    return stand_in


@pytest.mark.whole
def test_a_step_that_ml_metadata_knows_as_complete_succeeds(
    store: ml_metadata.MetadataStore, tfx: Callable[..., None]
) -> None:
    tfx(lambda: put_execution(store, NODE, outputs=OUTPUTS))

    entrypoint.main(["--", *TFX_ARGUMENTS])


@pytest.mark.whole
@pytest.mark.parametrize("leave", [lambda: None, sys.exit, lambda: sys.exit(0)])
def test_a_step_that_did_nothing_fails_even_if_its_code_leaves_with_0(
    store: ml_metadata.MetadataStore,
    tfx: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    leave: Callable[[], object],
) -> None:
    tfx(leave)

    line, _ = fails(capsys, "--", *TFX_ARGUMENTS)

    assert line == "Trainer: it exited with 0 but recorded no execution in ML Metadata"


@pytest.mark.whole
def test_a_step_whose_code_leaves_in_the_middle_fails(
    store: ml_metadata.MetadataStore, tfx: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def leave() -> None:
        put_execution(store, NODE, state=mlmd.Execution.RUNNING, outputs=OUTPUTS)
        sys.exit(0)

    tfx(leave)

    line, _ = fails(capsys, "--", *TFX_ARGUMENTS)

    assert "as RUNNING" in line


@pytest.mark.whole
def test_tfxs_clients_are_patient_for_as_long_as_the_arguments_say(
    store: ml_metadata.MetadataStore, tfx: Callable[..., None]
) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append((ml_metadata.MetadataStore, ml_metadata.MetadataStore.patience))
        put_execution(store, NODE, outputs=OUTPUTS)

    tfx(look)

    entrypoint.main(["--metadata_timeout", "17", "--", *TFX_ARGUMENTS])

    assert seen == [(PatientMetadataStore, 17)]


@pytest.mark.whole
def test_metrics_go_to_kubeflows_file_and_to_ml_metadata(
    store: ml_metadata.MetadataStore,
    tfx: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    tfx(lambda: put_execution(store, NODE, outputs=OUTPUTS))
    monkeypatch.setattr(
        kubeflow_metrics, "metrics_of", lambda outputs: {"outputs": float(len(outputs))}
    )
    path = tmp_path / "metrics.json"

    entrypoint.main(["--metrics_path", str(path), "--", *TFX_ARGUMENTS])

    assert '"numberValue": 1.0' in path.read_text()
    (execution,) = executions_of_run(store, NODE.run_id)
    assert recorded_metrics(execution) == {"outputs": 1.0}


@pytest.mark.whole
def test_metrics_that_cannot_be_read_are_a_warning(
    store: ml_metadata.MetadataStore,
    tfx: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: pathlib.Path,
) -> None:
    def broken(_: object) -> None:
        raise OSError("no\nsuch bucket")

    tfx(lambda: put_execution(store, NODE, outputs=OUTPUTS))
    monkeypatch.setattr(kubeflow_metrics, "metrics_of", broken)
    path = tmp_path / "metrics.json"

    entrypoint.main(["--metrics_path", str(path), "--", *TFX_ARGUMENTS])

    assert capsys.readouterr().err == (
        "warning: the metrics cannot be read: OSError: no such bucket\n"
    )
    assert path.read_text() == '{"metrics": []}'


# Code of the user


def test_a_users_package_of_the_same_name_is_imported_while_tfx_runs_and_only_then(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import components
    from components import errors

    package = tmp_path / "components"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "module.py").write_text("WHOSE = 'the user'\n")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    with entrypoint.user_code_first(tmp_path):
        from components import module  # type: ignore[attr-defined]

        assert module.WHOSE == "the user"
        assert os.environ["PYTHONPATH"] == f"{tmp_path}:/elsewhere"

    assert sys.modules["components"] is components
    assert sys.modules["components.errors"] is errors
    assert str(tmp_path) not in sys.path
    assert "components.module" not in sys.modules or not hasattr(
        sys.modules["components.module"], "WHOSE"
    )


def test_the_images_own_code_is_back_after_a_failure(tmp_path: pathlib.Path) -> None:
    from components import errors

    with pytest.raises(RuntimeError, match="broken"), entrypoint.user_code_first(tmp_path):
        raise RuntimeError("broken")

    assert sys.modules["components.errors"] is errors
    assert str(tmp_path) not in sys.path


def test_a_label_that_is_missing_is_named() -> None:
    with pytest.raises(WorkflowError, match="EXPECTED_TFX_VERSION reads is missing from the pod"):
        entrypoint.check_versions({"EXPECTED_TFX_VERSION": ""})


# Object storage


def test_a_bucket_that_cannot_be_used_fails_the_step_before_tfx(
    termination_log: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr(entrypoint, "_run", lambda *_: pytest.fail("TFX has begun"))
    arguments = ["--runtime_parameter", "data-root=STRING:s3://complaints/data"]

    with pytest.raises(SystemExit) as ended:
        entrypoint.main(["--", "--node_id", "CsvExampleGen", *arguments])

    assert ended.value.code == 1
    line = capsys.readouterr().err.strip()
    assert line.startswith(
        "CsvExampleGen: s3://complaints/data: http://127.0.0.1:9 does not answer"
    )
    assert "\n" not in line
    assert "hunter2" not in line
    assert termination_log.read_text() == line
