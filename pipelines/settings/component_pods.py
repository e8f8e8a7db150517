"""The pipeline's components, as settings name them, and the pods that they have by default."""

import re
import types
from collections.abc import Mapping

from pipelines.settings.pod import PodSettings

#: Ids of the pipeline's components, in order, as settings name them.
COMPONENT_IDS: tuple[str, ...] = (
    "CsvExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Resolver",
    "Evaluator",
    "InfraValidator",
    "Pusher",
)

#: Nodes whose pods are set up by the settings of another component.
SAME_POD_AS: Mapping[str, str] = types.MappingProxyType(
    {
        "ImportSchemaGen": "SchemaGen",
        "PreviousStatistics": "Resolver",
        "ServingExampleGen": "CsvExampleGen",
        "ServingStatisticsGen": "StatisticsGen",
        "Tuner": "Trainer",
    }
)


def component_key(component_id: str) -> str:
    """Returns the settings key of a component: ``CsvExampleGen`` is ``csv_example_gen``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", component_id).lower()


COMPONENT_KEYS: Mapping[str, str] = types.MappingProxyType(
    {component_key(component_id): component_id for component_id in COMPONENT_IDS}
)

#: What every pod has unless settings say otherwise.
DEFAULT_POD = PodSettings(
    cpu="500m",
    memory="2Gi",
    memory_limit="4Gi",
    gpu_resource="nvidia.com/gpu",
    gpu_type_label="cloud.google.com/gke-accelerator",
    retries=2,
    # Lost nodes and evictions pass; a container that fails on its data fails again.
    retry_policy="OnError",
    retry_backoff_seconds=30,
    retry_backoff_factor=2,
    timeout_seconds=6 * 3600,
)

#: What some components have instead.
DEFAULT_COMPONENT_PODS = types.MappingProxyType(
    {
        "Transform": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
        "Trainer": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
        "Evaluator": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
    }
)
