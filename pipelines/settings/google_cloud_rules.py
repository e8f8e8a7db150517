"""What training, serving and Dataflow on Google Cloud ask of the other settings."""

from typing import TYPE_CHECKING

from pipelines.settings import ai_platform
from pipelines.settings.checks import require
from pipelines.settings.dataflow import FLAG_SETTINGS
from pipelines.settings.google_cloud_checks import require_pullable_image

if TYPE_CHECKING:
    from pipelines.settings.google_cloud import GoogleCloudSettings
    from pipelines.settings.pipeline import Settings

#: Megabytes of TF-Hub encoders that alone are larger than a model may be on AI Platform's own
#: machine types (https://tfhub.dev/google/universal-sentence-encoder).
_LARGE_ENCODERS = {"universal-sentence-encoder": 900}


def check_google_cloud(settings: "Settings") -> None:
    """Refuses settings that do not go together.

    Args:
        settings: The settings, each checked by itself.

    Raises:
        SettingsError: If something on Google Cloud could not reach what it needs.
    """
    cloud = settings.google_cloud
    uses_dataflow = settings.beam.runner == "DataflowRunner"
    if uses_dataflow:
        _check_dataflow(settings)
    if cloud is None:
        return
    require(
        cloud.trains or cloud.serves or uses_dataflow,
        "google_cloud: nothing of it is used; give vertex_training, vertex_serving or beam.runner "
        "DataflowRunner, or leave it out",
    )
    if cloud.trains:
        _check_training(settings, cloud)
    if cloud.serves:
        _require_bucket(settings, _serving_key(cloud))
        _check_model_size(settings, cloud)


def _training_key(cloud: "GoogleCloudSettings") -> str:
    name = "ai_platform_training_args" if cloud.ai_platform_training_args else "vertex_training"
    return f"google_cloud.{name}"


def _serving_key(cloud: "GoogleCloudSettings") -> str:
    name = "ai_platform_serving_args" if cloud.ai_platform_serving_args else "vertex_serving"
    return f"google_cloud.{name}"


def _require_bucket(settings: "Settings", key: str) -> None:
    require(
        settings.pipeline_root.startswith("gs://"),
        f"{key}: it cannot reach output_root, '{settings.pipeline_root}'; set output_root to a "
        "folder in Cloud Storage, such as gs://bucket/output",
    )


def _check_training(settings: "Settings", cloud: "GoogleCloudSettings") -> None:
    key = _training_key(cloud)
    _require_bucket(settings, key)
    if not (cloud.training and cloud.training.image):
        require_pullable_image("image", settings.image, "Google Cloud")
    require(
        settings.module_file is None or settings.module_file.startswith("gs://"),
        f"module_file: '{settings.module_file}' is not in Cloud Storage, where {key} could read "
        "it; put it into a bucket, or its code into the image",
    )
    handle = settings.training.text_encoder_handle
    require(
        handle is None or not handle.startswith("/"),
        f"training.text_encoder_handle: '{handle}' is a path, which {key} cannot reach; use a URI",
    )
    require(
        handle is None or not handle.startswith("s3://"),
        f"training.text_encoder_handle: '{handle}': {key} has no credentials for S3; copy it to "
        "gs://",
    )
    require(
        not settings.pod("Trainer").gpus,
        f"trainer.gpus: the pod only waits for {key}; leave it out, and give the job an "
        "accelerator_type",
    )
    require(
        cloud.training is None or cloud.training.replicas == 1 or settings.module_file is not None,
        f"{key}.replicas: the package's run_fn trains on one machine; use 1, or a module_file "
        "whose run_fn trains on several",
    )


def _check_model_size(settings: "Settings", cloud: "GoogleCloudSettings") -> None:
    handle = settings.training.text_encoder_handle
    if handle is None:
        return
    if cloud.serving is not None:
        limit, mend = cloud.serving.max_model_megabytes, "raise max_model_megabytes"
    else:
        limit = ai_platform.max_model_megabytes(cloud.ai_platform_serving_args)
        mend = "use a machineType such as n1-standard-2"
    for name, megabytes in _LARGE_ENCODERS.items():
        require(
            name not in handle or megabytes <= limit,
            f"training.text_encoder_handle: {name} alone has about {megabytes} MB, and "
            f"{_serving_key(cloud)} takes models up to {limit} MB; {mend}",
        )


def _check_dataflow(settings: "Settings") -> None:
    require(
        settings.google_cloud is not None,
        "google_cloud.project: DataflowRunner needs a project and a region; set google_cloud "
        "{project: PROJECT, region: us-central1}",
    )
    require_pullable_image("image", settings.image, "Dataflow")
    _require_bucket(settings, "beam.runner")
    dataflow = settings.dataflow
    assert dataflow is not None
    assert settings.google_cloud is not None
    region, subnetwork = settings.google_cloud.region_name, dataflow.subnetwork
    require(
        subnetwork is None or f"regions/{region}/" in subnetwork,
        f"beam.dataflow.subnetwork: '{subnetwork}' is not in google_cloud.region, {region}; use "
        "one that is",
    )
    for option in settings.beam.options:
        setting = FLAG_SETTINGS.get(option.partition("=")[0])
        require(
            setting is None,
            f"beam.options: {option.partition('=')[0]} has a setting of its own; use {setting}",
        )
    if "CsvExampleGen" in dataflow.components:
        for key, root in (
            ("input_root", settings.data_root),
            ("serving_root", settings.serving_root),
        ):
            require(
                root is None or root.startswith("gs://"),
                f"{key}: '{root}' is not in Cloud Storage, where Dataflow's workers could read it; "
                "use a URI such as gs://bucket/data, or leave CsvExampleGen out of "
                "beam.dataflow.components",
            )
    require(
        settings.module_file is None or "Transform" not in dataflow.components,
        "module_file: Dataflow's workers cannot import it; bring the code with the image, or leave "
        "Transform out of beam.dataflow.components",
    )
