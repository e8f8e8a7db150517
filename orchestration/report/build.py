"""Makes the report of a run: ``python -m orchestration.report.build HOME RUN FILE`` of one here.

The readers of some artifacts import TensorFlow, which takes seconds: at a run's end this runs in
the process that has it imported.
"""

import pathlib
import sys

import ml_metadata

from components.charts.artifacts import sections_of
from orchestration.local.observing import LocalRuns, workflow_of
from orchestration.metadata_client import connect
from orchestration.report import page
from orchestration.report.run_artifacts import artifacts_of_run
from orchestration.report.run_sections import steps_section, summary_section, utc
from orchestration.run_view import RunView
from orchestration.workflow import Workflow


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
        summary_section(view),
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
        write_report(view, workflow_of(folder), connect(address), path)
    return path


if __name__ == "__main__":
    write_local_report(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
