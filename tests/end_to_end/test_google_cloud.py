"""The committed workflow for Google Cloud, from buckets to an endpoint, on loopback.

Google's own clients, TensorFlow and Beam read and write the buckets. The job of Vertex AI is run as
its container would be, and the pipelines that Dataflow is given by Beam's runner in one process.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.end_to_end.project import FEW_STEPS, PROJECT, SAMPLE
from tests.google_cloud import GoogleCloud, google_cloud

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(
        importlib.util.find_spec("socks") is None, reason="pysocks is not installed: make setup"
    ),
]

PIPELINE = "consumer_complaint_pipeline_kubeflow_gcp"
WORKFLOW = PROJECT / f"argo_pipeline_files/{PIPELINE}.yaml"


class Place:
    """A folder in which runs are made, with Google Cloud on loopback."""

    def __init__(self, folder: pathlib.Path, cloud: GoogleCloud) -> None:
        self.folder, self.cloud = folder, cloud
        self.pipelines: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        paths = filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))
        return {**os.environ, **self.cloud.environment, "PYTHONPATH": os.pathsep.join(paths)}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        home = ("--home", str(self.folder / "home"))
        return self.command(
            *("-m", "orchestration", "run", str(WORKFLOW), "--json", *home, *options)
        )

    def run_job(self, job: Any) -> tuple[str, str]:
        """Runs a job's container, with this Python in the place of the image's."""
        (pool,) = job.job_spec.worker_pool_specs
        _, *arguments = pool.container_spec.command
        done = self.command(*arguments)
        if done.returncode == 0:
            return "SUCCEEDED", ""
        return "FAILED", f"exit status {done.returncode}: {done.stderr[-500:]}"

    def run_pipeline(self, uri: str) -> bool:
        """Runs a pipeline that Dataflow was given."""
        self.pipelines.append(uri)
        done = self.command("-m", "tests.google_services.dataflow_worker", uri)
        (self.folder / f"dataflow-{len(self.pipelines)}.log").write_text(done.stderr)
        return done.returncode == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("google")
    with google_cloud(folder) as cloud:
        made = Place(folder, cloud)
        cloud.vertex.run_job = made.run_job
        cloud.dataflow.run_job = made.run_pipeline
        cloud.storage.put("example-bucket", "data/complaints.csv", SAMPLE.read_bytes())
        yield made


@pytest.fixture(scope="module")
def first(place: Place) -> dict[str, Any]:
    done = place.run()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_step_succeeds_and_the_model_is_pushed_to_vertex_ai(
    place: Place, first: dict[str, Any]
) -> None:
    assert {step["state"] for step in first["steps"]} == {"Succeeded"}
    assert first["result"]["blessed"]
    (model,) = place.cloud.vertex.models.values()
    assert first["result"]["pushed_model"] == model.name
    (endpoint,) = place.cloud.vertex.endpoints.values()
    assert list(endpoint.traffic_split.values()) == [100]


def test_the_model_that_is_served_is_the_one_that_the_job_has_trained(
    place: Place, first: dict[str, Any]
) -> None:
    (model,) = place.cloud.vertex.models.values()
    objects = place.cloud.storage.buckets["example-bucket"]
    pushed = model.artifact_uri.removeprefix("gs://example-bucket/")
    trained = next(
        name
        for name in objects
        if f"{PIPELINE}/Trainer/model/" in name and name.endswith("Format-Serving/saved_model.pb")
    )

    assert objects[f"{pushed}/saved_model.pb"] == objects[trained]


def test_transform_and_evaluator_ran_on_dataflow(place: Place, first: dict[str, Any]) -> None:
    executors = {
        job["labels"]["tfx_executor"] for _, _, job in place.cloud.dataflow.jobs if "labels" in job
    }

    assert len(place.pipelines) == len(place.cloud.dataflow.jobs) >= 2
    assert executors == {
        "tfx-components-transform-executor-executor",
        "tfx-components-evaluator-executor-executor",
    }
    assert all(
        uri.startswith("gs://example-bucket/output/dataflow/staging/") for uri in place.pipelines
    )


def test_the_job_bears_the_runs_name(place: Place, first: dict[str, Any]) -> None:
    (job,) = place.cloud.vertex.jobs.values()

    assert job.display_name == first["id"]


def test_lineage_finds_the_model_by_its_number_in_vertex_ai(
    place: Place, first: dict[str, Any]
) -> None:
    number = first["result"]["pushed_model"].rpartition("/")[2]

    done = place.command(
        *("-m", "orchestration", "lineage", number, "--json", "--home", str(place.folder / "home"))
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [run["id"] for run in answer["runs"]] == [first["id"]]
    assert "gs://example-bucket/data" in json.dumps(answer["data"])


def test_the_report_names_the_endpoint_and_shows_the_model(
    place: Place, first: dict[str, Any]
) -> None:
    page = place.folder / "report.html"

    done = place.command(
        *("-m", "orchestration", "report", first["id"], "--out", str(page)),
        *("--home", str(place.folder / "home")),
    )

    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    (endpoint,) = place.cloud.vertex.endpoints
    assert f"Pushed to Google Cloud as {first['result']['pushed_model']}" in text
    assert f"served by {endpoint}" in text
    assert "serving_default" in text


def test_a_run_without_quota_says_so_in_its_last_line(
    place: Place, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "The following quota metrics exceed quota limits: custom_model_training_cpus"
    refusal = {"CreateCustomJob": (grpc.StatusCode.RESOURCE_EXHAUSTED, reason)}
    monkeypatch.setattr(place.cloud.vertex, "refusals", refusal)

    done = place.run(*FEW_STEPS)

    assert done.returncode == 1
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
    assert line.startswith(
        f"error: step trainer failed: Google Cloud refused (429): {reason}; ask for more quota"
    )
    assert len(place.cloud.vertex.jobs) == 1
