"""Shows how a run goes: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestration.local import run_record
from orchestration.local.run_record import RunRecord, StepRecord
from orchestration.workflow import Resources, Workflow

_STYLES = {
    run_record.SUCCEEDED: "green",
    run_record.FAILED: "bold red",
    run_record.RUNNING: "cyan",
    run_record.TERMINATED: "yellow",
    run_record.OMITTED: "dim",
    run_record.PENDING: "dim",
}

_REFRESHES_PER_SECOND = 4
_GIB = 1024**3


class Display:
    """Shows a run while it goes. Use it by ``with``."""

    def __init__(self, console: Console, workflow: Workflow) -> None:
        """Takes the console and the workflow whose steps are shown."""
        self._console = console
        self._resources = {step.name: step.resources for step in workflow.all_steps}
        self._live: Live | None = None
        self._record: RunRecord | None = None
        self._shown: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._renderable,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, record: RunRecord) -> None:
        """Takes the run's newest state."""
        self._record = record
        if self._live is not None:
            return
        for step in record.steps:
            shown = (step.state, step.attempts)
            if self._shown.get(step.name, (run_record.PENDING, 0)) != shown:
                self._shown[step.name] = shown
                line = step_line(step, self._resources[step.name])
                self._console.print(Text(line), soft_wrap=True)

    def _renderable(self) -> Group | Text:
        if self._record is None or all(step.attempts == 0 for step in self._record.steps):
            return Text("importing TFX ...", style="dim")
        return run_table(self._record, self._resources)


def step_line(step: StepRecord, resources: Resources) -> str:
    """Returns how a step goes as one line."""
    words = [f"{step.name}: {step.state}"]
    if step.state in (run_record.SUCCEEDED, run_record.FAILED):
        words.append(_how(step))
        words.append(f"{_seconds(step)} s")
        if _is_measured(step):
            words += [f"cpu {step.cpu_seconds:.1f} s", f"peak {memory(step.peak_bytes)}"]
    if step.message:
        words.append(step.message)
    warning = memory_warning(step, resources)
    if warning and step.ended:
        words.append(warning)
    return ", ".join(word for word in words if word)


class ShownRun(Protocol):
    """What the table needs of a run, here or on a cluster."""

    @property
    def id(self) -> str:
        """The run's id."""

    @property
    def steps(self) -> list[StepRecord]:
        """Its steps."""


def run_table(record: ShownRun, resources: Mapping[str, Resources]) -> Group:
    """Returns the table of a run's steps.

    Args:
        record: The run.
        resources: The steps' requests and limits in the workflow.

    Returns:
        A row a step: state, how it came about, time, cpu, and the peak memory beside the
        request and limit of its pod; below, why steps failed and what to look at.
    """
    table = Table(title=record.id, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("step", "state", "outputs"):
        table.add_column(name, no_wrap=True)
    for name in ("time", "cpu", "peak", "request", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    notes = []
    for step in record.steps:
        limits = resources[step.name]
        started = step.started is not None
        table.add_row(
            step.name,
            Text(step.state, style=_STYLES[step.state]),
            _how(step),
            f"{_seconds(step)} s" if started else "",
            f"{step.cpu_seconds:.1f} s" if started and _is_measured(step) else "",
            memory(step.peak_bytes) if started and _is_measured(step) else "",
            _optional_memory(limits.memory_request),
            _optional_memory(limits.memory_limit),
        )
        notes += [
            Text(f"{step.name}: {note}", style="yellow", overflow="fold")
            for note in (step.message, memory_warning(step, limits))
            if note
        ]
    return Group(table, *notes)


def memory_warning(step: StepRecord, resources: Resources) -> str | None:
    """Returns a warning where the pod would have used more memory than it asks for."""
    if resources.memory_limit is not None and step.peak_bytes > resources.memory_limit:
        return (
            f"a pod would have been OOM-killed: its limit is {memory(resources.memory_limit)}; "
            "raise memory_limit"
        )
    return None


def memory(count: int) -> str:
    """Returns a number of bytes in Kubernetes' unit, such as ``1.25Gi``."""
    return f"{count / _GIB:.2f}Gi"


def _is_measured(step: StepRecord) -> bool:
    """Whether time and memory are known: Kubeflow does not tell them."""
    return step.peak_bytes > 0


def _optional_memory(count: int | None) -> str:
    return "-" if count is None else memory(count)


def _how(step: StepRecord) -> str:
    if step.state != run_record.SUCCEEDED or step.cached is None:
        return f"attempt {step.attempts}" if step.attempts > 1 else ""
    return "cached" if step.cached else "new"


def _seconds(step: StepRecord) -> str:
    if step.started is None:
        return ""
    return f"{(step.ended or time.time()) - step.started:.1f}"
