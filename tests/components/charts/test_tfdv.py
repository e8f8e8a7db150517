"""What TFDV itself writes and measures."""

import math
import pathlib
import random
from collections import Counter
from typing import Any

import pytest

from components.charts import anomalies, schema
from components.charts.drift import JENSEN_SHANNON, L_INFINITY, distances
from components.charts.feature_statistics import FILE_NAME, SplitStatistics, read_statistics
from components.charts.statistics import statistics_blocks
from tests.components.charts.protos import tables, write_splits

pytestmark = pytest.mark.whole


def _rows(seed: int, number: int, shift: float) -> list[dict[str, Any]]:
    """Rows with a feature of each kind; those of another seed and shift are differently spread.

    A feature that an example does not have is None; one without a value is an empty list.
    """
    rng = random.Random(seed)
    odd = [float("nan"), float("inf"), float("-inf")]
    return [
        {
            "product": rng.choices(["Mortgage", "Loan", "Card"], [5, 3 + 4 * shift, 1]),
            "zip": [str(int(rng.expovariate(0.001 + 0.001 * shift)))],
            "amount": [rng.gauss(100 * shift, 30)],
            "age": [rng.randrange(18, 90)],
            "label": [int(rng.random() < 0.2 + shift / 3)],
            "constant": [7.0],
            "odd": [rng.choice([*odd, rng.random() + shift, 0.5])],
            "narrative": rng.choice([None, [], ["é<b>"], ["é<b>"], ["longer" * 5]]),
            "several": rng.choice([None, [], ["a"], ["a", "b"]]),
        }
        for _ in range(number)
    ]


#: Seed, number and shift of the rows of each split.
_SPLITS = {"train": (1, 4000, 0.0), "eval": (2, 900, 0.4)}


@pytest.fixture(scope="module")
def protos() -> dict[str, Any]:
    import pyarrow
    from tensorflow_data_validation.statistics import stats_impl

    rows = {split: _rows(*given) for split, given in _SPLITS.items()}
    return {
        split: stats_impl.generate_statistics_in_memory(
            pyarrow.RecordBatch.from_pylist(rows[split])
        )
        for split in rows
    }


@pytest.fixture(scope="module")
def splits(
    protos: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[SplitStatistics]:
    folder = tmp_path_factory.mktemp("statistics")
    return read_statistics(write_splits(folder, FILE_NAME, protos))


def _measured_by_tfdv(protos: dict[str, Any]) -> dict[str, tuple[str, float]]:
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    inferred = tfdv.infer_schema(protos["train"])
    for feature in inferred.feature:
        # A threshold makes TFDV measure, but does not matter to what it measures.
        if feature.name in ("product", "zip", "narrative", "several"):
            feature.drift_comparator.infinity_norm.threshold = 1.0
        else:
            feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0
    found = tfdv.validate_statistics(protos["eval"], inferred, previous_statistics=protos["train"])
    measures = {
        anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: L_INFINITY,
        anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: JENSEN_SHANNON,
    }
    return {
        info.path.step[0]: (measures[measured.type], measured.value)
        for info in found.drift_skew_info
        for measured in info.drift_measurements
    }


def test_distances_are_tfdvs_own(protos: dict[str, Any], splits: list[SplitStatistics]) -> None:
    train, evaluation = splits
    expected = _measured_by_tfdv(protos)

    distances_of = distances(train, evaluation)
    found = {each.feature: (each.measure, each.by_tfdv) for each in distances_of}

    assert set(found) == set(expected) == set(train.features)
    for name, (measure, value) in expected.items():
        assert found[name] == (measure, pytest.approx(value, abs=1e-9)), name
    assert found["product"][1] > 0.05
    assert found["amount"][1] > 0.05
    # More different values than TFDV keeps.
    zips = train.text("zip")
    assert zips is not None
    assert zips.unique > len(zips.counts) == 1000
    (measured,) = [each for each in distances_of if each.feature == "zip"]
    rows = [Counter(row["zip"][0] for row in _rows(*given)) for given in _SPLITS.values()]
    real = max(abs(rows[0][zip_] / 4000 - rows[1][zip_] / 900) for zip_ in {*rows[0], *rows[1]})
    assert measured.value <= real <= measured.value + min(zips.counts.values()) / 4000


def test_statistics_are_those_of_the_data(splits: list[SplitStatistics]) -> None:
    rows = _rows(1, 4000, 0.0)
    train = splits[0]

    products = [row["product"][0] for row in rows]
    assert train.value_count("product", "Loan") == products.count("Loan")
    assert train.value_count("product", "never") == 0
    amount, odd, narrative = train.number("amount"), train.number("odd"), train.text("narrative")
    assert amount is not None
    assert odd is not None
    assert narrative is not None
    amounts = sorted(row["amount"][0] for row in rows)
    assert [amount.minimum, amount.maximum] == pytest.approx([amounts[0], amounts[-1]])
    assert amount.quantile(0.9) == pytest.approx(amounts[3600], abs=2)
    assert odd.not_numbers == sum(math.isnan(row["odd"][0]) for row in rows)
    texts = [row["narrative"][0] for row in rows if row["narrative"]]
    assert narrative.unique == 2
    length = sum(len(text.encode()) for text in texts) / len(texts)
    assert narrative.average_length == pytest.approx(length)


def test_missing_is_what_has_no_value_as_far_as_tfdv_counts_it(
    splits: list[SplitStatistics],
) -> None:
    rows = _rows(1, 4000, 0.0)

    narrative, several = splits[0].features["narrative"], splits[0].features["several"]

    assert narrative.missing_is_exact
    assert narrative.missing == sum(not row["narrative"] for row in rows)
    assert not several.missing_is_exact
    assert several.missing == sum(row["several"] is None for row in rows)


def test_all_features_are_shown(splits: list[SplitStatistics]) -> None:
    blocks = {getattr(block, "title", ""): block for block in statistics_blocks(splits)}

    for name in ("Features", "Missing values", "Histogram of amount", "Histogram of odd"):
        assert name in blocks
    assert "Most frequent values of product" in blocks


def test_a_schema_that_tfdv_infers_is_shown(protos: dict[str, Any], tmp_path: pathlib.Path) -> None:
    import tensorflow_data_validation as tfdv

    tfdv.write_schema_text(tfdv.infer_schema(protos["train"]), str(tmp_path / schema.FILE_NAME))

    rows = tables(schema.schema_section(str(tmp_path)))["Features of the schema"].rows

    found = {row[0]: row[1:] for row in rows}
    assert found["product"] == ["STRING", "required", "1", "Card, Loan, Mortgage", 3]
    assert found["amount"][:3] == ["FLOAT", "required", "1"]
    assert found["narrative"][1] == "optional"


def test_anomalies_that_tfdv_finds_are_shown(
    protos: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    import tensorflow_data_validation as tfdv

    inferred = tfdv.infer_schema(protos["train"])
    tfdv.get_domain(inferred, "product").value.remove("Card")
    tfdv.get_feature(inferred, "product").drift_comparator.infinity_norm.threshold = 0.001
    found = tfdv.validate_statistics(protos["eval"], inferred, previous_statistics=protos["train"])

    section = anomalies.anomalies_section(
        write_splits(tmp_path, anomalies.FILE_NAME, {"eval": found})
    )

    rows = [row for row in tables(section)["Anomalies"].rows if row[1] == "product"]
    assert sorted(str(row[3]) for row in rows) == [
        "High Linfty distance between current and previous",
        "Unexpected string values",
    ]
    assert {row[2] for row in rows} == {"ERROR"}
    assert any("Card" in str(row[4]) for row in rows)
