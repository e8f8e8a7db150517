"""The report of a run whose files are no longer there."""

import pathlib

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import Node
from orchestration.report.build import write_report
from orchestration.run_view import RunView
from tests.components.metadata_records import memory_store, put_execution


def test_parts_that_cannot_be_made_are_told_and_the_page_has_the_others(
    tmp_path: pathlib.Path,
) -> None:
    store = memory_store()
    node = Node(pipeline="p", node_id="StatisticsGen", run_id="r")
    gone = tmp_path / "gone"
    statistics = mlmd.Artifact(type="ExampleStatistics", uri=str(gone))
    put_execution(store, node, outputs={"statistics": [statistics]})
    run = RunView(id="r", name="r", state="Failed", pipeline="p")

    problems = write_report(run, None, store, tmp_path, tmp_path / "report.html")

    assert len(problems) == 1
    assert str(gone) in problems[0]
    page = (tmp_path / "report.html").read_text()
    assert 'id="summary-title"' in page
    assert str(gone) in page
