"""What the steps of a run have brought forth."""

import json

import ml_metadata

from components import execution_outcome
from components.errors import MetadataError
from components.execution_outcome import Artifact
from components.features import SERVING_SPLIT

#: How TFX writes the names of an artifact's splits.
_SERVING_SPLITS = json.dumps([SERVING_SPLIT])


def artifacts_of_run(store: ml_metadata.MetadataStore, run_id: str) -> dict[str, Artifact]:
    """Returns the newest artifact of each type of a run, made anew or from the cache.

    Of examples and statistics those to train on, not those of what a model was asked.

    Args:
        store: The metadata store.
        run_id: The run.

    Returns:
        Artifacts by the name of their type, such as ``ExampleStatistics``.

    Raises:
        MetadataError: If the store does not answer.
    """
    found: dict[str, Artifact] = {}
    try:
        for execution in execution_outcome.executions_of_run(store, run_id):
            if execution_outcome.is_of_resolver(execution):
                continue
            for artifacts in execution_outcome.output_artifacts(store, execution).values():
                found |= {
                    artifact.type: artifact
                    for artifact in artifacts
                    if not _is_of_serving(artifact)
                }
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    return found


def _is_of_serving(artifact: Artifact) -> bool:
    return artifact.properties["split_names"].string_value == _SERVING_SPLITS
