"""What came out of a run, in words: the model's thresholds, its blessing and its push."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.run_view import RunView

_AUC = "auc"

#: How many of the data's warnings a table has room for.
_SHOWN_WARNINGS = 3


def outcome_rows(view: "RunView") -> list[tuple[str, str]]:
    """Returns what a run's user wants to know first, as far as it is known.

    Args:
        view: The run.

    Returns:
        Pairs of a name and a text, such as ``("blessed", "yes")``.
    """
    result = view.result
    rows = []
    if (cached := cached_steps(view)) is not None:
        rows.append(("steps from the cache", f"{cached} of {len(view.steps)}"))
    if view.retries and (seconds := view.attempt_seconds) is not None:
        attempts = f"{duration(seconds)} in {len(view.attempts)} attempts"
        rows.append(("time without waits", attempts))
    if spans := result.get("spans"):
        first, last = (f"{number:.0f}" for number in (spans["first_span"], spans["span"]))
        rows.append(("spans", last if first == last else f"{first} to {last}"))
    if warnings := result.get("warnings"):
        more = len(warnings) - _SHOWN_WARNINGS
        words = [*warnings[:_SHOWN_WARNINGS], *([f"and {more} more"] if more > 0 else [])]
        rows.append(("data", f"warning: {'; '.join(map(str, words))}"))
    if auc := auc_text(view):
        rows.append(("AUC", auc))
    if isinstance(result.get("blessed"), bool):
        reasons = "; ".join(map(str, result.get("missed") or ["see the evaluation"]))
        rows.append(("blessed", "yes" if result["blessed"] else f"no ({reasons})"))
    if isinstance(result.get("pushed"), bool):
        not_pushed = "none, because the model was not blessed"
        pushed = str(result.get("pushed_model") or "yes") if result["pushed"] else not_pushed
        rows.append(("pushed model", pushed))
    if "problem" in result:
        rows.append(("problem", str(result["problem"])))
    return rows


def headline(view: "RunView") -> str:
    """Returns how a run went or goes, such as ``Succeeded in 42 s`` or ``Running for 42 s``."""
    between = " in " if view.is_finished else " for "
    return between.join(word for word in (view.state, took(view)) if word)


def took(view: "RunView", *, with_retries: bool = True) -> str:
    """Returns how long a run took or has gone on, waits for retries included.

    Args:
        view: The run.
        with_retries: Whether to say that it was retried, where it was.

    Returns:
        Such as ``2 min 12 s`` or ``2 min 12 s with 1 retry``; empty if not known.
    """
    if view.started is None or (view.ended is None and view.is_finished):
        return ""
    words = duration((view.ended or time.time()) - view.started)
    if view.retries and with_retries:
        words += f" with {view.retries} {'retry' if view.retries == 1 else 'retries'}"
    return words


def duration(seconds: float) -> str:
    """Returns a time span in seconds as text, such as ``42 s`` or ``2 min 12 s``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def cached_steps(view: "RunView") -> int | None:
    """Returns how many steps came from the cache; ``None`` where nobody knows, as on Kubeflow."""
    known = [step.cached for step in view.steps if step.cached is not None]
    return sum(known) if known else None


def auc_text(view: "RunView") -> str | None:
    """Returns the AUC over all examples, with the thresholds on it and the baseline's AUC.

    Such as ``0.6537 (at least 0.6: reached; not below the baseline of 0.6412: reached)``;
    ``None`` where the run has no AUC.
    """
    value = view.metrics.get(_AUC)
    if value is None:
        return None
    # The bound comes before the baseline.
    thresholds = view.result.get("thresholds") or ()
    demands = [
        text
        for threshold in sorted(thresholds, key=lambda each: each.get("baseline") is not None)
        if (text := _demand(threshold)) is not None
    ]
    return f"{value:.4f}" + (f" ({'; '.join(demands)})" if demands else "")


def _demand(threshold: Mapping[str, Any]) -> str | None:
    if threshold.get("metric") != _AUC or not threshold.get("of_all_examples"):
        return None
    baseline = threshold.get("baseline")
    against = "" if baseline is None else f" of {baseline:.4f}"
    reached = threshold.get("reached")
    words = "not measured" if reached is None else "reached" if reached else "missed"
    return f"{threshold['demand']}{against}: {words}"
