"""Trainer and Pusher on Google Cloud, down to the requests that Google's own clients send."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import grpc
import pytest

from pipelines import google_cloud as compiled
from pipelines.settings import load_settings
from tests.google_cloud import GoogleCloud, google_cloud
from tests.google_services.http import error
from tests.google_services.vertex import Vertex

pytestmark = pytest.mark.whole

ROOT = pathlib.Path(__file__).parents[2]
VERTEX = ROOT / "tests/golden/google_cloud.settings.yaml"
LEGACY = ROOT / "tests/golden/ai_platform.settings.yaml"

needs_pysocks = pytest.mark.skipif(
    importlib.util.find_spec("socks") is None, reason="pysocks is not installed: make setup"
)

TRAINER = "components.google_cloud_trainer.Executor"
QUICK_TRAINER = "tests.google_services.quick_trainer.Executor"
PUSHER = "components.google_cloud_pusher.Executor"
OUTPUT = "gs://example-bucket/output"
MODEL = f"{OUTPUT}/Trainer/model/7"
TRAINER_IMAGE = "europe-west4-docker.pkg.dev/example-project/pipelines/trainer:1"
RUN_ID = "google-cloud-abc12"


class Worker:
    """A process that runs executors, with Google Cloud on loopback."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        executor: str,
        inputs: dict[str, list[Any]],
        outputs: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> tuple[dict[str, list[Any]], str | None]:
        """Returns the outputs after the execution, and the line of its error."""
        from tfx.types import artifact_utils

        task = {
            "class": executor,
            "inputs": artifact_utils.jsonify_artifact_dict(inputs),
            "outputs": artifact_utils.jsonify_artifact_dict(outputs),
            "exec_properties": exec_properties,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return artifact_utils.parse_artifact_dict(answer["outputs"]), answer["error"]


def environment(cloud: GoogleCloud) -> dict[str, str]:
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    return {
        **os.environ,
        **cloud.environment,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONWARNINGS": "ignore",
        "WORKFLOW_ID": RUN_ID,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleCloud]:
    with google_cloud(tmp_path_factory.mktemp("google")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def worker(served: GoogleCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    log = tmp_path_factory.mktemp("worker") / "log.txt"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.google_services.executor_worker"],
            cwd=ROOT,
            env=environment(served),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            yield Worker(process)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def cloud(served: GoogleCloud) -> GoogleCloud:
    """Google Cloud with a trained model in a bucket, and nothing else."""
    fresh = Vertex()
    for name, value in vars(fresh).items():
        setattr(served.vertex, name, value)
    served.ai_platform.calls.clear()
    served.ai_platform.refusals.clear()
    served.ai_platform.job_state = "SUCCEEDED"
    served.storage.buckets["example-bucket"].clear()
    for name, data in (("saved_model.pb", b"graph"), ("variables/variables.index", b"x" * 2000)):
        path = f"{MODEL}/Format-Serving/{name}".removeprefix("gs://example-bucket/")
        served.storage.put("example-bucket", path, data)
    return served


def artifact(kind: str, uri: str, number: int = 1, **properties: int) -> Any:
    from tfx.types import standard_artifacts

    made = getattr(standard_artifacts, kind)()
    made.uri, made.id = uri, number
    for name, value in properties.items():
        made.set_int_custom_property(name, value)
    return made


def train(
    worker: Worker, settings_file: pathlib.Path = VERTEX, output: str = OUTPUT, **config: Any
) -> str | None:
    """Trains with what the compiler makes of the settings."""
    settings = load_settings(settings_file)
    region = compiled.vertex_region(settings)
    custom_config = {
        "ai_platform_training_args": compiled.training_args(settings),
        **({} if region is None else {"ai_platform_vertex_region": region}),
        **({} if region is None else {"ai_platform_enable_vertex": True}),
        "hyperparameters": {"seed": 1},
        **config,
    }
    inputs = {"examples": [artifact("Examples", f"{output}/Transform/examples/5")]}
    outputs = {
        "model": [artifact("Model", f"{output}/Trainer/model/7")],
        "model_run": [artifact("ModelRun", f"{output}/Trainer/model_run/7", 2)],
    }
    properties = {
        "run_fn": "components.module.run_fn",
        "train_args": '{"num_steps": 30}',
        "custom_config": json.dumps(custom_config),
    }
    return worker.run(QUICK_TRAINER, inputs, outputs, properties)[1]


def push(
    worker: Worker,
    settings_file: pathlib.Path = VERTEX,
    overrides: tuple[str, ...] = (),
    *,
    blessed: bool = True,
    output: str = OUTPUT,
) -> tuple[Any, str | None]:
    """Pushes with what the compiler makes of the settings."""
    settings = load_settings(settings_file, overrides)
    region = compiled.vertex_region(settings)
    custom_config = {
        **(compiled.pusher_config(settings) or {}),
        "ai_platform_serving_args": compiled.serving_args(settings),
        **({} if region is None else {"ai_platform_vertex_region": region}),
        **({} if region is None else {"ai_platform_enable_vertex": True}),
    }
    inputs = {
        "model": [artifact("Model", MODEL)],
        "model_blessing": [
            artifact("ModelBlessing", f"{OUTPUT}/blessing/8", 2, blessed=int(blessed))
        ],
    }
    outputs = {"pushed_model": [artifact("PushedModel", f"{output}/Pusher/pushed_model/9", 3)]}
    made, line = worker.run(PUSHER, inputs, outputs, {"custom_config": json.dumps(custom_config)})
    return made["pushed_model"][0], line


# Training on Vertex AI


def test_the_job_is_what_the_settings_say(worker: Worker, cloud: GoogleCloud) -> None:
    from google.cloud import aiplatform_v1 as api

    assert train(worker) is None

    (request,) = cloud.vertex.of("CreateCustomJob")
    assert request.parent == "projects/example-project/locations/europe-west4"
    job = type(request.custom_job).to_dict(request.custom_job)
    (pool,) = job["job_spec"]["worker_pool_specs"]
    command = pool["container_spec"].pop("command")
    labels = job.pop("labels")
    expected = api.CustomJob(
        display_name=RUN_ID,
        encryption_spec={},
        job_spec={
            "worker_pool_specs": [
                {
                    "machine_spec": {
                        "machine_type": "a2-highgpu-2g",
                        "accelerator_type": "NVIDIA_TESLA_A100",
                        "accelerator_count": 2,
                    },
                    "replica_count": 1,
                    "container_spec": {
                        "image_uri": TRAINER_IMAGE,
                    },
                }
            ],
            "scheduling": {"timeout": {"seconds": 7200}},
            "service_account": "trainer@example-project.iam.gserviceaccount.com",
            "network": "projects/123456789/global/networks/pipelines",
        },
    )
    wanted = api.CustomJob.to_dict(expected)
    del wanted["job_spec"]["worker_pool_specs"][0]["container_spec"]["command"]
    del wanted["labels"]
    assert job == wanted
    assert set(labels) == {"tfx_version", "tfx_py_version", "tfx_executor"}
    assert command[:3] == ["python", "-m", "tfx.scripts.run_executor"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options["--executor_class_path"] == "tfx.components.trainer.executor.GenericExecutor"
    assert f"{OUTPUT}/Transform/examples/5" in options["--inputs"]
    assert f"{OUTPUT}/Trainer/model/7" in options["--outputs"]
    properties = json.loads(options["--exec-properties"])
    assert properties["run_fn"] == "components.module.run_fn"
    assert json.loads(properties["train_args"]) == {"num_steps": 30}


def test_a_quota_that_is_used_up_is_told_in_one_line(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.vertex.refusals["CreateCustomJob"] = (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "The following quota metrics exceed quota limits: custom_model_training_nvidia_a100_gpus",
    )

    assert train(worker) == (
        "Google Cloud refused (429): The following quota metrics exceed quota limits: "
        "custom_model_training_nvidia_a100_gpus; ask for more quota in this region, or use another "
        "machine type, fewer machines or another region"
    )


def test_a_missing_role_is_told_in_one_line(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.vertex.refusals["CreateCustomJob"] = (
        grpc.StatusCode.PERMISSION_DENIED,
        "Permission 'aiplatform.customJobs.create' denied.",
    )

    assert train(worker) == (
        "Google Cloud refused (403): Permission 'aiplatform.customJobs.create' denied; give the "
        "pods' service account the roles that docs/google_cloud.md lists, and enable the service "
        "in the project"
    )


def test_a_job_that_fails_is_told_with_its_reason_and_its_logs(
    worker: Worker, cloud: GoogleCloud
) -> None:
    cloud.vertex.run_job = lambda _: (
        "FAILED",
        "The replica workerpool0-0 exited with a non-zero status of 1.\n\nTo find out more ...",
    )

    line = train(worker)

    (job,) = cloud.vertex.jobs.values()
    number = job.name.rpartition("/")[2]
    assert line == (
        f"Vertex AI's job {number} ended as failed: The replica workerpool0-0 exited with a "
        "non-zero status of 1. To find out more; its logs are at https://console.cloud.google.com/"
        f"vertex-ai/locations/europe-west4/training/{number}/cpu?project=example-project"
    )


def test_a_job_that_somebody_cancels_is_no_success(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.vertex.run_job = lambda _: ("CANCELLED", "")

    line = train(worker)

    assert line is not None
    assert "ended as cancelled: it gives no reason; its logs are at" in line


@pytest.mark.parametrize("state", ["EXPIRED", "PARTIALLY_SUCCEEDED"])
def test_a_job_that_ends_in_another_state_is_no_success(
    worker: Worker, cloud: GoogleCloud, state: str
) -> None:
    cloud.vertex.run_job = lambda _: (state, "")

    line = train(worker)

    assert line is not None
    assert f"ended as {state.lower().replace('_', ' ')}: it gives no reason; its logs" in line
    assert not cloud.vertex.of("CancelCustomJob")


def test_a_job_that_is_paused_is_cancelled(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.vertex.run_job = lambda _: ("PAUSED", "")

    line = train(worker)

    (job,) = cloud.vertex.jobs.values()
    assert line is not None
    assert "ended as paused: it gives no reason" in line
    assert line.endswith(f"; Vertex AI's job {job.name} was cancelled")
    assert job.state.name == "JOB_STATE_CANCELLED"


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_a_running_job_outlives_answers_that_fail_for_a_while(
    worker: Worker, cloud: GoogleCloud, status: grpc.StatusCode
) -> None:
    cloud.vertex.next_refusals["GetCustomJob"] = [(status, "later")] * 3

    assert train(worker) is None

    assert len(cloud.vertex.of("GetCustomJob")) == 4
    assert not cloud.vertex.of("CancelCustomJob")


def test_a_running_job_is_cancelled_when_nobody_may_ask_for_it(
    worker: Worker, cloud: GoogleCloud
) -> None:
    cloud.vertex.run_job = lambda _: ("RUNNING", "")
    cloud.vertex.refusals["GetCustomJob"] = (grpc.StatusCode.UNAUTHENTICATED, "token expired")

    line = train(worker)

    (job,) = cloud.vertex.jobs.values()
    assert line is not None
    assert line.startswith("Google Cloud refused (401): token expired; ")
    assert line.endswith(f"; Vertex AI's job {job.name} was cancelled")
    assert job.state.name == "JOB_STATE_CANCELLED"
    assert len(cloud.vertex.of("GetCustomJob")) == 1


def test_a_job_that_cannot_be_cancelled_is_told_with_the_command_that_does(
    worker: Worker, cloud: GoogleCloud
) -> None:
    cloud.vertex.run_job = lambda _: ("RUNNING", "")
    for method in ("GetCustomJob", "CancelCustomJob"):
        cloud.vertex.refusals[method] = (grpc.StatusCode.UNAVAILABLE, "gone")

    line = train(worker)

    (name,) = cloud.vertex.jobs
    assert line == (
        f"Google Cloud refused (503): gone; try again; Vertex AI's job {name} may still run, as it "
        "cannot be cancelled (Google Cloud refused (503): gone; try again): gcloud ai custom-jobs "
        f"cancel {name.rpartition('/')[2]} --project=example-project --region=europe-west4"
    )
    assert len(cloud.vertex.of("GetCustomJob")) > 3


def test_a_job_whose_start_was_not_answered_is_cancelled(
    worker: Worker, cloud: GoogleCloud
) -> None:
    def start_and_fail(job: Any) -> NoReturn:
        job.state = "JOB_STATE_RUNNING"
        raise ConnectionError("lost")

    cloud.vertex.run_job = start_and_fail

    line = train(worker)

    (job,) = cloud.vertex.jobs.values()
    assert line is not None
    assert line.startswith("Google Cloud refused (UNKNOWN): ")
    assert job.state.name == "JOB_STATE_CANCELLED"


def test_a_job_that_leaves_no_model_is_no_success(worker: Worker, cloud: GoogleCloud) -> None:
    # TensorFlow remembers for a while what is at the other place.
    empty = f"{OUTPUT}/empty"

    assert train(worker, output=empty) == (
        f"{empty}/Trainer/model/7/Format-Serving: the job ended as succeeded, but left no "
        "saved_model.pb here; see its logs, and that its image runs the command that it is given"
    )


def test_what_google_cannot_reach_is_refused_before_a_job_is_made(
    worker: Worker, cloud: GoogleCloud
) -> None:
    line = train(worker, output="/tfx-data/output")

    assert line == (
        "/tfx-data/output/Transform/examples/5: Google Cloud cannot reach it; the run's "
        "pipeline-root must be in Cloud Storage, such as gs://bucket/output"
    )
    assert cloud.vertex.requests == []


def test_the_job_of_an_attempt_that_was_killed_is_cancelled_first(
    worker: Worker, cloud: GoogleCloud
) -> None:
    from google.cloud import aiplatform_v1 as api
    from google.protobuf import timestamp_pb2

    for number, name in enumerate((RUN_ID, "another-run")):
        left = f"projects/123456789/locations/europe-west4/customJobs/{number}"
        cloud.vertex.jobs[left] = api.CustomJob(
            name=left,
            display_name=name,
            state=api.JobState.JOB_STATE_RUNNING,
            create_time=timestamp_pb2.Timestamp(seconds=1),
        )

    assert train(worker) is None

    (request,) = cloud.vertex.of("CancelCustomJob")
    assert request.name.endswith("customJobs/0")


def test_the_job_ends_with_its_pod(cloud: GoogleCloud, tmp_path: pathlib.Path) -> None:
    from tfx.types import artifact_utils

    began = threading.Event()

    def go_on(_: Any) -> tuple[str, str]:
        began.set()
        return "RUNNING", ""

    cloud.vertex.run_job = go_on
    settings = load_settings(VERTEX)
    config = {
        "ai_platform_enable_vertex": True,
        "ai_platform_vertex_region": "europe-west4",
        "ai_platform_training_args": compiled.training_args(settings),
    }
    outputs = {"model": [artifact("Model", MODEL)]}
    log = tmp_path / "log.txt"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tfx.scripts.run_executor", "--executor_class_path", TRAINER),
            *("--inputs", "{}", "--outputs", artifact_utils.jsonify_artifact_dict(outputs)),
            *("--exec-properties", json.dumps({"custom_config": json.dumps(config)})),
        ],
        env=environment(cloud),
        stderr=log.open("w"),
    )
    try:
        assert began.wait(120)
        # It is asked about only after it was made.
        while not cloud.vertex.of("GetCustomJob"):
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()

    cancelled = [request.name for request in cloud.vertex.of("CancelCustomJob")]
    assert cancelled == list(cloud.vertex.jobs), log.read_text()


# Pushing to Vertex AI


def test_the_first_model_of_an_endpoint_gets_all_requests(
    worker: Worker, cloud: GoogleCloud
) -> None:
    pushed, line = push(worker)

    assert line is None
    (created,) = cloud.vertex.of("CreateEndpoint")
    assert created.parent == "projects/example-project/locations/europe-west4"
    assert created.endpoint.display_name == "complaints"
    (uploaded,) = cloud.vertex.of("UploadModel")
    assert uploaded.parent == "projects/example-project/locations/europe-west4"
    assert uploaded.model.artifact_uri == f"{OUTPUT}/Pusher/pushed_model/9"
    assert uploaded.model.container_spec.image_uri == (
        "us-docker.pkg.dev/vertex-ai/prediction/tf2-gpu.2-15:latest"
    )
    (deployed,) = cloud.vertex.of("DeployModel")
    (endpoint,) = cloud.vertex.endpoints.values()
    (model,) = cloud.vertex.models.values()
    resources = type(deployed.deployed_model.dedicated_resources).to_dict(
        deployed.deployed_model.dedicated_resources
    )
    machine = resources["machine_spec"]
    assert dict(deployed.traffic_split) == {"0": 100}
    assert deployed.deployed_model.model.partition("@")[0] == model.name
    assert deployed.deployed_model.service_account == (
        "server@example-project.iam.gserviceaccount.com"
    )
    assert (resources["min_replica_count"], resources["max_replica_count"]) == (2, 5)
    assert machine["machine_type"] == "g2-standard-4"
    assert deployed.deployed_model.dedicated_resources.machine_spec.accelerator_type.name == (
        "NVIDIA_L4"
    )
    assert machine["accelerator_count"] == 1
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == model.name
    assert pushed.get_string_custom_property("pushed_version") == model.name.rpartition("/")[2]
    assert pushed.get_string_custom_property("endpoint") == endpoint.name
    copied = cloud.storage.buckets["example-bucket"]
    assert copied["output/Pusher/pushed_model/9/saved_model.pb"] == b"graph"


def test_a_further_model_gets_its_share_and_those_without_go(
    worker: Worker, cloud: GoogleCloud
) -> None:
    for _ in range(2):
        assert push(worker)[1] is None
    (endpoint,) = cloud.vertex.endpoints.values()
    assert sorted(endpoint.traffic_split.values()) == [20, 80]
    assert not cloud.vertex.of("UndeployModel")

    _, line = push(worker, overrides=("google_cloud.vertex_serving.traffic_percentage=100",))

    assert line is None
    assert len(cloud.vertex.of("CreateEndpoint")) == 1
    assert len(cloud.vertex.of("UndeployModel")) == 2
    (deployed,) = endpoint.deployed_models
    assert endpoint.traffic_split[deployed.id] == 100


def test_models_without_requests_stay_unless_asked_otherwise(
    worker: Worker, cloud: GoogleCloud
) -> None:
    overrides = (
        "google_cloud.vertex_serving.traffic_percentage=100",
        "google_cloud.vertex_serving.undeploy_previous=false",
    )
    for _ in range(2):
        assert push(worker, overrides=overrides)[1] is None

    (endpoint,) = cloud.vertex.endpoints.values()
    assert len(endpoint.deployed_models) == 2
    assert not cloud.vertex.of("UndeployModel")


def test_a_model_that_is_not_blessed_is_not_pushed(worker: Worker, cloud: GoogleCloud) -> None:
    pushed, line = push(worker, blessed=False)

    assert line is None
    assert pushed.get_int_custom_property("pushed") == 0
    assert cloud.vertex.requests == []


def test_a_model_above_the_limit_is_not_pushed(worker: Worker, cloud: GoogleCloud) -> None:
    name = f"{MODEL}/Format-Serving/variables/data".removeprefix("gs://example-bucket/")
    cloud.storage.put("example-bucket", name, bytes(2_100_000))

    _, line = push(worker, overrides=("google_cloud.vertex_serving.max_model_megabytes=2",))

    assert line == (
        f"{MODEL}/Format-Serving: the model has 2 MB, and the limit is 2 MB; use a smaller text "
        "encoder, or push to a folder"
    )
    assert cloud.vertex.requests == []


def test_a_deployment_without_quota_is_told_in_one_line(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.vertex.refusals["DeployModel"] = (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "The following quotas are exceeded: CustomModelServingL4GPUsPerProjectPerRegion",
    )

    pushed, line = push(worker)

    assert line is not None
    assert line.startswith("Google Cloud refused (429): The following quotas are exceeded: Custom")
    assert pushed.get_int_custom_property("pushed") == 0


@pytest.mark.parametrize("method", ["DeployModel", "GetModel"])
def test_a_model_that_cannot_be_deployed_is_not_left_in_the_registry(
    worker: Worker, cloud: GoogleCloud, method: str
) -> None:
    assert push(worker, output=f"{OUTPUT}/earlier")[1] is None
    (earlier,) = cloud.vertex.models
    cloud.vertex.refusals[method] = (grpc.StatusCode.PERMISSION_DENIED, "no role")

    _, line = push(worker)

    assert line is not None
    assert line.startswith("Google Cloud refused (403): no role; ")
    (deleted,) = cloud.vertex.of("DeleteModel")
    assert line.endswith(f"; {deleted.name}, which was uploaded for it, was deleted")
    assert list(cloud.vertex.models) == [earlier]


def test_a_model_that_stays_in_the_registry_is_named(worker: Worker, cloud: GoogleCloud) -> None:
    for method in ("DeployModel", "DeleteModel"):
        cloud.vertex.refusals[method] = (grpc.StatusCode.NOT_FOUND, "no")

    _, line = push(worker)

    (name,) = cloud.vertex.models
    assert line == (
        "Google Cloud refused (404): no; check project, region and bucket; "
        f"{name} is left in Vertex AI's registry, as it cannot be deleted "
        "(Google Cloud refused (404): no; check project, region and bucket)"
    )


def test_without_a_list_of_models_it_is_told_that_one_may_stay(
    worker: Worker, cloud: GoogleCloud
) -> None:
    for method in ("DeployModel", "ListModels"):
        cloud.vertex.refusals[method] = (grpc.StatusCode.PERMISSION_DENIED, "no")

    _, line = push(worker)

    assert line is not None
    assert line.endswith(
        f"; a model of {OUTPUT}/Pusher/pushed_model/9 may be left in Vertex AI's registry"
    )


# The legacy AI Platform


@needs_pysocks
def test_the_books_training_is_sent_as_the_book_shows(worker: Worker, cloud: GoogleCloud) -> None:
    assert train(worker, LEGACY) is None

    method, path, job = cloud.ai_platform.calls[0]
    assert (method, path) == ("POST", "/v1/projects/example-project/jobs")
    training = job["training_input"]
    command = training["masterConfig"].pop("containerCommand")
    assert training == {
        "region": "us-central1",
        "scaleTier": "CUSTOM",
        "masterType": "n1-highcpu-16",
        "masterConfig": {"imageUri": "gcr.io/example-project/complaint-pipeline:0.1.0"},
    }
    assert command[:3] == ["python", "-m", "tfx.scripts.run_executor"]
    assert cloud.ai_platform.calls[1][:2] == (
        "GET",
        f"/v1/projects/example-project/jobs/{job['job_id']}",
    )


@needs_pysocks
def test_the_books_model_is_sent_as_the_book_shows(worker: Worker, cloud: GoogleCloud) -> None:
    pushed, line = push(worker, LEGACY)

    assert line is None
    calls = {
        path.rpartition("/")[2].partition(":")[2] or path: body
        for _, path, body in cloud.ai_platform.calls
    }
    models = "/v1/projects/example-project/models"
    model = calls[models]
    assert (model["name"], model["regions"]) == ("consumer_complaint", ["us-central1"])
    version = calls[f"{models}/consumer_complaint/versions"]
    assert version["deployment_uri"] == f"{OUTPUT}/Pusher/pushed_model/9"
    assert "setDefault" in calls
    assert pushed.get_string_custom_property("pushed_destination").startswith(
        "projects/example-project/models/"
    )


@needs_pysocks
def test_that_ai_platform_is_gone_is_told_in_one_line(worker: Worker, cloud: GoogleCloud) -> None:
    cloud.ai_platform.refusals["/models"] = error(
        403, "AI Platform Training & Prediction API has been shut down."
    )

    _, line = push(worker, LEGACY)

    assert line is not None
    assert line.startswith(
        "Google Cloud refused (403): AI Platform Training & Prediction API has been shut down;"
    )


def test_nothing_else_was_asked(served: GoogleCloud, worker: Worker) -> None:
    assert served.refused == []
