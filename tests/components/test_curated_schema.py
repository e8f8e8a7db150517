"""The curated schema against the columns, and against the data that the project makes."""

import csv
import pathlib
from collections.abc import Iterator

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components import features
from data.generator import write_complaints
from data.vocabulary import PRODUCTS

PROJECT = pathlib.Path(__file__).resolve().parents[2]
FILE = PROJECT / "components/schema.pbtxt"
DOMAINS = ("product", "state", "company_response", "timely_response")


@pytest.fixture(scope="module")
def schema() -> schema_pb2.Schema:
    return text_format.Parse(FILE.read_text(encoding="utf-8"), schema_pb2.Schema())


@pytest.fixture
def domains(schema: schema_pb2.Schema) -> dict[str, list[str]]:
    return {domain.name: list(domain.value) for domain in schema.string_domain}


def rows(path: pathlib.Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def test_it_has_each_column_as_example_gen_writes_it(schema: schema_pb2.Schema) -> None:
    types = {feature.name: feature.type for feature in schema.feature}

    assert list(types) == list(features.COLUMNS)
    assert types.pop(features.LABEL_KEY) == schema_pb2.INT
    assert set(types.values()) == {schema_pb2.BYTES}


def test_only_the_label_is_absent_at_serving(schema: schema_pb2.Schema) -> None:
    absent = {feature.name for feature in schema.feature if feature.not_in_environment}

    assert list(schema.default_environment) == ["TRAINING", "SERVING"]
    assert absent == {features.LABEL_KEY}


def test_what_no_complaint_goes_without_is_required(schema: schema_pb2.Schema) -> None:
    required = {feature.name for feature in schema.feature if feature.value_count.min == 1}

    assert required == {"product", "issue", "company"}


def test_every_domain_is_sorted_and_without_doubles(domains: dict[str, list[str]]) -> None:
    assert set(domains) == set(DOMAINS)
    for values in domains.values():
        assert values == sorted(set(values))


def test_the_products_are_those_that_complaints_can_be_made_of(
    domains: dict[str, list[str]],
) -> None:
    assert {product.name for product in PRODUCTS} <= set(domains["product"])


@pytest.mark.parametrize("source", ["sample", "generated"])
def test_the_projects_own_data_fit_the_domains(
    domains: dict[str, list[str]], tmp_path: pathlib.Path, source: str
) -> None:
    path = PROJECT / "data/complaints_sample.csv"
    if source == "generated":
        path = tmp_path / "complaints.csv"
        write_complaints(path, rows=2_000, seed=3)

    for row in rows(path):
        for column in DOMAINS:
            assert not row[column] or row[column] in domains[column]


def test_every_domain_is_that_of_the_column_of_its_name(schema: schema_pb2.Schema) -> None:
    assert {feature.name: feature.domain for feature in schema.feature if feature.domain} == {
        name: name for name in DOMAINS
    }


def test_drift_and_skew_have_the_same_thresholds(schema: schema_pb2.Schema) -> None:
    for feature in schema.feature:
        if feature.name != features.LABEL_KEY:
            drift = feature.drift_comparator.infinity_norm.threshold
            assert feature.skew_comparator.infinity_norm.threshold == drift
