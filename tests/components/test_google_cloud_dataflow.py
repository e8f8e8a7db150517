"""A step on Dataflow, down to the job that Beam asks Dataflow for."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.beam_options import beam_pipeline_args
from pipelines.dataflow_options import dataflow_args
from pipelines.settings import load_settings
from tests.google_cloud import GoogleCloud, google_cloud
from tests.google_services.dataflow import Dataflow
from tests.google_services.http import error

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(
        importlib.util.find_spec("socks") is None, reason="pysocks is not installed: make setup"
    ),
]

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = ROOT / "tests/golden/google_cloud.settings.yaml"

# Runs CsvExampleGen's executor with Beam's flags, and says what the entry point would.
CHILD = """
import json, sys
from tfx.components.example_gen import utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils
from components import csv_executor, entrypoint, google_cloud_errors

split = example_gen_pb2.SplitConfig.Split
config = example_gen_pb2.Output(
    split_config=example_gen_pb2.SplitConfig(splits=[split(name="train", hash_buckets=1)])
)
examples = standard_artifacts.Examples()
examples.uri = "gs://example-bucket/output/CsvExampleGen/examples/1"
context = BaseBeamExecutor.Context(beam_pipeline_args=json.loads(sys.argv[1]), tmp_dir="/tmp")
try:
    csv_executor.Executor(context).Do(
        {},
        {"examples": [examples]},
        {
            "input_base": "gs://example-bucket/data",
            "input_config": proto_utils.proto_to_json(utils.make_default_input_config("*.csv")),
            "output_config": proto_utils.proto_to_json(config),
            "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        },
    )
except Exception as raised:
    print(entrypoint._line(google_cloud_errors.as_run_error(raised) or raised))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleCloud]:
    with google_cloud(tmp_path_factory.mktemp("google")) as cloud:
        cloud.storage.buckets["example-temp"] = {}
        cloud.storage.put("example-bucket", "data/complaints.csv", b"product\n")
        yield cloud


@pytest.fixture
def cloud(served: GoogleCloud) -> GoogleCloud:
    served.dataflow = Dataflow()
    return served


def run(cloud: GoogleCloud) -> str:
    """Returns the line of the error, or an empty text."""
    settings = load_settings(SETTINGS)
    flags = beam_pipeline_args(settings.beam, settings.image) + dataflow_args(settings)
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, json.dumps(flags)],
        env={**os.environ, **cloud.environment, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def job(served: GoogleCloud) -> tuple[str, str, Any]:
    """Project, region and body of the job of a step whose job fails, so that it ends there."""
    served.dataflow = Dataflow(state="JOB_STATE_FAILED", messages=("Workers could not start.",))
    run(served)
    (made,) = served.dataflow.jobs
    return made


def test_the_job_is_in_the_settings_project_and_region(job: tuple[str, str, Any]) -> None:
    assert job[:2] == ("example-project", "europe-west4")
    assert job[2]["type"] == "JOB_TYPE_BATCH"


def test_the_jobs_environment_is_what_the_settings_say(job: tuple[str, str, Any]) -> None:
    environment = job[2]["environment"]

    (pool,) = environment["workerPools"]
    assert pool["machineType"] == "n2-standard-4"
    assert pool["diskSizeGb"] == 50
    assert pool["numWorkers"] == 2
    assert pool["autoscalingSettings"] == {
        "algorithm": "AUTOSCALING_ALGORITHM_BASIC",
        "maxNumWorkers": 20,
    }
    assert pool["subnetwork"] == "regions/europe-west4/subnetworks/pipelines"
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert environment["serviceAccountEmail"] == "worker@example-project.iam.gserviceaccount.com"
    assert "/example-temp/dataflow/" in environment["tempStoragePrefix"]
    assert "use_runner_v2" in environment["experiments"]


def test_the_workers_have_the_pipelines_image(job: tuple[str, str, Any]) -> None:
    image = load_settings(SETTINGS).image

    (pool,) = job[2]["environment"]["workerPools"]
    assert [each["containerImage"] for each in pool["sdkHarnessContainerImages"]] == [image]


def test_what_workers_load_lies_at_the_staging_location(
    job: tuple[str, str, Any], served: GoogleCloud
) -> None:
    staged = [
        name for name in served.storage.buckets["example-temp"] if name.startswith("staging/")
    ]

    assert any(name.endswith("/pipeline.pb") for name in staged)
    # The image has the packages: nothing is built from this machine's.
    assert not any(name.endswith((".tar.gz", ".whl")) for name in staged)


def test_a_job_that_fails_is_told_with_its_reason(cloud: GoogleCloud) -> None:
    cloud.dataflow.state = "JOB_STATE_FAILED"
    cloud.dataflow.messages = ("Workers could not start: image not found.",)

    line = run(cloud)

    number = "2026-01-01_00_00_00-1"
    assert line == (
        f"Dataflow's job {number} has failed: Workers could not start: image not found; its logs "
        f"are at https://console.cloud.google.com/dataflow/jobs/europe-west4/{number}"
        "?project=example-project"
    )


def test_a_quota_that_is_used_up_is_told_in_one_line(cloud: GoogleCloud) -> None:
    cloud.dataflow.refusal = error(429, "Quota exceeded for quota metric 'Job create requests'.")

    assert run(cloud) == (
        "Google Cloud refused (429): Quota exceeded for quota metric 'Job create requests'; ask "
        "for more quota in this region, or use another machine type, fewer machines or another "
        "region"
    )


def test_a_missing_role_is_told_in_one_line(cloud: GoogleCloud) -> None:
    cloud.dataflow.refusal = error(403, "Current user cannot act as service account worker@...")

    line = run(cloud)

    assert line.startswith("Google Cloud refused (403): Current user cannot act as service account")
    assert "docs/google_cloud.md" in line


def test_nothing_else_was_asked(served: GoogleCloud) -> None:
    assert served.refused == []
