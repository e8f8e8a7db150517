"""TFDV's statistics of CSV files, with the columns' types as ExampleGen declares them."""

import itertools
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from components.complaints_csv import Complaint, read_complaints
from components.errors import InputDataError
from components.features import COLUMNS, TEXT_COLUMNS

#: Complaints that are in memory at a time.
_BATCH = 10_000


def csv_statistics(
    paths: Sequence[pathlib.Path], on_progress: Callable[[int], None] | None = None
) -> Any:
    """Returns the statistics of all complaints of some files together.

    Args:
        paths: CSV files as ExampleGen takes them.
        on_progress: Called with the complaints read so far.

    Returns:
        A ``DatasetFeatureStatisticsList``.

    Raises:
        InputDataError: If a file cannot be read, or ExampleGen would refuse it.
    """
    _import_tfdv_quietly()
    from tensorflow_data_validation.statistics import stats_impl, stats_options

    # TFDV's public function for what is in memory wants all of it at once.
    options = stats_options.StatsOptions()
    generators: list[Any] = stats_impl.get_generators(options, in_memory=True)
    accumulators = [generator.create_accumulator() for generator in generators]
    read = 0
    complaints = itertools.chain.from_iterable(_complaints(path) for path in paths)
    while batch := list(itertools.islice(complaints, _BATCH)):
        examples = _record_batch(batch)
        accumulators = [
            generator.add_input(accumulator, examples)
            for generator, accumulator in zip(generators, accumulators, strict=True)
        ]
        read += len(batch)
        if on_progress is not None:
            on_progress(read)
    return stats_impl.extract_statistics_output(accumulators, generators)


def _import_tfdv_quietly() -> None:
    """Imports TFDV, which takes seconds: --help and a wrong path need none of it."""
    # TensorFlow's start-up notes are about training, and hide what the user is to read.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras would write its settings into the user's home when it is imported.
    os.environ.setdefault("KERAS_HOME", os.devnull)
    with warnings.catch_warnings():
        # Google's clients warn of Python 3.10, which TFX 1.15.1 needs.
        warnings.simplefilter("ignore", FutureWarning)
        import tensorflow_data_validation  # noqa: F401


def _complaints(path: pathlib.Path) -> Iterator[Complaint]:
    try:
        with path.open("rb") as stream:
            yield from read_complaints(stream, str(path))
    except OSError as error:
        raise InputDataError(
            f"{path}: cannot be read ({error.strerror}); name a readable CSV file"
        ) from error


def _record_batch(complaints: Sequence[Complaint]) -> Any:
    """Returns complaints as ExampleGen's examples are read: an empty cell is an empty list."""
    import pyarrow as pa

    arrays = [
        pa.array([[cell] if cell else [] for cell in column], pa.large_list(pa.large_binary()))
        for column in zip(*(complaint.cells for complaint in complaints), strict=True)
    ]
    labels = [[complaint.disputed] for complaint in complaints]
    arrays.append(pa.array(labels, pa.large_list(pa.int64())))
    names = [*TEXT_COLUMNS, *(column for column in COLUMNS if column not in TEXT_COLUMNS)]
    return pa.RecordBatch.from_arrays(arrays, names)
