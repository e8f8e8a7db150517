"""What ML Metadata says of a step, on a store in memory."""

import socket

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from components.execution_outcome import (
    REFUSAL_PROPERTY,
    Node,
    executions_of_run,
    outcome,
    outputs_of_run,
    record_metrics,
    recorded_metrics,
)
from components.metadata_client import PatientMetadataStore
from tests.components.metadata_records import RESOLVER, memory_store, put_execution

NODE = Node(pipeline="pipeline", node_id="Trainer", run_id="run-1")
MODEL = {"model": [mlmd.Artifact(type="Model", uri="/m")]}


@pytest.fixture
def store() -> ml_metadata.MetadataStore:
    return memory_store()


def test_a_complete_execution_with_outputs_is_a_success(
    store: ml_metadata.MetadataStore,
) -> None:
    outputs = {
        "model": [mlmd.Artifact(type="Model", uri="/m")],
        "examples": [mlmd.Artifact(type="Examples", uri=uri) for uri in ("/e/1", "/e/2")],
    }
    execution_id = put_execution(store, NODE, outputs=outputs)

    found = outcome(store, NODE)

    assert found.failure is None
    assert not found.cached
    assert found.execution is not None
    assert found.execution.id == execution_id
    assert {key: [each.uri for each in found.outputs[key]] for key in found.outputs} == {
        "model": ["/m"],
        "examples": ["/e/1", "/e/2"],
    }


def test_a_cached_execution_is_a_success(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, state=mlmd.Execution.CACHED, outputs=MODEL)

    found = outcome(store, NODE)

    assert found.failure is None
    assert found.cached


@pytest.mark.parametrize("state", ["FAILED", "RUNNING", "NEW", "CANCELED", "UNKNOWN"])
def test_another_state_is_a_failure_that_names_it(
    store: ml_metadata.MetadataStore, state: str
) -> None:
    number = mlmd.Execution.State.Value(state)
    execution_id = put_execution(store, NODE, state=number, outputs=MODEL)

    assert outcome(store, NODE).failure == (
        f"it exited with 0 but ML Metadata has its execution {execution_id} as {state}; an input "
        "was probably not found"
    )


def test_no_execution_at_all_is_a_failure(store: ml_metadata.MetadataStore) -> None:
    found = outcome(store, NODE)

    assert found.execution is None
    assert found.failure == "it exited with 0 but recorded no execution in ML Metadata"


@pytest.mark.parametrize(
    "other",
    [
        Node(pipeline="pipeline", node_id="Trainer", run_id="run-2"),
        Node(pipeline="pipeline", node_id="Pusher", run_id="run-1"),
        Node(pipeline="other", node_id="Trainer", run_id="run-1"),
    ],
    ids=["run", "node", "pipeline"],
)
def test_the_execution_of_another_run_node_or_pipeline_does_not_count(
    store: ml_metadata.MetadataStore, other: Node
) -> None:
    own = put_execution(store, NODE, outputs=MODEL)
    put_execution(store, other, state=mlmd.Execution.FAILED)

    found = outcome(store, NODE)

    assert found.failure is None
    assert found.execution is not None
    assert found.execution.id == own
    assert outcome(store, other).failure is not None


@pytest.mark.parametrize(
    ("states", "succeeded"), [(("FAILED", "COMPLETE"), True), (("COMPLETE", "FAILED"), False)]
)
def test_the_newest_of_two_executions_decides(
    store: ml_metadata.MetadataStore, states: tuple[str, str], succeeded: bool
) -> None:
    for state in states:
        put_execution(store, NODE, state=mlmd.Execution.State.Value(state), outputs=MODEL)

    assert (outcome(store, NODE).failure is None) is succeeded


def test_a_complete_execution_without_outputs_is_a_failure(
    store: ml_metadata.MetadataStore,
) -> None:
    execution_id = put_execution(store, NODE, inputs=MODEL)

    assert outcome(store, NODE).failure == (
        f"it exited with 0 but its execution {execution_id} has no output artifact"
    )


def test_a_resolver_may_find_nothing(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, kind=RESOLVER)

    assert outcome(store, NODE).failure is None


def test_a_resolver_is_never_from_the_cache(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, kind=RESOLVER, state=mlmd.Execution.CACHED, outputs=MODEL)

    assert not outcome(store, NODE).cached


def test_a_resolver_that_failed_is_a_failure(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, kind=RESOLVER, state=mlmd.Execution.FAILED)

    assert "FAILED" in str(outcome(store, NODE).failure)


def test_recorded_metrics_are_read_again_with_the_run(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, outputs=MODEL)
    execution = outcome(store, NODE).execution
    assert execution is not None
    metrics = {"val_auc": 0.1 + 0.2, "train_loss": 1e-300}

    record_metrics(store, execution, metrics)

    (again,) = executions_of_run(store, NODE.run_id)
    assert recorded_metrics(again) == metrics
    assert again.last_known_state == mlmd.Execution.COMPLETE
    assert outcome(store, NODE).outputs["model"][0].uri == "/m"


def test_an_execution_without_recorded_metrics_has_none(
    store: ml_metadata.MetadataStore,
) -> None:
    put_execution(store, NODE, outputs=MODEL)

    (execution,) = executions_of_run(store, NODE.run_id)
    assert recorded_metrics(execution) == {}


def test_an_unknown_run_has_no_executions(store: ml_metadata.MetadataStore) -> None:
    assert executions_of_run(store, "run-1") == []


def test_what_a_run_has_made_and_found_each_once(store: ml_metadata.MetadataStore) -> None:
    put_execution(store, NODE, outputs=MODEL)
    (model,) = outputs_of_run(store, "run-1")
    resolver = Node(pipeline="pipeline", node_id="Resolver", run_id="run-2")
    put_execution(store, resolver, kind=RESOLVER, outputs={"model": [model]})
    evaluator = Node(pipeline="pipeline", node_id="Evaluator", run_id="run-2")
    blessing = [mlmd.Artifact(type="ModelBlessing", uri="/b")]
    put_execution(store, evaluator, inputs={"model": [model]}, outputs={"blessing": blessing})

    assert [each.uri for each in outputs_of_run(store, "run-2")] == ["/m", "/b"]
    assert outputs_of_run(store, "no such run") == []


def test_a_store_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientMetadataStore, "patience", 0.2)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = mlmd.MetadataStoreClientConfig(host="127.0.0.1", port=nobody.getsockname()[1])
        store = PatientMetadataStore(config)

        with pytest.raises(MetadataError, match="no metadata server answered"):
            outcome(store, NODE)
        with pytest.raises(MetadataError, match="no metadata server answered"):
            record_metrics(store, mlmd.Execution(id=1), {"auc": 1.0})


def test_a_refusal_is_told_and_is_no_failure_of_the_execution(
    store: ml_metadata.MetadataStore,
) -> None:
    anomalies = mlmd.Artifact(type="ExampleAnomalies")
    anomalies.custom_properties[REFUSAL_PROPERTY].string_value = "the data do not fit"
    put_execution(store, NODE, outputs={"anomalies": [anomalies]})

    found = outcome(store, NODE)

    assert found.failure is None
    assert found.refusal == "the data do not fit"


def test_an_output_without_a_refusal_lets_the_run_go_on(
    store: ml_metadata.MetadataStore,
) -> None:
    put_execution(store, NODE, outputs=MODEL)

    assert outcome(store, NODE).refusal == ""
