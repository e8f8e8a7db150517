"""Which model is the baseline, on a real metadata store."""

import pathlib
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import Node
from tests.components.metadata_records import memory_store, put_execution

pytestmark = pytest.mark.whole


class History:
    """Models, blessings and pushes as runs leave them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.store: ml_metadata.MetadataStore = memory_store()
        self._folder = folder
        self._models: list[int] = []
        self._blessings: list[tuple[int, bool]] = []

    def model(self, *, blessed: bool = True, pushed: bool | None = True, there: bool = True) -> int:
        """Records a model; returns its id. ``pushed=None`` is a run whose Pusher did not run."""
        uri = self._folder / str(len(self._models))
        if there:
            uri.mkdir()
        model = self._put("Trainer", mlmd.Artifact(type="Model", uri=str(uri)))
        self._models.append(model)
        self._blessings.append((model, blessed))
        read = {"model": self.store.get_artifacts_by_id([model])}
        # The Evaluator takes it as well.
        self._put("Evaluator", mlmd.Artifact(type="ModelBlessing"), read)
        if pushed is not None:
            push = mlmd.Artifact(type="PushedModel")
            push.custom_properties["pushed"].int_value = int(pushed)
            self._put("Pusher", push, read)
        return model

    def baseline(self) -> list[int]:
        """The ids of what the strategy chooses."""
        from tfx.types import standard_artifacts

        from components.baseline_model import LatestPushedModelStrategy

        models, blessings = [], []
        for stored in self.store.get_artifacts_by_id(self._models) if self._models else ():
            artifact = standard_artifacts.Model()
            artifact.id, artifact.uri = stored.id, stored.uri
            models.append(artifact)
        for number, (model, blessed) in enumerate(self._blessings, 10_000):
            blessing = standard_artifacts.ModelBlessing()
            blessing.id = number
            blessing.set_int_custom_property("current_model_id", model)
            blessing.set_int_custom_property("blessed", int(blessed))
            blessings.append(blessing)
        found = LatestPushedModelStrategy().resolve_artifacts(
            self.store, {"model": models, "model_blessing": blessings}
        )
        assert found is not None
        assert len(found["model"]) == len(found["model_blessing"])
        return [each.id for each in found["model"]]

    def _put(self, node_id: str, output: mlmd.Artifact, inputs: Any = None) -> int:
        node = Node(pipeline="p", node_id=node_id, run_id="r")
        execution = put_execution(self.store, node, inputs=inputs, outputs={"output": [output]})
        events = self.store.get_events_by_execution_ids([execution])
        return next(event.artifact_id for event in events if event.type == mlmd.Event.OUTPUT)


@pytest.fixture
def history(tmp_path: pathlib.Path) -> History:
    return History(tmp_path)


def test_a_first_run_has_no_baseline(history: History) -> None:
    assert history.baseline() == []


def test_it_is_the_model_that_was_pushed_last(history: History) -> None:
    history.model()
    last = history.model()
    history.model(blessed=False, pushed=False)

    assert history.baseline() == [last]


@pytest.mark.parametrize("pushed", [False, None])
def test_a_blessed_model_that_was_not_pushed_is_none(history: History, pushed: bool | None) -> None:
    serving = history.model()
    history.model(blessed=True, pushed=pushed)

    assert history.baseline() == [serving]


def test_where_none_was_pushed_there_is_none(history: History) -> None:
    history.model(pushed=False)

    assert history.baseline() == []


def test_a_model_that_has_been_deleted_is_left_out(history: History) -> None:
    there = history.model()
    history.model(there=False)

    assert history.baseline() == [there]
