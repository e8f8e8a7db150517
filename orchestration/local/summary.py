"""What a run's user wants to know at its end."""

import dataclasses
from typing import Any

from rich.table import Table

from orchestration.local.observing import view_of
from orchestration.local.run_record import RunRecord
from orchestration.run_view import run_json


def metrics_table(record: RunRecord) -> Table | None:
    """Returns the metrics over all examples as a table, or ``None`` if there are none."""
    metrics = record.result.get("metrics")
    if not metrics:
        return None
    table = Table(title="evaluation, all examples", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, value in metrics.items():
        table.add_row(name, f"{value:,.4f}".rstrip("0").rstrip("."))
    return table


def verdict(record: RunRecord) -> list[str]:
    """Returns a line each on how the run went, the blessing and the pushed model."""
    took = (record.ended or 0) - record.started
    cached = sum(1 for step in record.steps if step.cached)
    lines = [
        f"run {record.id}: {record.state} in {took:.0f} s, "
        f"{cached} of {len(record.steps)} steps from the cache"
    ]
    result = record.result
    if "problem" in result:
        lines.append(result["problem"])
    if "blessed" in result:
        missed = "; ".join(result.get("missed") or ["see the evaluation"])
        lines.append("blessed: yes" if result["blessed"] else f"blessed: no ({missed})")
    if "pushed" in result:
        lines.append(
            f"pushed model: {result['pushed_model']}"
            if result["pushed"]
            else "pushed model: none, because the model was not blessed"
        )
    return lines


def summary_json(record: RunRecord) -> dict[str, Any]:
    """Returns the record of a run for scripts: as of ``status``, and what only is known here."""
    return dataclasses.asdict(record) | run_json(view_of(record, {}))
