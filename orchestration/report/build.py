"""Makes the report of a local run: ``python -m orchestration.report.build HOME RUN STORE FILE``.

The readers of some artifacts import TensorFlow, which takes seconds: at a run's end this runs in
the process that has it imported.
"""

import pathlib
import sys
from collections.abc import Mapping

import ml_metadata

from components.charts.artifacts import sections_of
from components.errors import PipelineError
from orchestration.local import metadata_session
from orchestration.local.observing import LocalRuns
from orchestration.metadata_client import connect
from orchestration.metadata_target import MetadataTarget
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


def local_workflow(home: pathlib.Path, run_id: str) -> Workflow | None:
    """Returns the workflow of a local run, or ``None`` where it cannot be read."""
    try:
        return parse_workflow(read_package(home / "runs" / run_id / "workflow.yaml").manifest)
    except PipelineError:
        return None


def _labels(workflow: Workflow | None) -> Mapping[str, str]:
    if workflow is None or not workflow.steps:
        return {}
    labels = workflow.steps[0].labels
    return {
        name.removeprefix(_LABEL_PREFIX): value
        for name, value in labels.items()
        if name.startswith(_LABEL_PREFIX)
    }


def main(home: pathlib.Path, run_id: str, target: str, out: pathlib.Path) -> None:
    """Writes the report of a run that is in a folder here."""
    view = LocalRuns(home).get(run_id)
    log = home / "runs" / run_id / "host.log"
    with metadata_session.serve(MetadataTarget.parse(target), None, log) as address:
        write_report(view, local_workflow(home, run_id), connect(address), out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]))
