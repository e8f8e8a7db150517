"""Decisions on the model of a run, in a real metadata store."""

import pathlib
import time

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import approvals
from components.approvals import (
    APPROVAL_TYPE,
    Decision,
    decide,
    decisions,
    open_execution,
    standing_decision,
)
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


def standing(store: ml_metadata.MetadataStore) -> Decision | None:
    waiting = open_execution(store, RUN)
    assert waiting is not None
    return standing_decision(store, RUN, waiting)


def test_nothing_in_a_name_reaches_the_terminal_but_as_text(
    store: ml_metadata.MetadataStore,
) -> None:
    execution(store)
    decide(store, RUN, Decision(approved=True, by="Ann\x07\u202e\x1b[2J"))

    with pytest.raises(RunError) as raised:
        decide(store, RUN, Decision(approved=True, by="Bob"))

    assert "is approved by Ann" in str(raised.value)
    assert not {"\x07", "\u202e", "\x1b"} & set(str(raised.value))


def test_a_decision_is_kept_with_who_took_it_and_why(store: ml_metadata.MetadataStore) -> None:
    execution(store)

    decide(store, RUN, Decision(approved=True, by="Ann", note="looked <at> it"))

    found = standing(store)
    assert found is not None
    assert (found.approved, found.by, found.note) == (True, "Ann", "looked <at> it")
    assert found.milliseconds > 1_700_000_000_000


def failed(store: ml_metadata.MetadataStore) -> None:
    """Ends the attempt, as TFX does; a retry takes the execution up as it is."""
    time.sleep(0.01)
    (waiting,) = store.get_executions()
    waiting.last_known_state = mlmd.Execution.FAILED
    store.put_executions([waiting])
    time.sleep(0.01)


def test_a_rejection_stands_until_the_run_is_retried(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    decide(store, RUN, Decision(approved=False, by="Ann"))

    with pytest.raises(RunError, match="rejected by Ann already; that stands until the run is re"):
        decide(store, RUN, Decision(approved=True, by="Bob"))
    first = standing(store)
    failed(store)
    none = standing(store)
    decide(store, RUN, Decision(approved=True, by="Bob"))

    assert first is not None
    assert (first.approved, first.by) == (False, "Ann")
    assert none is None
    then = standing(store)
    assert then is not None
    assert (then.approved, then.by) == (True, "Bob")


def test_of_two_at_the_same_moment_one_is_told_that_the_other_stands(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, store: ml_metadata.MetadataStore
) -> None:
    execution(store)
    look = approvals.standing_decision
    found = [None]  # What both have seen: nothing.
    monkeypatch.setattr(
        approvals, "standing_decision", lambda *of: found.pop() if found else look(*of)
    )
    approvals.decide(store, RUN, Decision(approved=False, by="Ann"))
    found.append(None)

    with pytest.raises(RunError, match="is rejected by Ann already"):
        approvals.decide(store, RUN, Decision(approved=True, by="Bob"))


def test_an_approval_stands(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    decide(store, RUN, Decision(approved=True, by="Ann"))

    with pytest.raises(RunError, match="run-1: is approved by Ann already"):
        decide(store, RUN, Decision(approved=False, by="Bob"))

    found = standing(store)
    assert found is not None
    assert found.by == "Ann"


def test_a_decision_on_another_run_does_not_count(store: ml_metadata.MetadataStore) -> None:
    execution(store)
    execution(store, run="run-2")
    decide(store, "run-2", Decision(approved=True, by="Ann"))

    assert standing(store) is None


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

    assert decisions(store, RUN) == []


def test_a_run_whose_step_has_failed_may_be_approved_before_it_is_retried(
    store: ml_metadata.MetadataStore,
) -> None:
    execution(store, state=mlmd.Execution.FAILED)

    decide(store, RUN, Decision(approved=True, by="Ann"))

    assert standing(store) is not None


def test_an_unknown_run_takes_no_decision(store: ml_metadata.MetadataStore) -> None:
    with pytest.raises(RunError, match="nothing: does not wait"):
        decide(store, "nothing", Decision(approved=True, by="Ann"))
