"""What the steps of a run have brought forth."""

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import Node
from orchestration.report.run_artifacts import artifacts_of_run
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

    assert artifacts_of_run(store, "r")["ExampleStatistics"].uri == "/StatisticsGen"
