"""A workflow of shell steps, run whole: order, parameters, retries, timeouts, resuming."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from rich.console import Console

import orchestration
from components.errors import PipelineError, RunError, WorkflowError
from orchestration.local import run_record, runner
from orchestration.local.plan import RunOptions
from orchestration.local.run_record import RunFolder, RunRecord, Runs
from tests.google_storage import google_storage_missing, running_google_storage
from tests.s3 import running_s3
from tests.shell_workflow import container, workflow, write

CLAIM = {
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "claim"}}],
    "container": {"volumeMounts": [{"name": "data", "mountPath": "/tfx-data"}]},
}


@pytest.fixture
def volume(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


def run(
    tmp_path: pathlib.Path,
    manifest: dict[str, Any],
    folders: dict[str, pathlib.Path] | None = None,
    parameters: dict[str, str] | None = None,
    max_parallel: int = 2,
) -> RunRecord:
    records: list[RunRecord] = []
    options = RunOptions(
        package=write(tmp_path, manifest),
        home=tmp_path / "home",
        folders=folders or {},
        parameters=parameters or {},
        max_parallel=max_parallel,
    )
    runner.run(options, Console(quiet=True), records.append)
    return records[0]


def resume(tmp_path: pathlib.Path, run_id: str) -> RunRecord:
    records: list[RunRecord] = []
    runner.resume(run_id, tmp_path / "home", Console(quiet=True), records.append)
    return records[0]


def only_record(tmp_path: pathlib.Path) -> RunRecord:
    (folder,) = Runs(tmp_path / "home").all()
    return folder.read()


def states(record: RunRecord) -> dict[str, str]:
    return {step.name: step.state for step in record.steps}


def processes_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    try:
        # An orphan that nobody waits for stays in the list of processes, but has ended.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_steps_run_in_the_order_of_their_dependencies(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [
            container("last", "cat /tfx-data/a /tfx-data/b > /tfx-data/c", **CLAIM),
            container("first", "echo one > /tfx-data/a", **CLAIM),
            container("middle", "cat /tfx-data/a > /tfx-data/b", **CLAIM),
        ],
        dependencies={"last": ["middle"], "middle": ["first"]},
    )

    record = run(tmp_path, manifest, {"claim": volume})

    assert (volume / "c").read_text() == "one\none\n"
    assert record.state == "Succeeded"


def test_independent_steps_run_side_by_side_up_to_the_limit(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    # Each of the two waits until the other has started: one after the other they time out.
    script = (
        "touch /tfx-data/{0}; for i in $(seq 100); do "
        "[ -e /tfx-data/{1} ] && exit 0; sleep 0.1; done; exit 1"
    )
    manifest = workflow(
        [
            container("a", script.format("a", "b"), **CLAIM),
            container("b", script.format("b", "a"), **CLAIM),
        ]
    )

    record = run(tmp_path, manifest, {"claim": volume}, max_parallel=2)

    assert states(record) == {"a": "Succeeded", "b": "Succeeded"}


def test_never_more_steps_than_the_limit_run_at_once(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    # mkdir fails where the folder of a step that still runs is there.
    script = "mkdir /tfx-data/lock && sleep 0.3 && rmdir /tfx-data/lock"
    manifest = workflow([container(name, script, **CLAIM) for name in ("a", "b", "c")])

    record = run(tmp_path, manifest, {"claim": volume}, max_parallel=1)

    assert set(states(record).values()) == {"Succeeded"}


def test_parameters_reach_the_container_filled_in(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    step = container(
        "show",
        "echo {{inputs.parameters.greeting}} {{workflow.parameters.name}} > /tfx-data/out",
        inputs={"parameters": [{"name": "greeting"}]},
        **CLAIM,
    )
    manifest = workflow([step], parameters={"greeting": "hello", "name": "nobody"})
    task = manifest["spec"]["templates"][0]["dag"]["tasks"][0]
    task["arguments"] = {
        "parameters": [{"name": "greeting", "value": "{{workflow.parameters.greeting}}"}]
    }

    run(tmp_path, manifest, {"claim": volume}, {"name": "world"})

    assert (volume / "out").read_text() == "hello world\n"


def test_environment_comes_from_values_fields_secrets_and_the_metadata_service(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text("s3cret")
    step = container(
        "show",
        'echo "$PLAIN $RUN $POD_LABEL $MISSING_LABEL $TOKEN '
        '${METADATA_GRPC_SERVICE_HOST}" > /tfx-data/out',
        metadata={"labels": {"colour": "blue"}},
        volumes=CLAIM["volumes"],
        container={
            **CLAIM["container"],
            "envFrom": [{"configMapRef": {"name": "metadata-grpc-configmap", "optional": True}}],
            "env": [
                {"name": "PLAIN", "value": "plain"},
                {
                    "name": "RUN",
                    "valueFrom": {
                        "fieldRef": {
                            "fieldPath": "metadata.labels['workflows.argoproj.io/workflow']"
                        }
                    },
                },
                {
                    "name": "POD_LABEL",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['colour']"}},
                },
                {
                    "name": "MISSING_LABEL",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['none']"}},
                },
                {
                    "name": "TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": "vault", "key": "token"}},
                },
            ],
        },
    )

    record = run(tmp_path, workflow([step]), {"claim": volume, "vault": secret})

    assert (volume / "out").read_text() == f"plain {record.id} blue  s3cret 127.0.0.1\n"


def test_references_to_variables_are_expanded_as_kubernetes_does(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    step = container(
        "show",
        "echo '$(FULL) $$(FULL) $(NONE)' > $(OUT)",
        volumes=CLAIM["volumes"],
        container={
            **CLAIM["container"],
            "env": [
                {"name": "FIRST", "value": "one"},
                {"name": "FULL", "value": "$(FIRST)-$(LATER)"},
                {"name": "LATER", "value": "two"},
                {"name": "OUT", "value": "/tfx-data/out"},
            ],
        },
    )

    run(tmp_path, workflow([step]), {"claim": volume})

    assert (volume / "out").read_text() == "one-$(LATER) $(FULL) $(NONE)\n"


def test_a_secret_without_a_folder_is_an_error_before_the_first_step(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    reference = {"secretKeyRef": {"name": "vault", "key": "token"}}
    manifest = workflow(
        [
            container("first", "touch /tfx-data/started", **CLAIM),
            container("second", "true", container={"env": [{"name": "T", "valueFrom": reference}]}),
        ],
        dependencies={"second": ["first"]},
    )

    with pytest.raises(WorkflowError, match="vault"):
        run(tmp_path, manifest, {"claim": volume})

    assert not (volume / "started").exists()


def test_a_failed_step_stops_what_comes_after_but_not_what_runs(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [
            container("bad", "echo no such row >&2; exit 3"),
            container("side", "sleep 1; touch /tfx-data/side", **CLAIM),
            container("after", "touch /tfx-data/after", **CLAIM),
        ],
        dependencies={"after": ["bad"]},
    )

    with pytest.raises(RunError, match="step bad failed: exit status 3: no such row"):
        run(tmp_path, manifest, {"claim": volume})

    record = only_record(tmp_path)
    assert states(record) == {"bad": "Failed", "side": "Succeeded", "after": "Omitted"}
    assert record.state == "Failed"
    assert (volume / "side").exists()
    assert not (volume / "after").exists()


def test_the_last_lines_of_a_failed_step_are_shown(tmp_path: pathlib.Path) -> None:
    package = write(
        tmp_path, workflow([container("bad", "for i in $(seq 40); do echo [$i]; done; exit 1")])
    )

    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", package, "--home", tmp_path / "home"],
        capture_output=True,
        text=True,
        check=False,
    )

    shown = done.stdout.splitlines()
    assert shown[-15:] == [f"[{number}]" for number in range(26, 41)]
    assert "last lines of bad" in shown[-16]


def test_the_error_names_the_command_that_resumes(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("bad", "exit 1")])

    with pytest.raises(RunError) as raised:
        run(tmp_path, manifest)

    record = only_record(tmp_path)
    line = str(raised.value).splitlines()[-1]
    assert line.startswith("resume with: ")
    assert line.endswith(f"complaint-pipeline retry {record.id} --home {tmp_path / 'home'}")


def test_resuming_runs_only_what_had_not_succeeded(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [
            container("good", "echo x >> /tfx-data/good", **CLAIM),
            container("flaky", "test -e /tfx-data/mended", **CLAIM),
            container("after", "touch /tfx-data/after", **CLAIM),
        ],
        dependencies={"flaky": ["good"], "after": ["flaky"]},
    )
    with pytest.raises(RunError):
        run(tmp_path, manifest, {"claim": volume})
    (volume / "mended").touch()

    record = resume(tmp_path, only_record(tmp_path).id)

    assert (volume / "good").read_text() == "x\n"
    assert set(states(record).values()) == {"Succeeded"}
    assert (volume / "after").exists()


def test_a_retry_leaves_the_start_of_the_run_and_adds_an_attempt(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow([container("flaky", "test -e /tfx-data/mended", **CLAIM)])
    with pytest.raises(RunError):
        run(tmp_path, manifest, {"claim": volume})
    failed = only_record(tmp_path)
    (volume / "mended").touch()

    record = resume(tmp_path, failed.id)

    assert record.started == failed.started
    first, second = record.attempts
    assert (first.started, first.ended) == (failed.started, failed.ended)
    assert failed.ended is not None
    assert failed.ended <= second.started
    assert second.ended == record.ended


def test_a_step_that_a_retry_does_not_reach_has_no_times(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    steps = [
        container("first", "test ! -e /tfx-data/broken", **CLAIM),
        container("second", "false"),
    ]
    manifest = workflow(steps, dependencies={"second": ["first"]})
    with pytest.raises(RunError):
        run(tmp_path, manifest, {"claim": volume})
    failed = only_record(tmp_path)
    assert failed.step("second").started is not None
    # As after a retry in which the first step's outputs were lost.
    failed.step("first").state = "Failed"
    Runs(tmp_path / "home").find(failed.id).write(failed)
    (volume / "broken").touch()

    with pytest.raises(RunError):
        resume(tmp_path, failed.id)

    second = only_record(tmp_path).step("second")
    assert (second.state, second.started, second.ended) == ("Omitted", None, None)


def test_a_run_that_has_succeeded_is_not_resumed(tmp_path: pathlib.Path) -> None:
    record = run(tmp_path, workflow([container("good", "true")]))

    with pytest.raises(RunError, match="nothing to resume"):
        resume(tmp_path, record.id)


def test_the_json_of_a_failed_run_is_printed_too(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, workflow([container("bad", "exit 1")]))

    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", path, "--home", tmp_path / "h", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "Failed"


def test_outputs_of_another_metadata_store_are_not_overwritten(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [container("step", "echo x >> /tfx-data/out/trace", **CLAIM)],
        parameters={"pipeline-root": "/tfx-data/out"},
    )
    run(tmp_path, manifest, {"claim": volume})
    run(tmp_path, manifest, {"claim": volume})
    (tmp_path / "home" / "metadata.db").unlink()

    with pytest.raises(RunError, match=f"{volume}/out holds outputs that the metadata store"):
        run(tmp_path, manifest, {"claim": volume})

    assert (volume / "out/trace").read_text() == "x\nx\n"


@pytest.fixture(params=["s3", "gs"])
def bucket(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URI of a bucket, to which this process has access."""
    if request.param == "gs" and (reason := google_storage_missing()):
        pytest.skip(reason)
    (tmp_path / "server").mkdir()
    running = (
        running_s3("models")
        if request.param == "s3"
        else running_google_storage(tmp_path / "server", "models")
    )
    with running as server:
        for name, text in server.variables.items():
            monkeypatch.setenv(name, text)
        yield f"{request.param}://models"


def test_outputs_of_another_metadata_store_are_not_overwritten_in_a_bucket(
    tmp_path: pathlib.Path, bucket: str
) -> None:
    root = f"{bucket}/out"
    manifest = workflow([container("step", "true")], parameters={"pipeline-root": root})
    run(tmp_path, manifest)
    run(tmp_path, manifest)
    (tmp_path / "home" / "metadata.db").unlink()

    with pytest.raises(RunError, match=f"{root} holds outputs that the metadata store"):
        run(tmp_path, manifest)
    # Beside it is another folder, though its name begins alike.
    run(tmp_path, manifest, parameters={"pipeline-root": f"{bucket}/ou"})


def test_a_bucket_for_the_outputs_that_is_not_there_is_told_before_the_first_step(
    tmp_path: pathlib.Path, bucket: str
) -> None:
    manifest = workflow(
        [container("step", "true")], parameters={"pipeline-root": f"{bucket}-none/out"}
    )

    with pytest.raises(RunError, match=r"there is no bucket models-none"):
        run(tmp_path, manifest)

    assert only_record(tmp_path).step("step").started is None


def test_a_parameter_that_is_json_by_default_must_be_json(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("a", "true")], parameters={"train-args": '{"num_steps": 1}'})

    with pytest.raises(RunError, match="--param train-args: 'num_steps: 2' is not JSON such as"):
        run(tmp_path, manifest, parameters={"train-args": "num_steps: 2"})


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [("Always", 3), ("OnFailure", 3), ("OnError", 1), ("OnTransientError", 1)],
)
def test_retries_follow_the_policy_and_the_limit(
    tmp_path: pathlib.Path, policy: str, attempts: int
) -> None:
    strategy = {"limit": 2, "retryPolicy": policy, "backoff": {"duration": "0s"}}
    manifest = workflow([container("bad", "exit 1", retryStrategy=strategy)])

    with pytest.raises(RunError):
        run(tmp_path, manifest)

    assert only_record(tmp_path).steps[0].attempts == attempts


def test_a_retry_that_succeeds_lets_the_run_succeed(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    strategy = {"limit": 1, "retryPolicy": "Always", "backoff": {"duration": "100ms"}}
    script = "if [ -e /tfx-data/seen ]; then exit 0; fi; touch /tfx-data/seen; exit 1"
    manifest = workflow(
        [
            container("flaky", script, retryStrategy=strategy, **CLAIM),
            container("after", "true"),
        ],
        dependencies={"after": ["flaky"]},
    )

    record = run(tmp_path, manifest, {"claim": volume})

    assert record.step("flaky").attempts == 2
    assert set(states(record).values()) == {"Succeeded"}


def test_a_step_beyond_its_deadline_is_ended_with_all_its_children(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    script = "sleep 300 & echo $! > /tfx-data/child; wait"
    manifest = workflow([container("slow", script, activeDeadlineSeconds=1, **CLAIM)])

    with pytest.raises(RunError, match="longer than its limit of 1 s"):
        run(tmp_path, manifest, {"claim": volume})

    assert processes_gone([int((volume / "child").read_text())])


def test_a_step_that_ignores_sigterm_is_killed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.executor._GRACE_SECONDS", 0.5)
    script = "trap '' TERM; while true; do sleep 0.1; done"
    manifest = workflow([container("stubborn", script, activeDeadlineSeconds=1)])

    with pytest.raises(RunError, match="activeDeadlineSeconds"):
        run(tmp_path, manifest)


def test_the_exit_handler_runs_after_success_and_knows_it(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [
            container("good", "true"),
            container("finally", "echo {{workflow.status}} > /tfx-data/status", **CLAIM),
        ],
        onExit="finally",
    )

    run(tmp_path, manifest, {"claim": volume})

    assert (volume / "status").read_text() == "Succeeded\n"


def test_the_exit_handler_runs_after_a_failure_and_the_run_stays_failed(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    manifest = workflow(
        [
            container("bad", "exit 1"),
            container("finally", "echo {{workflow.status}} > /tfx-data/status", **CLAIM),
        ],
        onExit="finally",
    )

    with pytest.raises(RunError, match="step bad failed"):
        run(tmp_path, manifest, {"claim": volume})

    assert (volume / "status").read_text() == "Failed\n"
    assert only_record(tmp_path).state == "Failed"


def test_a_failed_exit_handler_fails_the_run(tmp_path: pathlib.Path) -> None:
    manifest = workflow(
        [container("good", "true"), container("finally", "exit 1")], onExit="finally"
    )

    with pytest.raises(RunError, match="step finally failed"):
        run(tmp_path, manifest)


def test_an_output_artifact_lands_in_the_folder_of_the_step(tmp_path: pathlib.Path) -> None:
    artifact = {"name": "page", "path": "/tmp/page.json"}
    manifest = workflow(
        [container("show", "echo {} > /tmp/page.json", outputs={"artifacts": [artifact]})]
    )

    record = run(tmp_path, manifest)

    assert (
        tmp_path / "home/runs" / record.id / "steps/show/artifacts/page.json"
    ).read_text() == "{}\n"


def test_an_output_artifact_that_was_not_left_is_a_failure_unless_optional(
    tmp_path: pathlib.Path,
) -> None:
    artifacts = [{"name": "page", "path": "/tmp/page.json"}]
    manifest = workflow([container("show", "true", outputs={"artifacts": artifacts})])

    with pytest.raises(RunError, match="left no output artifact page"):
        run(tmp_path, manifest)

    artifacts[0]["optional"] = True  # type: ignore[assignment]
    assert run(tmp_path, manifest).state == "Succeeded"


def test_a_missing_sub_path_is_made_as_kubernetes_does(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    mount = {"name": "data", "mountPath": "/tfx-data/", "subPath": "a/b"}
    step = container(
        "step",
        "touch /tfx-data/file",
        volumes=CLAIM["volumes"],
        container={"volumeMounts": [mount]},
    )

    run(tmp_path, workflow([step]), {"claim": volume})

    assert (volume / "a/b/file").exists()


def test_what_lies_in_the_working_folder_is_not_imported(
    tmp_path: pathlib.Path,
) -> None:
    path = write(tmp_path, workflow([container("step", "true")]))
    for name in ("json.py", "csv.py", "selectors.py"):
        (tmp_path / name).write_text("raise SystemExit('not this one')\n")

    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("complaint-pipeline"), "run", path, "--home", "h"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_step_does_not_see_the_password_of_the_metadata_store(
    tmp_path: pathlib.Path, volume: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYSQL_PWD", "s3cret")
    manifest = workflow([container("show", "env > /tfx-data/env", **CLAIM)])

    run(tmp_path, manifest, {"claim": volume})

    assert "s3cret" not in (volume / "env").read_text()


def test_the_processes_of_a_step_import_from_the_project_that_runs(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    # The folder of the process is not the project's.
    (volume / "parent.py").write_text(
        "import subprocess, sys\n"
        "code = 'import sys; print(*sys.path, sep=chr(10))'\n"
        "subprocess.run([sys.executable, '-c', code], stdout=open(sys.argv[1], 'w'), check=True)\n"
    )
    step = container("parent", "", **CLAIM)
    step["container"]["command"] = ["python", "-m", "parent", "/tfx-data/seen"]
    step["container"]["args"] = []
    step["container"]["env"] = [{"name": "PYTHONPATH", "value": "/tfx-data"}]

    record = run(tmp_path, workflow([step]), {"claim": volume})

    assert record.state == "Succeeded"
    project = str(pathlib.Path(orchestration.__path__[0]).parent)
    assert project in (volume / "seen").read_text().splitlines()


def test_a_process_that_leaves_its_group_ends_with_the_run(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    script = "setsid sleep 300 & echo $! > /tfx-data/child; sleep 0.2"
    manifest = workflow([container("step", script, **CLAIM)])

    run(tmp_path, manifest, {"claim": volume})

    assert processes_gone([int((volume / "child").read_text())])


def test_memory_and_cpu_of_a_step_are_measured(tmp_path: pathlib.Path) -> None:
    program = "import time; x = bytearray(300_000_000); sum(range(5_000_000)); time.sleep(1)"
    step = container("eat", "", container={"command": ["python", "-c", program], "args": []})

    record = run(tmp_path, workflow([step]))

    assert record.steps[0].peak_bytes > 300_000_000
    assert record.steps[0].cpu_seconds > 0.05


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"sidecars": [{"name": "proxy", "image": "proxy:1"}]}, "sidecars"),
        ({"initContainers": [{"name": "init", "image": "init:1"}]}, "initContainers"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    tmp_path: pathlib.Path, extra: dict[str, Any], named: str
) -> None:
    manifest = workflow([container("step", "true", **extra)])

    with pytest.raises(WorkflowError, match=named):
        run(tmp_path, manifest)

    assert not (tmp_path / "home").exists()


def test_a_container_without_a_command_is_refused(tmp_path: pathlib.Path) -> None:
    step = container("step", "true")
    del step["container"]["command"]

    with pytest.raises(WorkflowError, match="command"):
        run(tmp_path, workflow([step]))


def test_a_parameter_without_a_value_is_asked_for(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("step", "true")], parameters={"must": None})

    with pytest.raises(RunError, match="--param must=VALUE"):
        run(tmp_path, manifest)


def test_a_home_that_cannot_be_written_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")

    with pytest.raises(RunError, match="cannot make the run's folder"):
        run(tmp_path, workflow([container("step", "true")]))


def test_a_run_whose_record_cannot_be_written_at_its_end_has_not_succeeded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record = RunFolder.write

    def write_until_the_end(folder: RunFolder, record: RunRecord) -> None:
        if record.state == run_record.SUCCEEDED:
            raise RunError("no space")
        write_record(folder, record)

    monkeypatch.setattr(RunFolder, "write", write_until_the_end)

    with pytest.raises(RunError, match="no space"):
        run(tmp_path, workflow([container("step", "true")]))


def test_a_removed_home_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("step", f"rm -rf {tmp_path}/home/runs")])

    with pytest.raises(RunError, match=r"cannot write the run's record.*\nresume with: "):
        run(tmp_path, manifest)


def test_earlier_runs_stay_when_a_later_one_fails(tmp_path: pathlib.Path) -> None:
    good = run(tmp_path, workflow([container("step", "true")]))

    with pytest.raises(PipelineError):
        run(tmp_path, workflow([container("step", "false")]))

    kept = Runs(tmp_path / "home").find(good.id).read()
    assert kept.state == run_record.SUCCEEDED


def start_in_background(tmp_path: pathlib.Path, manifest: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "orchestration",
            "run",
            str(write(tmp_path, manifest)),
            "--home",
            str(tmp_path / "home"),
            "--mount",
            f"claim={tmp_path / 'volume'}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_file(path: pathlib.Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


SLOW = workflow([container("slow", "sleep 300 & echo $$$$ $! > /tfx-data/pids; wait", **CLAIM)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_every_child_and_marks_the_run(
    tmp_path: pathlib.Path, volume: pathlib.Path, number: int
) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("these tests run under nohup, and so the run goes on, as another test says")
    process = start_in_background(tmp_path, SLOW)
    pids = [int(pid) for pid in wait_for_file(volume / "pids").split()]

    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert processes_gone(pids)
    record = only_record(tmp_path)
    assert record.state == "Terminated"
    assert states(record) == {"slow": "Terminated"}
    (line,) = errors.split("\n")[1:-1]
    assert line.startswith("error: interrupted; resume with: ")
    assert f"complaint-pipeline retry {record.id}" in line


def test_a_second_interrupt_does_not_end_the_first_half_way(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    script = "trap '' TERM; echo $$$$ > /tfx-data/pids; while true; do sleep 0.1; done"
    process = start_in_background(tmp_path, workflow([container("slow", script, **CLAIM)]))
    pids = [int(pid) for pid in wait_for_file(volume / "pids").split()]

    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert processes_gone(pids)
    assert states(only_record(tmp_path)) == {"slow": "Terminated"}


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    script = "echo $$$$ > /tfx-data/pids; sleep 2"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start_in_background(tmp_path, workflow([container("slow", script, **CLAIM)]))
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for_file(volume / "pids")

    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)

    assert process.returncode == 0


def test_when_the_runner_is_killed_its_children_end_and_the_run_can_be_resumed(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    process = start_in_background(tmp_path, SLOW)
    pids = [int(pid) for pid in wait_for_file(volume / "pids").split()]

    process.kill()
    process.wait()

    assert processes_gone(pids)
    (folder,) = Runs(tmp_path / "home").all()
    text = folder.workflow.read_text().replace("sleep 300", "sleep 0.1")
    folder.workflow.write_text(text)
    record = resume(tmp_path, folder.path.name)
    assert record.state == "Succeeded"


def test_when_the_host_of_the_steps_is_killed_the_run_fails_and_nothing_is_left(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    process = start_in_background(tmp_path, SLOW)
    pids = [int(pid) for pid in wait_for_file(volume / "pids").split()]
    (host,) = [
        child
        for child in psutil.Process(process.pid).children()
        if "orchestration.local.warm_host" in child.cmdline()
    ]

    host.kill()
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "the process that runs the steps has died" in errors
    assert processes_gone(pids)
    assert only_record(tmp_path).state == "Failed"


def test_a_run_that_still_goes_cannot_be_resumed_by_another_process(
    tmp_path: pathlib.Path, volume: pathlib.Path
) -> None:
    process = start_in_background(tmp_path, SLOW)
    wait_for_file(volume / "pids")

    with pytest.raises(RunError, match="another process is running this run"):
        resume(tmp_path, only_record(tmp_path).id)

    process.terminate()
    process.communicate(timeout=30)
    assert only_record(tmp_path).state == "Terminated"


def test_the_json_of_a_run_is_alone_on_standard_output(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, workflow([container("step", "echo noise")]))

    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", path, "--home", tmp_path / "h", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["state"] == "Succeeded"


def test_a_proxy_for_the_internet_is_not_asked_for_this_machine(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, workflow([container("step", "true")]))
    proxy = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}

    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", path, "--home", tmp_path / "home"],
        env={**os.environ, **proxy, "no_proxy": "", "NO_PROXY": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
