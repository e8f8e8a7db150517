"""What the steps of a run have brought forth."""

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from components.execution_outcome import Node
from orchestration.local.run_record import StepRecord
from orchestration.report.run_artifacts import artifacts_of_run, decisions_on
from orchestration.run_view import RunView
from tests.components.metadata_records import memory_store, put_execution


def test_statistics_of_what_a_model_was_asked_are_not_those_of_the_run() -> None:
    store = memory_store()
    artifact_type = mlmd.ArtifactType(name="ExampleStatistics")
    artifact_type.properties["split_names"] = mlmd.STRING
    store.put_artifact_type(artifact_type)
    for node_id, splits in (
        ("StatisticsGen", '["train", "eval"]'),
        ("ServingStatisticsGen", '["serving"]'),
    ):
        statistics = mlmd.Artifact(type="ExampleStatistics", uri=f"/{node_id}")
        statistics.properties["split_names"].string_value = splits
        node = Node(pipeline="p", node_id=node_id, run_id="r")
        put_execution(store, node, outputs={"statistics": [statistics]})

    found = artifacts_of_run(store, RunView(id="r", name="r", state="Succeeded", pipeline="p"))
    assert found["ExampleStatistics"].uri == "/StatisticsGen"


def approval(**properties: str) -> mlmd.Artifact:
    artifact = mlmd.Artifact(type="InfraBlessing")
    for name, text in properties.items():
        artifact.custom_properties[name].string_value = text
    return artifact


def test_the_approval_of_a_step_from_the_cache_is_told_with_where_it_is_from() -> None:
    found = approval(approved_by="Ann", note="looked at", decided="2026-11-25T10:00:00+00:00")

    (decision,) = decisions_on(memory_store(), "r", {"InfraBlessing": found})

    assert (decision.approved, decision.by) == (True, "Ann")
    assert decision.note == "looked at (in an earlier run, for the same model)"
    assert decision.milliseconds == 1_795_600_800_000


def test_an_approval_without_a_time_is_told_as_well() -> None:
    (decision,) = decisions_on(memory_store(), "r", {"InfraBlessing": approval(approved_by="Ann")})

    assert (decision.by, decision.milliseconds) == ("Ann", 0)


def test_infra_validators_blessing_is_no_approval() -> None:
    assert decisions_on(memory_store(), "r", {"InfraBlessing": approval()}) == []


def run_with_a_step(state: str) -> RunView:
    step = StepRecord(name="csvexamplegen", state=state)
    return RunView(id="r", name="r", state="Failed", pipeline="p", steps=[step])


def test_a_store_that_does_not_know_what_the_run_has_done_is_another_one() -> None:
    with pytest.raises(MetadataError, match="the metadata store of run r does not know it: "):
        artifacts_of_run(memory_store(), run_with_a_step("Succeeded"))


def test_a_run_that_failed_at_once_has_brought_nothing_forth() -> None:
    assert artifacts_of_run(memory_store(), run_with_a_step("Failed")) == {}
