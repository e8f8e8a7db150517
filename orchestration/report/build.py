"""Makes the report of a run: ``python -m orchestration.report.build HOME RUN FILE`` of one here.

The readers of some artifacts import TensorFlow, which takes seconds: at a run's end this runs in
the process that has it imported.
"""

import pathlib
import sys
from collections.abc import Mapping

import ml_metadata

from components.charts.artifacts import sections_of
from components.errors import PipelineError
from orchestration.local.observing import LocalRuns
from orchestration.metadata_client import connect
from orchestration.package import read_package
from orchestration.report import page
from orchestration.report.run_artifacts import artifacts_of_run
from orchestration.report.run_sections import steps_section, summary_section, utc
from orchestration.run_view import RunView
from orchestration.workflow import Workflow
from orchestration.workflow_parser import parse_workflow

#: Labels of a pod that say what it was compiled from.
_LABEL_PREFIX = "complaint-pipeline/"


def write_report(
    view: RunView, workflow: Workflow | None, store: ml_metadata.MetadataStore, out: pathlib.Path
) -> None:
    """Writes the report of a run.

    Args:
        view: The run.
        workflow: Its workflow, or ``None`` where it cannot be read.
        store: The metadata store that knows the run.
        out: The file.

    Raises:
        PipelineError: If the store does not answer, or the file cannot be written.
    """
    sections = [
        summary_section(view, _labels(workflow)),
        steps_section(view, workflow),
        *sections_of(artifacts_of_run(store, view.id), with_missing=True),
    ]
    page.write(out, page.render(view.name, f"{view.state}, {utc(view.started)}", sections))


def write_local_report(
    home: pathlib.Path, run: str | None, out: pathlib.Path | None
) -> pathlib.Path:
    """Writes the report of a run on this machine.

    Args:
        home: Folder that keeps the runs.
        run: The run; ``None`` for the newest.
        out: The file; ``None`` for one in the run's folder.

    Returns:
        The file.

    Raises:
        PipelineError: If there is no such run, its store cannot be opened, or the file cannot be
            written.
    """
    runs = LocalRuns(home)
    view = runs.get(run)
    folder = home / "runs" / view.id
    with runs.metadata(view.id) as address:
        path = out or folder / "report.html"
        write_report(view, _workflow(folder), connect(address), path)
    return path


def _workflow(folder: pathlib.Path) -> Workflow | None:
    try:
        return parse_workflow(read_package(folder / "workflow.yaml").manifest)
    except PipelineError:
        return None  # The rest of the page needs none.


def _labels(workflow: Workflow | None) -> Mapping[str, str]:
    if workflow is None or not workflow.steps:
        return {}
    labels = workflow.steps[0].labels
    return {
        name.removeprefix(_LABEL_PREFIX): value
        for name, value in labels.items()
        if name.startswith(_LABEL_PREFIX)
    }


if __name__ == "__main__":
    write_local_report(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
