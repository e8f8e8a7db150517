"""Steps of the committed workflow as processes, as its pods start them, with real TFX."""

import dataclasses
import json
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import outcome
from orchestration.local.container import Container, Containers, prepare_folder
from orchestration.local.metadata_server import MetadataServer
from orchestration.local.tfx_node import node_of
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, SqliteTarget
from orchestration.package import read_package
from orchestration.workflow import Step, Workflow
from orchestration.workflow_parser import parse_workflow
from tests.components.metadata_records import RESOLVER, put_execution

pytestmark = pytest.mark.whole

ROOT = pathlib.Path(__file__).parents[2]
COMMITTED = ROOT / "argo_pipeline_files" / "consumer_complaint_pipeline_kubeflow.yaml"
RUN_ID = "complaints-abc12"

# Runs the entry point, and tells on its last line whether TFX or TensorFlow was imported.
CHILD = """
import runpy, sys
try:
    runpy.run_module("components.entrypoint", run_name="__main__", alter_sys=True)
finally:
    print("heavy:", sorted({"tfx", "tensorflow"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    return parse_workflow(read_package(COMMITTED).manifest)


@pytest.fixture
def address() -> GrpcTarget:
    """Where the steps look for the metadata server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return GrpcTarget("127.0.0.1", probe.getsockname()[1])


@pytest.fixture
def server(address: GrpcTarget, tmp_path: pathlib.Path) -> MetadataServer:
    """The metadata server, which does not run yet."""
    return MetadataServer(SqliteTarget(tmp_path / "metadata.db"), port=address.port)


def step_of(workflow: Workflow, name: str) -> Step:
    (found,) = (step for step in workflow.steps if step.name == name)
    return found


def container_of(
    workflow: Workflow, name: str, address: GrpcTarget, folder: pathlib.Path
) -> Container:
    """Returns a step's container, with this working copy in the place of the image's package."""
    folders = {"tfx-pvc": str(folder / "volume")}
    step = step_of(workflow, name)
    prepare_folder(step, folder / name, folders)
    container = Containers(
        workflow=workflow,
        run_id=RUN_ID,
        uid="0a1b-2c3d",
        parameters={key: value or "" for key, value in workflow.parameters.items()},
        folders=folders,
        metadata=address,
    ).container(step, folder / name)
    return dataclasses.replace(
        container, environment={**container.environment, "PYTHONPATH": str(ROOT)}
    )


def start(container: Container) -> subprocess.Popen[str]:
    return subprocess.Popen(
        container.argv,
        env=dict(container.environment),
        cwd=container.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Returns the status and what was written to standard error."""
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, errors


def test_a_step_waits_for_a_metadata_server_that_starts_late_and_then_succeeds(
    workflow: Workflow, address: GrpcTarget, server: MetadataServer, tmp_path: pathlib.Path
) -> None:
    process = start(container_of(workflow, "resolver", address, tmp_path))
    time.sleep(3)
    assert process.poll() is None

    with server:
        status, errors = ended(process)
        result = outcome(connect(address), node_of(step_of(workflow, "resolver"), RUN_ID))

    assert status == 0, errors
    assert result.failure is None
    assert result.execution is not None


def test_a_step_whose_input_is_missing_fails_where_tfx_alone_does_not(
    workflow: Workflow, address: GrpcTarget, server: MetadataServer, tmp_path: pathlib.Path
) -> None:
    container = container_of(workflow, "statisticsgen", address, tmp_path)
    separator = container.argv.index("--")
    plain = dataclasses.replace(
        container,
        argv=(
            *("python", "-m", "tfx.orchestration.kubeflow.container_entrypoint"),
            *container.argv[separator + 1 :],
        ),
    )

    with server:
        plain_status, _ = ended(start(plain))
        status, errors = ended(start(container))

    assert (plain_status, status) == (0, 1)
    (line,) = (line for line in errors.splitlines() if line.startswith("StatisticsGen: "))
    assert "it exited with 0 but " in line
    assert "ML Metadata" in line


def without_tfx(container: Container) -> Container:
    """Returns the container, which also tells whether TFX was imported."""
    module = container.argv.index("components.entrypoint")
    return dataclasses.replace(
        container, argv=(sys.executable, "-c", CHILD, *container.argv[module + 1 :])
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda variables: {**variables, "EXPECTED_TFX_VERSION": "1.14.0"},
            "Resolver: what runs here does not fit the workflow: tfx 1.15.1 instead of 1.14.0; ",
        ),
        (
            lambda variables: {
                name: value for name, value in variables.items() if "METADATA_GRPC" not in name
            },
            "Resolver: METADATA_GRPC_SERVICE_HOST is not set, so the metadata store is not known: "
            "the namespace lacks the ConfigMap metadata-grpc-configmap, ",
        ),
    ],
    ids=["wrong image", "no ConfigMap"],
)
def test_what_is_wrong_with_the_pod_is_told_before_tfx_is_imported(
    workflow: Workflow,
    address: GrpcTarget,
    tmp_path: pathlib.Path,
    change: Callable[[dict[str, str]], dict[str, str]],
    problem: str,
) -> None:
    container = without_tfx(container_of(workflow, "resolver", address, tmp_path))
    container = dataclasses.replace(container, environment=change(dict(container.environment)))

    status, errors = ended(start(container))

    assert status == 1
    assert errors.startswith(problem)
    # Written for the user: no traceback.
    assert errors.splitlines()[1:] == ["heavy: []"]


def test_a_baseline_whose_bucket_does_not_answer_is_told_before_tfx_is_imported(
    workflow: Workflow, address: GrpcTarget, server: MetadataServer, tmp_path: pathlib.Path
) -> None:
    container = without_tfx(container_of(workflow, "evaluator", address, tmp_path))
    credentials = {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    container = dataclasses.replace(container, environment={**container.environment, **credentials})
    resolver = node_of(step_of(workflow, "resolver"), RUN_ID)
    baseline = mlmd.Artifact(type="Model", uri="s3://of-an-earlier-run/model")

    with server:
        put_execution(connect(address), resolver, kind=RESOLVER, outputs={"model": [baseline]})
        status, errors = ended(start(container))

    assert status == 1
    first, *others = errors.splitlines()
    assert first.startswith(
        "Evaluator: s3://of-an-earlier-run/model: http://127.0.0.1:9 does not answer"
    )
    assert others == ["heavy: []"]


def with_beam_flags(container: Container, *flags: str) -> Container:
    """Returns the container of a step with other flags for Beam."""
    argv = list(container.argv)
    position = argv.index("--tfx_ir") + 1
    ir = json.loads(argv[position])
    for spec in ir["deploymentConfig"]["executorSpecs"].values():
        spec["beamPipelineArgs"] = list(flags)
    argv[position] = json.dumps(ir)
    return dataclasses.replace(container, argv=tuple(argv))


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (
            ("--runner=PrismRunner", "--prism_location=/no/such/prism"),
            "CsvExampleGen: /no/such/prism: Prism is not there; put its executable into the image",
        ),
        (
            ("--runner=PortableRunner", "--job_endpoint=127.0.0.1:9"),
            "CsvExampleGen: Beam's job server at 127.0.0.1:9 does not answer (Connection refused)",
        ),
    ],
    ids=["Prism", "job server"],
)
def test_a_beam_runner_that_is_not_there_is_told_before_tfx_is_imported(
    workflow: Workflow,
    address: GrpcTarget,
    server: MetadataServer,
    tmp_path: pathlib.Path,
    flags: tuple[str, ...],
    problem: str,
) -> None:
    container = with_beam_flags(container_of(workflow, "csvexamplegen", address, tmp_path), *flags)

    with server:
        status, errors = ended(start(without_tfx(container)))

    assert status == 1
    *before, line, heavy = errors.splitlines()
    assert line.startswith(problem)
    assert heavy == "heavy: []"
    assert all(text.startswith("waiting up to 30 s for Beam's job server") for text in before)
