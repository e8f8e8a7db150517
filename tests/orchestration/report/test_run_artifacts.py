"""What the steps of a run have brought forth."""

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from components.execution_outcome import Node
from orchestration.local.run_record import StepRecord
from orchestration.report.run_artifacts import artifacts_of_run
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


def run_with_a_step(state: str) -> RunView:
    step = StepRecord(name="csvexamplegen", state=state)
    return RunView(id="r", name="r", state="Failed", pipeline="p", steps=[step])


def test_a_store_that_does_not_know_what_the_run_has_done_is_another_one() -> None:
    with pytest.raises(MetadataError, match="the metadata store of run r does not know it: "):
        artifacts_of_run(memory_store(), run_with_a_step("Succeeded"))


def test_a_run_that_failed_at_once_has_brought_nothing_forth() -> None:
    assert artifacts_of_run(memory_store(), run_with_a_step("Failed")) == {}
