"""A schema as a table, and what has changed between two."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.charts.files import ArtifactError, join, read_bytes
from components.charts.section import Block, Cell, Note, Section, Table
from components.charts.text import counted, short

FILE_NAME = "schema.pbtxt"

#: The most rows of a table.
_ROWS = 60

#: How many values of a domain are named.
_VALUES = 5

_VALUE_LENGTH = 40

_LEGEND = (
    "A required feature is in every example, but without a value where it may have any number of "
    "them; an optional one may be missing. BYTES are texts of any value, STRING those whose valid "
    "values the schema lists; INT are whole numbers."
)

#: What two schemas are compared by: attributes of ``SchemaFeature`` with their names for people.
_COMPARED = {
    "type": "type",
    "presence": "presence",
    "valency": "values per example",
    "range": "domain",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemaFeature:
    """A feature as a schema describes it.

    Attributes:
        name: Its name; a feature within a struct has the struct's name and ``.`` before its own.
        type: ``BYTES``, ``INT``, ``FLOAT``, ``STRUCT``; ``STRING`` for texts with a domain, as in
            TFDV's own tables; ``SPARSE`` or ``WEIGHTED`` for a feature made of others.
        presence: Such as ``required`` or ``optional``.
        valency: How many values an example has, such as ``1``, ``1 or more`` or ``any``.
        range: What values are valid, unless they are listed, such as ``0 to 1``; empty for
            any.
        values: The texts that are valid; ``None`` where the schema does not list them.
    """

    name: str
    type: str
    presence: str
    valency: str
    range: str = ""
    values: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemaChange:
    """A difference between two schemas.

    Attributes:
        feature: The feature.
        change: ``added``, ``removed``, or what has changed: ``type``, ``presence``,
            ``values per example`` or ``domain``.
        before: What it was; empty for an added feature.
        after: What it is; empty for a removed one.
    """

    feature: str
    change: str
    before: str
    after: str


def schema_section(uri: str) -> Section:
    """Returns a schema as a table.

    Args:
        uri: The artifact of SchemaGen or ImportSchemaGen.
    """
    try:
        blocks: list[Block] = [schema_table(read_schema(uri), "Features of the schema")]
    except ArtifactError as error:
        blocks = [Note(text=str(error), level="unreadable")]
    return Section(id="schema", title="Schema", blocks=blocks)


def read_schema(uri: str) -> schema_pb2.Schema:
    """Reads a schema.

    Args:
        uri: The folder with ``schema.pbtxt``.

    Raises:
        ArtifactError: If there is none, or it cannot be read.
    """
    return read_schema_file(join(uri, FILE_NAME))


def read_schema_file(file: str) -> schema_pb2.Schema:
    """Reads the file of a schema.

    Args:
        file: A path, or the URI of a file in a bucket.

    Raises:
        ArtifactError: If there is none, or it cannot be read.
    """
    schema = schema_pb2.Schema()
    try:
        text_format.Parse(read_bytes(file).decode(), schema)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{file} is no schema: {short(str(error))}") from error
    return schema


def schema_features(schema: schema_pb2.Schema) -> list[SchemaFeature]:
    """Returns the features that a schema describes, in its order.

    Args:
        schema: The schema.
    """
    domains = {domain.name: domain for domain in schema.string_domain}
    numbers = {domain.name: domain for domain in (*schema.int_domain, *schema.float_domain)}
    features = [
        _feature(feature, name, domains, numbers) for name, feature in _flat(schema.feature)
    ]
    features += [
        SchemaFeature(name=feature.name, type="SPARSE", presence=_presence(feature), valency="any")
        for feature in schema.sparse_feature
    ]
    features += [
        SchemaFeature(name=feature.name, type="WEIGHTED", presence="", valency="any")
        for feature in schema.weighted_feature
    ]
    return features


def schema_table(schema: schema_pb2.Schema, title: str) -> Table:
    """Returns a schema as a table.

    Args:
        schema: The schema.
        title: The table's title.
    """
    features = schema_features(schema)
    rows: list[list[Cell]] = [
        [
            short(feature.name),
            feature.type,
            feature.presence,
            feature.valency,
            _domain(feature) or None,
            None if feature.values is None else len(feature.values),
        ]
        for feature in features[:_ROWS]
    ]
    return Table(
        title=title,
        columns=["feature", "type", "presence", "values per example", "domain", "domain size"],
        rows=rows,
        note=f"{_LEGEND} {_left_out(len(features), 'feature')}".strip(),
    )


def schema_changes(before: schema_pb2.Schema, after: schema_pb2.Schema) -> list[SchemaChange]:
    """Returns what has changed between the schemas of two runs.

    Args:
        before: The schema of the earlier run.
        after: That of the later one.

    Returns:
        Removed features, added ones, and then a change for each attribute that differs.
    """
    old = {feature.name: feature for feature in schema_features(before)}
    new = {feature.name: feature for feature in schema_features(after)}
    changes = [
        SchemaChange(feature=name, change="removed", before=_summary(old[name]), after="")
        for name in old
        if name not in new
    ]
    changes += [
        SchemaChange(feature=name, change="added", before="", after=_summary(new[name]))
        for name in new
        if name not in old
    ]
    for name, feature in old.items():
        if name in new:
            changes += _feature_changes(feature, new[name])
    return changes


def schema_changes_table(changes: Sequence[SchemaChange], title: str) -> Table:
    """Returns what has changed between two schemas as a table.

    Args:
        changes: The changes.
        title: The table's title.
    """
    return Table(
        title=title,
        columns=["feature", "change", "before", "after"],
        rows=[
            [
                short(each.feature),
                each.change,
                short(each.before) or None,
                short(each.after) or None,
            ]
            for each in changes[:_ROWS]
        ],
        note=_left_out(len(changes), "change"),
    )


def _flat(features: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for feature in features:
        name = f"{prefix}{feature.name}"
        yield name, feature
        yield from _flat(feature.struct_domain.feature, f"{name}.")


def _feature(
    feature: Any, name: str, domains: Mapping[str, Any], numbers: Mapping[str, Any]
) -> SchemaFeature:
    kind = feature.WhichOneof("domain_info")
    values = None
    if kind == "domain" and feature.domain in domains:
        values = list(domains[feature.domain].value)
    elif kind == "string_domain":
        values = list(feature.string_domain.value)
    type_name = schema_pb2.FeatureType.Name(feature.type).removeprefix("TYPE_")
    is_text = type_name == "BYTES" and kind in ("domain", "string_domain")
    return SchemaFeature(
        name=name,
        type="STRING" if is_text else type_name,
        presence=_presence(feature),
        valency=_valency(feature),
        range="" if values is not None else _range(feature, kind, numbers),
        values=values,
    )


def _presence(feature: Any) -> str:
    text = ""
    if feature.HasField("presence"):
        share = feature.presence.min_fraction
        text = "required" if share == 1 else "optional"
        if 0 < share < 1:
            text = f"in at least {share * 100:.4g}% of examples"
    parts = [text] if text else []
    # Sparse features have no environments.
    if excluded := getattr(feature, "not_in_environment", ()):
        parts.append(f"not in {', '.join(excluded)}")
    if included := getattr(feature, "in_environment", ()):
        parts.append(f"only in {', '.join(included)}")
    stage = schema_pb2.LifecycleStage.Name(feature.lifecycle_stage)
    if feature.deprecated or stage not in ("UNKNOWN_STAGE", "PRODUCTION"):
        parts.append("deprecated" if feature.deprecated else stage.lower())
    return short(", ".join(parts))


def _valency(feature: Any) -> str:
    if feature.HasField("shape"):
        return " x ".join(f"{dim.size:,}" if dim.size else "?" for dim in feature.shape.dim) or "1"
    if feature.HasField("value_count"):
        return _count_range(feature.value_count)
    if feature.HasField("value_counts"):
        return ", each ".join(_count_range(count) for count in feature.value_counts.value_count)
    return "any"


def _count_range(count: Any) -> str:
    low = count.min if count.HasField("min") else 0
    if not count.HasField("max"):
        return f"{low:,} or more" if low else "any"
    return f"{low:,}" if low == count.max else f"{low:,} to {count.max:,}"


def _range(feature: Any, kind: str | None, numbers: Mapping[str, Any]) -> str:
    if kind is None or kind == "struct_domain":
        return ""
    domain = getattr(feature, kind)
    if kind == "domain":
        if domain not in numbers:
            return f"{short(domain, _VALUE_LENGTH)}, which the schema does not define"
        domain, kind = numbers[domain], "int_domain"
    if kind == "bool_domain":
        if domain.true_value or domain.false_value:
            return f"boolean: {domain.false_value} or {domain.true_value}"
        return "boolean"
    if kind not in ("int_domain", "float_domain"):
        # Such as natural_language_domain: what the values mean, not what they are.
        return kind.removesuffix("_domain").replace("_", " ")
    text = _number_range(domain)
    return f"categorical{': ' if text else ''}{text}" if domain.is_categorical else text


def _number_range(domain: Any) -> str:
    low = f"{domain.min:,}" if domain.HasField("min") else ""
    high = f"{domain.max:,}" if domain.HasField("max") else ""
    if low and high:
        return f"{low} to {high}"
    if low:
        return f"{low} or more"
    return f"up to {high}" if high else ""


def _domain(feature: SchemaFeature) -> str:
    if feature.values is None:
        return feature.range
    return _some(feature.values) or "no value"


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(short(value, _VALUE_LENGTH) or "(empty)" for value in values[:_VALUES])
    more = len(values) - _VALUES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _summary(feature: SchemaFeature) -> str:
    parts = [feature.type, feature.presence, _domain(feature)]
    return ", ".join(part for part in parts if part)


def _feature_changes(before: SchemaFeature, after: SchemaFeature) -> Iterator[SchemaChange]:
    for attribute, change in _COMPARED.items():
        old, new = getattr(before, attribute), getattr(after, attribute)
        if old != new and not (attribute == "range" and _has_other_values(before, after)):
            yield SchemaChange(feature=before.name, change=change, before=old, after=new)
    if _has_other_values(before, after):
        yield _domain_change(before, after)


def _has_other_values(before: SchemaFeature, after: SchemaFeature) -> bool:
    if before.values is None or after.values is None:
        return before.values is not after.values
    return set(before.values) != set(after.values)


def _domain_change(before: SchemaFeature, after: SchemaFeature) -> SchemaChange:
    if before.values is None or after.values is None:
        old, new = _domain(before) or "any value", _domain(after) or "any value"
    else:
        old = f"{counted(len(before.values), 'value')}"
        new = f"{counted(len(after.values), 'value')}"
        if removed := _without(before.values, after.values):
            old += f", of which {len(removed):,} removed: {_some(removed)}"
        if added := _without(after.values, before.values):
            new += f", of which {len(added):,} added: {_some(added)}"
    return SchemaChange(feature=before.name, change="domain", before=old, after=new)


def _without(values: Sequence[str], others: Sequence[str]) -> list[str]:
    left_out = set(others)
    return [value for value in values if value not in left_out]


def _left_out(number: int, noun: str) -> str:
    return f"Not shown: {counted(number - _ROWS, noun)} more." if number > _ROWS else ""
