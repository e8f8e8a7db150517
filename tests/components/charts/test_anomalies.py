"""Anomalies as a section."""

import pathlib

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.charts.anomalies import FILE_NAME, anomalies_section, read_anomalies
from components.charts.files import ArtifactError
from tests.components.charts.protos import HOSTILE, notes, tables, write_splits

_ERROR, _WARNING = anomalies_pb2.AnomalyInfo.ERROR, anomalies_pb2.AnomalyInfo.WARNING


def _anomalies(
    *found: tuple[str, anomalies_pb2.AnomalyInfo.Severity, str, str],
) -> anomalies_pb2.Anomalies:
    anomalies = anomalies_pb2.Anomalies()
    for feature, severity, short_description, description in found:
        info = anomalies.anomaly_info[feature]
        info.path.step.append(feature)
        info.severity = severity
        info.short_description, info.description = short_description, description
    return anomalies


def test_no_anomalies_are_good(tmp_path: pathlib.Path) -> None:
    empty = {"train": _anomalies(), "eval": _anomalies()}

    section = anomalies_section(write_splits(tmp_path, FILE_NAME, empty))

    assert notes(section) == [("good", "No anomalies in train and eval.")]
    assert not tables(section)


def test_each_anomaly_is_a_row_and_errors_come_first(tmp_path: pathlib.Path) -> None:
    train = _anomalies(
        ("state", _WARNING, "Unexpected string values", "Examples contain values missing: ZZ."),
        ("age", _ERROR, "Multiple errors", "both"),
    )
    train.anomaly_info["age"].reason.add(short_description="Column dropped", description="Gone.")
    train.anomaly_info["age"].reason.add(short_description="Out-of-range", description="Over 9.")
    evaluation = _anomalies()
    evaluation.dataset_anomaly_info.severity = _ERROR
    evaluation.dataset_anomaly_info.short_description = "Low num examples"

    section = anomalies_section(
        write_splits(tmp_path, FILE_NAME, {"train": train, "eval": evaluation})
    )

    assert tables(section)["Anomalies"].rows == [
        ["train", "age", "ERROR", "Column dropped", "Gone."],
        ["train", "age", "ERROR", "Out-of-range", "Over 9."],
        ["eval", "(data set)", "ERROR", "Low num examples", ""],
        *[
            [
                *("train", "state", "WARNING", "Unexpected string values"),
                "Examples contain values missing: ZZ.",
            ]
        ],
    ]
    assert not notes(section)


def test_a_split_without_data_is_not_called_good(tmp_path: pathlib.Path) -> None:
    missing = _anomalies()
    missing.data_missing = True

    section = anomalies_section(write_splits(tmp_path, FILE_NAME, {"eval": missing}))

    assert notes(section) == [("warning", "Split eval has no data to validate.")]


def test_drift_and_skew_are_shown_with_their_thresholds(tmp_path: pathlib.Path) -> None:
    anomalies = _anomalies()
    info = anomalies.drift_skew_info.add()
    info.path.step.append("state")
    info.drift_measurements.add(type="L_INFTY", value=0.25, threshold=0.1)
    info.skew_measurements.add(type="JENSEN_SHANNON_DIVERGENCE", value=0.5, threshold=1.0)

    section = anomalies_section(write_splits(tmp_path, FILE_NAME, {"train": anomalies}))

    assert tables(section)["Drift and skew that the schema has thresholds for"].rows == [
        ["train", "state", "drift", "L-infinity", 0.25, 0.1],
        ["train", "state", "skew", "Jensen-Shannon", 0.5, 1],
    ]


def test_many_anomalies_with_long_texts_are_bounded(tmp_path: pathlib.Path) -> None:
    many = _anomalies(
        *((f"{number} {HOSTILE}", _ERROR, HOSTILE * 100, HOSTILE * 500) for number in range(200))
    )

    table = tables(anomalies_section(write_splits(tmp_path, FILE_NAME, {"train": many})))[
        "Anomalies"
    ]

    assert len(table.rows) == 60
    assert table.note == "Not shown: 140 anomaly rows more."
    assert max(len(str(cell)) for row in table.rows for cell in row) <= 1002


def test_a_split_that_cannot_be_read_is_a_failure_and_not_good(tmp_path: pathlib.Path) -> None:
    uri = write_splits(tmp_path, FILE_NAME, {"train": _anomalies(), "eval": _anomalies()})
    (tmp_path / "Split-eval" / FILE_NAME).write_bytes(b"\xff")

    assert notes(anomalies_section(uri)) == [
        ("unreadable", f"{uri}/Split-eval/{FILE_NAME} is no Anomalies, or is cut off"),
        ("good", "No anomalies in train."),
    ]
    with pytest.raises(ArtifactError, match="is cut off"):
        read_anomalies(uri)


def test_an_artifact_that_is_not_there_is_a_failure(tmp_path: pathlib.Path) -> None:
    assert [level for level, _ in notes(anomalies_section(f"{tmp_path}/no"))] == ["unreadable"]
