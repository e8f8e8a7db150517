"""Validates statistics against a schema by TFDV, and says in plain words what is wrong.

Which anomalies stop a run: those that TFDV takes for errors, but drift and skew only where that is
asked for, since data may well change. Values outside a domain, within the share that the schema's
``min_domain_mass`` allows, are warnings; TFDV says nothing of them.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeAlias

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.anomalies.proto import validation_config_pb2
from tensorflow_data_validation.api.validation_api import validate_statistics_internal
from tensorflow_data_validation.api.validation_options import ValidationOptions
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.charts.anomalies import WARNING_ENDING, severity_of
from components.charts.text import short

#: The schema's environments; the label is absent in the latter.
TRAINING = "TRAINING"
SERVING = "SERVING"

_Info = anomalies_pb2.AnomalyInfo
_Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList

#: What the comparators of drift and skew find.
_COMPARED = (
    _Info.COMPARATOR_CONTROL_DATA_MISSING,
    _Info.COMPARATOR_TREATMENT_DATA_MISSING,
    _Info.COMPARATOR_L_INFTY_HIGH,
    _Info.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
    _Info.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH,
)

_TOLERATED = " within the share that the schema allows"

#: How many anomalies the line of a refusal names.
_SHOWN = 5
_DESCRIPTION_LENGTH = 300


def validate(
    statistics: _Statistics,
    schema: schema_pb2.Schema,
    *,
    environment: str = TRAINING,
    previous: _Statistics | None = None,
    serving: _Statistics | None = None,
    fail_on_drift: bool = False,
) -> anomalies_pb2.Anomalies:
    """Validates the statistics of a split.

    Args:
        statistics: The statistics.
        schema: The schema.
        environment: Environment of the schema; one that it does not have is not asked for.
        previous: Statistics of the previous span, for drift.
        serving: Statistics of what the model was asked, for skew.
        fail_on_drift: Whether drift and skew are errors rather than warnings.

    Returns:
        TFDV's anomalies.
    """
    severity = _Info.ERROR if fail_on_drift else _Info.WARNING
    overrides = [
        validation_config_pb2.SeverityOverride(type=kind, severity=severity) for kind in _COMPARED
    ]
    known = environment if environment in schema.default_environment else None
    found = validate_statistics_internal(
        statistics,
        schema,
        environment=known,
        previous_span_statistics=previous,
        serving_statistics=serving,
        validation_options=ValidationOptions(severity_overrides=overrides),
    )
    strictly = tfdv.validate_statistics(statistics, without_tolerance(schema), environment=known)
    for info in found.anomaly_info.values():
        if info.severity == _Info.ERROR and not fail_on_drift:
            _mark_warnings(reason for reason in info.reason if reason.type in _COMPARED)
    for name, info in strictly.anomaly_info.items():
        known_kinds = {reason.type for reason in found.anomaly_info[name].reason}
        tolerated = [reason for reason in info.reason if reason.type not in known_kinds]
        for reason in tolerated:
            reason.short_description += _TOLERATED
        if known_kinds:
            _mark_warnings(tolerated)
            found.anomaly_info[name].reason.extend(tolerated)
        else:
            info.severity = _Info.WARNING
            found.anomaly_info[name].CopyFrom(info)
    return found


def _mark_warnings(reasons: Iterable[Any]) -> None:
    for reason in reasons:
        reason.short_description += WARNING_ENDING


def without_tolerance(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns a schema in which no value outside a domain is allowed."""
    strict = schema_pb2.Schema()
    strict.CopyFrom(schema)
    for feature in strict.feature:
        feature.ClearField("distribution_constraints")
    return strict


def refusal(found: Mapping[str, anomalies_pb2.Anomalies]) -> str:
    """Says why the data must not be trained on.

    Args:
        found: The anomalies of each split, as ``validate`` has made them.

    Returns:
        One line; empty where no anomaly is an error.
    """
    kinds: set[int] = set()
    errors: dict[tuple[str, str], list[str]] = {}
    for split, anomalies in found.items():
        for feature, info in _infos(anomalies):
            for reason in info.reason:
                if severity_of(info, reason) == _Info.ERROR:
                    kinds.add(reason.type)
                    errors.setdefault((feature, _words(reason)), []).append(short(split))
    if not errors:
        return ""
    lines = [
        f"{short(feature)} in {' and '.join(splits)}: {words}"
        for (feature, words), splits in errors.items()
    ]
    more = f"; and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
    return f"the data do not fit the schema: {'; '.join(lines[:_SHOWN])}{more}; {_mend(kinds)}"


def plain_words(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """Returns a line for each anomaly of a split, warnings among them."""
    lines = []
    for feature, info in _infos(anomalies):
        for reason in info.reason:
            severity = _Info.Severity.Name(severity_of(info, reason)).lower()
            lines.append(f"{severity}: {short(feature)} in {short(split)}: {_words(reason)}")
    return lines


def _infos(anomalies: anomalies_pb2.Anomalies) -> list[tuple[str, anomalies_pb2.AnomalyInfo]]:
    infos = [(name, anomalies.anomaly_info[name]) for name in sorted(anomalies.anomaly_info)]
    if anomalies.HasField("dataset_anomaly_info"):
        return [("the data set", anomalies.dataset_anomaly_info), *infos]
    return infos


def _words(reason: Any) -> str:
    if reason.type == _Info.FEATURE_TYPE_LOW_NUMBER_VALUES:
        return "some examples have no value, which the schema requires"
    description = " ".join(reason.description.split()).rstrip(". ")
    if reason.type not in _COMPARED:
        heading = reason.short_description.removesuffix(WARNING_ENDING)
        description = f"{heading}: {description}"
    return short(description, _DESCRIPTION_LENGTH)


def _mend(kinds: Set[int]) -> str:
    mends = []
    if kinds - set(_COMPARED):
        mends.append(
            "mend the files, or widen the schema (complaint-pipeline schema diff and update)"
        )
    if kinds & set(_COMPARED):
        mends.append("where this change is right, compile with validation.fail_on_drift=false")
    return "; ".join(mends)
