"""What the compiler gives to TFX's executors for Google Cloud, and to Beam for Dataflow."""

import pathlib
import subprocess
import sys

import pytest

from components import google_cloud_keys as keys
from pipelines import google_cloud
from pipelines.dataflow_options import dataflow_args
from pipelines.settings import Settings, load_settings

ROOT = pathlib.Path(__file__).parents[2]
EVERYTHING = ROOT / "tests/golden/google_cloud.settings.yaml"
LEGACY = ROOT / "tests/golden/ai_platform.settings.yaml"


def test_without_google_cloud_nothing_is_given() -> None:
    settings = Settings()

    assert google_cloud.training_args(settings) is None
    assert google_cloud.serving_args(settings) is None
    assert google_cloud.pusher_config(settings) is None
    assert google_cloud.vertex_region(settings) is None


def test_the_job_ends_by_itself_when_its_pod_would(tmp_path: pathlib.Path) -> None:
    made = google_cloud.training_args(load_settings(EVERYTHING))

    assert made is not None
    assert made["job_spec"]["scheduling"] == {"timeout": {"seconds": 7200}}


def test_of_several_machines_the_first_is_the_chief() -> None:
    settings = load_settings(
        EVERYTHING,
        [
            "google_cloud.vertex_training.replicas=4",
            "module_file=gs://example-bucket/code/module.py",
            "beam={}",
        ],
    )

    made = google_cloud.training_args(settings)

    assert made is not None
    pools = made["job_spec"]["worker_pool_specs"]
    assert [pool["replica_count"] for pool in pools] == [1, 3]
    assert pools[0]["machine_spec"] == pools[1]["machine_spec"]


def test_the_books_training_has_the_pipelines_image_where_it_names_none() -> None:
    settings = load_settings(
        LEGACY,
        [
            "google_cloud.ai_platform_training_args={project: example-project}",
            "google_cloud.region=us-central1",
        ],
    )

    assert google_cloud.training_args(settings) == {
        "project": "example-project",
        "masterConfig": {"imageUri": settings.image},
    }


def test_only_what_is_given_becomes_a_flag_of_dataflow() -> None:
    settings = load_settings(
        EVERYTHING, ["beam.dataflow={workers: 3, autoscaling: false, components: [Transform]}"]
    )

    assert dataflow_args(settings) == [
        "--runner=DataflowRunner",
        "--project=example-project",
        "--region=europe-west4",
        "--temp_location=gs://example-bucket/output/dataflow/temp",
        "--staging_location=gs://example-bucket/output/dataflow/staging",
        "--experiments=use_runner_v2",
        "--autoscaling_algorithm=NONE",
        "--num_workers=3",
    ]


@pytest.mark.whole
def test_beam_reads_every_flag_of_dataflow() -> None:
    from apache_beam.options.pipeline_options import (
        GoogleCloudOptions,
        PipelineOptions,
        StandardOptions,
        WorkerOptions,
    )

    from pipelines.beam_options import beam_pipeline_args

    settings = load_settings(EVERYTHING)
    args = beam_pipeline_args(settings.beam, settings.image) + dataflow_args(settings)

    options = PipelineOptions(args)

    assert options.get_all_options().get("invalid_options", []) == []
    assert options.view_as(StandardOptions).runner == "DataflowRunner"
    cloud, worker = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region) == ("example-project", "europe-west4")
    assert (cloud.temp_location, cloud.staging_location) == (
        "gs://example-temp/dataflow",
        "gs://example-temp/staging",
    )
    assert cloud.service_account_email == "worker@example-project.iam.gserviceaccount.com"
    assert (worker.num_workers, worker.max_num_workers) == (2, 20)
    assert (worker.machine_type, worker.disk_size_gb) == ("n2-standard-4", 50)
    assert worker.autoscaling_algorithm == "THROUGHPUT_BASED"
    assert worker.subnetwork == "regions/europe-west4/subnetworks/pipelines"
    assert worker.use_public_ips is False
    assert worker.sdk_container_image == settings.image


@pytest.mark.whole
@pytest.mark.parametrize(
    ("components", "there"),
    [
        ("[Transform]", {"Transform"}),
        (
            "[CsvExampleGen, StatisticsGen]",
            {"CsvExampleGen", "ServingExampleGen", "StatisticsGen", "ServingStatisticsGen"},
        ),
    ],
)
def test_only_the_components_that_are_named_run_on_dataflow(
    components: str, there: set[str]
) -> None:
    from pipelines.kubeflow_pipelines.compiler import init_components

    settings = load_settings(EVERYTHING, [f"beam.dataflow={{components: {components}}}"])

    made = init_components(settings)

    runners = {
        component.id: "--runner=DataflowRunner"
        in getattr(component.executor_spec, "beam_pipeline_args", [])
        for component in made
        if hasattr(component, "executor_spec")
    }
    assert {name for name, is_there in runners.items() if is_there} == there


def test_what_stays_in_its_pod_has_direct_runner_as_elsewhere() -> None:
    from pipelines.beam_options import beam_pipeline_args, component_beam_pipeline_args

    settings = load_settings(
        EVERYTHING,
        [
            "beam={runner: DataflowRunner, running_mode: multi_processing, workers: 0,"
            " dataflow: {components: [Transform]}}",
            "evaluator.cpu_limit=3",
        ],
    )

    args = beam_pipeline_args(settings.beam, settings.image)
    assert args[:2] == ["--runner=DirectRunner", "--direct_running_mode=multi_processing"]
    assert component_beam_pipeline_args(settings, "Evaluator") == ["--direct_num_workers=3"]
    assert component_beam_pipeline_args(settings, "Transform") == dataflow_args(settings)


@pytest.mark.whole
def test_the_keys_are_tfxs() -> None:
    from tfx.extensions.google_cloud_ai_platform import constants
    from tfx.extensions.google_cloud_ai_platform.trainer import executor

    assert keys.ENABLE_VERTEX_KEY == constants.ENABLE_VERTEX_KEY
    assert keys.VERTEX_REGION_KEY == constants.VERTEX_REGION_KEY
    assert keys.VERTEX_CONTAINER_IMAGE_URI_KEY == constants.VERTEX_CONTAINER_IMAGE_URI_KEY
    assert keys.SERVING_ARGS_KEY == constants.SERVING_ARGS_KEY
    assert keys.TRAINING_ARGS_KEY == executor.TRAINING_ARGS_KEY


@pytest.mark.whole
def test_a_compile_without_google_cloud_imports_none_of_its_executors() -> None:
    code = (
        "import sys\n"
        "from pipelines.kubeflow_pipelines.compiler import compile_workflow\n"
        "from pipelines.settings import Settings\n"
        "compile_workflow(Settings())\n"
        "print(sorted(name for name in sys.modules if 'google_cloud_ai_platform' in name\n"
        "    or name in ('components.google_cloud_trainer', 'components.google_cloud_pusher')))\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"
