"""Makes the report of a run: ``python -m orchestration.report.build HOME RUN FILE`` of one here.

The readers of some artifacts import TensorFlow, which takes seconds: at a run's end this runs in
the process that has it imported.
"""

import pathlib
import sys

import ml_metadata

from components.charts.artifacts import sections_of
from components.charts.section import Note, Section, Table
from components.errors import MetadataError
from orchestration.lineage.answer import ask
from orchestration.lineage.reader import Reader
from orchestration.lineage.summary import summary
from orchestration.local.observing import LocalRuns, workflow_of
from orchestration.metadata_client import connect
from orchestration.report import page
from orchestration.report.run_artifacts import artifacts_of_run, decisions_on
from orchestration.report.run_sections import steps_section, summary_section
from orchestration.run_outcome import headline
from orchestration.run_view import RunView
from orchestration.times import utc
from orchestration.workflow import Workflow


def write_report(
    view: RunView,
    workflow: Workflow | None,
    store: ml_metadata.MetadataStore,
    home: pathlib.Path,
    out: pathlib.Path,
) -> list[str]:
    """Writes the report of a run.

    Args:
        view: The run.
        workflow: Its workflow, or ``None`` where it cannot be read.
        store: The metadata store that knows the run.
        home: Folder that keeps the runs.
        out: The file.

    Returns:
        Why parts of it could not be made, a line each.

    Raises:
        PipelineError: If the store does not answer, or the file cannot be written.
    """
    artifacts = artifacts_of_run(store, view)
    sections = [
        summary_section(view, decisions_on(store, view.id, artifacts)),
        steps_section(view, workflow),
        *sections_of(artifacts, with_missing=True),
        _lineage_section(store, view.id, home),
    ]
    page.write(out, page.render(view.name, f"{headline(view)}, {utc(view.started)}", sections))
    return [
        block.text
        for section in sections
        for block in section.blocks
        if isinstance(block, Note) and block.level == "unreadable"
    ]


def _lineage_section(store: ml_metadata.MetadataStore, run_id: str, home: pathlib.Path) -> Section:
    """Returns where the run's model comes from, in short; the command ``lineage`` has it whole."""
    try:
        answer = ask(Reader(store, "the run's store"), run_id, is_forward=False, home=home)
    except MetadataError as error:
        return Section(id="lineage", title="Lineage", blocks=[Note(text=str(error))])
    table = Table(
        title="Where the model comes from",
        columns=("", ""),
        rows=[(name.strip(), text) for name, text in summary(answer)],
        note=f"The whole graph: complaint-pipeline lineage {run_id} --out lineage.html",
    )
    return Section(id="lineage", title="Lineage", blocks=[table])


def write_local_report(
    home: pathlib.Path, run: str | None, out: pathlib.Path | None
) -> tuple[pathlib.Path, list[str]]:
    """Writes the report of a run on this machine.

    Args:
        home: Folder that keeps the runs.
        run: The run; ``None`` for the newest.
        out: The file; ``None`` for one in the run's folder.

    Returns:
        The file, and why parts of it could not be made.

    Raises:
        PipelineError: If there is no such run, its store cannot be opened, or the file cannot be
            written.
    """
    runs = LocalRuns(home)
    view = runs.get(run)
    folder = home / "runs" / view.id
    runs.open_storage(view.id)
    with runs.metadata(view.id) as address:
        path = out or folder / "report.html"
        problems = write_report(view, workflow_of(folder), connect(address), home, path)
    return path, problems


if __name__ == "__main__":
    write_local_report(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
