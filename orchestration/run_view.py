"""A run as its user sees it, be it here or on a cluster: the same table and the same JSON."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from components.errors import RunError
from orchestration.local import run_record
from orchestration.local.display import run_table, step_line
from orchestration.local.logs import without_controls
from orchestration.local.run_record import RunAttempt, StepRecord
from orchestration.run_outcome import headline, outcome_rows, took
from orchestration.times import local_time
from orchestration.workflow import Resources

#: States in which a run still goes on.
UNFINISHED = (run_record.PENDING, run_record.RUNNING)

STATE_STYLES = {
    run_record.SUCCEEDED: "green",
    run_record.FAILED: "bold red",
    run_record.RUNNING: "cyan",
    run_record.TERMINATED: "yellow",
}

# Widths of a terminal, in columns.
_MEDIUM, _WIDE, _WIDTH = 100, 130, 200

#: How often the screen is drawn anew between two looks at the run, for its clock.
_FRAME_SECONDS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunView:
    """A run, here or on Kubeflow.

    Attributes:
        id: The run's id.
        name: Its name; here the same as the id.
        state: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Terminated``.
        pipeline: What was run: a file here, a pipeline version on Kubeflow.
        experiment: Kubeflow's experiment; ``None`` here.
        started: Start of the first attempt, seconds since 1970.
        ended: End, seconds since 1970; ``None`` while it goes on, or where nobody saw the end.
        message: Why it failed.
        url: Its page in Kubeflow's UI; ``None`` here.
        parameters: The run parameters.
        steps: Its steps, in order; empty in a list of runs on Kubeflow.
        resources: The steps' requests and limits.
        labels: What the workflow says of the code and the versions that it was compiled for;
            empty on Kubeflow.
        metrics: The metrics of its model by name, all finite; empty where none are known.
        result: What came out, as far as is known; its ``metrics`` are those.
        attempts: The first start and every retry, in order; empty on Kubeflow.
    """

    id: str
    name: str
    state: str
    pipeline: str
    experiment: str | None = None
    started: float | None = None
    ended: float | None = None
    message: str | None = None
    url: str | None = None
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    steps: list[StepRecord] = dataclasses.field(default_factory=list)
    resources: Mapping[str, Resources] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    result: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    attempts: Sequence[RunAttempt] = ()

    @property
    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.state not in UNFINISHED

    @property
    def retries(self) -> int:
        """How often it was retried, as far as is known."""
        return max(0, len(self.attempts) - 1)

    @property
    def seconds(self) -> float | None:
        """From the first start to the end, waits for retries included; ``None`` where unknown."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def attempt_seconds(self) -> float | None:
        """Seconds of all attempts, without the waits between them; ``None`` where unknown."""
        ended = [attempt for attempt in self.attempts if attempt.ended is not None]
        if not ended or len(ended) < len(self.attempts):
            return None
        return sum((attempt.ended or 0.0) - attempt.started for attempt in ended)


def finite_numbers(values: object) -> dict[str, float]:
    """Returns the metrics that are finite numbers: only those can be compared, and be JSON.

    Args:
        values: Metrics by name, as they were read; anything else has none.
    """
    if not isinstance(values, Mapping):
        return {}
    return {str(name): float(value) for name, value in values.items() if _is_finite(value)}


def run_json(view: RunView) -> dict[str, Any]:
    """Returns a run for scripts; what nobody has measured is null."""
    return {
        **row_json(view),
        "parameters": dict(view.parameters),
        "result": dict(view.result),
        "steps": [_step_json(step) for step in view.steps],
    }


def row_json(view: RunView) -> dict[str, Any]:
    """Returns a run's line in a list of runs for scripts."""
    return {
        "id": view.id,
        "name": view.name,
        "state": view.state,
        "pipeline": view.pipeline,
        "experiment": view.experiment,
        "started": view.started,
        "ended": view.ended,
        "attempts": [dataclasses.asdict(attempt) for attempt in view.attempts],
        "message": view.message,
        "url": view.url,
        "metrics": dict(view.metrics),
    }


def _step_json(step: StepRecord) -> dict[str, Any]:
    values = dataclasses.asdict(step)
    if step.peak_bytes == 0:
        values |= {"peak_bytes": None, "cpu_seconds": None}
    return values


def runs_table(views: Sequence[RunView], width: int = _WIDTH) -> Table:
    """Returns the table of runs, a row each, times in the local zone.

    Args:
        views: The runs.
        width: The terminal's width: a narrow one has fewer columns, but whole ids.
    """
    views = [cleaned(view) for view in views]
    has_names = width >= _MEDIUM and any(view.name != view.id for view in views)
    has_pipelines = width >= (_WIDE if has_names else _MEDIUM)
    has_experiments = has_pipelines and any(view.experiment for view in views)
    has_auc = width >= _MEDIUM and any("auc" in view.metrics for view in views)
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(
        "run", no_wrap=True, min_width=max((len(view.id) for view in views), default=0)
    )
    table.add_column("state", no_wrap=True)
    table.add_column("started", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    if has_auc:
        table.add_column("AUC", justify="right", no_wrap=True)
    if has_names:
        table.add_column("name", overflow="ellipsis")
    if has_pipelines:
        table.add_column("pipeline", overflow="ellipsis")
    if has_experiments:
        table.add_column("experiment", overflow="ellipsis")
    for view in views:
        cells: list[str | Text] = [
            view.id,
            Text(view.state, style=STATE_STYLES.get(view.state, "dim")),
            local_time(view.started),
            took(view, with_retries=width >= _MEDIUM),
        ]
        if has_auc:
            cells.append(f"{view.metrics['auc']:.4f}" if "auc" in view.metrics else "-")
        if has_names:
            cells.append(view.name)
        if has_pipelines:
            cells.append(view.pipeline.rpartition("/")[2])
        if has_experiments:
            cells.append(view.experiment or "")
        table.add_row(*cells)
    return table


def run_page(view: RunView) -> Group:
    """Returns a run with its steps for a terminal."""
    view = cleaned(view)
    lines: list[Any] = []
    if view.steps:
        lines.append(run_table(view, {**_none(view.steps), **view.resources}))
    lines.append(Text(f"run {view.name}: {headline(view)}", overflow="fold"))
    if view.is_finished:
        outcome = [f"{name}: {text}" for name, text in outcome_rows(view)]
        lines += [Text(without_controls(line), overflow="fold") for line in outcome]
    if view.message:
        lines.append(Text(view.message, style="yellow", overflow="fold"))
    if view.url:
        lines.append(Text(view.url, overflow="fold"))
    return Group(*lines)


def watch(
    look: Callable[[], RunView],
    console: Console,
    *,
    every_seconds: float,
    timeout_seconds: float | None = None,
) -> RunView:
    """Shows a run until it has ended: a live table on a terminal, plain lines elsewhere.

    Args:
        look: Returns the run as of now.
        console: Where to show it.
        every_seconds: How often to look.
        timeout_seconds: How long to wait; ``None`` for as long as it takes.

    Returns:
        The run, ended.

    Raises:
        RunError: If it has not ended in time.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    if not console.is_terminal:
        return _watch(look, _Lines(console).show, every_seconds, deadline)
    with Live(console=console, auto_refresh=False) as live:

        def show(view: RunView) -> None:
            live.update(run_page(view), refresh=True)

        return _watch(look, show, every_seconds, deadline)


def wide_console() -> Console:
    """Returns a console for tables, which nothing squeezes where no terminal sets the width."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def cleaned(view: RunView) -> RunView:
    """Returns a run whose texts hold nothing that a terminal would obey."""

    def clean(text: str | None) -> str | None:
        return None if text is None else without_controls(text)

    steps = [
        dataclasses.replace(
            step,
            name=str(clean(step.name)),
            state=str(clean(step.state)),
            message=clean(step.message),
        )
        for step in view.steps
    ]
    return dataclasses.replace(
        view,
        id=str(clean(view.id)),
        name=str(clean(view.name)),
        state=str(clean(view.state)),
        pipeline=str(clean(view.pipeline)),
        experiment=clean(view.experiment),
        message=clean(view.message),
        url=clean(view.url),
        steps=steps,
    )


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _watch(
    look: Callable[[], RunView],
    show: Callable[[RunView], None],
    every_seconds: float,
    deadline: float | None,
) -> RunView:
    while True:
        view = look()
        show(view)
        if view.is_finished:
            return view
        next_look = time.monotonic() + every_seconds
        if deadline is not None and next_look > deadline:
            raise RunError(
                f"{view.id}: still {view.state} at the end of the time given; the run goes on: "
                "watch it with 'complaint-pipeline status --watch'"
            )
        while (left := next_look - time.monotonic()) > 0:
            time.sleep(min(left, _FRAME_SECONDS))
            show(view)


class _Lines:
    """Prints each step's changes as lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[str, int]] = {}

    def show(self, view: RunView) -> None:
        for step in cleaned(view).steps:
            shown = (step.state, step.attempts)
            if self._shown.get(step.name, (run_record.PENDING, 0)) != shown:
                self._shown[step.name] = shown
                line = step_line(step, view.resources.get(step.name, Resources()))
                self._console.print(Text(line), soft_wrap=True)


def _none(steps: Sequence[StepRecord]) -> dict[str, Resources]:
    return {step.name: Resources() for step in steps}
