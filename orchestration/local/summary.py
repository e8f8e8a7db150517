"""What a run's user wants to know at its end."""

import dataclasses
from typing import Any

from rich.table import Table

from orchestration.local.observing import view_of
from orchestration.local.run_record import RunRecord
from orchestration.run_outcome import headline, outcome_rows
from orchestration.run_view import run_json

#: What the names of those metrics end with that are whole numbers.
_COUNT = "example_count"


def metrics_table(record: RunRecord) -> Table | None:
    """Returns the metrics over all examples as a table, or ``None`` if there are none."""
    metrics = record.result.get("metrics")
    if not metrics:
        return None
    table = Table(title="evaluation, all examples", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, value in metrics.items():
        is_count = name.endswith(_COUNT)
        table.add_row(name, f"{value:,.0f}" if is_count else f"{value:,.4f}")
    return table


def verdict(record: RunRecord) -> list[str]:
    """Returns a line each on how the run went, the blessing and the pushed model."""
    view = view_of(record, {})
    lines = [f"{name}: {text}" for name, text in outcome_rows(view)]
    return [f"run {record.id}: {headline(view)}", *lines]


def summary_json(record: RunRecord) -> dict[str, Any]:
    """Returns the record of a run for scripts: as of ``status``, and what only is known here."""
    return dataclasses.asdict(record) | run_json(view_of(record, {}))
