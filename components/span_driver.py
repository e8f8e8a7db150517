"""The driver of CsvExampleGen: which spans of the data a run takes.

TFX's own driver takes one span: the newest, or a given one. This one also takes a window of spans,
all for training, of which the newest one alone is evaluated on.
"""

import hashlib
import json
import os
from typing import Any

from absl import logging
from tfx.components.example_gen import driver, utils
from tfx.dsl.io import fileio
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.errors import InputDataError
from components.spans import Span, SpanPattern, Window

#: Execution property with the patterns of the spans before the newest one, as JSON.
EARLIER_PATTERNS_PROPERTY = "earlier_patterns"

#: Execution property, and custom property of the examples, with the spans' names.
SPANS_PROPERTY = "spans"


class Driver(driver.FileBasedDriver):
    """Resolves the spans, and what TFX's cache compares."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Fills in the span and the fingerprint of its files.

        Args:
            exec_properties: The execution's properties.
            pipeline_info: Not used.
            component_info: Not used.

        Returns:
            The properties; without spans in the pattern as TFX's own driver leaves them.

        Raises:
            InputDataError: If there is no span of the range.
        """
        input_config = example_gen_pb2.Input()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config
        )
        split = input_config.splits[0]
        pattern = SpanPattern(split.pattern)
        if not pattern.has_spans:
            return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
        folder = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        window = _window(exec_properties.get(standard_component_specs.RANGE_CONFIG_KEY))
        spans = window.choose(_spans(folder, pattern), f"data-root '{folder}'")
        newest = spans[-1]
        logging.info("Spans: %s", ", ".join(span.name for span in spans))
        split.pattern = newest.pattern
        return {
            **exec_properties,
            standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(input_config),
            utils.SPAN_PROPERTY_NAME: newest.number,
            utils.VERSION_PROPERTY_NAME: newest.version,
            utils.FINGERPRINT_PROPERTY_NAME: _fingerprint(folder, split.name, spans),
            EARLIER_PATTERNS_PROPERTY: json.dumps([span.pattern for span in spans[:-1]]),
            SPANS_PROPERTY: ", ".join(span.name for span in spans),
        }


def _window(text: str | None) -> Window:
    config = range_config_pb2.RangeConfig()
    if text:
        proto_utils.json_to_proto(text, config)
    if config.HasField("static_range"):
        fixed = config.static_range
        if fixed.end_span_number < fixed.start_span_number:
            raise InputDataError(
                f"range-config: span {fixed.end_span_number} is before {fixed.start_span_number}; "
                "set end_span_number to the later one"
            )
        return Window(fixed.start_span_number, fixed.end_span_number, None)
    if config.HasField("rolling_range"):
        rolling = config.rolling_range
        if rolling.num_spans < 1:
            raise InputDataError("range-config: num_spans is not 1 or more")
        return Window(rolling.start_span_number or None, None, rolling.num_spans)
    return Window()


def _spans(folder: str, pattern: SpanPattern) -> list[Span]:
    glob = os.path.join(folder, pattern.glob)  # noqa: PTH118 (may be a URI)
    start = len(folder.rstrip("/")) + 1
    names = [path[start:] for path in fileio.glob(glob)]
    # A folder that is being written bears a hidden name.
    names = [name for name in names if not any(part[:1] == "." for part in name.split("/"))]
    if not names:
        raise InputDataError(
            f"data-root '{folder}': no file matches '{pattern.text}'; put a span there, or set "
            "data-root to another folder"
        )
    return pattern.spans(names)


def _fingerprint(folder: str, split_name: str, spans: list[Span]) -> str:
    """Returns what changes with any file of the spans."""
    base = example_gen_pb2.Input.Split(name=split_name)
    parts = []
    for span in spans:
        base.pattern = span.pattern
        parts.append(utils.calculate_splits_fingerprint_span_and_version(folder, [base])[0])
    if len(parts) == 1:
        return parts[0]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"split:{split_name},num_spans:{len(parts)},sha256:{digest}"
