"""Decisions on the model of a run, in a real metadata store."""

import pathlib

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.approvals import APPROVAL_TYPE, Decision, decide, newest_decision
from components.errors import RunError

RUN = "run-1"


@pytest.fixture
def store(tmp_path: pathlib.Path) -> ml_metadata.MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.db")
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return ml_metadata.MetadataStore(config)


def execution(
    store: ml_metadata.MetadataStore,
    *,
    run: str = RUN,
    state: int = mlmd.Execution.RUNNING,
    kind: str = APPROVAL_TYPE,
) -> None:
    type_id = store.put_execution_type(mlmd.ExecutionType(name=kind))
    context_type = store.put_context_type(mlmd.ContextType(name="pipeline_run"))
    store.put_execution(
        mlmd.Execution(type_id=type_id, last_known_state=state),
        [],
        [mlmd.Context(type_id=context_type, name=run)],
        reuse_context_if_already_exist=True,
    )


def test_a_decision_is_kept_with_who_took_it_and_why(store: ml_metadata.MetadataStore) -> None:
    execution(store)

    decide(store, RUN, Decision(approved=True, by="Ann", note="looked <at> it"))

    found = newest_decision(store, RUN)
    assert found is not None
    assert (found.approved, found.by, found.note) == (True, "Ann", "looked <at> it")
    assert found.milliseconds > 1_700_000_000_000


def test_the_newest_decision_counts(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    decide(store, RUN, Decision(approved=False, by="Ann"))
    decide(store, RUN, Decision(approved=True, by="Bob"))

    found = newest_decision(store, RUN)

    assert found is not None
    assert (found.approved, found.by) == (True, "Bob")


def test_an_approval_stands(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    decide(store, RUN, Decision(approved=True, by="Ann"))

    with pytest.raises(RunError, match="run-1: is approved by Ann already"):
        decide(store, RUN, Decision(approved=False, by="Bob"))

    found = newest_decision(store, RUN)
    assert found is not None
    assert found.by == "Ann"


def test_a_decision_on_another_run_does_not_count(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    execution(store, run="run-2")
    decide(store, "run-2", Decision(approved=True, by="Ann"))

    assert newest_decision(store, RUN) is None
    assert newest_decision(store, "run-3") is None


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (mlmd.Execution.COMPLETE, APPROVAL_TYPE),
        (mlmd.Execution.CACHED, APPROVAL_TYPE),
        (mlmd.Execution.RUNNING, "tfx.components.trainer.component.Trainer"),
    ],
)
def test_a_run_that_does_not_wait_takes_no_decision(
    store: ml_metadata.MetadataStore, state: int, kind: str
) -> None:
    execution(store, state=state, kind=kind)

    with pytest.raises(RunError, match="run-1: does not wait for an approval"):
        decide(store, RUN, Decision(approved=True, by="Ann"))

    assert newest_decision(store, RUN) is None


def test_a_run_whose_step_has_failed_may_be_approved_before_it_is_retried(
    store: ml_metadata.MetadataStore,
) -> None:
    execution(store, state=mlmd.Execution.FAILED)

    decide(store, RUN, Decision(approved=True, by="Ann"))

    assert newest_decision(store, RUN) is not None


def test_an_unknown_run_takes_no_decision(store: ml_metadata.MetadataStore) -> None:
    with pytest.raises(RunError, match="nothing: does not wait"):
        decide(store, "nothing", Decision(approved=True, by="Ann"))
