"""The words for artifacts, executions and files, the same in the terminal and on the page."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from components.approvals import APPROVED_BY, DECIDED, NOTE
from orchestration.lineage.data_files import DataFile, InputFiles
from orchestration.lineage.graph import BLESSING_SUFFIX, PUSHED_MODEL, Artifact, Execution, Kind
from orchestration.lineage.run_facts import code_hash_of
from orchestration.local.logs import without_controls
from orchestration.times import utc

#: The longest value of a property that is shown; ``--json`` has it whole.
_LENGTH = 120

#: A note says why a model was let through: it is shown as long as a line can be.
_NOTE_LENGTH = 400

#: So many digits tell a checksum from all others.
_HASH_DIGITS = 12

#: Metrics that say most, in this order; all are in the JSON.
_MAIN_METRICS = ("auc", "binary_accuracy", "val_auc", "val_accuracy", "example_count")
_MAX_METRICS = 3

_UNTOLD_PROPERTIES = frozenset(
    {
        # TFX's own housekeeping.
        "artifact_state",
        "custom_config",
        "disable_statistics",
        "eval_config",
        "example_splits",
        "exclude_splits",
        "fairness_indicator_thresholds",
        "first_span",
        "file_format",
        "force_tf_compat_v1",
        "infer_feature_shape",
        "input_config",
        "is_external",
        "kfp_pod_name",
        "module_file",
        "name",
        "output_config",
        "output_data_format",
        "output_file_format",
        "payload_format",
        "preprocessing_fn",
        "push_destination",
        "run_fn",
        "span",
        "span_patterns",
        "split_names",
        "stats_dashboard_link",
        "tfx_version",
        "version",
        # Shown elsewhere, in other words.
        "baseline_model",
        "baseline_model_id",
        "code_hash",
        "current_model",
        "current_model_id",
        "image",
        "input_files",
        "input_fingerprint",
        "metrics",
        "packages",
        "pushed_version",
        "run_parameters",
        "serving_check",
    }
)

_RELATIONS: dict[Kind, str] = {
    "input": "read by",
    "output": "made by",
    "reused": "taken from the cache by",
    "chosen": "chosen by",
    "compared": "compared with",
    "attempt": "failed attempt by",
}


def artifact_title(artifact: Artifact) -> str:
    """Returns what an artifact is, such as ``Model 14``."""
    title = f"{one_line(artifact.type)} {artifact.id}"
    return ", ".join(filter(None, [title, version(artifact)]))


def version(artifact: Artifact) -> str:
    """Returns a pushed model's version; empty for anything else."""
    pushed = artifact.properties.get("pushed_version")
    is_pushed = artifact.type == PUSHED_MODEL and pushed
    return f"version {one_line(pushed)}" if is_pushed else ""


def artifact_details(artifact: Artifact) -> list[str]:
    """Returns what there is to say of an artifact."""
    details = [artifact.uri] if artifact.uri else []
    if artifact.state not in ("LIVE", "UNKNOWN"):
        details.append(artifact.state)
    properties = dict(artifact.properties)
    if text := recorded_approval(properties):
        details.append(text)
    elif artifact.type.endswith(BLESSING_SUFFIX) and properties.get("blessed") in (0, 1):
        details.append("blessed" if properties["blessed"] else "not blessed")
        del properties["blessed"]
    return [one_line(detail) for detail in [*details, *_properties(properties)]]


def recorded_approval(properties: dict[str, Any]) -> str:
    """Takes an approval out of the properties of an artifact or an execution.

    Args:
        properties: The properties; those that make up the approval are removed.

    Returns:
        The approval in words; empty where they hold none.
    """
    by = properties.get(APPROVED_BY)
    if not by:
        return ""
    seconds = seconds_of(str(properties.get(DECIDED) or ""))
    text = decision(True, str(by), str(properties.get(NOTE) or ""), seconds)
    for name in (APPROVED_BY, NOTE, DECIDED, "blessed"):
        properties.pop(name, None)
    return text


def execution_title(execution: Execution) -> str:
    """Returns what an execution is, such as ``Trainer (execution 16)``."""
    return f"{one_line(execution.node)} (execution {execution.id})"


def execution_details(execution: Execution) -> list[str]:
    """Returns what there is to say of an execution beside its state."""
    details = [utc(execution.recorded)]
    if execution.run:
        details.append(f"run {execution.run}")
    if code := code_hash_of(execution):
        details.append(f"code {short_hash(code)}")
    if execution.metrics:
        details.append(metrics(execution.metrics))
    properties = dict(execution.properties)
    details.append(recorded_approval(properties))
    return [one_line(text) for text in [*details, *_properties(properties)] if text]


def file_title(file: DataFile) -> str:
    """Returns a file's name."""
    return one_line(file.name)


def file_details(file: DataFile) -> list[str]:
    """Returns a file's size, rows and checksum."""
    return [f"{file.bytes:,} bytes", f"{file.rows:,} rows", f"sha256 {one_line(file.sha256)}"]


def unlisted_details(files: InputFiles) -> list[str]:
    """Returns what is known of files that the run has not listed."""
    details = ["files and checksums not recorded"]
    if files.rows is not None:
        details.append(f"{files.rows:,} rows, by {files.rows_by}")
    if files.fingerprint:
        details.append(f"fingerprint {one_line(files.fingerprint)}")
    return details


def spans(files: InputFiles) -> str:
    """Returns which spans examples come from, such as ``spans 2 to 3``; empty without spans."""
    if files.spans is None:
        return ""
    first, last = files.spans
    return f"span {last}" if first == last else f"spans {first} to {last}"


def relation(kind: Kind) -> str:
    """Returns what an execution has to do with an artifact."""
    return _RELATIONS[kind]


def metrics(values: Mapping[str, Any]) -> str:
    """Returns the metrics that say most, such as ``auc 0.6537``."""
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    first = [name for name in _MAIN_METRICS if name in numbers]
    names = [*first, *(name for name in sorted(numbers) if name not in first)][:_MAX_METRICS]
    return ", ".join(f"{one_line(name)} {number(numbers[name])}" for name in names)


def number(value: float) -> str:
    """Returns a number with four significant digits, or all of a whole one."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def decision(approved: bool, by: str, note: str, seconds: float) -> str:
    """Returns a person's decision, such as ``approved by Ann Lee, TIME UTC: looks good``.

    Args:
        approved: Whether the model may be pushed.
        by: Who has decided.
        note: Why; may be empty.
        seconds: When, seconds since 1970.
    """
    said = f"{'approved' if approved else 'rejected'} by {one_line(by, _NOTE_LENGTH)}"
    said = ", ".join(filter(None, [said, utc(seconds)]))
    return f"{said}: {one_line(note, _NOTE_LENGTH)}" if note else said


def short_hash(text: str) -> str:
    """Returns the first digits of a checksum."""
    return one_line(text)[:_HASH_DIGITS]


def one_line(value: Any, length: int = _LENGTH) -> str:
    """Returns a value as a line of text: bounded, and nothing in it for a terminal to obey."""
    text = without_controls(" ".join(str(value).split()))
    # What turns the direction of writing could make a line read as another one.
    text = "".join(letter for letter in text if letter not in _DIRECTIONS)
    return text if len(text) <= length else f"{text[: length - 1]}…"


#: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def seconds_of(moment: str) -> float:
    """Returns a time of ISO 8601 in seconds since 1970; 0 where it is none."""
    try:
        return datetime.datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _properties(properties: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {json.dumps(value) if isinstance(value, dict | list) else value}"
        for name, value in properties.items()
        if name not in _UNTOLD_PROPERTIES and value not in (None, "", "null")
    ]
