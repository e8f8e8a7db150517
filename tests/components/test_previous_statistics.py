"""Which statistics new ones are compared with, on a real metadata store."""

import json
import pathlib
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import REFUSAL_PROPERTY, Node
from tests.components.metadata_records import memory_store, put_execution

pytestmark = pytest.mark.whole

SPLITS = '["train", "eval"]'


class History:
    """Statistics and their validation as runs leave them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self.store: ml_metadata.MetadataStore = memory_store()
        self._ids: list[int] = []
        self._splits: dict[int, str] = {}

    def statistics(
        self,
        *sha256: str,
        span: int | None = None,
        first_span: int | None = None,
        splits: str = SPLITS,
    ) -> int:
        """Records the statistics of files with these checksums; returns their id."""
        examples = mlmd.Artifact(type="Examples")
        files = [{"sha256": each} for each in sha256]
        examples.custom_properties["input_files"].string_value = json.dumps({"files": files})
        # As TFX's driver and ours record them; without spans TFX's is 0.
        examples.custom_properties["span"].int_value = span or 0
        if span is not None:
            examples.custom_properties["first_span"].int_value = first_span or span
        node = self._node("CsvExampleGen")
        examples_id = self._outputs(put_execution(self.store, node, outputs={"e": [examples]}))
        read = self.store.get_artifacts_by_id([examples_id])[0]
        execution = put_execution(
            self.store,
            self._node("StatisticsGen"),
            inputs={"examples": [read]},
            outputs={"statistics": [mlmd.Artifact(type="ExampleStatistics")]},
        )
        found = self._outputs(execution)
        self._ids.append(found)
        self._splits[found] = splits
        self._folder_of(found).mkdir()
        return found

    def delete(self, statistics: int) -> None:
        """Removes the files of statistics."""
        self._folder_of(statistics).rmdir()

    def validated(self, statistics: int, *, refused: bool, previous: int | None = None) -> None:
        """Records a verdict."""
        anomalies = mlmd.Artifact(type="ExampleAnomalies")
        if refused:
            anomalies.custom_properties[REFUSAL_PROPERTY].string_value = "no"
        inputs = {"statistics": self.store.get_artifacts_by_id([statistics])}
        if previous is not None:
            inputs["previous_statistics"] = self.store.get_artifacts_by_id([previous])
        put_execution(
            self.store,
            self._node("ExampleValidator"),
            inputs=inputs,
            outputs={"anomalies": [anomalies]},
        )

    def previous(self, current: int) -> list[int]:
        """The ids of what the strategy chooses."""
        from components.previous_statistics import PreviousStatisticsStrategy

        found = PreviousStatisticsStrategy().resolve_artifacts(
            self.store,
            {
                "current": [self._artifact(current)],
                "statistics": [self._artifact(each) for each in self._ids],
            },
        )
        assert found is not None
        assert [each.id for each in found["current"]] == [current]
        return [each.id for each in found["statistics"]]

    def _folder_of(self, artifact_id: int) -> pathlib.Path:
        return self._folder / str(artifact_id)

    def _artifact(self, artifact_id: int) -> Any:
        from tfx.types import standard_artifacts

        artifact = standard_artifacts.ExampleStatistics()
        artifact.id = artifact_id
        artifact.uri = str(self._folder_of(artifact_id))
        artifact.split_names = self._splits[artifact_id]
        return artifact

    def _outputs(self, execution: int) -> int:
        events = self.store.get_events_by_execution_ids([execution])
        return next(event.artifact_id for event in events if event.type == mlmd.Event.OUTPUT)

    def _node(self, node_id: str) -> Node:
        return Node(pipeline="p", node_id=node_id, run_id="r")


@pytest.fixture
def history(tmp_path: pathlib.Path) -> History:
    return History(tmp_path)


def test_a_first_run_has_nothing_to_compare_with(history: History) -> None:
    assert history.previous(history.statistics("a")) == []


def test_it_is_the_latest_earlier_run_on_other_data(history: History) -> None:
    history.statistics("a")
    other = history.statistics("b")
    history.statistics("c", "d")

    assert history.previous(history.statistics("d", "c")) == [other]


def test_later_statistics_are_not_previous(history: History) -> None:
    first = history.statistics("a")
    history.statistics("b")

    assert history.previous(first) == []


def test_with_spans_it_is_the_latest_span_before(history: History) -> None:
    history.statistics("a", span=1)
    second = history.statistics("b", span=3)
    current = history.statistics("c", span=7)
    history.statistics("d", span=8)

    assert history.previous(current) == [second]


def test_a_span_that_is_read_again_is_compared_with_the_one_before(history: History) -> None:
    before = history.statistics("a", span=1)
    history.statistics("b", span=2)

    assert history.previous(history.statistics("mended", span=2)) == [before]


def test_span_0_is_a_span(history: History) -> None:
    first = history.statistics("a", span=0)

    assert history.previous(history.statistics("a", span=1)) == [first]
    assert history.previous(history.statistics("b", span=0)) == []


def test_of_windows_it_is_the_latest_that_shares_no_span(history: History) -> None:
    history.statistics("a", first_span=1, span=2)
    apart = history.statistics("b", first_span=1, span=3)
    history.statistics("c", first_span=3, span=5)

    assert history.previous(history.statistics("d", first_span=4, span=6)) == [apart]


def test_where_all_windows_overlap_it_is_the_one_before(history: History) -> None:
    history.statistics("a", first_span=1, span=3)
    before = history.statistics("b", first_span=2, span=4)

    assert history.previous(history.statistics("c", first_span=3, span=5)) == [before]


def test_refused_data_are_nothing_to_compare_with(history: History) -> None:
    good, bad = history.statistics("a"), history.statistics("b")
    history.validated(good, refused=False)
    history.validated(bad, refused=True, previous=good)

    assert history.previous(history.statistics("c")) == [good]


def test_statistics_that_have_been_deleted_are_left_out(history: History) -> None:
    there = history.statistics("a")
    history.delete(history.statistics("b"))

    assert history.previous(history.statistics("c")) == [there]


def test_data_that_were_accepted_after_all_are(history: History) -> None:
    history.statistics("a")
    later = history.statistics("b")
    history.validated(later, refused=True)
    history.validated(later, refused=False)

    assert history.previous(history.statistics("c")) == [later]


def test_the_verdict_on_later_data_says_nothing_of_the_earlier(history: History) -> None:
    earlier = history.statistics("a")
    bad = history.statistics("b")
    history.validated(bad, refused=True, previous=earlier)

    assert history.previous(history.statistics("c")) == [earlier]


def test_statistics_of_other_splits_are_left_out(history: History) -> None:
    history.statistics("asked", splits='["serving"]')

    assert history.previous(history.statistics("a")) == []


def test_without_statistics_of_this_run_nothing_is_resolved(history: History) -> None:
    from components.previous_statistics import PreviousStatisticsStrategy

    found = PreviousStatisticsStrategy().resolve_artifacts(
        history.store, {"current": [], "statistics": []}
    )

    assert found is None
