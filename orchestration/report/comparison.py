"""Several runs side by side as a page."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from plotly import graph_objects

from components.charts.drift import distances
from components.charts.evaluation import metric_cell
from components.charts.feature_statistics import SplitStatistics, read_statistics
from components.charts.schema import read_schema, schema_changes, schema_changes_table
from components.charts.section import Block, Cell, Chart, Note, Section, Table, label
from components.charts.statistics import distance_blocks
from components.charts.style import figure
from components.errors import PipelineError
from components.execution_outcome import Artifact
from orchestration.local.observing import LocalRuns
from orchestration.metadata_client import connect
from orchestration.report import page
from orchestration.report.run_artifacts import artifacts_of_run
from orchestration.run_comparison import Comparison, Metric
from orchestration.run_outcome import cached_steps
from orchestration.times import utc

_TRAIN = "train"

#: Metrics from 0 to 1 are drawn beside each other; others would make them invisible.
_MOST_DRAWN = 1.5


def write_comparison(comparison: Comparison, home: pathlib.Path | None, out: pathlib.Path) -> None:
    """Writes the page.

    Args:
        comparison: The comparison.
        home: Folder that keeps the runs; ``None`` for runs on Kubeflow, of whose artifacts
            nothing is shown.
        out: The file.

    Raises:
        PipelineError: If the file cannot be written.
    """
    artifacts = [] if home is None else _artifacts(comparison, home)
    sections = [
        _runs_section(comparison, artifacts),
        _metrics_section(comparison),
        _parameters_section(comparison),
    ]
    if artifacts:
        sections += [_data_section(comparison, artifacts), _schema_section(comparison, artifacts)]
    names = ", ".join(run.name for run in comparison.runs)
    page.write(out, page.render("Runs compared", names, sections))


def _artifacts(comparison: Comparison, home: pathlib.Path) -> list[Mapping[str, Artifact]]:
    runs = LocalRuns(home)
    found: list[Mapping[str, Artifact]] = []
    for run in comparison.runs:
        # One environment serves them all: runs that are compared share their storage.
        runs.open_storage(run.id)
        with runs.metadata(run.id) as address:
            found.append(artifacts_of_run(connect(address), run))
    return found


def _runs_section(comparison: Comparison, artifacts: Sequence[Mapping[str, Artifact]]) -> Section:
    rows: list[Sequence[Cell]] = []
    for index, run in enumerate(comparison.runs):
        rows.append(
            (
                index + 1,
                run.name,
                run.pipeline,
                run.state,
                utc(run.started),
                run.seconds,
                cached_steps(run),
                run.result.get("blessed"),
                run.result.get("pushed"),
                _examples(artifacts[index]) if artifacts else None,
                run.labels.get("code-hash"),
            )
        )
    table = Table(
        title="How the runs went",
        columns=(
            "",
            "run",
            "workflow",
            "state",
            "started",
            "seconds",
            "steps from the cache",
            "blessed",
            "pushed",
            "examples",
            "code hash",
        ),
        rows=rows,
        decimals={"seconds": 1},
    )
    return Section(id="runs", title="Runs", blocks=[table])


def _metrics_section(comparison: Comparison) -> Section:
    names = _columns(comparison)
    if not comparison.metrics:
        return Section(
            id="metrics", title="Metrics", blocks=[Note(text="None of the runs has metrics.")]
        )
    rows = [
        (
            metric.name,
            _best(metric),
            *(
                metric_cell(metric.name, value)
                for value in (*metric.values, *metric.differences[1:])
            ),
        )
        for metric in comparison.metrics
    ]
    numbers = [*names, *(f"{name} less run 1" for name in names[1:])]
    table = Table(
        title="All metrics, and their differences to run 1",
        columns=("metric", "best", *numbers),
        rows=rows,
        decimals=dict.fromkeys(numbers, 4),
        note="The best calibration, mean prediction over mean label, is the one nearest to 1.",
    )
    cautions: list[Block] = []
    if comparison.caution:
        cautions.append(Note(text=comparison.caution, level="warning"))
    return Section(id="metrics", title="Metrics", blocks=[*cautions, *_chart(comparison), table])


def _chart(comparison: Comparison) -> list[Block]:
    drawn = [
        metric
        for metric in comparison.metrics
        if all(value is None or 0 <= value <= _MOST_DRAWN for value in metric.values)
    ]
    if not drawn:
        return []
    traces = [
        graph_objects.Bar(
            name=name,
            x=[label(metric.name) for metric in drawn],
            y=[metric.values[index] for metric in drawn],
        )
        for index, name in enumerate(_columns(comparison))
    ]
    description = f"{len(drawn)} metrics of {len(comparison.runs)} runs; the table has the numbers."
    return [Chart(title="Metrics side by side", figure=figure(*traces), description=description)]


def _parameters_section(comparison: Comparison) -> Section:
    blocks: list[Block] = [Note(text="All run parameters are the same.", level="good")]
    if comparison.parameters:
        rows = [(item.name, *item.values) for item in comparison.parameters]
        blocks = [
            Table(
                title="Parameters of the runs",
                columns=("parameter", *_columns(comparison)),
                rows=rows,
            )
        ]
    return Section(id="parameters", title="Parameters", blocks=blocks)


def _data_section(comparison: Comparison, artifacts: Sequence[Mapping[str, Artifact]]) -> Section:
    blocks: list[Block] = []
    first = _train(artifacts[0])
    for index, found in enumerate(artifacts[1:], start=2):
        other = _train(found)
        if first is None or other is None:
            blocks.append(Note(text=f"Run 1 or run {index} has no statistics.", level="warning"))
        elif found["ExampleStatistics"].uri == artifacts[0]["ExampleStatistics"].uri:
            blocks.append(Note(text=f"Run {index} has the data of run 1.", level="good"))
        else:
            blocks += distance_blocks("run 1", f"run {index}", distances(first, other))
    return Section(id="data", title="Training data", blocks=blocks)


def _schema_section(comparison: Comparison, artifacts: Sequence[Mapping[str, Artifact]]) -> Section:
    blocks: list[Block] = []
    for index, found in enumerate(artifacts[1:], start=2):
        try:
            changes = schema_changes(
                read_schema(artifacts[0]["Schema"].uri), read_schema(found["Schema"].uri)
            )
        except (KeyError, PipelineError):
            text = f"The schema of run 1 or of run {index} cannot be read."
            blocks.append(Note(text=text, level="warning"))
            continue
        if changes:
            blocks.append(schema_changes_table(changes, f"From run 1 to run {index}"))
        else:
            blocks.append(Note(text=f"Run {index} has the schema of run 1.", level="good"))
    return Section(id="schema", title="Schema", blocks=blocks)


def _columns(comparison: Comparison) -> list[str]:
    return [f"run {index}" for index in range(1, len(comparison.runs) + 1)]


def _best(metric: Metric) -> str | None:
    if metric.are_equal and None not in metric.values:
        return "equal"
    return ", ".join(f"run {index + 1}" for index in metric.best) or None


def _examples(artifacts: Mapping[str, Artifact]) -> int | None:
    splits = list(_splits(artifacts))
    return sum(split.examples for split in splits) if splits else None


def _train(artifacts: Mapping[str, Artifact]) -> SplitStatistics | None:
    splits = list(_splits(artifacts))
    return next((split for split in splits if split.name == _TRAIN), splits[0] if splits else None)


def _splits(artifacts: Mapping[str, Artifact]) -> Iterator[SplitStatistics]:
    with contextlib.suppress(KeyError, PipelineError):
        yield from read_statistics(artifacts["ExampleStatistics"].uri)
