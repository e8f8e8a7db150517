"""What a search for hyperparameters has tried."""

import json
import math

from components.charts.files import join, read_bytes
from components.charts.section import Cell, Section, Table
from components.charts.text import counted, number_cell, short
from components.hyperparameters import MONITORED_METRIC

#: Of TFX's Tuner.
_FILE = "tuner_results.json"

_MAX_TRIALS = 50


def tuning_section(uri: str) -> Section:
    """Returns the trials of a search, the best first.

    Args:
        uri: Folder or URI of Tuner's artifact ``tuner_results``.

    Raises:
        ArtifactError: If there is none.
        ValueError: If it is not what Tuner writes.
    """
    trials = json.loads(read_bytes(join(uri, _FILE)))
    names = list(dict.fromkeys(name for trial in trials for name in trial))
    names = [name for name in names if name not in ("trial_id", "score") and "/" not in name]

    def score(trial: dict[str, float]) -> float:
        value = trial.get("score")
        return -math.inf if value is None or math.isnan(value) else value

    best_first = sorted(trials, key=score, reverse=True)
    rows: list[list[Cell]] = [
        [number_cell(trial.get("score")), *(number_cell(trial.get(name)) for name in names)]
        for trial in best_first[:_MAX_TRIALS]
    ]
    left_out = len(trials) - len(rows)
    note = "The first ones were taken. They were chosen on the examples that also judge the model."
    if left_out:
        note += f" Not shown: {counted(left_out, 'trial')} more."
    table = Table(
        title="Trials, the best first",
        columns=[MONITORED_METRIC, *map(short, names)],
        rows=rows,
        note=note,
    )
    return Section(id="tuning", title="Tuning", blocks=[table])
