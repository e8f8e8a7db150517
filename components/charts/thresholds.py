"""The thresholds of an evaluation, each with what was measured."""

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from components.charts.evaluation_files import (
    ALL,
    Evaluation,
    Slice,
    metric_name,
    slice_label,
    slice_of,
    slice_text,
)
from components.charts.text import number_text, percent_text

#: A tolerance below this is there for rounding only.
_ROUNDING = 1e-6

_EXAMPLE_COUNT = "example_count"

#: Missed ones first, then those that nothing is known of.
_ORDER = {False: 0, None: 1, True: 2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """A threshold on a slice.

    Attributes:
        metric: Name of the metric.
        where: The slice, as text.
        demand: What is demanded, as text.
        is_change: Whether the change against the baseline is bounded, not the value.
        measured: The candidate's metric; ``None`` where it was not measured.
        baseline: The baseline's, where it is compared with.
        reached: Whether the threshold is reached; ``None`` where the evaluation does not say so.
    """

    metric: str
    where: str
    demand: str
    is_change: bool
    measured: float | None
    baseline: float | None
    reached: bool | None


def checks(evaluation: Evaluation, validation: Any | None) -> list[Check]:
    """Returns all thresholds, those that were missed first.

    Slices that are too small for a threshold are left out; ``exempt`` counts them. Whether one was
    reached is what TFMA has recorded, not computed anew.

    Args:
        evaluation: The evaluation.
        validation: TFMA's ``ValidationResult``; ``None`` where there is none.
    """
    missed = {
        (metric_name(failure.metric_key), slice_of(of_slice.slice_key), *demand)
        for of_slice in (validation.metric_validations_per_slice if validation else ())
        for failure in of_slice.failures
        for demand in _demands(failure.metric_threshold)
    }
    found: dict[tuple[str, str, bool, str], Check] = {}
    for name, spec, threshold, minimum in _thresholds(evaluation.config):
        for metric, key in _measured_by(evaluation, name, spec):
            if key is not None and _has_fewer(evaluation, key, minimum):
                continue
            for is_change, demand in _demands(threshold):
                where = _spec_text(spec) if key is None else slice_label(key)
                check = _check(evaluation, metric, key, where, is_change, demand)
                if validation is not None and check.measured is not None:
                    reached = (metric, key, is_change, demand) not in missed
                    check = dataclasses.replace(check, reached=reached)
                found[metric, where, is_change, demand] = check
    for metric, key, is_change, demand in missed:
        # Also what is missed by a threshold that is told in a way not known here.
        where = slice_label(key)
        check = _check(evaluation, metric, key, where, is_change, demand)
        found[metric, where, is_change, demand] = dataclasses.replace(check, reached=False)
    return sorted(
        found.values(),
        key=lambda check: (
            _ORDER[check.reached],
            check.metric,
            check.where,
            check.is_change,
            check.demand,
        ),
    )


def exempt(evaluation: Evaluation) -> list[tuple[str, int, int]]:
    """Returns the metrics whose thresholds do not hold for small slices.

    Args:
        evaluation: The evaluation.

    Returns:
        The metric, how many examples a slice needs, and how many slices have fewer.
    """
    small: dict[tuple[str, int], set[Slice]] = {}
    for name, spec, _, minimum in _thresholds(evaluation.config):
        for metric, key in _measured_by(evaluation, name, spec):
            if key is not None and _has_fewer(evaluation, key, minimum):
                small.setdefault((metric, minimum), set()).add(key)
    return [(metric, minimum, len(keys)) for (metric, minimum), keys in small.items()]


def missing_slices(validation: Any | None) -> list[str]:
    """Returns the slices, as text, that have a threshold but no examples.

    Args:
        validation: TFMA's ``ValidationResult``; ``None`` where there is none.
    """
    return [_spec_text(spec) for spec in validation.missing_slices] if validation else []


def _check(
    evaluation: Evaluation,
    metric: str,
    key: Slice | None,
    where: str,
    is_change: bool,
    demand: str,
) -> Check:
    candidate = {} if key is None else evaluation.of_candidate(key)
    baseline = {} if key is None else evaluation.of_baseline(key)
    return Check(
        metric=metric,
        where=where,
        demand=demand,
        is_change=is_change,
        measured=candidate.get(metric),
        baseline=baseline.get(metric) if is_change else None,
        reached=None,
    )


def _thresholds(config: Any) -> Iterator[tuple[str, Any | None, Any, int]]:
    """Yields each threshold with its metric's name and its slices; ``None`` is every slice.

    The number is how many examples a slice needs for the metric.
    """
    for metrics in config.metrics_specs:
        for metric in metrics.metrics:
            name = _configuration(metric).get("name")
            name = str(name) if name else _snake_case(metric.class_name)
            minimum = _configuration(metric).get("minimum_examples")
            minimum = minimum if isinstance(minimum, int) else 0
            if metric.HasField("threshold"):
                yield name, None, metric.threshold, minimum
            for spec, threshold in _per_slice(metric.per_slice_thresholds):
                yield name, spec, threshold, minimum
        for name in sorted(metrics.thresholds):
            yield name, None, metrics.thresholds[name], 0
        for name in sorted(metrics.per_slice_thresholds):
            for spec, threshold in _per_slice(metrics.per_slice_thresholds[name].thresholds):
                yield name, spec, threshold, 0


def _per_slice(thresholds: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for each in thresholds:
        for spec in each.slicing_specs:
            yield spec, each.threshold


def _has_fewer(evaluation: Evaluation, key: Slice, minimum: int) -> bool:
    return evaluation.of_candidate(key).get(_EXAMPLE_COUNT, math.inf) < minimum


def _configuration(metric: Any) -> dict[str, Any]:
    try:
        found = json.loads(metric.config or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _snake_case(class_name: str) -> str:
    """Returns the name that TFMA gives a metric without one of its own."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()


def _measured_by(
    evaluation: Evaluation, name: str, spec: Any | None
) -> Iterator[tuple[str, Slice | None]]:
    """Yields the metrics and slices that a threshold holds for; no slice where there is none."""
    by_slice = evaluation.metrics.get(evaluation.candidate, {})
    plain = _plain(name)
    found = False
    for key in sorted(by_slice):
        if spec is not None and not _applies(spec, key):
            continue
        for metric in by_slice[key]:
            if _plain(metric.partition(" (")[0]) == plain:
                found = True
                yield metric, key
    if not found:
        yield name, None


def _plain(name: str) -> str:
    # AUCPrecisionRecall is auc_precision_recall: case and underscores tell nothing apart.
    return name.replace("_", "").lower()


def _applies(spec: Any, key: Slice) -> bool:
    """Whether a slice is one of those that a ``SlicingSpec`` describes, as TFMA has it."""
    values = dict(key)
    if spec.slice_keys_sql or set(values) != {*spec.feature_keys, *spec.feature_values}:
        return False
    return all(values[column] == value for column, value in spec.feature_values.items())


def _spec_text(spec: Any | None) -> str:
    if spec is None:
        return "every slice"
    if spec.slice_keys_sql:
        return "slices of an SQL query"
    parts = [f"each {column}" for column in spec.feature_keys]
    parts += [f"{column}: {value}" for column, value in sorted(spec.feature_values.items())]
    return ", ".join(parts) or slice_text(ALL)


def _demands(threshold: Any) -> Iterator[tuple[bool, str]]:
    """Yields what a ``MetricThreshold`` demands of the value and of the change."""
    if threshold.HasField("value_threshold"):
        bounds = threshold.value_threshold
        parts = []
        if bounds.HasField("lower_bound"):
            parts.append(f"at least {number_text(bounds.lower_bound.value)}")
        if bounds.HasField("upper_bound"):
            parts.append(f"at most {number_text(bounds.upper_bound.value)}")
        yield False, " and ".join(parts) or "any value"
    if threshold.HasField("change_threshold"):
        change = threshold.change_threshold
        # MetricDirection: 1 is LOWER_IS_BETTER, 2 is HIGHER_IS_BETTER.
        sign = -1 if change.direction == 1 else 1
        parts = []
        if change.HasField("absolute"):
            parts.append(_change_text(sign * change.absolute.value, sign, number_text))
        if change.HasField("relative"):
            parts.append(_change_text(sign * change.relative.value, sign, percent_text))
        yield True, " and ".join(parts) or "any change"


def _change_text(gain: float, sign: int, text: Any) -> str:
    """Returns the least change that counts as no loss, as text.

    Args:
        gain: The least gain; negative where a loss is allowed.
        sign: 1 where higher is better, -1 where lower is.
        text: Makes text of a number.
    """
    better, worse = ("above", "below") if sign > 0 else ("below", "above")
    if not math.isfinite(gain):
        return "any change"
    if gain > 0:
        return f"at least {text(gain)} {better} the baseline"
    if -gain < _ROUNDING:
        return f"not {worse} the baseline"
    return f"at most {text(-gain)} {worse} the baseline"
