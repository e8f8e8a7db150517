"""The curated schema, by what TFDV says of good and bad statistics."""

import csv
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components import features
from components.charts.anomalies import anomaly_blocks
from components.charts.section import Table
from data.generator import write_complaints
from tests.components.complaint_statistics import complaints, statistics_of

pytestmark = pytest.mark.whole

PROJECT = pathlib.Path(__file__).resolve().parents[2]
ERROR, WARNING = anomalies_pb2.AnomalyInfo.ERROR, anomalies_pb2.AnomalyInfo.WARNING


@pytest.fixture(scope="module")
def schema() -> schema_pb2.Schema:
    text = (PROJECT / "components/schema.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, schema_pb2.Schema())


def severities(anomalies: anomalies_pb2.Anomalies) -> dict[str, int]:
    return {name: info.severity for name, info in anomalies.anomaly_info.items()}


def validate(statistics: Any, schema: schema_pb2.Schema, **options: Any) -> Any:
    from components.validation import validate

    return validate(statistics, schema, **options)


def refusal(anomalies: anomalies_pb2.Anomalies) -> str:
    from components.validation import refusal

    return refusal({"train": anomalies})


def rows_of(path: pathlib.Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    return [{**row, features.LABEL_KEY: int(row[features.LABEL_KEY])} for row in rows]


@pytest.fixture(scope="module")
def sample() -> Any:
    return statistics_of(rows_of(PROJECT / "data/complaints_sample.csv"))


def test_the_sample_fits(sample: Any, schema: schema_pb2.Schema) -> None:
    assert not validate(sample, schema).anomaly_info


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"product": ["Mortgage", ""]}, {"product": ERROR}),
        ({"issue": [""]}, {"issue": ERROR}),
        ({"company": ["", "A", "B"]}, {"company": ERROR}),
        ({"state": ["NJ", "nj"]}, {"state": ERROR}),
        ({"timely_response": ["Yes"] * 99 + ["maybe"]}, {"timely_response": ERROR}),
        ({"zip_code": [8540]}, {"zip_code": ERROR}),
        ({"consumer_disputed": [0, 2]}, {"consumer_disputed": ERROR}),
        ({"product": ["Mortgage"] * 7 + ["Pet insurance"]}, {"product": ERROR}),
    ],
)
def test_what_does_not_fit_is_an_error(
    schema: schema_pb2.Schema, cells: dict[str, Sequence[str | int]], found: dict[str, int]
) -> None:
    anomalies = validate(statistics_of(complaints(200, **cells)), schema)

    assert severities(anomalies) == found
    assert next(iter(found)) in refusal(anomalies)


@pytest.mark.parametrize(
    "cells",
    [
        {"product": ["Mortgage"] * 19 + ["Pet insurance"]},
        {"state": ["NJ"] * 99 + ["nj"]},
        {"company_response": ["Closed"] * 19 + ["Closed with a smile"]},
    ],
)
def test_few_new_values_are_a_warning_that_names_them(
    schema: schema_pb2.Schema, cells: dict[str, list[str]]
) -> None:
    from components.validation import plain_words

    anomalies = validate(statistics_of(complaints(200, **cells)), schema)

    ((column, values),) = cells.items()
    assert severities(anomalies) == {column: WARNING}
    (line,) = plain_words("train", anomalies)
    assert line.startswith(f"warning: {column} in train: ")
    assert values[-1] in line
    assert refusal(anomalies) == ""


def test_optional_cells_may_all_be_empty(schema: schema_pb2.Schema) -> None:
    optional = ("sub_product", "sub_issue", "consumer_complaint_narrative", "zip_code", "state")
    rows = complaints(50, **{name: [""] for name in optional})

    assert not validate(statistics_of(rows), schema).anomaly_info


@pytest.mark.parametrize(
    ("environment", "found"), [("TRAINING", ["consumer_disputed"]), ("SERVING", [])]
)
def test_the_label_may_be_absent_at_serving_only(
    schema: schema_pb2.Schema, environment: str, found: list[str]
) -> None:
    columns = features.TEXT_COLUMNS

    anomalies = validate(statistics_of(complaints(50), columns), schema, environment=environment)

    assert list(anomalies.anomaly_info) == found


def test_a_schema_without_environments_is_taken_as_it_is() -> None:
    schema = schema_pb2.Schema()
    schema.feature.add(name="product", type=schema_pb2.BYTES)

    assert not validate(statistics_of(complaints(9), ["product"]), schema).anomaly_info


def test_samples_that_differ_by_their_seed_do_not_drift(
    schema: schema_pb2.Schema, tmp_path: pathlib.Path
) -> None:
    spans = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.csv"
        write_complaints(path, rows=1_000, seed=seed)
        spans.append(statistics_of(rows_of(path)))

    anomalies = validate(spans[1], schema, previous=spans[0], serving=spans[0])

    assert not anomalies.anomaly_info
    measured = {info.path.step[0] for info in anomalies.drift_skew_info if info.drift_measurements}
    assert measured == {
        *("product", "issue", "state", "company_response", "timely_response"),
        features.LABEL_KEY,
    }


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("product", ["Mortgage", "Student loan"]),
        ("state", ["NJ"] * 9 + ["NY"]),
        ("consumer_disputed", [0, 1, 1]),
    ],
)
@pytest.mark.parametrize("fail_on_drift", [False, True])
def test_drift_stops_a_run_only_where_it_is_asked_to(
    schema: schema_pb2.Schema, column: str, cells: list[str | int], fail_on_drift: bool
) -> None:
    previous = statistics_of(complaints(200, consumer_disputed=[0, 0, 0, 1]))
    current = statistics_of(complaints(200, **{"consumer_disputed": [0, 0, 0, 1], column: cells}))

    anomalies = validate(current, schema, previous=previous, fail_on_drift=fail_on_drift)

    assert severities(anomalies) == {column: ERROR if fail_on_drift else WARNING}
    line = refusal(anomalies)
    assert (f"{column} in train: " in line) is fail_on_drift
    assert ("validation.fail_on_drift=false" in line) is fail_on_drift


def test_skew_is_measured_against_what_the_model_was_asked(schema: schema_pb2.Schema) -> None:
    serving = statistics_of(complaints(200, state=["NJ", "NY"]), features.TEXT_COLUMNS)

    anomalies = validate(statistics_of(complaints(200)), schema, serving=serving)

    assert severities(anomalies) == {"state": WARNING}
    (measured,) = [
        each
        for info in anomalies.drift_skew_info
        if info.path.step == ["state"]
        for each in info.skew_measurements
    ]
    assert measured.value == pytest.approx(0.5)
    assert measured.threshold == pytest.approx(0.05)


def test_an_error_of_a_feature_does_not_make_its_drift_one(schema: schema_pb2.Schema) -> None:
    previous = statistics_of(complaints(200))
    current = statistics_of(complaints(200, product=["", "Student loan"]))

    anomalies = validate(current, schema, previous=previous)
    line = refusal(anomalies)

    table = anomaly_blocks({"train": anomalies})[0]
    assert isinstance(table, Table)
    assert [row[2] for row in table.rows if row[1] == "product"] == ["ERROR", "WARNING"]
    assert "product in train: some examples have no value" in line
    assert "distance" not in line


def test_new_values_are_told_beside_an_error_and_beside_drift(schema: schema_pb2.Schema) -> None:
    from components.validation import plain_words

    previous = statistics_of(complaints(200))
    new = ["Mortgage"] * 19 + ["Crypto wallet"]
    drifted = statistics_of(complaints(200, product=["Student loan"] * 20 + new))
    incomplete = statistics_of(complaints(200, product=["", *new]))

    for current, severity in ((drifted, "warning"), (incomplete, "error")):
        anomalies = validate(current, schema, previous=previous)
        lines = plain_words("train", anomalies)

        (told,) = [line for line in lines if "Crypto wallet" in line]
        assert told.startswith("warning: product in train: Unexpected string values within the ")
        assert any(line.startswith(f"{severity}: product") for line in lines if line != told)
        assert "Crypto wallet" not in refusal(anomalies)


def test_a_refusal_is_one_line_however_many_anomalies_there_are(schema: schema_pb2.Schema) -> None:
    cells = {name: ["a\nb"] for name in ("product", "state", "company_response")}
    rows = complaints(20, **cells, issue=[""], company=[""], timely_response=["x"], zip_code=[1])

    line = refusal(validate(statistics_of(rows), schema))

    assert "\n" not in line
    assert "; and 2 more; mend the files, or widen the schema" in line
