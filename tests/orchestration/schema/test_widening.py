"""What a schema must allow for data to fit it."""

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.errors import InputDataError
from orchestration.schema.widening import widened

SCHEMA = """
feature {
  name: "product" type: BYTES domain: "products"
  presence { min_fraction: 1 min_count: 1 } value_count { min: 1 max: 1 }
  distribution_constraints { min_domain_mass: 0.9 }
  drift_comparator { infinity_norm { threshold: 0.1 } }
}
feature {
  name: "zip_code" type: BYTES
  presence { min_fraction: 1 min_count: 1 } value_count { min: 0 max: 1 }
}
feature {
  name: "label" type: INT int_domain { min: 0 max: 1 }
  presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }
  not_in_environment: "SERVING"
}
string_domain { name: "products" value: "Loan" value: "Mortgage" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def schema() -> schema_pb2.Schema:
    return text_format.Parse(SCHEMA, schema_pb2.Schema())


class Data:
    """Statistics of data that fit the schema, but for what a test changes."""

    def __init__(self) -> None:
        self.proto = statistics_pb2.DatasetFeatureStatisticsList()
        self._dataset = self.proto.datasets.add(num_examples=100)
        self.texts("product", ["Loan"])
        self.texts("zip_code", ["08540"])
        self.numbers("label", 0, 1)

    def texts(self, name: str, values: Sequence[str], **common: int) -> None:
        feature = self._new(name, statistics_pb2.FeatureNameStatistics.STRING)
        for value in values:
            feature.string_stats.rank_histogram.buckets.add(label=value)
        self._common(feature.string_stats.common_stats, **common)

    def numbers(self, name: str, least: float, most: float, **common: int) -> None:
        feature = self._new(name, statistics_pb2.FeatureNameStatistics.INT)
        feature.num_stats.min, feature.num_stats.max = least, most
        self._common(feature.num_stats.common_stats, **common)

    def remove(self, name: str) -> None:
        kept = [each for each in self._dataset.features if each.path.step != [name]]
        del self._dataset.features[:]
        self._dataset.features.extend(kept)

    def _new(self, name: str, kind: int) -> Any:
        self.remove(name)
        feature = self._dataset.features.add(type=kind)
        feature.path.step.append(name)
        return feature

    def _common(
        self, common: Any, *, low: int = 1, high: int = 1, there: int = 100, missing: int = 0
    ) -> None:
        common.num_non_missing, common.num_missing = there, missing
        common.min_num_values, common.max_num_values = low, high


@pytest.fixture
def data() -> Data:
    return Data()


def feature_of(changed: schema_pb2.Schema, name: str) -> schema_pb2.Feature:
    return next(feature for feature in changed.feature if feature.name == name)


def test_data_that_fit_change_nothing(data: Data) -> None:
    assert widened(schema(), data.proto) == schema()


def test_a_new_value_is_added_in_order_and_the_given_schema_stays(data: Data) -> None:
    data.texts("product", ["Mortgage", "Lease", "Zoo"])
    before = schema()

    after = widened(before, data.proto)

    assert list(after.string_domain[0].value) == ["Lease", "Loan", "Mortgage", "Zoo"]
    assert before == schema()


def test_thresholds_and_environments_stay(data: Data) -> None:
    data.texts("product", ["Zoo"])

    after = widened(schema(), data.proto)

    before = feature_of(schema(), "product")
    assert feature_of(after, "product") == before
    assert after.default_environment == schema().default_environment


def test_a_column_that_is_empty_somewhere_need_no_longer_have_a_value(data: Data) -> None:
    data.texts("product", ["Loan"], low=0)

    count = feature_of(widened(schema(), data.proto), "product").value_count

    assert (count.min, count.max) == (0, 1)


def test_a_column_without_any_value_is_no_reason_to_forbid_values(data: Data) -> None:
    data.texts("zip_code", [], low=0, high=0)

    count = feature_of(widened(schema(), data.proto), "zip_code").value_count

    assert (count.min, count.max) == (0, 1)


def test_a_label_that_is_missing_somewhere_has_no_shape_any_more(data: Data) -> None:
    data.numbers("label", 0, 1, low=0)

    label = feature_of(widened(schema(), data.proto), "label")

    assert not label.HasField("shape")
    assert (label.value_count.min, label.value_count.max) == (0, 1)


@pytest.mark.parametrize(("there", "fraction"), [(96, 0.96), (1, 0.01), (0, 0.0)])
def test_a_column_that_examples_lack_is_required_less(
    data: Data, there: int, fraction: float
) -> None:
    data.texts("zip_code", ["1"] if there else [], there=there, missing=100 - there)

    presence = feature_of(widened(schema(), data.proto), "zip_code").presence

    assert presence.min_fraction == pytest.approx(fraction)
    assert presence.HasField("min_count") is (there > 0)


def test_numbers_widen_their_range(data: Data) -> None:
    data.numbers("label", -1, 1)

    domain = feature_of(widened(schema(), data.proto), "label").int_domain

    assert (domain.min, domain.max) == (-1, 1)


def test_a_type_is_never_changed(data: Data) -> None:
    data.numbers("zip_code", 501, 99950)

    with pytest.raises(InputDataError, match=r"^zip_code: the data have it as INT, the schema as"):
        widened(schema(), data.proto)


def test_a_column_that_is_not_there_is_named(data: Data) -> None:
    data.remove("label")

    with pytest.raises(InputDataError, match=r"^the data have no column label"):
        widened(schema(), data.proto)


def test_a_column_that_the_schema_does_not_have_is_named(data: Data) -> None:
    data.texts("tags", ["Servicemember"])

    with pytest.raises(InputDataError, match=r"^the schema has no column tags"):
        widened(schema(), data.proto)
