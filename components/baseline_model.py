"""Finds the model that a new one must not be worse than: the one that was pushed last."""

import logging

import ml_metadata
from ml_metadata.proto.metadata_store_pb2 import Event
from tfx import types
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types import standard_artifacts

from components.artifact_storage import is_there

_PUSHED_PROPERTY = "pushed"

_OUTPUTS = (Event.OUTPUT, Event.DECLARED_OUTPUT)
_INPUTS = (Event.INPUT, Event.DECLARED_INPUT)

_logger = logging.getLogger(__name__)


class LatestPushedModelStrategy(LatestBlessedModelStrategy):
    """Resolves the latest blessed model that was pushed as well, and is still there.

    A blessed model that InfraValidator has refused, or nobody has approved, serves nobody: a new
    one need not be better than that.
    """

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Chooses the model.

        Args:
            store: The metadata store.
            input_dict: All models and all blessings of this pipeline, each by any name.

        Returns:
            One model with its blessing by the same names, or none of either.

        Raises:
            RunError: If the bucket of a pushed model cannot be asked whether it is there.
        """
        models = {
            artifact.id: artifact
            for artifacts in input_dict.values()
            for artifact in artifacts
            if isinstance(artifact, standard_artifacts.Model)
        }
        nothing: dict[str, list[types.Artifact]] = {name: [] for name in input_dict}
        for each in sorted(_pushed(store, list(models)), reverse=True):
            if not is_there(models[each]):
                _logger.warning(
                    "The pushed model %d is no longer at %s, and so is no baseline.",
                    *(each, models[each].uri),
                )
                continue
            only_it = {
                name: [other for other in artifacts if other.id == each or other.id not in models]
                for name, artifacts in input_dict.items()
            }
            found = super().resolve_artifacts(store, only_it)
            if found and all(found.values()):
                return found
        return nothing


def _pushed(store: ml_metadata.MetadataStore, models: list[int]) -> set[int]:
    """Returns the models that a step has taken which has pushed one, in three calls."""
    readers: dict[int, set[int]] = {}
    if models:
        for event in store.get_events_by_artifact_ids(models):
            if event.type in _INPUTS:
                readers.setdefault(event.execution_id, set()).add(event.artifact_id)
    outputs: dict[int, set[int]] = {}
    if readers:
        for event in store.get_events_by_execution_ids(sorted(readers)):
            if event.type in _OUTPUTS:
                outputs.setdefault(event.artifact_id, set()).add(event.execution_id)
    pushes = [
        artifact.id
        for artifact in (store.get_artifacts_by_id(sorted(outputs)) if outputs else ())
        if artifact.type == standard_artifacts.PushedModel.TYPE_NAME
        and artifact.custom_properties[_PUSHED_PROPERTY].int_value == 1
    ]
    return {model for push in pushes for execution in outputs[push] for model in readers[execution]}
