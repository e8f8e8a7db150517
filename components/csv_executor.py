"""The executor of CsvExampleGen: from CSV files to tf.Examples, by Beam.

It leaves on the examples which files they come from, with the checksum of the bytes that were
read and the number of rows. TFX's own fingerprint has sizes and times only.
"""

import functools
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tfx import types
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs

from components.complaints_csv import Complaint, read_complaints
from components.errors import InputDataError, RunError
from components.features import LABEL_KEY, TEXT_COLUMNS
from components.s3_reader import FileOpener
from components.span_driver import (
    NO_FOLDER,
    NOTHING_IN_BUCKET,
    SPAN_PATTERNS_PROPERTY,
    SPAN_PROBLEM_PROPERTY,
)

#: Custom property of the examples with the files that they come from, as JSON: ``files`` (``name``
#: within the folder, ``bytes``, ``sha256``, ``rows``), ``left_out`` (how many files more there
#: were), and ``bytes`` and ``rows`` of them all.
INPUT_FILES_PROPERTY = "input_files"

#: The split that older spans add to.
TRAIN_SPLIT = "train"

#: The most files that the property lists.
_MAX_INPUT_FILES = 1_000

#: Where the workers leave what they have read: beneath the examples, which all workers can reach.
_RECORDS_KEY = "input_files_folder"
_RECORDS_FOLDER = ".input_files"

#: Record of how many examples of older spans stay out of the training.
_HELD_OUT_RECORD = "held_out.json"

#: Execution property with the patterns to read instead of the one in ``input_config``.
_PATTERNS_KEY = "patterns"

#: The output of what has been read.
_READ = "read"

#: Beam appends the step to an error's message, or wraps the worker's traceback into another.
_STEP = re.compile(r" \[while running '[^']*'\].*")
_WRAPPED = re.compile(rf"{InputDataError.__name__}: ([^\n]+)")


class Executor(BaseExampleGenExecutor):
    """Reads CSV files whose columns ``components.features`` declares.

    TFX's own executor infers each column's type from its values, so that a ZIP column turns
    from text to numbers with the data, and it fails on a bad row with the bare cells.
    """

    #: Whether the complaints have a label, and the run parameter that names their folder.
    with_label = True
    parameter = "data-root"

    def GetInputSourceToExamplePTransform(  # noqa: N802 (TFX's name)
        self,
    ) -> Callable[[dict[str, Any], str], beam.PTransform]:
        """Returns the transform from input source to serialized tf.Examples."""
        return functools.partial(
            _CsvToExamples, with_label=self.with_label, parameter=self.parameter
        )

    def GenerateExamplesByBeam(  # noqa: N802 (TFX's name)
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Reads the newest span as TFX does, and adds what to train on of the older ones.

        The eval split is the newest span's alone, so that a model is measured on the newest
        data. What the hash holds out of an older span stays held out: no complaint that a model
        was once measured on is trained on later.

        Args:
            pipeline: The Beam pipeline.
            exec_properties: The execution's properties.

        Returns:
            The examples of each split.
        """
        splits = super().GenerateExamplesByBeam(pipeline, exec_properties)
        patterns = json.loads(exec_properties.get(SPAN_PATTERNS_PROPERTY) or "[]")
        if older := patterns[:-1]:
            trained_on = pipeline | "OlderSpans" >> _TrainOfSpans(self, exec_properties, older)
            splits[TRAIN_SPLIT] = (
                splits[TRAIN_SPLIT],
                trained_on,
            ) | "AllSpans" >> beam.Flatten()
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
            RunError: If there are not as many examples as rows.
        """
        if problem := exec_properties.get(SPAN_PROBLEM_PROPERTY):
            raise InputDataError(problem)
        examples = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        records = _join(examples.uri, _RECORDS_FOLDER)
        try:
            super().Do(input_dict, output_dict, {**exec_properties, _RECORDS_KEY: records})
        except Exception as error:
            message = _input_problem(error)
            if message is None:
                raise
            raise InputDataError(message) from None
        held_out, files = _read_records(records)
        _require_all(examples, sum(file["rows"] for file in files), held_out)
        examples.set_string_custom_property(INPUT_FILES_PROPERTY, _input_files(files))
        fileio.rmtree(records)


class ServingExecutor(Executor):
    """Reads what a model was asked, whose label nobody knows."""

    with_label = False
    parameter = "serving-root"


class _TrainOfSpans(beam.PTransform):
    """Reads spans; gives the examples that TFX's own split puts into ``train``.

    It is a scope of its own for the steps that TFX adds by fixed names.
    """

    def __init__(
        self, executor: Executor, exec_properties: dict[str, Any], patterns: Sequence[str]
    ) -> None:
        super().__init__()
        self._executor = executor
        self._exec_properties = {**exec_properties, _PATTERNS_KEY: patterns}

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        splits = BaseExampleGenExecutor.GenerateExamplesByBeam(
            self._executor, begin.pipeline, self._exec_properties
        )
        path = _join(self._exec_properties[_RECORDS_KEY], _HELD_OUT_RECORD)
        _ = (
            [examples for split, examples in splits.items() if split != TRAIN_SPLIT]
            | beam.Flatten(pipeline=begin.pipeline)
            | beam.combiners.Count.Globally()
            | "RecordHeldOut" >> beam.Map(_record, path)
        )
        return splits[TRAIN_SPLIT]


class _CsvToExamples(beam.PTransform):
    """Reads the CSV files that patterns match; each file is one unit of work."""

    def __init__(
        self,
        exec_properties: dict[str, Any],
        split_pattern: str,
        *,
        with_label: bool,
        parameter: str,
    ) -> None:
        super().__init__()
        self._with_label = with_label
        self._parameter = parameter
        self._folder = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        self._patterns = exec_properties.get(_PATTERNS_KEY, [split_pattern])
        self._records = exec_properties[_RECORDS_KEY]

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        read = (
            pipeline
            | "Files"
            >> beam.Create(
                [
                    path
                    for pattern in self._patterns
                    for path in _csv_files(self._folder, pattern, self._parameter)
                ]
            )
            # Without it, one worker reads them all.
            | "OneFileEach" >> beam.Reshuffle()
            | "ReadComplaints"
            >> beam.ParDo(_ReadExamples(self._folder, self._with_label)).with_outputs(
                _READ, main="examples"
            )
        )
        # The patterns tell the input splits apart.
        name = hashlib.sha256("\n".join(self._patterns).encode()).hexdigest()
        path = _join(self._records, f"{name}.json")
        _ = (
            read[_READ]
            | "AllFiles" >> beam.combiners.ToList()
            | "DecodeFiles" >> beam.Map(lambda records: [json.loads(each) for each in records])
            | "RecordFiles" >> beam.Map(_record, path)
        )
        return read.examples


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(bytes)
class _ReadExamples(beam.DoFn):
    """From a CSV file to serialized tf.Examples, which Beam passes on faster than messages.

    At its end comes what has been read, as the output ``read``.
    """

    def __init__(self, folder: str, with_label: bool) -> None:
        super().__init__()
        self._folder = folder
        self._with_label = with_label

    def setup(self) -> None:
        """Beam calls this in each worker."""
        self._files = FileOpener()

    def process(self, path: str) -> Iterator[bytes | beam.pvalue.TaggedOutput]:
        rows = 0
        try:
            with self._files.open(path) as stream:
                counted = _Counted(stream)
                for complaint in read_complaints(counted, path, with_label=self._with_label):
                    # What is known by now was not when the model was asked.
                    known = complaint if self._with_label else complaint._replace(disputed=None)
                    yield serialized_example(known)
                    rows += 1
        except OSError as error:
            raise InputDataError(f"{path}: cannot be read: {_one_line(error)}") from error
        record = {
            "name": path.removeprefix(self._folder).lstrip("/"),
            "bytes": counted.length,
            "sha256": counted.digest.hexdigest(),
            "rows": rows,
        }
        yield beam.pvalue.TaggedOutput(_READ, json.dumps(record).encode())


class _Counted(io.BufferedIOBase, BinaryIO):
    """A stream that counts and hashes what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.length = 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        chunk = self._stream.read(-1 if size is None else size)
        self.length += len(chunk)
        self.digest.update(chunk)
        return chunk

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)


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
    if complaint.disputed is not None:
        feature[LABEL_KEY].int64_list.value.append(complaint.disputed)
    return example.SerializeToString(deterministic=True)


def _record(found: Any, path: str) -> None:
    fileio.makedirs(os.path.dirname(path))  # noqa: PTH120 (may be a URI)
    with fileio.open(path, "w") as stream:
        stream.write(json.dumps(found))


def _read_records(folder: str) -> tuple[int, list[dict[str, Any]]]:
    """Returns how many examples were held out of older spans, and the files that were read."""
    held_out = 0
    files: list[dict[str, Any]] = []
    for name in fileio.listdir(folder):
        with fileio.open(_join(folder, name)) as stream:
            found = json.loads(stream.read())
        if name == _HELD_OUT_RECORD:
            held_out = found
        else:
            files += found
    return held_out, sorted(files, key=lambda file: str(file["name"]))


def _input_files(files: Sequence[dict[str, Any]]) -> str:
    """Returns what the workers have read, as JSON."""
    return json.dumps(
        {
            "files": files[:_MAX_INPUT_FILES],
            "left_out": max(0, len(files) - _MAX_INPUT_FILES),
            "bytes": sum(file["bytes"] for file in files),
            "rows": sum(file["rows"] for file in files),
        }
    )


def _require_all(examples: types.Artifact, rows: int, held_out: int) -> None:
    """Counts what was written: a runner may lose examples without an error."""
    patterns = [
        _join(artifact_utils.get_split_uri([examples], split), "*.gz")
        for split in artifact_utils.decode_split_names(examples.split_names)
    ]
    paths = sorted(path for pattern in patterns for path in fileio.glob(pattern))
    records = tf.data.TFRecordDataset(paths, "GZIP", num_parallel_reads=tf.data.AUTOTUNE)
    written = int(
        records.batch(1024).reduce(
            np.int64(0), lambda total, batch: total + tf.size(batch, tf.int64)
        )
    )
    if written + held_out != rows:
        raise RunError(
            f"{rows:,} rows were read, but {written + held_out:,} examples came of them: Beam's "
            "runner has lost or doubled some; choose another one by the setting beam.runner"
        )


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 (may be a URI)


def _csv_files(folder: str, pattern: str, parameter: str) -> list[str]:
    """Returns the files of a folder that match, in order; ``parameter`` has named the folder."""
    glob = _join(folder, pattern)
    if re.search(r"[][*?]", folder):
        # TFX looks for these files by the same pattern, to tell new data from old.
        raise InputDataError(
            f"{parameter} '{folder}': [, ], * and ? are not for folders; rename it"
        )
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
            problem = NO_FOLDER if "://" not in folder else NOTHING_IN_BUCKET
        elif not fileio.isdir(folder):
            problem = "it is a file; give the folder it is in"
        else:
            problem = f"no file in it matches '{pattern}'; put a CSV file there"
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):  # noqa: PTH112
                problem = "it may not be read; change its permissions"
    except (OSError, tf.errors.OpError) as error:
        problem = f"it cannot be read: {_one_line(error)}"
    raise InputDataError(f"{parameter} '{folder}': {problem}, or set {parameter} to another folder")


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
