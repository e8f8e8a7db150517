"""The evaluation of a model, and why it is blessed or not.

The metrics are TFMA's. The intervals are computed from them (``intervals.py``); whether a threshold
was reached is what TFMA has recorded.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from components.charts.evaluation_figures import (
    BASELINE,
    CANDIDATE,
    calibration_figure,
    drawn_slices,
    roc_figure,
    roc_points,
    slice_figure,
)
from components.charts.evaluation_files import (
    Evaluation,
    Plots,
    Slice,
    decision_threshold,
    read_evaluation,
    read_plots,
    read_validation,
    slice_text,
)
from components.charts.files import ArtifactError
from components.charts.intervals import (
    FEW,
    METHOD,
    QUALITY_METRICS,
    class_counts,
    defined_value,
    interval,
)
from components.charts.section import Block, Cell, Chart, Note, Section, Table
from components.charts.text import counted, number_cell, number_text, short
from components.charts.thresholds import Check, checks, exempt, missing_slices
from components.spans import FIRST_SPAN_PROPERTY, SPAN_PROPERTY

#: The most rows of a table, and columns of metrics.
_ROWS, _METRICS = 60, 12

#: Metrics that are no measure of quality.
_COUNTS = ("example_count", "weighted_example_count")
_SPANS = (FIRST_SPAN_PROPERTY, SPAN_PROPERTY)

_AUC = "auc"

_FEW_NOTE = (
    f"Few examples: fewer than {FEW} positive or negative ones, so the intervals are rough. "
    "With one class only, areas under curves mean nothing; TFMA has 0 there."
)

_SAME_EXAMPLES = (
    "Training is stopped, and its epoch chosen, by the AUC on the split that is evaluated here, so "
    "these metrics are slightly optimistic for new examples."
)

_PAIRED = (
    "Both models were measured on the same examples, so a change can be real although the "
    "intervals overlap."
)


def evaluation_section(uri: str, blessed: bool | None = None) -> Section:
    """Returns the evaluation of a model: thresholds, metrics, slices, ROC curve and calibration.

    Args:
        uri: Folder or URI of the artifact of Evaluator.
        blessed: Whether Evaluator has blessed the model; ``None`` where it is not known.
    """
    blocks: list[Block] = []
    try:
        evaluation = read_evaluation(uri)
    except ArtifactError as error:
        blocks += _verdict(blessed, [])
        blocks.append(Note(text=short(str(error), 1_000), level="unreadable"))
    else:
        blocks += blessing_blocks(uri, evaluation, blessed)
        blocks += metric_blocks(evaluation)
        blocks += plot_blocks(uri, evaluation)
    return Section(id="evaluation", title="Evaluation", blocks=blocks)


def blessing_blocks(uri: str, evaluation: Evaluation, blessed: bool | None) -> list[Block]:
    """Returns whether the model is blessed, and each threshold with what was measured.

    Args:
        uri: Folder or URI of the artifact.
        evaluation: What was read from it.
        blessed: Whether Evaluator has blessed the model; ``None`` where it is not known.
    """
    notes: list[Block] = []
    try:
        validation = read_validation(uri)
        if validation is None:
            notes.append(Note(text="Evaluator has not recorded which thresholds were reached."))
    except ArtifactError as error:
        validation = None
        notes.append(Note(text=short(str(error), 1_000), level="warning"))
    found = checks(evaluation, validation)
    blocks = [*_verdict(blessed, found), *notes]
    if found:
        has_baseline = evaluation.baseline is not None
        blocks.append(
            Table(
                title="Thresholds",
                columns=[
                    *("metric", "examples", "threshold", "measured"),
                    *(("baseline", "change") if has_baseline else ()),
                    "result",
                ],
                rows=[_check_row(check, has_baseline=has_baseline) for check in found[:_ROWS]],
                note=_left_out(len(found), "threshold"),
            )
        )
        blocks += [
            Note(
                text=f"The threshold on {short(metric)} does not hold for "
                f"{counted(number, 'slice')} with fewer than {minimum:,} examples."
            )
            for metric, minimum, number in exempt(evaluation)
        ]
    else:
        blocks.append(Note(text="No threshold is configured.", level="warning"))
    if evaluation.baseline is None:
        blocks.append(
            Note(
                text="No model had been blessed before, so there is no baseline: thresholds on the "
                "change against one did not apply."
            )
        )
    missing = missing_slices(validation)
    if missing:
        text = f"Thresholds without examples: {short('; '.join(missing))}."
        blocks.append(Note(text=text, level="warning"))
    return blocks


def metric_blocks(evaluation: Evaluation) -> list[Block]:
    """Returns the metrics, of all examples and by slice.

    Args:
        evaluation: The evaluation.
    """
    overall = evaluation.of_candidate()
    if not overall:
        return [Note(text="The evaluation has no metrics of all examples.", level="warning")]
    blocks: list[Block] = [_overall_table(evaluation)]
    metric = _main_metric(evaluation)
    for slices in _by_columns(evaluation):
        by = _column(slices)
        if metric is not None and drawn_slices(evaluation, metric, slices):
            blocks.append(
                Chart(
                    title=f"{short(metric)} by {by}",
                    figure=slice_figure(evaluation, metric, slices),
                    description=_slices_text(evaluation, metric, slices),
                )
            )
        blocks += _slice_tables(evaluation, slices)
    if evaluation.cross_slices:
        compared = counted(evaluation.cross_slices, "comparison")
        blocks.append(Note(text=f"Not shown: {compared} of slices with each other."))
    return blocks


def plot_blocks(uri: str, evaluation: Evaluation) -> list[Block]:
    """Returns the ROC curve and the calibration, or notes where the evaluation has none.

    Args:
        uri: Folder or URI of the artifact.
        evaluation: What was read from it.
    """
    try:
        plots = read_plots(uri)
    except ArtifactError as error:
        return [Note(text=short(str(error), 1_000), level="warning")]
    models = {CANDIDATE: evaluation.candidate}
    if evaluation.baseline is not None:
        models[BASELINE] = evaluation.baseline
    of_models = {name: plots.get(model, Plots()) for name, model in models.items()}
    return [_roc(evaluation, of_models), _calibration(of_models)]


def metric_cell(name: str, value: float | None) -> Cell:
    """Returns a metric as a table's cell: counts are whole numbers, all others are not.

    Args:
        name: Name of the metric, or of the first or last span, which stand beside them.
        value: Its value, or a difference of two.
    """
    if value is None or name in (*_COUNTS, *_SPANS) or not math.isfinite(value):
        return number_cell(value)
    return float(value)


def _verdict(blessed: bool | None, found: Sequence[Check]) -> list[Block]:
    missed = [check for check in found if check.reached is False]
    if blessed is None:
        return [Note(text="It is not known whether the model is blessed.")]
    if blessed:
        all_reached = found and all(check.reached for check in found)
        reached = f": {counted(len(found), 'threshold')} reached" if all_reached else ""
        return [Note(text=f"The model is blessed{reached}.", level="good")]
    reasons = f": {len(missed):,} of {counted(len(found), 'threshold')} missed" if missed else ""
    return [Note(text=f"The model is not blessed{reasons}.", level="failure")]


def _check_row(check: Check, *, has_baseline: bool) -> list[Cell]:
    row: list[Cell] = [
        short(check.metric),
        short(check.where),
        short(check.demand),
        metric_cell(check.metric, check.measured),
    ]
    if has_baseline:
        row += [
            metric_cell(check.metric, check.baseline),
            _change(check.metric, check.measured, check.baseline),
        ]
    if check.reached is None:
        return [*row, "not measured" if check.measured is None else "not recorded"]
    return [*row, "reached" if check.reached else "missed"]


def _overall_table(evaluation: Evaluation) -> Table:
    candidate, baseline = evaluation.of_candidate(), evaluation.of_baseline()
    has_baseline = evaluation.baseline is not None
    rows = []
    for name, value in candidate.items():
        row: list[Cell] = [short(name), metric_cell(name, value), _interval_text(name, candidate)]
        if has_baseline:
            row += [
                metric_cell(name, baseline.get(name)),
                _interval_text(name, baseline),
                _change(name, value, baseline.get(name)),
            ]
        rows.append(row)
    notes = [METHOD, _SAME_EXAMPLES]
    if has_baseline:
        notes.append(_PAIRED)
    counts = class_counts(candidate)
    if counts is not None and min(counts) < FEW:
        notes.append(_few_text(counts))
    notes.append(_left_out(len(rows), "metric"))
    baseline_columns = ("baseline", "baseline's 95% interval", "change")
    return Table(
        title="Metrics of all examples",
        columns=[
            *("metric", "candidate", "95% interval"),
            *(baseline_columns if has_baseline else ()),
        ],
        rows=rows[:_ROWS],
        note=" ".join(note for note in notes if note),
    )


def _slice_tables(evaluation: Evaluation, slices: Sequence[Slice]) -> list[Block]:
    names = [name for name in evaluation.of_candidate() if name not in _COUNTS]
    shown, columns = slices[:_ROWS], [short(name) for name in names[:_METRICS]]
    left_out = _left_out(len(slices), "slice")
    if len(names) > _METRICS:
        left_out = f"{left_out} Not shown: {counted(len(names) - _METRICS, 'metric')} more.".strip()
    with_interval = [name for name in names[:_METRICS] if name in QUALITY_METRICS]
    others = [name for name in names[:_METRICS] if name not in QUALITY_METRICS]
    column = _column(slices)

    def row(key: Slice, cells: Iterable[Cell]) -> list[Cell]:
        return [
            short(slice_text(key)),
            number_cell(evaluation.of_candidate(key).get("example_count")),
            *cells,
        ]

    blocks: list[Block] = []
    if with_interval:
        rows = []
        for key in shown:
            metrics = evaluation.of_candidate(key)
            counts = class_counts(metrics)
            cells: list[Cell] = [None if counts is None else counts[0]]
            cells += [_with_interval(name, metrics) for name in with_interval]
            rows.append(row(key, [*cells, _rarity(counts)]))
        blocks.append(
            Table(
                title=f"Quality by {column}, with 95% intervals",
                columns=[column, "examples", "positive", *map(short, with_interval), "note"],
                rows=rows,
                note=f"{_FEW_NOTE} {left_out}".strip(),
            )
        )
    if others:
        rows = [
            row(
                key,
                [metric_cell(name, evaluation.of_candidate(key).get(name)) for name in others],
            )
            for key in shown
        ]
        blocks.append(
            Table(
                title=f"Other metrics by {column}",
                columns=[column, "examples", *map(short, others)],
                rows=rows,
                note=left_out,
            )
        )
    if evaluation.baseline is not None:
        rows = []
        for key in shown:
            candidate, baseline = evaluation.of_candidate(key), evaluation.of_baseline(key)
            rows.append(
                row(
                    key,
                    [
                        _change(name, defined_value(name, candidate), defined_value(name, baseline))
                        for name in names[:_METRICS]
                    ],
                )
            )
        blocks.append(
            Table(
                title=f"Change against the baseline by {column}",
                columns=[column, "examples", *columns],
                rows=rows,
                note=left_out,
            )
        )
    return blocks


def _roc(evaluation: Evaluation, plots: Mapping[str, Plots]) -> Block:
    curves = {name: each.confusion for name, each in plots.items() if roc_points(each.confusion)}
    if CANDIDATE not in curves:
        return Note(
            text="The evaluation has no data of a ROC curve: Evaluator was configured without "
            "ConfusionMatrixPlot, or the examples are all of one class."
        )
    areas = [
        f"the {name}'s area under the curve is {number_text(metrics[_AUC])}"
        for name, metrics in (
            (CANDIDATE, evaluation.of_candidate()),
            (BASELINE, evaluation.of_baseline()),
        )
        if name in curves and math.isfinite(metrics.get(_AUC, math.nan))
    ]
    measured = f": {', '.join(areas)}" if areas else ""
    return Chart(
        title="ROC curve",
        figure=roc_figure(curves, decision_threshold(evaluation.config)),
        description=f"True positive rate over false positive rate{measured}; chance is 0.5.",
    )


def _calibration(plots: Mapping[str, Plots]) -> Block:
    curves = {name: each.calibration for name, each in plots.items() if each.calibration}
    if CANDIDATE not in curves:
        return Note(
            text="The evaluation has no data of a calibration plot: Evaluator was configured "
            "without CalibrationPlot."
        )
    parts = []
    for name, buckets in curves.items():
        total = sum(bucket.examples for bucket in buckets)
        predicted = sum(bucket.predictions for bucket in buckets) / total
        positive = sum(bucket.labels for bucket in buckets) / total
        parts.append(
            f"the {name} predicts {number_text(predicted)} on average where "
            f"{number_text(positive)} are positive"
        )
    return Chart(
        title="Calibration",
        figure=calibration_figure(curves),
        description=f"Share of positive examples over the mean prediction: {'; '.join(parts)}. "
        "Where a prediction is right as a probability, the points are on the diagonal.",
    )


def _main_metric(evaluation: Evaluation) -> str | None:
    """Returns the metric to draw by slice: the AUC, else the first measure of quality."""
    names = [name for name in evaluation.of_candidate() if name not in _COUNTS]
    return _AUC if _AUC in names else next(iter(names), None)


def _slices_text(evaluation: Evaluation, metric: str, slices: Sequence[Slice]) -> str:
    drawn = drawn_slices(evaluation, metric, slices)
    values = {key: defined_value(metric, evaluation.of_candidate(key)) for key in drawn}
    known = [key for key in drawn if math.isfinite(values[key])]
    # The extremes of slices with few examples are chance.
    known = [key for key in known if not _rarity(class_counts(evaluation.of_candidate(key)))]
    text = f"{short(metric)} of all examples: {_with_interval(metric, evaluation.of_candidate())}"
    if len(known) > 1:
        low, high = min(known, key=values.__getitem__), max(known, key=values.__getitem__)
        lowest, highest = (
            f"{_with_interval(metric, evaluation.of_candidate(key))} for "
            f"{short(slice_text(key), 60)}"
            for key in (low, high)
        )
        gap = values[high] - values[low]
        text += (
            f"; of the slices with enough examples, {lowest} is lowest and {highest} highest, a "
            f"difference of {gap:.3f}"
        )
    left_out = len(slices) - len(drawn)
    more = (
        f" Not drawn: {counted(left_out, 'slice')}, small or without a value." if left_out else ""
    )
    return f"{text}.{more}"


def _with_interval(name: str, metrics: Mapping[str, float]) -> str | None:
    value = defined_value(name, metrics)
    if not math.isfinite(value):
        return None
    text = _interval_text(name, metrics)
    return f"{value:.4f} ({text})" if text else f"{value:.4f}"


def _interval_text(name: str, metrics: Mapping[str, float]) -> str | None:
    bounds = interval(name, metrics)
    if bounds is None:
        return None
    # On one line, or a narrow table has four lines of it.
    return f"{bounds[0]:.4f}\u00a0to\u00a0{bounds[1]:.4f}"


def _change(name: str, candidate: float | None, baseline: float | None) -> Cell:
    if candidate is None or baseline is None:
        return None
    return metric_cell(name, candidate - baseline)


def _rarity(counts: tuple[int, int] | None) -> str:
    """Returns why a slice's metrics say little; empty where there are enough examples."""
    if counts is None or min(counts) >= FEW:
        return ""
    return "few examples" if min(counts) else "one class only"


def _by_columns(evaluation: Evaluation) -> list[list[Slice]]:
    """Returns the slices of each column, or set of columns, in the configuration's order."""
    groups: dict[tuple[str, ...], list[Slice]] = {
        tuple(spec.feature_keys): [] for spec in evaluation.config.slicing_specs
    }
    for key in evaluation.slices():
        groups.setdefault(tuple(column for column, _ in key), []).append(key)
    return [group for group in groups.values() if group]


def _column(slices: Sequence[Slice]) -> str:
    columns = {tuple(column for column, _ in key) for key in slices}
    only = next(iter(columns))
    return short(only[0]) if len(columns) == 1 and len(only) == 1 else "slice"


def _few_text(counts: tuple[int, int]) -> str:
    return (
        f"There are only {counts[0]:,} positive and {counts[1]:,} negative examples, so the "
        "intervals are rough."
    )


def _left_out(found: int, noun: str) -> str:
    return f"Not shown: {counted(found - _ROWS, noun)} more." if found > _ROWS else ""
