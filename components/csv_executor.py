"""The executor of CsvExampleGen: from CSV files to tf.Examples, by Beam."""

import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from tfx import types
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs

from components.complaints_csv import Complaint, read_complaints
from components.errors import InputDataError
from components.features import LABEL_KEY, TEXT_COLUMNS

#: Beam appends the step to an error's message, or wraps the worker's traceback into another.
_STEP = re.compile(r" \[while running '[^']*'\].*")
_WRAPPED = re.compile(rf"{InputDataError.__name__}: ([^\n]+)")


class Executor(BaseExampleGenExecutor):
    """Reads CSV files whose columns ``components.features`` declares.

    TFX's own executor infers each column's type from its values, so that a ZIP column turns
    from text to numbers with the data, and it fails on a bad row with the bare cells.
    """

    def GetInputSourceToExamplePTransform(self) -> type[beam.PTransform]:  # noqa: N802 (TFX's name)
        """Returns the transform from input source to serialized tf.Examples."""
        return _CsvToExamples

    def GenerateExamplesByBeam(  # noqa: N802 (TFX's name)
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Adds to TFX's own a check that no split is empty.

        Args:
            pipeline: The Beam pipeline.
            exec_properties: The execution's properties.

        Returns:
            The examples of each split.
        """
        splits = super().GenerateExamplesByBeam(pipeline, exec_properties)
        for split, examples in splits.items():
            _ = (
                examples
                | f"Count[{split}]" >> beam.combiners.Count.Globally()
                | f"RequireExamples[{split}]" >> beam.Map(_require_examples, split)
            )
        return splits

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the conversion.

        Args:
            input_dict: Nothing.
            output_dict: The ``examples`` artifact.
            exec_properties: The execution's properties.

        Raises:
            InputDataError: If the input cannot be taken.
        """
        try:
            super().Do(input_dict, output_dict, exec_properties)
        except Exception as error:
            message = _input_problem(error)
            if message is None:
                raise
            raise InputDataError(message) from None


class _CsvToExamples(beam.PTransform):
    """Reads the CSV files that a pattern matches; each file is one unit of work."""

    def __init__(self, exec_properties: dict[str, Any], split_pattern: str) -> None:
        super().__init__()
        self._folder = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        self._pattern = split_pattern

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Files" >> beam.Create(_csv_files(self._folder, self._pattern))
            # Without it, one worker reads them all.
            | "OneFileEach" >> beam.Reshuffle()
            | "ReadComplaints" >> beam.ParDo(_ReadExamples())
        )


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(bytes)
class _ReadExamples(beam.DoFn):
    """From a CSV file to serialized tf.Examples, which Beam passes on faster than messages."""

    def process(self, path: str) -> Iterator[bytes]:
        try:
            with FileSystems.open(path) as stream:
                for complaint in read_complaints(stream, path):
                    yield serialized_example(complaint)
        except OSError as error:
            raise InputDataError(f"{path}: cannot be read: {_one_line(error)}") from error


def serialized_example(complaint: Complaint) -> bytes:
    """Returns a complaint as a serialized tf.Example.

    A missing value is a list without values, so that its column has a type even where every
    value is missing.

    Args:
        complaint: The complaint.

    Returns:
        The same bytes for the same complaint: the split hashes them.
    """
    example = tf.train.Example()
    feature = example.features.feature
    for column, cell in zip(TEXT_COLUMNS, complaint.cells, strict=True):
        if cell:
            feature[column].bytes_list.value.append(cell)
        else:
            feature[column].bytes_list.SetInParent()
    feature[LABEL_KEY].int64_list.value.append(complaint.disputed)
    return example.SerializeToString(deterministic=True)


def _csv_files(folder: str, pattern: str) -> list[str]:
    """Returns the files of a folder that match, in order."""
    glob = os.path.join(folder, pattern)  # noqa: PTH118 (may be a URI)
    if re.search(r"[][*?]", folder):
        # TFX looks for these files by the same pattern, to tell new data from old.
        raise InputDataError(f"data-root '{folder}': [, ], * and ? are not for folders; rename it")
    try:
        files = [
            path
            for path in sorted(fileio.glob(glob))
            if not os.path.basename(path).startswith(".")  # noqa: PTH119 (may be a URI)
            and not fileio.isdir(path)
        ]
        if files:
            for path in files:
                _require_readable(path)
            return files
        if not fileio.exists(folder):
            problem = "there is no such folder; create it"
        elif not fileio.isdir(folder):
            problem = "it is a file; give the folder it is in"
        else:
            problem = f"no file in it matches '{pattern}'; put a CSV file there"
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):  # noqa: PTH112
                problem = "it may not be read; change its permissions"
    except (OSError, tf.errors.OpError) as error:
        problem = f"it cannot be read: {_one_line(error)}"
    raise InputDataError(f"data-root '{folder}': {problem}, or set data-root to another folder")


def _require_readable(path: str) -> None:
    """Refuses a pipe, which would keep the step waiting, or a device."""
    local = pathlib.Path(path)
    if local.exists() and not local.is_file():
        raise InputDataError(f"{path}: is not a regular file; remove it")


def _require_examples(count: int, split: str) -> None:
    if count == 0:
        raise InputDataError(
            f"no complaint falls into split '{split}': the files hold too few, or all alike; "
            "add rows"
        )


def _input_problem(error: BaseException) -> str | None:
    """Returns the message of an InputDataError that Beam passed on, or None."""
    if isinstance(error, InputDataError):
        return _STEP.sub("", _one_line(error))
    found = _WRAPPED.findall(str(error))
    return _STEP.sub("", found[-1]).strip() if found else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
