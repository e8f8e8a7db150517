"""Pushes to an endpoint of Vertex AI, or to AI Platform, by TFX's own executor."""

from typing import Any

from absl import logging
from google.cloud import aiplatform
from tfx.components.pusher import component
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.extensions.google_cloud_ai_platform.pusher import executor
from tfx.types import Artifact, standard_component_specs
from tfx.types.artifact_utils import get_single_instance
from tfx.utils import json_utils

from components.charts.files import file_sizes
from components.errors import RunError
from components.google_cloud_errors import one_line
from components.google_cloud_keys import (
    ENABLE_VERTEX_KEY,
    ENDPOINT_PROPERTY,
    MAX_MODEL_MEGABYTES_KEY,
    SERVING_ARGS_KEY,
    UNDEPLOY_PREVIOUS_KEY,
    VERTEX_REGION_KEY,
)

_DESTINATION_PROPERTY = "pushed_destination"
_VERSION_PROPERTY = "pushed_version"


class Executor(executor.Executor):
    """TFX's executor, which knows the limits of the service and the models before this one."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed.

        Args:
            input_dict: The Pusher's inputs.
            output_dict: The Pusher's output, in Cloud Storage.
            exec_properties: The Pusher's; ``custom_config`` has endpoint and machines.

        Raises:
            RunError: If the model is too large, is not in Cloud Storage, or cannot be deployed.
        """
        pushed = get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        config = json_utils.loads(exec_properties["custom_config"])
        if not self.CheckBlessing(input_dict):
            super().Do(input_dict, output_dict, exec_properties)
            return
        if not pushed.uri.startswith("gs://"):
            raise RunError(
                f"{pushed.uri}: Google Cloud cannot reach it; the run's pipeline-root must be in "
                "Cloud Storage, such as gs://bucket/output"
            )
        _check_size(self.GetModelPath(input_dict), config[MAX_MODEL_MEGABYTES_KEY])
        if not config.get(ENABLE_VERTEX_KEY):
            super().Do(input_dict, output_dict, exec_properties)
            return

        arguments = config[SERVING_ARGS_KEY]
        name = arguments["endpoint_name"]
        aiplatform.init(project=arguments["project_id"], location=config[VERTEX_REGION_KEY])
        before = _endpoint(name)
        if (before is None or not before.traffic_split) and arguments["traffic_percentage"] < 100:
            logging.warning("%s serves no model yet: this one gets all requests.", name)
            arguments = {**arguments, "traffic_percentage": 100}
        properties = {
            **exec_properties,
            "custom_config": json_utils.dumps({**config, SERVING_ARGS_KEY: arguments}),
        }
        try:
            super().Do(input_dict, output_dict, properties)
        except Exception as error:
            uploaded = _delete_uploaded(pushed.uri)
            if not uploaded:
                raise
            raise RunError(f"{one_line(error)}{uploaded}") from error

        model = pushed.get_string_custom_property(_DESTINATION_PROPERTY)
        # TFX gives no version to a model of Vertex AI, by which lineage could find it.
        pushed.set_string_custom_property(_VERSION_PROPERTY, model.rpartition("/")[2])
        endpoint = _endpoint(name)
        assert endpoint is not None
        pushed.set_string_custom_property(ENDPOINT_PROPERTY, endpoint.resource_name)
        if config.get(UNDEPLOY_PREVIOUS_KEY):
            _undeploy_without_traffic(endpoint, model)


class Pusher(component.Pusher):
    """TFX's Pusher, which pushes to Google Cloud."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)


def _check_size(model_path: str, limit_megabytes: int) -> None:
    size = sum(file_sizes(model_path).values())
    if size > limit_megabytes * 10**6:
        raise RunError(
            f"{model_path}: the model has {size / 10**6:.0f} MB, and the limit is "
            f"{limit_megabytes} MB; use a smaller text encoder, or push to a folder"
        )


def _endpoint(name: str) -> aiplatform.Endpoint | None:
    """Returns the endpoint that TFX takes as well: the first of the name."""
    found = aiplatform.Endpoint.list(filter=f'display_name="{name}"')
    return found[0] if found else None


def _delete_uploaded(uri: str) -> str:
    """Deletes a model that is not deployed: each attempt would leave one more in the registry.

    Args:
        uri: The model's folder, which no other attempt has.

    Returns:
        What has become of it, as the end of a line; empty if none was uploaded.
    """
    try:
        # TFX does not tell the name that it got.
        uploaded = [model for model in aiplatform.Model.list() if model.uri == uri]
    except Exception as error:  # noqa: BLE001 (Google's clients raise many kinds)
        logging.error("Models cannot be listed: %s", one_line(error))
        return f"; a model of {uri} may be left in Vertex AI's registry"
    ends = []
    for model in uploaded:
        try:
            model.delete()
        except Exception as error:  # noqa: BLE001 (Google's clients raise many kinds)
            left = f"is left in Vertex AI's registry, as it cannot be deleted ({one_line(error)})"
            ends.append(f"; {model.resource_name} {left}")
        else:
            ends.append(f"; {model.resource_name}, which was uploaded for it, was deleted")
    return "".join(ends)


def _undeploy_without_traffic(endpoint: aiplatform.Endpoint, model: str) -> None:
    """Takes models off the endpoint that get no requests, other than the new one."""
    for deployed in endpoint.list_models():
        if deployed.model.partition("@")[0] != model and not endpoint.traffic_split.get(
            deployed.id
        ):
            logging.info("Undeploying %s, which gets no requests.", deployed.display_name)
            endpoint.undeploy(deployed_model_id=deployed.id)
