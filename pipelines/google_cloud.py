"""From the settings of Google Cloud to what TFX's executors for it read."""

from typing import Any

from components.google_cloud_keys import (
    MAX_MODEL_MEGABYTES_KEY,
    UNDEPLOY_PREVIOUS_KEY,
    VERTEX_CONTAINER_IMAGE_URI_KEY,
)
from pipelines.settings import Settings, VertexTrainingSettings, ai_platform


def training_args(settings: Settings) -> dict[str, Any] | None:
    """Returns the job that trains.

    Args:
        settings: The settings.

    Returns:
        A CustomJob of Vertex AI, or the TrainingInput of AI Platform, with the ``project`` that TFX
        takes out of it; ``None`` where the pod trains.
    """
    cloud = settings.google_cloud
    if cloud is None or not cloud.trains:
        return None
    if cloud.training is None:
        return {"masterConfig": {"imageUri": settings.image}, **cloud.ai_platform_training_args}
    return {
        "project": cloud.project_id,
        "display_name": settings.pipeline_name,
        "job_spec": _job_spec(cloud.training, settings),
    }


def _job_spec(training: VertexTrainingSettings, settings: Settings) -> dict[str, Any]:
    """Returns a CustomJobSpec; TFX adds the command of each machine."""
    machine: dict[str, Any] = {"machine_type": training.machine_type}
    if training.accelerator_type is not None:
        machine["accelerator_type"] = training.accelerator_type
        machine["accelerator_count"] = training.accelerators
    # The first pool is the chief, which is one machine.
    replicas = [1] if training.replicas == 1 else [1, training.replicas - 1]
    spec: dict[str, Any] = {
        "worker_pool_specs": [
            {
                "machine_spec": dict(machine),
                "replica_count": count,
                "container_spec": {"image_uri": training.image or settings.image},
            }
            for count in replicas
        ]
    }
    if training.service_account is not None:
        spec["service_account"] = training.service_account
    if training.network is not None:
        spec["network"] = training.network
    seconds = settings.pod("Trainer").timeout_seconds
    if seconds is not None:
        # The job would go on, and cost, after its pod was ended.
        spec["scheduling"] = {"timeout": {"seconds": seconds}}
    return spec


def serving_args(settings: Settings) -> dict[str, Any] | None:
    """Returns where and how a pushed model is served.

    Args:
        settings: The settings.

    Returns:
        What Vertex AI's ``Model.deploy`` takes, with the endpoint's name and the ``project_id``, or
        the book's arguments for AI Platform; ``None`` where the Pusher copies the model to a
        folder.
    """
    cloud = settings.google_cloud
    if cloud is None or not cloud.serves:
        return None
    serving = cloud.serving
    if serving is None:
        return dict(cloud.ai_platform_serving_args)
    arguments: dict[str, Any] = {
        "project_id": cloud.project_id,
        "endpoint_name": serving.endpoint or settings.pipeline_name,
        "machine_type": serving.machine_type,
        "min_replica_count": serving.min_replicas,
        "max_replica_count": serving.most_replicas,
        "traffic_percentage": serving.traffic_percentage,
    }
    if serving.accelerator_type is not None:
        arguments["accelerator_type"] = serving.accelerator_type
        arguments["accelerator_count"] = serving.accelerators
    if serving.service_account is not None:
        arguments["service_account"] = serving.service_account
    return arguments


def pusher_config(settings: Settings) -> dict[str, Any] | None:
    """Returns what the Pusher is to know beside; ``None`` where it copies the model to a folder."""
    cloud = settings.google_cloud
    if cloud is None or not cloud.serves:
        return None
    serving = cloud.serving
    if serving is None:
        limit = ai_platform.max_model_megabytes(cloud.ai_platform_serving_args)
        return {MAX_MODEL_MEGABYTES_KEY: limit}
    return {
        VERTEX_CONTAINER_IMAGE_URI_KEY: serving.serving_image,
        MAX_MODEL_MEGABYTES_KEY: serving.max_model_megabytes,
        UNDEPLOY_PREVIOUS_KEY: serving.undeploy_previous,
    }


def vertex_region(settings: Settings) -> str | None:
    """Returns the region of Vertex AI; ``None`` for AI Platform, or where neither is used."""
    cloud = settings.google_cloud
    return None if cloud is None or cloud.legacy_ai_platform else cloud.region_name
