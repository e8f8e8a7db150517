"""The driver of CsvExampleGen: which spans a run reads.

TFX's own driver reads one span. This one takes a range of them (TFX's RangeConfig), so that a
run trains on the last spans together.
"""

import json
import os
from typing import Any

from absl import logging
from google.protobuf import json_format
from tfx.components.example_gen import driver, utils
from tfx.dsl.io import fileio, filesystem
from tfx.orchestration import data_types
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs
from tfx.utils import io_utils, proto_utils

from components.errors import InputDataError
from components.spans import (
    FIRST_SPAN_PROPERTY,
    InputPattern,
    SpanRange,
    Window,
    spans_of,
    window,
)

#: Execution property: JSON list of the patterns of the spans to read, oldest first. TFX's cache
#: key has it. Not there where the input has no spans.
SPAN_PATTERNS_PROPERTY = "span_patterns"

#: Execution property: why the spans cannot be read, for the executor to fail with. TFX keeps an
#: execution whose driver has failed as running, one whose executor has failed as failed.
SPAN_PROBLEM_PROPERTY = "span_problem"

#: What is said of a folder without anything; a bucket has no folders to create.
NO_FOLDER = "there is no such folder; create it"
NOTHING_IN_BUCKET = "nothing is there; put CSV files there (complaint-pipeline stage)"

_EXAMPLES = (
    'range-config: \'{"rolling_range": {"num_spans": 3}}\' for the newest three spans, or '
    '\'{"static_range": {"start_span_number": 3, "end_span_number": 5}}\''
)


class Driver(driver.FileBasedDriver):
    """Resolves the spans; without a spec in the pattern it does what TFX's driver does."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Adds to the execution's properties what TFX's cache and the executor need.

        Args:
            exec_properties: The execution's properties.
            pipeline_info: Not used.
            component_info: Not used.

        Returns:
            They, with ``span``, ``version``, ``input_fingerprint`` of all files of all spans,
            ``span_patterns``, and the newest span's pattern in ``input_config``; or with
            ``span_problem`` if the range is not valid or its last span is not there.
        """
        config = example_gen_pb2.Input()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config
        )
        (split,) = config.splits
        pattern = InputPattern(split.pattern)
        folder = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        try:
            if not pattern.has_spans:
                return super().resolve_exec_properties(
                    exec_properties, pipeline_info, component_info
                )
            return self._with_spans(exec_properties, folder, config, pattern)
        except InputDataError as error:
            problem = str(error)
        except filesystem.NotFoundError as error:
            # A link that leads nowhere, or a file that somebody has just removed.
            problem = f"data-root '{folder}': a file in it cannot be read: {error.__cause__}"
        return exec_properties | {
            utils.SPAN_PROPERTY_NAME: 0,
            utils.VERSION_PROPERTY_NAME: None,
            SPAN_PROBLEM_PROPERTY: problem,
        }

    def _with_spans(
        self,
        exec_properties: dict[str, Any],
        folder: str,
        config: example_gen_pb2.Input,
        pattern: InputPattern,
    ) -> dict[str, Any]:
        (split,) = config.splits
        wanted = exec_properties.get(standard_component_specs.RANGE_CONFIG_KEY) or ""
        found = find_window(folder, pattern, span_range(wanted))
        newest = found.newest
        split.pattern = newest.pattern
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(
            config
        )
        exec_properties[utils.SPAN_PROPERTY_NAME] = newest.number
        exec_properties[utils.VERSION_PROPERTY_NAME] = newest.version
        exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = "\n".join(
            io_utils.generate_fingerprint(
                f"span-{span.number}",
                os.path.join(folder, span.pattern),  # noqa: PTH118 (may be a URI)
            )
            for span in found.spans
        )
        exec_properties[SPAN_PATTERNS_PROPERTY] = json.dumps([span.pattern for span in found.spans])
        exec_properties[FIRST_SPAN_PROPERTY] = found.spans[0].number
        return exec_properties

    def run(self, execution_info: ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Resolves the spans and writes them on the examples.

        Args:
            execution_info: The execution.

        Returns:
            Its properties, and the examples' artifact with ``span`` and ``first_span``.
        """
        output = super().run(execution_info)
        first = output.exec_properties.get(FIRST_SPAN_PROPERTY)
        if first is not None:
            artifacts = output.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts
            for examples in artifacts:
                properties = examples.custom_properties
                properties[FIRST_SPAN_PROPERTY].int_value = first.int_value
        return output


def span_range(text: str) -> SpanRange:
    """Returns the range that run parameter ``range-config`` asks for.

    Args:
        text: JSON of TFX's RangeConfig; empty for the newest span.

    Raises:
        InputDataError: If it is not one, or cannot be honoured.
    """
    config = range_config_pb2.RangeConfig()
    try:
        tree = json.loads(text or "{}")
        if not isinstance(tree, dict) or None in tree.values():
            raise json_format.ParseError("it is no mapping of a range to its numbers")
        # Unlike TFX's own reader of JSON, this one refuses a field that it does not know.
        json_format.ParseDict(tree, config)
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputDataError(f"range-config '{text[:200]}': {reason}; use {_EXAMPLES}") from error
    if config.HasField("static_range"):
        first, last = config.static_range.start_span_number, config.static_range.end_span_number
        if not 0 <= first <= last:
            raise InputDataError(
                f"range-config: spans {first} to {last} are not a range; use {_EXAMPLES}"
            )
        return SpanRange(first=first, last=last)
    if not config.HasField("rolling_range"):
        return SpanRange()
    rolling = config.rolling_range
    if rolling.num_spans < 1 or rolling.start_span_number < 0:
        raise InputDataError(
            f"range-config: num_spans is {rolling.num_spans} and start_span_number "
            f"{rolling.start_span_number}; use {_EXAMPLES}"
        )
    return SpanRange(length=rolling.num_spans, lowest=rolling.start_span_number)


def find_window(folder: str, pattern: InputPattern, wanted: SpanRange) -> Window:
    """Looks for the spans of a range in a folder, and logs which are missing.

    Args:
        folder: Folder or URI of the input.
        pattern: The pattern, with specs.
        wanted: The range.

    Returns:
        The spans to read.

    Raises:
        InputDataError: If the last span is not there, or one span has two names.
    """
    names = _names(folder, pattern.glob)
    spans = spans_of(pattern, names)
    strange = [name for name in names if pattern.span(name) is None]
    if strange:
        logging.warning(
            "%d files belong to no span of %s and are not read, such as %s",
            *(len(strange), pattern.text, strange[0]),
        )
    found = window(spans, wanted)
    if found is None:
        raise InputDataError(f"data-root '{folder}': {_problem(folder, pattern, spans, wanted)}")
    _warn_of_empty_folders(folder, pattern, spans)
    if found.missing:
        logging.warning(
            "no file for span %s; reading the others", ", ".join(map(str, found.missing))
        )
    logging.info("reading %s", ", ".join(span.pattern for span in found.spans))
    return found


def _problem(folder: str, pattern: InputPattern, spans: dict[int, Any], wanted: SpanRange) -> str:
    if not fileio.exists(folder):
        problem = NO_FOLDER if "://" not in folder else NOTHING_IN_BUCKET
        return f"{problem}, or set data-root to another folder"
    if not spans:
        return f"no file in it matches '{pattern.text}'; put a span there, or mend input_pattern"
    there = f"the spans in it are {min(spans)} to {max(spans)}"
    if wanted.last is not None:
        return f"no file for span {wanted.last}, the last of range-config; {there}"
    return f"no span from start_span_number {wanted.lowest} on; {there}"


def _names(folder: str, glob: str) -> list[str]:
    paths = fileio.glob(os.path.join(folder, glob))  # noqa: PTH118 (may be a URI)
    names = (path.removeprefix(folder).lstrip("/") for path in sorted(paths))
    # A span is written under a hidden name, and renamed when it is whole.
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _warn_of_empty_folders(folder: str, pattern: InputPattern, spans: dict[int, Any]) -> None:
    if pattern.folder_glob is None:
        return
    depth = pattern.folder_glob.count("/") + 1
    folders = InputPattern("/".join(pattern.text.split("/")[:depth]) + "/*")
    for name in _names(folder, pattern.folder_glob):
        span = folders.span(f"{name}/.")
        if span is not None and span.number not in spans:
            logging.warning("%s holds no file that matches; it does not count as a span", name)
