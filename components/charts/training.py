"""The curves of a training, by epoch, from the logs of Keras' TensorBoard callback."""

import math
from collections.abc import Mapping, Sequence

from plotly import graph_objects

from components.charts import style
from components.charts.files import ArtifactError, exists, join, list_folder, read_bytes
from components.charts.section import Block, Cell, Chart, Note, Section, Table, label
from components.charts.text import counted, number_cell, number_text, short
from components.errors import InputDataError
from components.hyperparameters import MONITORED_METRIC
from components.kubeflow_metrics import exported_epoch, training_epochs
from components.training_record import RECORD_FILE, TrainingRecord, WarmStart

#: The most metrics that are drawn.
_METRICS = 12

#: Decimals of an axis' ticks: of one value only, and at most.
_SINGLE_DECIMALS, _MOST_DECIMALS = 4, 8

#: What the names of a split's metrics begin with, and what the split is called.
_SPLITS = {"train_": "train", "val_": "validation"}

#: Metrics by epoch from 0, as ``training_epochs`` returns them.
Epochs = Mapping[int, Mapping[str, float]]


def training_section(uri: str) -> Section:
    """Returns the curves of a training, and the metrics of the epoch that was exported.

    Args:
        uri: Folder or URI of Trainer's artifact ``model_run``.
    """
    blocks: list[Block]
    try:
        list_folder(uri)  # TensorBoard's reader takes a folder that is gone for one without logs.
        epochs = training_epochs(uri)
        blocks = training_blocks(epochs)
        blocks += record_blocks(uri)
    except ArtifactError as error:
        blocks = [Note(text=short(str(error), 1_000), level="unreadable")]
    return Section(id="training", title="Training", blocks=blocks)


def record_blocks(uri: str) -> list[Block]:
    """Returns what the training's record tells; nothing for a training that left none.

    Args:
        uri: Folder or URI of Trainer's artifact ``model_run``.
    """
    path = join(uri, RECORD_FILE)
    if not exists(path):
        return []
    try:
        record = TrainingRecord.from_json(read_bytes(path))
    except InputDataError as error:
        return [Note(text=short(str(error), 1_000), level="warning")]
    where = "kept in memory" if record.cached else "read anew at each pass"
    # As they are written in settings.
    rows: list[list[Cell]] = [
        [short(name), str(value)] for name, value in record.hyperparameters.items()
    ]
    return [
        Table(
            title="Hyperparameters",
            columns=["hyperparameter", "value"],
            rows=rows,
            note=(
                f"Trained on {counted(record.train_examples, 'example')}, {where}, for "
                f"{counted(record.steps, 'step')} of training at "
                f"{record.examples_per_second:,.0f} examples a second."
            ),
        ),
        *_warm_start_blocks(record.warm_start),
    ]


def _warm_start_blocks(warm_start: WarmStart | None) -> list[Block]:
    if warm_start is None:
        return []
    model = short(warm_start.base_model, 1_000)
    if warm_start.problem is not None:
        problem = short(warm_start.problem, 1_000)
        return [
            Note(
                text=f"Trained from scratch, as {model} could not be read: {problem}",
                level="warning",
            )
        ]
    blocks: list[Block] = [
        Note(
            text=f"Started from {model}, with {len(warm_start.taken):,} of its weights, and "
            f"{warm_start.known_terms:,} of {counted(warm_start.terms, 'term')}."
        )
    ]
    if warm_start.fresh:
        rows = [[short(name), short(reason)] for name, reason in warm_start.fresh.items()]
        blocks.append(
            Table(title="Weights that started fresh", columns=["weight", "reason"], rows=rows)
        )
    return blocks


def training_blocks(epochs: Epochs) -> list[Block]:
    """Returns the curves of a training, and the metrics of the epoch that was exported.

    Args:
        epochs: Metrics by epoch.
    """
    names = metric_names(epochs)
    if not names:
        return [Note(text="The training has logged no metrics.", level="warning")]
    blocks: list[Block] = [_exported_table(epochs, names)]
    broken = [
        (epoch, name)
        for epoch in sorted(epochs)
        for name, value in sorted(epochs[epoch].items())
        if not math.isfinite(value)
    ]
    if broken:
        epoch, name = broken[0]
        text = f"From epoch {epoch + 1:,} on, metrics are not finite; the first is {short(name)}."
        blocks.append(Note(text=text, level="warning"))
    blocks += [
        Chart(
            title=f"{short(name)} by epoch",
            figure=curve_figure(epochs, name),
            description=_curve_text(epochs, name),
        )
        for name in names[:_METRICS]
    ]
    if len(names) > _METRICS:
        left_out = counted(len(names) - _METRICS, "metric")
        blocks.append(Note(text=f"Not drawn: {left_out} more."))
    return blocks


def metric_names(epochs: Epochs) -> list[str]:
    """Returns the names of all metrics without their split; the loss and the AUC come first.

    Args:
        epochs: Metrics by epoch.
    """
    monitored = _split_name(MONITORED_METRIC)[1]
    names = {_split_name(name)[1] for metrics in epochs.values() for name in metrics}
    return sorted(names, key=lambda name: (name != "loss", name != monitored, name))


def curve_figure(epochs: Epochs, name: str) -> graph_objects.Figure:
    """Draws a metric by epoch, for training and validation; the exported epoch is marked.

    Args:
        epochs: Metrics by epoch, at least one.
        name: The metric's name without its split, such as ``loss``.
    """
    numbers = sorted(epochs)
    traces = []
    for prefix, split in _SPLITS.items():
        values = _values(epochs, numbers, prefix + name)
        if any(value is not None for value in values):
            traces.append(
                graph_objects.Scatter(
                    name=split,
                    mode="lines+markers",
                    x=[epoch + 1 for epoch in numbers],
                    y=values,
                )
            )
    exported = exported_epoch(epochs)
    at = [
        value
        for prefix in ("val_", "train_")
        for value in _values(epochs, [exported], prefix + name)
        if value is not None
    ]
    if at:
        traces.append(
            graph_objects.Scatter(
                name="exported epoch",
                mode="markers",
                x=[exported + 1],
                y=at[:1],
                marker={"size": 15, "symbol": "circle-open", "line": {"width": 3}},
            )
        )
    return style.figure(
        *traces,
        showlegend=True,
        xaxis={"title": {"text": "epoch"}, **_whole_ticks(numbers)},
        yaxis={
            "title": {"text": label(name)},
            # With labels of one width, the margins of a narrow figure do not swing without end.
            "tickformat": _tick_format(
                [value for trace in traces for value in trace.y if value is not None]
            ),
        },
    )


def _exported_table(epochs: Epochs, names: Sequence[str]) -> Table:
    exported = exported_epoch(epochs)
    metrics = epochs[exported]
    if math.isfinite(metrics.get(MONITORED_METRIC, math.nan)):
        why = f"the one with the highest {MONITORED_METRIC}"
    else:
        why = f"the last one, as no {MONITORED_METRIC} was logged"
    left_out = len(names) - _METRICS
    more = f" Not shown: {counted(left_out, 'metric')} more." if left_out > 0 else ""
    return Table(
        title=f"Exported epoch: {exported + 1:,} of {max(epochs) + 1:,}",
        columns=["metric", *_SPLITS.values()],
        rows=[
            [short(name), *(number_cell(metrics.get(prefix + name)) for prefix in _SPLITS)]
            for name in names[:_METRICS]
        ],
        note=f"The exported epoch is {why}.{more}",
    )


def _curve_text(epochs: Epochs, name: str) -> str:
    exported = exported_epoch(epochs)
    parts = []
    for prefix, split in _SPLITS.items():
        known = [
            (epoch, epochs[epoch][prefix + name])
            for epoch in sorted(epochs)
            if math.isfinite(epochs[epoch].get(prefix + name, math.nan))
        ]
        if not known:
            continue
        (first, start), (last, end) = known[0], known[-1]
        text = f"{split} {number_text(start)} in epoch {first + 1:,}"
        if last != first:
            text += f" and {number_text(end)} in epoch {last + 1:,}"
        at = dict(known).get(exported)
        if at is not None and exported not in (first, last):
            text += f", {number_text(at)} in the exported epoch {exported + 1:,}"
        parts.append(text)
    return f"{short(name)} by epoch: {'; '.join(parts) or 'no numbers'}."


def _split_name(name: str) -> tuple[str, str]:
    """Returns a metric's split and its name without it."""
    for prefix, split in _SPLITS.items():
        if name.startswith(prefix):
            return split, name.removeprefix(prefix)
    return "", name


def _values(epochs: Epochs, numbers: Sequence[int], name: str) -> list[float | None]:
    found = [epochs[epoch].get(name, math.nan) for epoch in numbers]
    return [value if math.isfinite(value) else None for value in found]


def _tick_format(values: Sequence[float]) -> str:
    """Returns d3's format of ticks that tells apart a hundredth of the values' range."""
    extent = max(values) - min(values) if values else 0.0
    decimals = 2 - math.floor(math.log10(extent)) if extent > 0 else _SINGLE_DECIMALS
    return f",.{min(max(decimals, 0), _MOST_DECIMALS)}f"


def _whole_ticks(numbers: Sequence[int]) -> dict[str, object]:
    # Few epochs would have ticks at fractions.
    return {"dtick": 1} if len(numbers) <= 12 else {"tickformat": ",d"}
