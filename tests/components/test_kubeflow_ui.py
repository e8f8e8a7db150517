"""What a step shows on its page in Kubeflow's UI."""

import json
import pathlib

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.kubeflow_ui import add_view

pytestmark = pytest.mark.whole


def test_the_page_of_previous_statistics_is_not_of_the_runs_own(tmp_path: pathlib.Path) -> None:
    outputs = {
        key: [mlmd.Artifact(type="ExampleStatistics", uri=f"/nothing/at/{key}")]
        for key in ("statistics", "current")
    }
    path = tmp_path / "mlpipeline-ui-metadata.json"

    add_view(path, "PreviousStatistics", outputs)

    (view,) = json.loads(path.read_text())["outputs"]
    assert "/nothing/at/statistics" in view["source"]
    assert "/nothing/at/current" not in view["source"]


def test_where_there_are_none_there_is_no_page(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mlpipeline-ui-metadata.json"
    outputs = {"statistics": [], "current": [mlmd.Artifact(type="ExampleStatistics", uri="/x")]}

    add_view(path, "PreviousStatistics", outputs)

    assert not path.exists()
