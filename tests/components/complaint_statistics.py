"""TFDV's statistics of made-up rows, for tests of their validation."""

from collections.abc import Mapping, Sequence
from typing import Any

from components import features

#: A complaint in which nothing is missing.
COMPLAINT: Mapping[str, str | int] = {
    "product": "Mortgage",
    "sub_product": "Other mortgage",
    "issue": "Other",
    "sub_issue": "Late fee",
    "consumer_complaint_narrative": "They did not answer.",
    "company": "Example Bank",
    "state": "NJ",
    "zip_code": "08540",
    "company_response": "Closed",
    "timely_response": "Yes",
    "consumer_disputed": 0,
}


def complaints(count: int, **cells: Sequence[str | int]) -> list[dict[str, str | int]]:
    """Complaints that differ in some cells, of which each sequence is repeated."""
    return [
        {**COMPLAINT, **{name: values[i % len(values)] for name, values in cells.items()}}
        for i in range(count)
    ]


def statistics_of(
    rows: Sequence[Mapping[str, str | int]], columns: Sequence[str] = features.COLUMNS
) -> Any:
    """The statistics of examples as ExampleGen makes them."""
    import pyarrow as pa
    from tensorflow_data_validation.statistics import stats_impl

    arrays = []
    for column in columns:
        cells = [[row[column]] if row[column] != "" else [] for row in rows]
        kind: Any = pa.int64()
        if not any(isinstance(cell[0], int) for cell in cells if cell):
            kind = pa.binary()
            cells = [[str(value).encode() for value in cell] for cell in cells]
        arrays.append(pa.array(cells, pa.list_(kind)))
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    return stats_impl.generate_statistics_in_memory(batch)
