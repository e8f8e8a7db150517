"""Decisions of people on the model of a run, kept in ML Metadata."""

import dataclasses

import ml_metadata
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Artifact, Execution

from components.charts.text import short
from components.errors import MetadataError, RunError
from components.execution_outcome import executions_of_run

#: Type of the execution that waits for a decision.
APPROVAL_TYPE = "components.approval.Approval"

#: Custom properties of what an approval's step has made.
APPROVED_BY, NOTE, DECIDED = "approved_by", "note", "decided"

_OPEN = (Execution.NEW, Execution.RUNNING, Execution.FAILED)

#: Type of the artifact that keeps a decision, attributed to its run.
DECISION_TYPE = "complaint_pipeline.Decision"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody has decided.

    Attributes:
        approved: Whether the model may be pushed.
        by: Who has decided.
        note: Why; may be empty.
        milliseconds: When, in milliseconds since 1970; 0 for now.
        id: Id of its artifact; 0 before it is kept.
    """

    approved: bool
    by: str
    note: str = ""
    milliseconds: int = 0
    id: int = 0


def open_execution(store: ml_metadata.MetadataStore, run_id: str) -> Execution | None:
    """Returns the execution of a run that has asked for a decision and not got it, or ``None``.

    TFX takes up a failed execution again where the step is started again, and leaves its state:
    a failed one may be waiting, or be about to.

    Raises:
        MetadataError: If the store does not answer.
    """
    try:
        found = [
            execution
            for execution in executions_of_run(store, run_id)
            if execution.type == APPROVAL_TYPE and execution.last_known_state in _OPEN
        ]
    except errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    return found[-1] if found else None


def decide(store: ml_metadata.MetadataStore, run_id: str, decision: Decision) -> None:
    """Records a decision.

    Args:
        store: The run's metadata store.
        run_id: The run, as ML Metadata knows it: the workflow's name.
        decision: The decision.

    Raises:
        RunError: If the run does not wait for one, or another one stands.
        MetadataError: If the store does not answer.
    """
    execution = open_execution(store, run_id)
    if execution is None:
        raise RunError(
            f"{run_id}: does not wait for an approval; look at it with 'complaint-pipeline status'"
        )
    if (before := standing_decision(store, run_id, execution)) is not None:
        raise RunError(f"{run_id}: {_stands(before)}")
    kind = metadata_store_pb2.ArtifactType(
        name=DECISION_TYPE,
        properties={
            "approved": metadata_store_pb2.INT,
            "by": metadata_store_pb2.STRING,
            "note": metadata_store_pb2.STRING,
        },
    )
    try:
        artifact = Artifact(type_id=store.put_artifact_type(kind))
        artifact.properties["approved"].int_value = int(decision.approved)
        artifact.properties["by"].string_value = decision.by
        artifact.properties["note"].string_value = decision.note
        (artifact_id,) = store.put_artifacts([artifact])
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        attribution = metadata_store_pb2.Attribution(artifact_id=artifact_id, context_id=run.id)
        store.put_attributions_and_associations([attribution], [])
    except errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    # Somebody else may have decided at the same moment; the store has no lock.
    stands = standing_decision(store, run_id, execution)
    if stands is not None and stands.id != artifact_id:
        raise RunError(f"{run_id}: {_stands(stands)}")


def _stands(decision: Decision) -> str:
    by = short(decision.by)
    if decision.approved:
        return f"is approved by {by} already; that stands"
    return f"is rejected by {by} already; that stands until the run is retried"


def standing_decision(
    store: ml_metadata.MetadataStore, run_id: str, execution: Execution
) -> Decision | None:
    """Returns the decision that counts, or ``None``.

    It is the first since the step began to wait: who comes later has not seen it. An approval from
    before stands as well, but not a rejection, which a retry asks to think over.

    Args:
        store: The run's metadata store.
        run_id: The run.
        execution: The execution that waits; TFX updates it where an attempt ends.

    Raises:
        MetadataError: If the store does not answer.
    """
    since = execution.last_update_time_since_epoch
    for decision in decisions(store, run_id):
        if decision.approved or decision.milliseconds >= since:
            return decision
    return None


def decisions(store: ml_metadata.MetadataStore, run_id: str) -> list[Decision]:
    """Returns all decisions on a run, also those on earlier attempts of it, the oldest first.

    Raises:
        MetadataError: If the store does not answer.
    """
    try:
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        artifacts = [] if run is None else store.get_artifacts_by_context(run.id)
    except errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    return [
        Decision(
            approved=artifact.properties["approved"].int_value == 1,
            by=artifact.properties["by"].string_value,
            note=artifact.properties["note"].string_value,
            milliseconds=artifact.create_time_since_epoch,
            id=artifact.id,
        )
        for artifact in sorted(artifacts, key=lambda artifact: artifact.id)
        if artifact.type == DECISION_TYPE
    ]
