"""How a run went: its summary, its steps over time, and its graph."""

import datetime
from collections.abc import Mapping, Sequence

from plotly import graph_objects

from components.charts.section import Cell, Chart, Note, Section, Table, label
from components.charts.style import figure
from orchestration.lineage.layout import LAYER_PIXELS, layout
from orchestration.local import run_record
from orchestration.local.run_record import StepRecord
from orchestration.run_view import RunView
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
_LAYER_HEIGHT = 52


def summary_section(view: RunView) -> Section:
    """Returns what the run was, and what came out."""
    took = _seconds(view.started, view.ended)
    state = f"{view.state} in {took:,.0f} s" if took is not None else view.state
    blocks: list[Note | Table] = [Note(text=state, level=_LEVELS.get(view.state, "warning"))]
    if view.message:
        blocks.append(Note(text=view.message, level="failure"))
    result = view.result
    rows: list[Sequence[Cell]] = [
        ("run", view.name),
        ("workflow", view.pipeline),
        ("started", utc(view.started)),
        ("ended", utc(view.ended)),
    ]
    if "blessed" in result:
        rows.append(("blessed", bool(result["blessed"])))
    for missed in result.get("missed") or ():
        rows.append(("threshold missed", str(missed)))
    if "pushed" in result:
        rows.append(("pushed to", str(result.get("pushed_model") or "not pushed")))
    rows += [(name, value) for name, value in sorted(view.labels.items())]
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
    blocks: list[Chart | Table] = []
    timed = [step for step in view.steps if step.started is not None]
    if timed:
        blocks.append(_gantt(timed, view.started))
    if workflow is not None:
        blocks.append(_graph(view.steps, workflow))
    blocks.append(_step_table(view.steps, view.resources))
    return Section(id="steps", title="Steps", blocks=blocks)


def utc(seconds: float | None) -> str | None:
    """Returns a time such as ``2026-11-26 02:00:00 UTC``."""
    if seconds is None:
        return None
    zoned = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return zoned.strftime("%Y-%m-%d %H:%M:%S UTC")


def _gantt(steps: Sequence[StepRecord], start: float | None) -> Chart:
    zero = min(step.started or 0.0 for step in steps) if start is None else start
    traces = []
    for kind in _kinds(steps):
        own = [step for step in steps if _kind(step) == kind]
        traces.append(
            graph_objects.Bar(
                name=kind,
                orientation="h",
                y=[label(step.name) for step in own],
                base=[(step.started or zero) - zero for step in own],
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
        xaxis={"title": {"text": "seconds since the run began"}, "rangemode": "tozero"},
        yaxis={"categoryorder": "array", "categoryarray": names[::-1]},
        showlegend=True,
    )
    longest = max(steps, key=lambda step: _seconds(step.started, step.ended) or 0.0)
    return Chart(
        title="Steps over time",
        figure=made,
        description=f"{len(steps)} steps; the longest is {longest.name} with "
        f"{_seconds(longest.started, longest.ended) or 0.0:,.1f} s.",
    )


def _graph(steps: Sequence[StepRecord], workflow: Workflow) -> Chart:
    names = [step.name for step in workflow.steps]
    edges = [(before, step.name) for step in workflow.steps for before in step.dependencies]
    placed = layout(names, edges)
    # In layers from 0 downwards, and from 0 to 1 across.
    places = {
        name: (place.x / placed.width, -place.y / LAYER_PIXELS)
        for name, place in placed.places.items()
    }
    states = {step.name: _kind(step) for step in steps}
    xs: list[float | None] = []
    ys: list[float | None] = []
    for before, after in edges:
        xs += [places[before][0], places[after][0], None]
        ys += [places[before][1], places[after][1], None]
    traces = [
        graph_objects.Scatter(
            x=xs, y=ys, mode="lines", line={"color": "#9AA4B0"}, hoverinfo="skip", showlegend=False
        )
    ]
    for kind in dict.fromkeys(states.get(step.name, run_record.PENDING) for step in workflow.steps):
        own = [
            step.name
            for step in workflow.steps
            if states.get(step.name, run_record.PENDING) == kind
        ]
        traces.append(
            graph_objects.Scatter(
                name=kind,
                x=[places[name][0] for name in own],
                y=[places[name][1] for name in own],
                text=[label(name) for name in own],
                mode="markers+text",
                textposition="middle right",
                cliponaxis=False,
                marker={"size": 22, "symbol": "square", "color": _COLOURS.get(kind, "#000000")},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    hidden = {"visible": False, "fixedrange": True}
    rows = 1 + max(-y for _, y in places.values())
    made = figure(
        *traces,
        # The names stand at the right of the nodes.
        xaxis={**hidden, "range": [-0.05, 1.0]},
        yaxis={**hidden, "range": [-rows + 0.5, 0.5]},
        height=_MARGINS + _LAYER_HEIGHT * rows,
        showlegend=True,
    )
    order = " → ".join(step.name for step in workflow.steps)
    return Chart(title="Graph", figure=made, description=f"In the order of dependence: {order}.")


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
