"""Schemas as tables, and their changes."""

import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.charts.schema import (
    FILE_NAME,
    schema_changes,
    schema_changes_table,
    schema_features,
    schema_section,
)
from tests.components.charts.protos import HOSTILE, notes, tables

_SCHEMA = """
feature { name: "company" type: BYTES presence { min_fraction: 1.0 min_count: 1 }
          shape { dim { size: 1 } } }
feature { name: "state" type: BYTES domain: "state" value_count { max: 1 }
          presence { min_fraction: 0.5 } not_in_environment: "SERVING" }
feature { name: "label" type: INT bool_domain {} presence { min_count: 1 }
          value_count { min: 1 max: 3 } }
feature { name: "age" type: INT int_domain { min: 18 max: 12000 } deprecated: true }
feature { name: "score" type: FLOAT float_domain { min: -0.5 } lifecycle_stage: DEBUG_ONLY }
feature { name: "code" type: INT int_domain { is_categorical: true } value_count { min: 2 } }
feature { name: "grade" type: BYTES string_domain { value: "A" value: "B" } }
feature { name: "lost" type: BYTES domain: "no such domain" }
feature { name: "text" type: BYTES natural_language_domain {} }
feature { name: "address" type: STRUCT struct_domain { feature { name: "city" type: BYTES } } }
sparse_feature { name: "tags" index_feature { name: "i" } value_feature { name: "v" } }
weighted_feature { name: "weighted" feature { step: "a" } weight_feature { step: "b" } }
string_domain { name: "state" value: "AK" value: "AL" value: "AR" value: "AZ" value: "CA"
                value: "FL" value: "NJ" }
"""


def _parsed(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def _write(folder: pathlib.Path, text: str) -> str:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return str(folder)


def test_each_feature_is_a_row(tmp_path: pathlib.Path) -> None:
    section = schema_section(_write(tmp_path, _SCHEMA))

    assert tables(section)["Features of the schema"].rows == [
        ["company", "BYTES", "required", "1", None, None],
        [
            "state",
            "STRING",
            "in at least 50% of examples, not in SERVING",
            "0 to 1",
            "AK, AL, AR, AZ, CA and 2 more",
            7,
        ],
        ["label", "INT", "optional", "1 to 3", "boolean", None],
        ["age", "INT", "deprecated", "any", "18 to 12,000", None],
        ["score", "FLOAT", "debug_only", "any", "-0.5 or more", None],
        ["code", "INT", "", "2 or more", "categorical", None],
        ["grade", "STRING", "", "any", "A, B", 2],
        ["lost", "STRING", "", "any", "no such domain, which the schema does not define", None],
        ["text", "BYTES", "", "any", "natural language", None],
        ["address", "STRUCT", "", "any", None, None],
        ["address.city", "BYTES", "", "any", None, None],
        ["tags", "SPARSE", "", "any", None, None],
        ["weighted", "WEIGHTED", "", "any", None, None],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("feature { nam: 'x' }", "is no schema: 1:11 : Message type"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_schema_that_cannot_be_read_is_a_failure(
    tmp_path: pathlib.Path, content: str | None, message: str
) -> None:
    uri = str(tmp_path) if content is None else _write(tmp_path, content)

    ((level, text),) = notes(schema_section(uri))

    assert level == "unreadable"
    assert f"{uri}/{FILE_NAME}" in text
    assert message in text


def test_bytes_that_are_no_text_are_a_failure(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe")

    assert [level for level, _ in notes(schema_section(str(tmp_path)))] == ["unreadable"]


def test_a_schema_of_many_long_texts_is_bounded(tmp_path: pathlib.Path) -> None:
    schema = schema_pb2.Schema()
    for number in range(200):
        feature = schema.feature.add(name=f"{number} {HOSTILE * 5}", type="BYTES")
        feature.string_domain.value.extend([HOSTILE * 5] * 9)
    section = schema_section(_write(tmp_path, text_format.MessageToString(schema)))

    table = tables(section)["Features of the schema"]

    assert len(table.rows) == 60
    assert table.note.endswith(" Not shown: 140 features more.")
    assert max(len(cell) for row in table.rows for cell in row if isinstance(cell, str)) < 300


def test_equal_schemas_have_no_changes() -> None:
    assert schema_changes(_parsed(_SCHEMA), _parsed(_SCHEMA)) == []


def test_what_has_changed_between_two_schemas() -> None:
    before = _parsed(
        """
        feature { name: "gone" type: INT presence { min_fraction: 1 } int_domain { max: 5 } }
        feature { name: "state" type: BYTES domain: "state" }
        feature { name: "zip" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
        feature { name: "free" type: BYTES }
        feature { name: "age" type: INT int_domain { min: 0 max: 9 } }
        string_domain { name: "state" value: "AK" value: "FL" }
        """
    )
    after = _parsed(
        """
        feature { name: "state" type: BYTES domain: "states" }
        feature { name: "zip" type: BYTES }
        feature { name: "free" type: BYTES string_domain { value: "x" } }
        feature { name: "age" type: INT int_domain { min: 0 max: 10 } }
        feature { name: "new" type: FLOAT }
        string_domain { name: "states" value: "FL" value: "NJ" value: "NY" }
        """
    )

    found = schema_changes(before, after)

    assert [(each.feature, each.change, each.before, each.after) for each in found] == [
        ("gone", "removed", "INT, required, up to 5", ""),
        ("new", "added", "", "FLOAT"),
        (
            *("state", "domain", "2 values, of which 1 removed: AK"),
            "3 values, of which 2 added: NJ, NY",
        ),
        ("zip", "type", "INT", "BYTES"),
        ("zip", "presence", "required", ""),
        ("zip", "values per example", "1", "any"),
        ("free", "type", "BYTES", "STRING"),
        ("free", "domain", "any value", "x"),
        ("age", "domain", "0 to 9", "0 to 10"),
    ]


def test_the_order_of_a_domain_is_no_change() -> None:
    before = _parsed('feature { name: "x" type: BYTES string_domain { value: "a" value: "b" } }')
    after = _parsed('feature { name: "x" type: BYTES string_domain { value: "b" value: "a" } }')

    assert schema_changes(before, after) == []


def test_changes_as_a_table_are_bounded() -> None:
    before = _parsed("".join(f'feature {{ name: "{n}" type: INT }}' for n in range(100)))
    changes = schema_changes(before, schema_pb2.Schema())

    table = schema_changes_table(changes, "Schema")

    assert table.rows[0] == ["0", "removed", "INT", None]
    assert (len(table.rows), table.note) == (60, "Not shown: 40 changes more.")


def test_the_features_of_a_schema_are_values() -> None:
    state = schema_features(_parsed(_SCHEMA))[1]

    assert (state.name, state.type, state.values) == (
        *("state", "STRING"),
        ["AK", "AL", "AR", "AZ", "CA", "FL", "NJ"],
    )
