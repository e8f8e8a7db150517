"""How a run went: its summary, its steps over time, and its graph."""

import itertools
from collections.abc import Mapping, Sequence

from plotly import graph_objects

from components.approvals import Decision
from components.charts.section import Block, Box, Cell, Chart, Diagram, Note, Section, Table, label
from components.charts.style import figure
from orchestration.graph_layout import BoxSize, layout, without_implied
from orchestration.lineage import words
from orchestration.local import run_record
from orchestration.local.run_record import RunAttempt, StepRecord
from orchestration.run_outcome import duration, headline, outcome_rows
from orchestration.run_view import RunView
from orchestration.times import utc
from orchestration.workflow import Resources, Workflow

_GIB = 1024**3
_MIB = 1024**2

_COLOURS = {
    run_record.SUCCEEDED: "#009E73",
    "From the cache": "#56B4E9",
    run_record.FAILED: "#D55E00",
    run_record.RUNNING: "#0072B2",
    run_record.TERMINATED: "#E69F00",
    run_record.OMITTED: "#9AA4B0",
    run_record.PENDING: "#C9CFD6",
}
_LEVELS = {run_record.SUCCEEDED: "good", run_record.FAILED: "failure"}

_ROW_HEIGHT = 34
_MARGINS = 90

#: Two side by side fit on a phone.
_BOX = BoxSize(width=152, height=46, gap_x=16, gap_y=34)


def summary_section(view: RunView, decisions: Sequence[Decision] = ()) -> Section:
    """Returns what the run was, and what came out.

    Args:
        view: The run.
        decisions: What people have decided on its model, the oldest first.
    """
    level = _LEVELS.get(view.state, "warning")
    blocks: list[Block] = [Note(text=headline(view), level=level)]
    if view.message:
        blocks.append(Note(text=view.message, level="failure"))
    rows: list[Sequence[Cell]] = [
        ("run", view.name),
        ("workflow", view.pipeline),
        ("started", utc(view.started)),
        ("ended", utc(view.ended)),
        *outcome_rows(view),
        *(("approval", _decision_text(decision)) for decision in decisions),
        *sorted(view.labels.items()),
    ]
    blocks.append(Table(title="The run", columns=("", ""), rows=rows))
    if view.parameters:
        blocks.append(
            Table(
                title="Parameters",
                columns=("parameter", "value"),
                rows=[(name, str(value)) for name, value in sorted(view.parameters.items())],
            )
        )
    return Section(id="summary", title="Summary", blocks=blocks)


def steps_section(view: RunView, workflow: Workflow | None) -> Section:
    """Returns the steps over time, as a graph, and what they used against what they ask for.

    Args:
        view: The run.
        workflow: Its workflow, or ``None`` where it cannot be read.
    """
    blocks: list[Block] = []
    timed = [step for step in view.steps if step.started is not None]
    if timed:
        blocks.append(_gantt(timed, view.attempts))
    if workflow is not None:
        blocks.append(_graph(view.steps, workflow))
    blocks.append(_step_table(view.steps, view.resources))
    return Section(id="steps", title="Steps", blocks=blocks)


def _gantt(steps: Sequence[StepRecord], attempts: Sequence[RunAttempt]) -> Chart:
    zero = min(step.started or 0.0 for step in steps)
    waits = [wait for wait in _waits(attempts) if wait[0] >= zero]
    traces = []
    for kind in _kinds(steps):
        own = [step for step in steps if _kind(step) == kind]
        traces.append(
            graph_objects.Bar(
                name=kind,
                orientation="h",
                y=[label(step.name) for step in own],
                base=[_working_seconds(zero, step.started or zero, waits) for step in own],
                x=[_seconds(step.started, step.ended) or 0.0 for step in own],
                marker_color=_COLOURS.get(kind, "#000000"),
                hovertemplate="%{y}: %{x:.1f} s, from %{base:.1f} s<extra></extra>",
            )
        )
    names = [label(step.name) for step in sorted(steps, key=lambda step: step.started or 0.0)]
    made = figure(
        *traces,
        barmode="overlay",
        height=_MARGINS + _ROW_HEIGHT * len(steps),
        xaxis={"title": {"text": "seconds from the first step"}, "rangemode": "tozero"},
        yaxis={"categoryorder": "array", "categoryarray": names[::-1]},
        showlegend=True,
    )
    longest = max(steps, key=lambda step: _seconds(step.started, step.ended) or 0.0)
    return Chart(
        title="Steps over time",
        figure=made,
        description=f"{len(steps)} steps; the longest is {longest.name} with "
        f"{_seconds(longest.started, longest.ended) or 0.0:,.1f} s. {_retry_text(waits)}".strip(),
    )


def _decision_text(decision: Decision) -> str:
    seconds = decision.milliseconds / 1000
    return words.decision(decision.approved, decision.by, decision.note, seconds)


def _waits(attempts: Sequence[RunAttempt]) -> list[tuple[float, float]]:
    """Returns from when to when a run waited for a retry, as far as its end was seen."""
    return [
        (before.ended, after.started)
        for before, after in itertools.pairwise(attempts)
        if before.ended is not None
    ]


def _working_seconds(start: float, end: float, waits: Sequence[tuple[float, float]]) -> float:
    """Returns the seconds between two times without the waits between them."""
    return end - start - sum(after - before for before, after in waits if after <= end)


def _retry_text(waits: Sequence[tuple[float, float]]) -> str:
    if not waits:
        return ""
    waited = ", ".join(duration(after - before) for before, after in waits)
    return (
        f"Waits for a retry are left out: {waited}. Of a step that ran again, the last attempt is "
        "shown."
    )


def _graph(steps: Sequence[StepRecord], workflow: Workflow) -> Diagram:
    records = {step.name: step for step in steps}
    names = [step.name for step in workflow.steps]
    edges = without_implied(
        [(before, step.name) for step in workflow.steps for before in step.dependencies]
    )
    placed = layout(names, edges, _BOX)
    boxes = []
    for name, place in placed.places.items():
        step = records.get(name, StepRecord(name=name))
        seconds = _seconds(step.started, step.ended)
        boxes.append(
            Box(
                x=place.x,
                y=place.y,
                name=name,
                subtitle=_kind(step) + (f", {seconds:,.1f} s" if seconds is not None else ""),
                colour=_COLOURS.get(_kind(step), "#000000"),
            )
        )
    after = {name: [before for before, end in edges if end == name] for name in names}
    lines = [
        f"{name} ({_kind(records.get(name, StepRecord(name=name)))})"
        + (f" after {' and '.join(after[name])}" if after[name] else "")
        for name in names
    ]
    return Diagram(
        title="Order of the steps",
        description=f"{'; '.join(lines)}.",
        note="A step waits for those whose arrows lead to it, and for all before them.",
        boxes=boxes,
        arrows=[placed.link(*edge) for edge in edges],
        box_width=placed.box.width,
        box_height=placed.box.height,
        width=placed.width,
        height=placed.height,
    )


def _step_table(steps: Sequence[StepRecord], resources: Mapping[str, Resources]) -> Table:
    rows: list[Sequence[Cell]] = []
    for step in steps:
        asked = resources.get(step.name, Resources())
        rows.append(
            (
                step.name,
                _kind(step),
                step.attempts,
                _seconds(step.started, step.ended),
                step.cpu_seconds if step.peak_bytes else None,
                asked.cpu_request,
                memory(step.peak_bytes or None),
                memory(asked.memory_request),
                memory(asked.memory_limit),
                step.message,
            )
        )
    return Table(
        title="What the steps used, and what they ask for",
        columns=(
            "step",
            "state",
            "attempts",
            "seconds",
            "cpu seconds",
            "cpus asked",
            "peak memory",
            "memory asked",
            "memory limit",
            "message",
        ),
        rows=rows,
        decimals={"seconds": 1, "cpu seconds": 1, "cpus asked": 1},
    )


def memory(size: int | None) -> str | None:
    """Returns a size in bytes such as ``1.2 GiB`` or ``350 MiB``."""
    if size is None:
        return None
    return f"{size / _GIB:.2f} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"


def _kinds(steps: Sequence[StepRecord]) -> list[str]:
    return list(dict.fromkeys(_kind(step) for step in steps))


def _kind(step: StepRecord) -> str:
    if step.state == run_record.SUCCEEDED and step.cached:
        return "From the cache"
    return step.state


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
