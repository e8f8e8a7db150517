"""What ExampleValidator has found in each split.

ExampleValidator of TFX 1.15 writes TFDV's ``Anomalies`` for each split into
``Split-.../SchemaDiff.pb``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.charts.files import read_message, read_splits, split_uris
from components.charts.section import Block, Cell, Note, Section, Table
from components.charts.text import counted, number_cell, short

FILE_NAME = "SchemaDiff.pb"

#: What the short description of a warning ends with whose feature has an error as well: TFDV keeps
#: one severity for all that it finds in a feature.
WARNING_ENDING = " (warning)"

_ROWS = 60

_DESCRIPTION_LENGTH = 1_000

_MEASURES = {
    "L_INFTY": "L-infinity",
    "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon",
    "NORMALIZED_ABSOLUTE_DIFFERENCE": "normalized absolute difference",
}

_Anomalies: TypeAlias = Mapping[str, anomalies_pb2.Anomalies]


def anomalies_section(uri: str) -> Section:
    """Returns the anomalies of all splits.

    Args:
        uri: The artifact of ExampleValidator.
    """
    found, errors = read_splits(
        uri, FILE_NAME, lambda _, file: read_message(file, anomalies_pb2.Anomalies)
    )
    blocks: list[Block] = [Note(text=str(error), level="unreadable") for error in errors]
    blocks += anomaly_blocks(found)
    return Section(id="anomalies", title="Anomalies", blocks=blocks)


def read_anomalies(uri: str) -> dict[str, anomalies_pb2.Anomalies]:
    """Reads the anomalies of each split; ``train`` and ``eval`` come first.

    Args:
        uri: The artifact of ExampleValidator.

    Raises:
        ArtifactError: If there is none, or a split's file cannot be read.
    """
    return {
        name: read_message(file, anomalies_pb2.Anomalies)
        for name, file in split_uris(uri, FILE_NAME).items()
    }


def anomaly_blocks(found: _Anomalies) -> list[Block]:
    """Returns anomalies as a table, or a note that there are none.

    Args:
        found: The anomalies of each split.
    """
    blocks: list[Block] = [
        Note(text=f"Split {short(split)} has no data to validate.", level="warning")
        for split, anomalies in found.items()
        if anomalies.data_missing
    ]
    rows = [row for split, anomalies in found.items() for row in _rows(short(split), anomalies)]
    # Errors first; of alike ones, in the splits' order.
    rows.sort(key=lambda row: row[2] != "ERROR")
    validated = [short(split) for split in found if not found[split].data_missing]
    if rows:
        left_out = len(rows) - _ROWS
        blocks.append(
            Table(
                title="Anomalies",
                columns=["split", "feature", "severity", "anomaly", "description"],
                rows=rows[:_ROWS],
                note=f"Not shown: {counted(left_out, 'anomaly row')} more." if left_out > 0 else "",
            )
        )
    elif validated:
        blocks.append(Note(text=f"No anomalies in {' and '.join(validated)}.", level="good"))
    measured = [row for split in found for row in _measured(short(split), found[split])]
    if measured:
        blocks.append(
            Table(
                title="Drift and skew that the schema has thresholds for",
                columns=["split", "feature", "comparison", "measure", "distance", "threshold"],
                rows=measured[:_ROWS],
            )
        )
    return blocks


def severity_of(info: anomalies_pb2.AnomalyInfo, reason: Any) -> int:
    """Returns the severity of one of the reasons that TFDV has for an anomaly."""
    if reason.short_description.endswith(WARNING_ENDING):
        return anomalies_pb2.AnomalyInfo.WARNING
    return info.severity


def _rows(split: str, anomalies: anomalies_pb2.Anomalies) -> Iterator[list[Cell]]:
    if anomalies.HasField("dataset_anomaly_info"):
        yield from _info_rows(split, "(data set)", anomalies.dataset_anomaly_info)
    for name in sorted(anomalies.anomaly_info):
        info = anomalies.anomaly_info[name]
        yield from _info_rows(split, ".".join(info.path.step) or name, info)


def _info_rows(split: str, feature: str, info: Any) -> Iterator[list[Cell]]:
    # Where there are several reasons, TFDV calls the whole "Multiple errors".
    for reason in info.reason or [info]:
        yield [
            split,
            short(feature) or "(data set)",
            anomalies_pb2.AnomalyInfo.Severity.Name(severity_of(info, reason)),
            short(reason.short_description.removesuffix(WARNING_ENDING)),
            short(reason.description, _DESCRIPTION_LENGTH),
        ]


def _measured(split: str, anomalies: anomalies_pb2.Anomalies) -> Iterator[list[Cell]]:
    for info in anomalies.drift_skew_info:
        for comparison, measurements in (
            ("drift", info.drift_measurements),
            ("skew", info.skew_measurements),
        ):
            for each in measurements:
                kind = anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(each.type)
                yield [
                    split,
                    short(".".join(info.path.step)),
                    comparison,
                    _MEASURES.get(kind, kind),
                    number_cell(each.value),
                    number_cell(each.threshold),
                ]
