"""Runs compared: their metrics, what they were given, and how they went."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from components.errors import RunError
from orchestration.run_outcome import cached_steps
from orchestration.run_view import RunView, row_json

# A metric whose name has none of these, such as example_count, is neither good nor bad.
_LOWER_IS_BETTER = re.compile("loss|error|entropy|false_(positives|negatives)|fpr|fnr")
_HIGHER_IS_BETTER = re.compile("auc|accuracy|precision|recall|f1|true_(positives|negatives)")

#: TFMA's mean prediction over mean label, which is best at 1.
_CALIBRATION = "calibration"

#: Values that differ by less are equal: the same model may differ so much from run to run.
_ROUNDING = 1e-9

#: Metrics that differ where the complaints differ that the models were evaluated on.
_OF_DATA = ("example_count", "span")

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of several runs.

    Attributes:
        name: Its name.
        values: Its value in each run, ``None`` where there is none.
    """

    name: str
    values: tuple[float | None, ...]

    @property
    def differences(self) -> tuple[float | None, ...]:
        """How far each run is above the first one; ``None`` where one has no value."""
        first = self.values[0]
        return tuple(
            None if value is None or first is None else value - first for value in self.values
        )

    @property
    def best(self) -> tuple[int, ...]:
        """The runs with the best value, by index; none if all are equal, or nothing is better."""
        if self.are_equal:
            return ()
        known = [loss for value in self.values if (loss := self._loss(value)) is not None]
        return tuple(
            index
            for index, value in enumerate(self.values)
            if (loss := self._loss(value)) is not None and _is_close(loss, min(known))
        )

    @property
    def are_equal(self) -> bool:
        """Whether there are not two values that differ by more than rounding."""
        known = [value for value in self.values if value is not None]
        return all(_is_close(value, known[0]) for value in known)

    def is_better(self, index: int) -> bool | None:
        """Whether a run is better than the first one.

        Args:
            index: The run.

        Returns:
            ``None`` where they are as good, or nobody knows.
        """
        first, other = self._loss(self.values[0]), self._loss(self.values[index])
        if first is None or other is None or _is_close(first, other):
            return None
        return other < first

    def _loss(self, value: float | None) -> float | None:
        """Returns a number that is less where the value is better; ``None`` where none is."""
        if value is None:
            return None
        if _LOWER_IS_BETTER.search(self.name):
            return value
        if self.name == _CALIBRATION:
            return abs(value - 1)
        return -value if _HIGHER_IS_BETTER.search(self.name) else None


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A run parameter of several runs.

    Attributes:
        name: Its name.
        values: Its value in each run, ``None`` where the run has no such parameter.
    """

    name: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same value."""
        return len(set(self.values)) > 1


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several runs, compared.

    Attributes:
        runs: The runs, in the order in which they were given.
        metrics: Every metric that one of them has, by name.
        parameters: The run parameters to show.
    """

    runs: tuple[RunView, ...]
    metrics: tuple[Metric, ...]
    parameters: tuple[Parameter, ...]

    @property
    def caution(self) -> str:
        """What a reader of the metrics must know; empty if nothing."""
        if all(metric.are_equal for metric in self.metrics if metric.name in _OF_DATA):
            return ""
        return (
            "The models were evaluated on different complaints: a better metric may come from "
            "easier ones."
        )


def compare(views: Sequence[RunView], *, all_parameters: bool = False) -> Comparison:
    """Compares runs, here or on Kubeflow.

    Args:
        views: The runs; differences are to the first.
        all_parameters: Whether to keep the parameters that are the same in all runs.

    Raises:
        RunError: If there are fewer than two, or one of them twice.
    """
    seen: set[str] = set()
    for view in views:
        if view.id in seen:
            raise RunError(f"{view.id}: this run is given twice; name every run once")
        seen.add(view.id)
    if len(views) < 2:
        raise RunError("one run has nothing to be compared with; name two or more")
    parameters = [
        Parameter(name, values) for name, values in _by_name([view.parameters for view in views])
    ]
    return Comparison(
        runs=tuple(views),
        metrics=tuple(
            Metric(name, values) for name, values in sorted(_by_name([v.metrics for v in views]))
        ),
        parameters=tuple(item for item in parameters if all_parameters or item.differs),
    )


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Returns a comparison for scripts; what nobody knows is null."""
    return {
        "runs": [
            {
                **row_json(view),
                "seconds": view.seconds,
                "blessed": view.result.get("blessed"),
                "pushed": view.result.get("pushed"),
                "cached_steps": cached_steps(view),
                "steps": len(view.steps),
            }
            for view in comparison.runs
        ],
        "metrics": [
            {
                "name": metric.name,
                "values": list(metric.values),
                "differences": list(metric.differences),
                "best": [comparison.runs[index].id for index in metric.best],
            }
            for metric in comparison.metrics
        ],
        "parameters": [
            {"name": item.name, "values": list(item.values), "differs": item.differs}
            for item in comparison.parameters
        ],
    }


def _by_name(maps: Sequence[Mapping[str, _T]]) -> list[tuple[str, tuple[_T | None, ...]]]:
    """Returns the values of each name in all maps, names in the order of their first mention."""
    names = dict.fromkeys(name for values in maps for name in values)
    return [(name, tuple(values.get(name) for values in maps)) for name in names]
