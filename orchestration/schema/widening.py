"""What a schema must allow for data to fit it, and no more."""

from collections.abc import Callable
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.charts.text import short
from components.errors import InputDataError

_Statistics = statistics_pb2.FeatureNameStatistics

#: The types of a schema that values of TFDV's statistics have.
_TYPES = {
    _Statistics.INT: (schema_pb2.INT,),
    _Statistics.FLOAT: (schema_pb2.FLOAT,),
    _Statistics.STRING: (schema_pb2.BYTES,),
    _Statistics.BYTES: (schema_pb2.BYTES,),
    _Statistics.STRUCT: (schema_pb2.STRUCT,),
}


def widened(
    schema: schema_pb2.Schema, statistics: statistics_pb2.DatasetFeatureStatisticsList
) -> schema_pb2.Schema:
    """Returns a schema that data fit: with their new values, and their missing ones.

    It never narrows and never changes a type: Transform and the model rely on that. Thresholds,
    and the share of values that must be of a domain, stay.

    Args:
        schema: The schema.
        statistics: Statistics of the data.

    Returns:
        A new schema; texts of a domain that has new ones are sorted.

    Raises:
        InputDataError: If a column is not there, is not in the schema, or has another type.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    found = {_name(each): each for each in statistics.datasets[0].features}
    domains = {domain.name: domain for domain in result.string_domain}
    for feature in result.feature:
        if feature.name not in found:
            raise InputDataError(
                f"the data have no column {short(feature.name)}, which the schema has; add it to "
                "the data, or take it out of the schema by hand"
            )
        of_data = found.pop(feature.name)
        if feature.type not in _TYPES[of_data.type]:
            raise InputDataError(
                f"{short(feature.name)}: the data have it as {_type_name(of_data)}, the schema as "
                f"{schema_pb2.FeatureType.Name(feature.type)}; a type is never changed here: mend "
                "the data, or change the schema by hand together with preprocessing and model"
            )
        _widen_counts(feature, of_data)
        _widen_values(feature, of_data, domains)
    for name, of_data in found.items():
        raise InputDataError(
            f"the schema has no column {short(name)}, which the data have as "
            f"{_type_name(of_data)}; take it out of the data, or add it to the schema by hand"
        )
    return result


def _name(statistics: Any) -> str:
    return statistics.name or ".".join(statistics.path.step)


def _type_name(statistics: Any) -> str:
    return schema_pb2.FeatureType.Name(_TYPES[statistics.type][0])


def _common(statistics: Any) -> Any:
    return getattr(statistics, statistics.WhichOneof("stats")).common_stats


def _widen_counts(feature: schema_pb2.Feature, statistics: Any) -> None:
    """Allows as few and as many values an example as there are."""
    common = _common(statistics)
    total = common.num_non_missing + common.num_missing
    share = common.num_non_missing / total if total else 0.0
    if feature.presence.min_fraction > share:
        # Rounded down: the next data will not have exactly this share.
        feature.presence.min_fraction = int(share * 100) / 100
    if not common.num_non_missing:
        feature.presence.ClearField("min_count")
        return
    low, high = common.min_num_values, common.max_num_values
    if feature.HasField("shape") and (low, high) != (1, 1):
        feature.value_count.min, feature.value_count.max = low, high
    elif feature.HasField("value_count"):
        if feature.value_count.HasField("min"):
            feature.value_count.min = min(feature.value_count.min, low)
        if feature.value_count.HasField("max"):
            feature.value_count.max = max(feature.value_count.max, high)


def _widen_values(feature: schema_pb2.Feature, statistics: Any, domains: dict[str, Any]) -> None:
    """Allows the values that there are, where the schema says which there may be."""
    kind = feature.WhichOneof("domain_info")
    if kind == "domain" and feature.domain in domains:
        _add_texts(domains[feature.domain], statistics)
    elif kind == "string_domain":
        _add_texts(feature.string_domain, statistics)
    elif kind in ("int_domain", "float_domain") and _common(statistics).num_non_missing:
        domain, numbers = getattr(feature, kind), statistics.num_stats
        number: Callable[[float], float] = int if kind == "int_domain" else float
        if domain.HasField("min"):
            domain.min = min(domain.min, number(numbers.min))
        if domain.HasField("max"):
            domain.max = max(domain.max, number(numbers.max))


def _add_texts(domain: Any, statistics: Any) -> None:
    texts = {bucket.label for bucket in statistics.string_stats.rank_histogram.buckets}
    if new := texts - set(domain.value):
        domain.value[:] = sorted({*domain.value, *new})
