"""A comparison of runs for a terminal: a row a metric, a column a run."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from orchestration.local.logs import without_controls
from orchestration.run_comparison import Comparison, Metric, Parameter
from orchestration.run_outcome import cached_steps, took
from orchestration.run_view import STATE_STYLES, RunView, cleaned
from orchestration.times import local_time

_NONE = "-"
_ELLIPSIS = "…"
_DIFFERENCE = "difference"

_NARROWEST, _WIDEST = 8, 60
_GAP = 2


def comparison_page(comparison: Comparison, width: int) -> Group:
    """Returns a comparison for a terminal.

    Args:
        comparison: The comparison.
        width: The terminal's width in columns.

    Returns:
        The runs with their numbers; a table with a column for each, and for two of them the
        difference; more tables below where the terminal is too narrow for all runs.
    """
    runs = tuple(cleaned(run) for run in comparison.runs)
    comparison = dataclasses.replace(comparison, runs=runs)
    rows = _rows(comparison)
    label = max(len(row.label) for row in rows)
    # What must be whole decides how many runs are side by side; parameters can be shortened.
    cell = max(len(text) for row in rows if not row.is_long for text in row.cells)
    cell = max(cell, _NARROWEST)
    has_difference = len(runs) == 2
    left = width - min(label, width // 3) - _GAP
    if has_difference:
        left -= max(cell, len(_DIFFERENCE)) + _GAP
    fit = max(2 if has_difference else 1, left // (cell + _GAP))
    columns = range(len(runs))
    longest = max(cell, min(_WIDEST, left // min(fit, len(runs)) - _GAP))
    parts: list[Any] = [_legend(runs)]
    for start in range(0, len(runs), fit):
        parts.append(_table(rows, columns[start : start + fit], longest, has_difference))
    if not has_difference and any(metric.best for metric in comparison.metrics):
        parts.append(Text("* the best of its row"))
    if comparison.caution:
        parts.append(Text(comparison.caution, style="yellow"))
    if not comparison.metrics:
        parts.append(Text("none of these runs has metrics: they come from its evaluation"))
    if not comparison.parameters and any(view.parameters for view in runs):
        parts.append(Text("all run parameters are the same; --all shows them"))
    return Group(*parts)


@dataclasses.dataclass(frozen=True)
class _Row:
    """A row of the table; ``is_long`` where its cells can be shortened."""

    label: str
    cells: tuple[str, ...]
    styles: tuple[str, ...]
    difference: Text = dataclasses.field(default_factory=Text)
    is_long: bool = False
    ends_section: bool = False


def _rows(comparison: Comparison) -> list[_Row]:
    runs = comparison.runs
    plain = ("",) * len(runs)
    states = tuple(STATE_STYLES.get(view.state, "dim") for view in runs)
    rows = [
        _Row("state", tuple(view.state for view in runs), states),
        _Row("time", tuple(took(view) or _NONE for view in runs), plain),
        _Row("cached steps", tuple(map(_cached_words, runs)), plain),
        _Row("blessed", tuple(_yes(view.result.get("blessed")) for view in runs), plain),
        _Row(
            "pushed",
            tuple(_yes(view.result.get("pushed")) for view in runs),
            plain,
            ends_section=True,
        ),
    ]
    rows += [_metric_row(metric, is_pair=len(runs) == 2) for metric in comparison.metrics]
    rows[-1] = dataclasses.replace(rows[-1], ends_section=True)
    pipelines = Parameter("pipeline", tuple(_file_name(view.pipeline) for view in runs))
    for item in (*((pipelines,) if pipelines.differs else ()), *comparison.parameters):
        cells = tuple(_NONE if value is None else _one_line(value) for value in item.values)
        rows.append(_Row(_one_line(item.name), cells, plain, is_long=True))
    return rows


def _metric_row(metric: Metric, *, is_pair: bool) -> _Row:
    best = () if is_pair else metric.best
    cells = tuple(
        ("* " if index in best else "") + _number(value)
        for index, value in enumerate(metric.values)
    )
    styles = tuple("green" if index in best else "" for index in range(len(cells)))
    return _Row(_one_line(metric.name), cells, styles, _difference(metric))


def _difference(metric: Metric) -> Text:
    """The difference of the second run to the first, green where it is better."""
    difference = metric.differences[1]
    if difference is None:
        return Text(_NONE)
    if metric.are_equal:
        return Text("0")
    better = metric.is_better(1)
    style = "" if better is None else "green" if better else "red"
    sign = "+" if difference > 0 else ""
    return Text(sign + _number(difference), style=style)


def _table(
    rows: Sequence[_Row], columns: Sequence[int], longest: int, has_difference: bool
) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("", overflow="fold")
    for index in columns:
        table.add_column(str(index + 1), justify="right", no_wrap=True, overflow="ellipsis")
    if has_difference:
        table.add_column(_DIFFERENCE, justify="right", no_wrap=True)
    for row in rows:
        cells = _shortened(row.cells, longest) if row.is_long else row.cells
        texts = [Text(cells[index], style=row.styles[index]) for index in columns]
        table.add_row(
            Text(row.label),
            *texts,
            *([row.difference] if has_difference else []),
            end_section=row.ends_section,
        )
    return table


def _legend(runs: Sequence[RunView]) -> Table:
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for index, view in enumerate(runs, 1):
        words = view.id if view.name == view.id else f"{_one_line(view.name)}  {view.id}"
        table.add_row(str(index), local_time(view.started), Text(words))
    return table


def _shortened(values: Sequence[str], width: int) -> list[str]:
    """Shortens values to a width, each to where it begins to differ from the one most like it."""
    if all(len(value) <= width for value in values):
        return list(values)
    context = width // 3
    return [_cut(value, max(0, _alike(value, values) - context), width) for value in values]


def _alike(value: str, values: Sequence[str]) -> int:
    """Returns how many characters a value begins with that another one begins with too."""
    others = [other for other in values if other != value]
    return max((_common(value, other) for other in others), default=0)


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    shortest = min(len(one), len(other))
    return next((index for index, (left, right) in pairs if left != right), shortest)


def _cut(value: str, start: int, width: int) -> str:
    if len(value) <= width:
        return value
    start = min(start, len(value) - width + len(_ELLIPSIS))
    shown = _ELLIPSIS + value[start:] if start else value
    return shown if len(shown) <= width else shown[: width - 1] + _ELLIPSIS


def _cached_words(view: RunView) -> str:
    cached = cached_steps(view)
    return _NONE if cached is None else f"{cached} of {len(view.steps)}"


def _yes(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else _NONE


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    if float(value).is_integer():
        return f"{value:,.0f}"
    # Four decimals would show a small loss as nothing.
    return f"{value:,.4f}" if abs(value) >= 0.001 else f"{value:.3g}"


def _one_line(text: str) -> str:
    return without_controls(" ".join(text.split()))


def _file_name(pipeline: str) -> str:
    return pipeline.rpartition("/")[2]
