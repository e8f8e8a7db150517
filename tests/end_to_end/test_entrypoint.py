"""The pods' entry point in real runs: a metadata server that is late, or goes away."""

import contextlib
import dataclasses
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import ml_metadata
import pytest
import yaml
from ml_metadata.proto import metadata_store_pb2

from tests.end_to_end.project import WORKFLOW, Workplace, only_tasks, steps, succeeded, workplace

pytestmark = pytest.mark.whole

TASKS = ("csvexamplegen", "statisticsgen", "previousstatistics")


@dataclasses.dataclass
class Server:
    """A metadata server that is started and killed, on one port and one store."""

    folder: pathlib.Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> None:
        module = "orchestration.local.metadata_server"
        store = f"sqlite:{self.folder / 'metadata.db'}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--store", store, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(tmp_path, probe.getsockname()[1])
    yield server
    if server.process is not None:
        server.kill()


class Webhook(http.server.BaseHTTPRequestHandler):
    """A webhook that keeps what it is told."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.texts.append(json.loads(body)["text"])  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def webhook() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
    server.texts = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def running(
    place: Workplace, workflow: pathlib.Path, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on while the test does something to it."""
    process = subprocess.Popen(
        place.run_command(workflow, *options),
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_step(place: Workplace, name: str, state: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ValueError, OSError):
            if steps(place.record())[name]["state"] == state:
                return
        time.sleep(0.05)
    raise AssertionError(f"{name} was not seen {state}")


def patient_for(seconds: int, workflow: pathlib.Path) -> pathlib.Path:
    """The workflow, with steps that wait so long for a metadata server."""
    manifest = yaml.safe_load(workflow.read_text())
    for template in manifest["spec"]["templates"]:
        if "container" in template:
            template["container"]["args"][:0] = ["--metadata_timeout", str(seconds)]
    workflow.write_text(yaml.safe_dump(manifest))
    return workflow


def test_a_metadata_server_that_dies_half_way_and_returns_is_waited_for(
    tmp_path: pathlib.Path, server: Server
) -> None:
    place = workplace(tmp_path)
    server.start()
    with running(place, only_tasks(tmp_path, *TASKS), "--metadata", server.target) as process:
        wait_for_step(place, "statisticsgen", "Running", process)
        server.kill()
        time.sleep(6)  # Longer than the step takes to compute.
        assert steps(place.record())["statisticsgen"]["state"] == "Running"
        server.start()
        output, errors = process.communicate(timeout=120)

    record = succeeded(subprocess.CompletedProcess([], process.returncode, output, errors))
    assert {step["state"] for step in record["steps"]} == {"Succeeded"}
    assert {step["attempts"] for step in record["steps"]} == {1}


def test_a_metadata_server_that_never_returns_fails_the_step_in_one_line(
    tmp_path: pathlib.Path, server: Server
) -> None:
    place = workplace(tmp_path)
    server.start()
    workflow = patient_for(3, only_tasks(tmp_path, *TASKS))
    with running(place, workflow, "--metadata", server.target) as process:
        wait_for_step(place, "statisticsgen", "Running", process)
        server.kill()
        _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    log = next(place.home.glob("runs/*/steps/statisticsgen/log.txt")).read_text()
    assert log.rstrip().rpartition("\n")[2].startswith("StatisticsGen: ")
    assert "error: " in errors


def test_a_run_begins_before_its_metadata_server(tmp_path: pathlib.Path, server: Server) -> None:
    place = workplace(tmp_path)
    workflow = only_tasks(tmp_path, "resolver")
    with running(place, workflow, "--metadata", server.target) as process:
        time.sleep(3)
        assert process.poll() is None
        server.start()
        output, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert json.loads(output)["state"] == "Succeeded"


def test_a_workflow_compiled_from_other_code_is_refused_before_anything_runs(
    tmp_path: pathlib.Path,
) -> None:
    place = workplace(tmp_path)
    workflow = only_tasks(tmp_path, *TASKS)
    text = workflow.read_text()
    manifest = yaml.safe_load(text)
    labels = manifest["spec"]["templates"][1]["metadata"]["labels"]
    workflow.write_text(text.replace(labels["complaint-pipeline/code-hash"], "f" * 32))

    done = place.run(workflow)

    assert done.returncode == 1
    assert "csvexamplegen failed: what runs here does not fit the workflow" in done.stderr
    assert "compile anew" in done.stderr
    assert not (place.volume / "output").exists() or not any(
        (place.volume / "output").rglob("CsvExampleGen")
    )


def test_trainer_and_evaluator_leave_metrics_for_kubeflow(tmp_path: pathlib.Path) -> None:
    place = workplace(tmp_path)

    record = succeeded(
        place.run(
            WORKFLOW,
            *("--param", 'train-args={"num_steps": 30}'),
            *("--param", 'eval-args={"num_steps": 5}'),
        )
    )

    metrics = {
        step: json.loads(
            (
                place.home / "runs" / record["id"] / "steps" / step / "artifacts"
                "/mlpipeline-metrics.json"
            ).read_text()
        )["metrics"]
        for step in ("trainer", "evaluator")
    }
    assert {"train_loss", "val_loss", "val_auc"} <= {item["name"] for item in metrics["trainer"]}
    evaluated = {item["name"]: item["numberValue"] for item in metrics["evaluator"]}
    assert evaluated == pytest.approx(record["result"]["metrics"])


def test_each_execution_says_what_it_ran(tmp_path: pathlib.Path) -> None:
    place = workplace(tmp_path)
    succeeded(place.run(only_tasks(tmp_path, "csvexamplegen", "statisticsgen")))
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(place.home / "metadata.db")

    executions = ml_metadata.MetadataStore(config).get_executions()

    assert len(executions) == 2
    for execution in executions:
        properties = {
            name: value.string_value for name, value in execution.custom_properties.items()
        }
        assert properties["image"] == "complaint-pipeline:0.1.0"
        assert json.loads(properties["packages"])["tfx"] == "1.15.1"
        assert len(properties["code_hash"]) == 32
        assert "pipeline-root" in json.loads(properties["run_parameters"])


def test_a_webhook_hears_of_a_failed_run(
    tmp_path: pathlib.Path, webhook: http.server.HTTPServer
) -> None:
    place = workplace(tmp_path)
    secret = tmp_path / "slack"
    secret.mkdir()
    (secret / "url").write_text(f"http://127.0.0.1:{webhook.server_port}/services/T0/XYZ")
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile"),
            *("--set", "notification.secret=slack", "--output-filename", "told.yaml"),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr

    done = place.run(
        tmp_path / "told.yaml",
        *("--mount", f"slack={secret}", "--param", "data-root=/tfx-data/nothing"),
    )

    assert done.returncode == 1
    assert steps(place.record())["notify"]["state"] == "Succeeded"
    (text,) = webhook.texts  # type: ignore[attr-defined]
    assert "Failed" in text
    assert "csvexamplegen: data-root" in text
    kept = [path for path in place.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"/services/" in path.read_bytes()]
