"""Settings: frozen, typed, and validated when they are made.

Every default that a user may want to change has its one home here. ``load_settings`` makes a
``Settings`` from a file, single overrides and the environment; nothing else reads any of these.
"""

from pipelines.settings.beam import BeamSettings
from pipelines.settings.cluster import (
    MetadataSettings,
    NotificationSettings,
    SecretFiles,
    SecretVariable,
    SecuritySettings,
    VolumeSettings,
)
from pipelines.settings.component_pods import (
    COMPONENT_IDS,
    COMPONENT_KEYS,
    SAME_POD_AS,
    component_key,
)
from pipelines.settings.dataflow import DataflowSettings
from pipelines.settings.google_cloud import (
    GoogleCloudSettings,
    VertexServingSettings,
    VertexTrainingSettings,
)
from pipelines.settings.learning import (
    EvaluationSettings,
    TrainingSettings,
    TuningSettings,
)
from pipelines.settings.loading import load_settings
from pipelines.settings.pipeline import Settings
from pipelines.settings.pod import PodSettings, Toleration
from pipelines.settings.storage import StorageSettings
from pipelines.settings.validation import ValidationSettings

__all__ = [
    "COMPONENT_IDS",
    "COMPONENT_KEYS",
    "SAME_POD_AS",
    "BeamSettings",
    "DataflowSettings",
    "EvaluationSettings",
    "GoogleCloudSettings",
    "MetadataSettings",
    "NotificationSettings",
    "PodSettings",
    "SecretFiles",
    "SecretVariable",
    "SecuritySettings",
    "Settings",
    "StorageSettings",
    "Toleration",
    "TrainingSettings",
    "TuningSettings",
    "ValidationSettings",
    "VertexServingSettings",
    "VertexTrainingSettings",
    "VolumeSettings",
    "component_key",
    "load_settings",
]
