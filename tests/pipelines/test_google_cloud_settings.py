"""Settings of Google Cloud: what they take, what they refuse, and what the book's become."""

import pathlib
import re

import pytest
import yaml

from components.errors import SettingsError
from pipelines.settings import Settings, load_settings

SETTINGS_FILE = (
    pathlib.Path(__file__).parents[2]
    / "pipelines/kubeflow_pipelines/pipeline_kubeflow_gcp.settings.yaml"
)

BASE = {
    "image": "gcr.io/example-project/complaint-pipeline:1",
    "volume": None,
    "input_root": "gs://example-bucket/data",
    "output_root": "gs://example-bucket/output",
}
VERTEX = {"project": "example-project", "region": "us-central1"}
TRAINING = {"project": "example-project", "region": "us-central1"}
SERVING = {"model_name": "complaints", "project_id": "example-project", "regions": ["us-central1"]}


def settings(tmp_path: pathlib.Path, **sections: object) -> Settings:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({**BASE, **sections}), encoding="utf-8")
    return load_settings(path)


def training(**values: object) -> dict[str, object]:
    return {"google_cloud": {**VERTEX, "vertex_training": values}}


def serving(**values: object) -> dict[str, object]:
    return {"google_cloud": {**VERTEX, "vertex_serving": values}}


def dataflow(**values: object) -> dict[str, object]:
    return {
        "google_cloud": VERTEX,
        "beam": {"runner": "DataflowRunner", "dataflow": values},
    }


def book(**values: object) -> dict[str, object]:
    return {"google_cloud": values}


GUIDE = pathlib.Path(__file__).parents[2] / "docs/google_cloud.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)

MODULE = {"module_file": "gs://example-bucket/code/module.py"}

# Settings over BASE, the key that the line begins with, and what the line says is valid.
REFUSED = {
    # Google Cloud as a whole
    "no project": (
        {"google_cloud": {"region": "a-b1", "vertex_training": {}}},
        "google_cloud.project",
        "required",
    ),
    "no region": (
        {"google_cloud": {"project": "example-project", "vertex_training": {}}},
        "google_cloud.region",
        "us-central1",
    ),
    "project": (
        {"google_cloud": {"project": "A", "region": "us-central1", "vertex_training": {}}},
        "google_cloud.project",
        "6 to 30 lower-case letters",
    ),
    "zone for region": (
        {
            "google_cloud": {
                "project": "example-project",
                "region": "us-central1-a",
                "vertex_training": {},
            }
        },
        "google_cloud.region",
        "without a zone",
    ),
    "nothing of it": ({"google_cloud": VERTEX}, "google_cloud", "vertex_training, vertex_serving"),
    "unknown section": (book(vertex_trainin={}), "google_cloud.vertex_trainin", "vertex_training"),
    # Training on Vertex AI
    "machine type": (
        training(machine_type="large"),
        "google_cloud.vertex_training.machine_type",
        "n1-standard-4",
    ),
    "accelerator": (
        training(accelerator_type="NVIDIA_TESLA_T44"),
        "google_cloud.vertex_training.accelerator_type",
        "did you mean 'NVIDIA_TESLA_T4'",
    ),
    "accelerators of no type": (
        training(accelerator_count=2),
        "google_cloud.vertex_training.accelerator_count",
        "no accelerator_type",
    ),
    "three accelerators": (
        training(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=3),
        "google_cloud.vertex_training.accelerator_count",
        "1, 2, 4, 8, 16",
    ),
    "accelerator of another machine": (
        training(accelerator_type="NVIDIA_L4", machine_type="n1-standard-4"),
        "google_cloud.vertex_training.machine_type",
        "g2-...",
    ),
    "more accelerators than the machine has": (
        training(
            accelerator_type="NVIDIA_TESLA_A100", machine_type="a2-highgpu-1g", accelerator_count=2
        ),
        "google_cloud.vertex_training.accelerator_count",
        "2 is more than a2-highgpu-1g has, 1",
    ),
    "more L4 than the machine has": (
        serving(accelerator_type="NVIDIA_L4", machine_type="g2-standard-24", accelerator_count=4),
        "google_cloud.vertex_serving.accelerator_count",
        "4 is more than g2-standard-24 has, 2",
    ),
    "subnetwork of another region": (
        dataflow(subnetwork="regions/europe-west1/subnetworks/a"),
        "beam.dataflow.subnetwork",
        "is not in google_cloud.region",
    ),
    "encoder in S3": (
        {
            **training(),
            "training": {"text_encoder": "hub", "text_encoder_handle": "s3://example-bucket/use"},
        },
        "training.text_encoder_handle",
        "copy it to gs://",
    ),
    "parent of the temporary files": (
        dataflow(temp_location="gs://bucket/../x"),
        "beam.dataflow.temp_location",
        "write the whole path",
    ),
    "no replica": (training(replicas=0), "google_cloud.vertex_training.replicas", "1 to 1000"),
    "replicas of our run_fn": (
        training(replicas=2),
        "google_cloud.vertex_training.replicas",
        "a module_file",
    ),
    "image without registry": (
        training(image="trainer:1"),
        "google_cloud.vertex_training.image",
        "REGION-docker.pkg.dev/",
    ),
    "training service account": (
        training(service_account="me@example.com"),
        "google_cloud.vertex_training.service_account",
        "e-mail address",
    ),
    "network": (
        training(network="default"),
        "google_cloud.vertex_training.network",
        "projects/PROJECT-NUMBER/global/networks/NAME",
    ),
    "output on a volume": (
        {**training(), "volume": {}, "output_root": None},
        "google_cloud.vertex_training",
        "gs://bucket/output",
    ),
    "output on S3": (
        {**training(), "output_root": "s3://example-bucket/output"},
        "google_cloud.vertex_training",
        "gs://bucket/output",
    ),
    "local image": (
        {**training(), "image": "complaint-pipeline:0.1.0"},
        "image",
        "names no registry",
    ),
    "module file on a volume": (
        {**training(), "volume": {}, "module_file": "/tfx-data/module.py"},
        "module_file",
        "put it into a bucket",
    ),
    "encoder on a volume": (
        {**training(), "training": {"text_encoder": "hub", "text_encoder_handle": "/tfx-data/use"}},
        "training.text_encoder_handle",
        "use a URI",
    ),
    "GPU of the pod": (
        {**training(), "trainer": {"gpus": 1}},
        "trainer.gpus",
        "accelerator_type",
    ),
    # Serving on Vertex AI
    "endpoint": (serving(endpoint='a"b'), "google_cloud.vertex_serving.endpoint", "in one line"),
    "long endpoint": (
        serving(endpoint="a" * 129),
        "google_cloud.vertex_serving.endpoint",
        "1 to 128",
    ),
    "no machine": (serving(min_replicas=0), "google_cloud.vertex_serving.min_replicas", "1 to"),
    "fewer than fewest": (
        serving(min_replicas=3, max_replicas=2),
        "google_cloud.vertex_serving.max_replicas",
        "min_replicas, 3",
    ),
    "traffic": (
        serving(traffic_percentage=101),
        "google_cloud.vertex_serving.traffic_percentage",
        "0 to 100",
    ),
    "larger than Vertex AI's": (
        serving(max_model_megabytes=20_000),
        "google_cloud.vertex_serving.max_model_megabytes",
        "10000",
    ),
    "an encoder larger than the limit": (
        {
            **serving(max_model_megabytes=500),
            "training": {
                "text_encoder": "hub",
                "text_encoder_handle": "https://tfhub.dev/google/universal-sentence-encoder/4",
            },
        },
        "training.text_encoder_handle",
        "raise max_model_megabytes",
    ),
    # The book's arguments
    "both ways to train": (
        book(**VERTEX, vertex_training={}, ai_platform_training_args=TRAINING),
        "google_cloud.ai_platform_training_args",
        "keep one",
    ),
    "both ways to serve": (
        book(**VERTEX, vertex_serving={}, ai_platform_serving_args=SERVING),
        "google_cloud.ai_platform_serving_args",
        "keep one",
    ),
    "legacy without arguments": (
        book(**VERTEX, vertex_training={}, legacy_ai_platform=True),
        "google_cloud.legacy_ai_platform",
        "leave it out",
    ),
    "argument of training": (
        book(ai_platform_training_args={**TRAINING, "scaletier": "BASIC"}),
        "google_cloud.ai_platform_training_args.scaletier",
        "did you mean 'scaleTier'",
    ),
    "no project of training": (
        book(ai_platform_training_args={"region": "us-central1"}),
        "google_cloud.ai_platform_training_args.project",
        "required",
    ),
    "scale tier": (
        book(ai_platform_training_args={**TRAINING, "scaleTier": "LARGE"}),
        "google_cloud.ai_platform_training_args.scaleTier",
        "BASIC_GPU",
    ),
    "scale tier of many machines": (
        book(ai_platform_training_args={**TRAINING, "scaleTier": "STANDARD_1"}),
        "google_cloud.ai_platform_training_args.scaleTier",
        "one machine",
    ),
    "custom tier without machine": (
        book(ai_platform_training_args={**TRAINING, "scaleTier": "CUSTOM"}),
        "google_cloud.ai_platform_training_args.masterType",
        "scaleTier CUSTOM",
    ),
    "untranslated": (
        book(ai_platform_training_args={**TRAINING, "jobDir": "gs://a/b"}),
        "google_cloud.ai_platform_training_args.jobDir",
        "google_cloud.vertex_training",
    ),
    "model name": (
        book(ai_platform_serving_args={**SERVING, "model_name": "my-model"}),
        "google_cloud.ai_platform_serving_args.model_name",
        "letters, digits and '_'",
    ),
    "two regions": (
        book(ai_platform_serving_args={**SERVING, "regions": ["us-central1", "us-east1"]}),
        "google_cloud.ai_platform_serving_args.regions",
        "[us-central1]",
    ),
    "two projects": (
        book(
            ai_platform_training_args=TRAINING,
            ai_platform_serving_args={**SERVING, "project_id": "other-project"},
        ),
        "google_cloud.project",
        "must be the same everywhere",
    ),
    "an encoder larger than AI Platform's machines take": (
        {
            **book(legacy_ai_platform=True, ai_platform_serving_args=SERVING),
            "training": {
                "text_encoder": "hub",
                "text_encoder_handle": "https://tfhub.dev/google/universal-sentence-encoder/4",
            },
        },
        "training.text_encoder_handle",
        "up to 500 MB",
    ),
    # Dataflow
    "no project of Dataflow": (
        {"beam": {"runner": "DataflowRunner"}},
        "google_cloud.project",
        "DataflowRunner needs",
    ),
    "options of another runner": (
        {"beam": {"dataflow": {}}},
        "beam.dataflow",
        "goes with beam.runner DataflowRunner",
    ),
    "flag with a setting": (
        {
            "google_cloud": VERTEX,
            "beam": {"runner": "DataflowRunner", "options": ["--max_num_workers=3"]},
        },
        "beam.options",
        "use beam.dataflow.max_workers",
    ),
    "component without Beam": (
        dataflow(components=["Trainer"]),
        "beam.dataflow.components.0",
        "Transform",
    ),
    "no component": (dataflow(components=[]), "beam.dataflow.components", "CsvExampleGen"),
    "temp location": (
        dataflow(temp_location="/tmp/a"),
        "beam.dataflow.temp_location",
        "gs://bucket/dataflow",
    ),
    "worker's machine": (
        dataflow(machine_type="n1"),
        "beam.dataflow.machine_type",
        "n1-standard-4",
    ),
    "no worker": (dataflow(workers=0), "beam.dataflow.workers", "1 to"),
    "fewer workers than at first": (
        dataflow(workers=3, max_workers=2),
        "beam.dataflow.max_workers",
        "beam.dataflow.workers, 3",
    ),
    "fixed workers without number": (
        dataflow(autoscaling=False),
        "beam.dataflow.workers",
        "is required",
    ),
    "subnetwork": (
        dataflow(subnetwork="pipelines"),
        "beam.dataflow.subnetwork",
        "regions/REGION/subnetworks/NAME",
    ),
    "input on a volume": (
        {**dataflow(), "volume": {}, "input_root": None},
        "input_root",
        "leave CsvExampleGen out",
    ),
    "module file of workers": ({**dataflow(), **MODULE}, "module_file", "leave Transform out"),
}


def test_a_pod_that_only_waits_asks_for_less(tmp_path: pathlib.Path) -> None:
    here = settings(tmp_path).pod("Trainer").memory
    waiting = settings(tmp_path, **training())

    assert here == "4Gi"
    assert waiting.pod("Trainer").memory == "2Gi"
    assert waiting.pod("Transform").memory == "4Gi"
    on_dataflow = settings(tmp_path, **dataflow(components=["Transform"]))
    memory = {name: on_dataflow.pod(name).memory for name in ("Transform", "Evaluator", "Trainer")}
    assert memory == {"Transform": "2Gi", "Evaluator": "4Gi", "Trainer": "4Gi"}


def test_gpus_that_the_image_cannot_use_are_told(tmp_path: pathlib.Path) -> None:
    with_gpu = {"accelerator_type": "NVIDIA_TESLA_T4"}
    of_own = {**with_gpu, "image": "europe-docker.pkg.dev/project/images/cuda:1"}

    (note,) = settings(tmp_path, **training(**with_gpu)).google_cloud.notes
    assert "has no CUDA" in note
    assert settings(tmp_path, **training(**of_own)).google_cloud.notes == ()


@pytest.mark.parametrize(("sections", "key", "mend"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_in_one_line_what_google_would(
    tmp_path: pathlib.Path, sections: dict[str, object], key: str, mend: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(tmp_path, **sections)

    line = str(raised.value)
    assert line.startswith((f"{key}:", f"{key} goes with"))
    assert mend in line
    assert "\n" not in line


TAKEN = {
    "training": training(),
    "several machines of a module file": {**training(replicas=4), **MODULE},
    "some of a machine's GPUs": serving(
        accelerator_type="NVIDIA_H100_80GB", machine_type="a3-highgpu-8g", accelerator_count=1
    ),
    "one GPU by default": training(accelerator_type="NVIDIA_TESLA_T4"),
    "region with a long name": {
        "google_cloud": {
            "project": "example.com:old-project",
            "region": "northamerica-northeast1",
            "vertex_serving": {},
        }
    },
    "serving": serving(endpoint="complaints of Vienna"),
    "data on a volume": {**training(), "volume": {}, "input_root": None},
    "an encoder that fits": {
        **serving(),
        "training": {
            "text_encoder": "hub",
            "text_encoder_handle": "https://tfhub.dev/google/universal-sentence-encoder/4",
        },
    },
    "Dataflow": dataflow(),
    "Dataflow beside data on a volume": {
        **dataflow(components=["Transform"]),
        "volume": {},
        "input_root": None,
    },
    "module file beside Dataflow": {**dataflow(components=["Evaluator"]), **MODULE},
    "the book's, legacy": book(
        legacy_ai_platform=True,
        ai_platform_training_args={**TRAINING, "jobDir": "gs://a/b", "scaleTier": "PREMIUM_1"},
    ),
}


@pytest.mark.parametrize("sections", TAKEN.values(), ids=TAKEN.keys())
def test_takes_what_is_valid(tmp_path: pathlib.Path, sections: dict[str, object]) -> None:
    assert settings(tmp_path, **sections).pipeline_name == Settings().pipeline_name


def test_the_committed_settings_name_only_placeholders() -> None:
    made = load_settings(SETTINGS_FILE)

    assert made.google_cloud is not None
    assert made.google_cloud.project_id == "example-project"
    assert {made.data_root.split("/")[2], made.pipeline_root.split("/")[2]} == {"example-bucket"}
    assert "/example-project/" in made.image


def test_there_is_one_deployment_target(tmp_path: pathlib.Path) -> None:
    assert settings(tmp_path, **serving()).serving_model_dir is None
    assert settings(tmp_path, **training()).serving_model_dir == (
        "gs://example-bucket/output/serving_model/consumer_complaint_pipeline_kubeflow"
    )


def test_the_serving_image_is_for_the_accelerator(tmp_path: pathlib.Path) -> None:
    images = []
    for values in ({}, {"machine_type": "g2-standard-4", "accelerator_type": "NVIDIA_L4"}):
        cloud = settings(tmp_path, **serving(**values)).google_cloud
        assert cloud is not None
        assert cloud.serving is not None
        images.append(cloud.serving.serving_image)

    assert images == [
        "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
        "us-docker.pkg.dev/vertex-ai/prediction/tf2-gpu.2-15:latest",
    ]


@pytest.mark.parametrize(
    ("arguments", "machine"),
    [
        ({}, ("n1-standard-4", None, None)),
        ({"scaleTier": "BASIC_GPU"}, ("n1-standard-8", "NVIDIA_TESLA_T4", 1)),
        (
            {"scaleTier": "CUSTOM", "masterType": "complex_model_m_gpu"},
            ("n1-standard-16", "NVIDIA_TESLA_T4", 4),
        ),
        ({"scaleTier": "CUSTOM", "masterType": "n2-standard-8"}, ("n2-standard-8", None, None)),
        (
            {
                "scaleTier": "CUSTOM",
                "masterType": "n1-standard-8",
                "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_K80", "count": "2"}},
            },
            ("n1-standard-8", "NVIDIA_TESLA_T4", 2),
        ),
    ],
)
def test_the_books_training_is_translated(
    tmp_path: pathlib.Path, arguments: dict[str, object], machine: tuple[object, ...]
) -> None:
    cloud = settings(
        tmp_path, **book(ai_platform_training_args={**TRAINING, **arguments})
    ).google_cloud

    assert cloud is not None
    assert cloud.training is not None
    made = cloud.training
    assert (made.machine_type, made.accelerator_type, made.accelerator_count) == machine


def test_the_books_image_and_accounts_are_translated(tmp_path: pathlib.Path) -> None:
    account = "trainer@example-project.iam.gserviceaccount.com"
    cloud = settings(
        tmp_path,
        **book(
            ai_platform_training_args={
                **TRAINING,
                "masterConfig": {"imageUri": "gcr.io/example-project/trainer:1"},
                "serviceAccount": account,
                "network": "projects/1/global/networks/default",
            },
            ai_platform_serving_args={
                **SERVING,
                "machineType": "n1-highmem-2",
                "autoScaling": {"minNodes": 0},
                "serviceAccount": account,
            },
        ),
    ).google_cloud

    assert cloud is not None
    assert cloud.training is not None
    assert cloud.serving is not None
    assert cloud.training.image == "gcr.io/example-project/trainer:1"
    assert (cloud.training.service_account, cloud.serving.service_account) == (account, account)
    assert cloud.training.network == "projects/1/global/networks/default"
    assert (cloud.serving.endpoint, cloud.serving.machine_type) == ("complaints", "n1-highmem-2")
    assert cloud.serving.min_replicas == 1
    assert (cloud.project_id, cloud.region_name) == ("example-project", "us-central1")


def test_a_translation_is_told_with_the_shutdown(tmp_path: pathlib.Path) -> None:
    cloud = settings(
        tmp_path, **book(ai_platform_training_args=TRAINING, ai_platform_serving_args=SERVING)
    ).google_cloud

    assert cloud is not None
    assert cloud.notes == (
        "google_cloud.ai_platform_training_args: AI Platform Training was shut down on 31 January "
        "2025; compiled for Vertex AI as google_cloud.vertex_training {machine_type: "
        "n1-standard-4}",
        "google_cloud.ai_platform_serving_args: AI Platform Prediction was shut down on 31 January "
        "2025; compiled for Vertex AI as google_cloud.vertex_serving {endpoint: complaints, "
        "machine_type: n1-standard-2}",
    )


def test_a_legacy_compile_is_told_that_it_cannot_succeed(tmp_path: pathlib.Path) -> None:
    cloud = settings(
        tmp_path, **book(legacy_ai_platform=True, ai_platform_serving_args=SERVING)
    ).google_cloud

    assert cloud is not None
    (note,) = cloud.notes
    assert "this workflow cannot succeed there" in note


def test_dataflow_keeps_its_files_below_the_output(tmp_path: pathlib.Path) -> None:
    made = settings(tmp_path, **dataflow()).dataflow

    assert made is not None
    assert made.temp_location == "gs://example-bucket/output/dataflow/temp"
    assert made.staging_location == "gs://example-bucket/output/dataflow/staging"


@pytest.mark.whole
def test_the_accelerators_are_vertex_ais() -> None:
    from google.cloud.aiplatform_v1 import AcceleratorType

    from pipelines.settings.google_cloud_checks import ACCELERATORS

    names = {name for name in AcceleratorType.__members__ if name.startswith("NVIDIA_")}
    assert set(ACCELERATORS) == names - {"NVIDIA_TESLA_K80"}


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_of_the_guide_is_valid_without_the_others(
    tmp_path: pathlib.Path, block: str
) -> None:
    text = block.replace("PROJECT", "example-project").replace("NAME", "name")

    assert settings(tmp_path, **yaml.safe_load(text)).google_cloud is not None
