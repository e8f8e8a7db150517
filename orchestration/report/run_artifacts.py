"""What the steps of a run have brought forth."""

import json
from collections.abc import Mapping

import ml_metadata

from components import execution_outcome
from components.approvals import APPROVED_BY, DECIDED, NOTE, Decision, decisions
from components.errors import MetadataError
from components.execution_outcome import Artifact
from components.features import SERVING_SPLIT
from orchestration.lineage import words
from orchestration.local.run_record import SUCCEEDED
from orchestration.run_view import RunView

#: How TFX writes the names of an artifact's splits.
_SERVING_SPLITS = json.dumps([SERVING_SPLIT])


def artifacts_of_run(store: ml_metadata.MetadataStore, run: RunView) -> dict[str, Artifact]:
    """Returns the newest artifact of each type of a run, made anew or from the cache.

    Of examples and statistics those to train on, not those of what a model was asked.

    Args:
        store: The metadata store.
        run: The run.

    Returns:
        Artifacts by the name of their type, such as ``ExampleStatistics``.

    Raises:
        MetadataError: If the store does not answer, or is not the one of the run.
    """
    found: dict[str, Artifact] = {}
    try:
        executions = execution_outcome.executions_of_run(store, run.id)
        for execution in executions:
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
    if not executions and any(step.state == SUCCEEDED for step in run.steps):
        raise MetadataError(
            f"the metadata store of run {run.id} does not know it: it is another one than the run "
            "wrote to; put that back"
        )
    return found


def decisions_on(
    store: ml_metadata.MetadataStore, run_id: str, artifacts: Mapping[str, Artifact]
) -> list[Decision]:
    """Returns what people have decided on a run, the oldest first.

    Where the approval's step is from the cache, that is the approval in an earlier run.

    Args:
        store: The metadata store.
        run_id: The run.
        artifacts: Its artifacts by the name of their type.

    Raises:
        MetadataError: If the store does not answer.
    """
    if taken := decisions(store, run_id):
        return taken
    # The approval is of the type of InfraValidator's blessing, and comes after it.
    approval = artifacts.get("InfraBlessing")
    if approval is None or APPROVED_BY not in approval.custom_properties:
        return []
    properties = approval.custom_properties
    note = f"{properties[NOTE].string_value} (in an earlier run, for the same model)"
    return [
        Decision(
            approved=True,
            by=properties[APPROVED_BY].string_value,
            note=note.strip(),
            milliseconds=round(words.seconds_of(properties[DECIDED].string_value) * 1000),
        )
    ]


def _is_of_serving(artifact: Artifact) -> bool:
    return artifact.properties["split_names"].string_value == _SERVING_SPLITS
