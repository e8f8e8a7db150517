"""Finds the statistics that new ones are compared with: those of the previous span."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence

import ml_metadata
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event
from tfx import types
from tfx.dsl.components.common.resolver import ResolverStrategy

from components.artifact_storage import is_there
from components.execution_outcome import REFUSAL_PROPERTY, span_numbers
from components.spans import FIRST_SPAN_PROPERTY, SPAN_PROPERTY

#: The Resolver's inputs: the statistics of this run, and all of this pipeline.
CURRENT_KEY = "current"
STATISTICS_KEY = "statistics"

#: What ExampleGen says of the files that examples come from; TFX's own has sizes and times only.
_INPUT_FILES_PROPERTY = "input_files"
_FINGERPRINT_PROPERTY = "input_fingerprint"

_OUTPUTS = (Event.OUTPUT, Event.DECLARED_OUTPUT)
_INPUTS = (Event.INPUT, Event.DECLARED_INPUT)


@dataclasses.dataclass(frozen=True)
class _Data:
    """What statistics are of.

    Attributes:
        files: Checksums of the files, or TFX's own fingerprints.
        spans: The first and the last span; ``None`` where the data come without.
    """

    files: tuple[str, ...]
    spans: tuple[int, int] | None


class PreviousStatisticsStrategy(ResolverStrategy):
    """Resolves the statistics of the latest span before this one.

    Of windows of spans it is the latest that has no span of this one, since what both hold cannot
    differ; where there is none, the latest that ends earlier. Where data come without spans, it is
    the latest earlier run on other data. Data that ExampleValidator has refused are nothing to
    compare with, and neither are statistics that have been deleted.
    """

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Chooses the artifact.

        Args:
            store: The metadata store.
            input_dict: ``current``, the statistics of this run, and ``statistics``, all of this
                pipeline.

        Returns:
            ``current`` as it was, and ``statistics`` with one artifact or none; ``None`` without
            statistics of this run.
        """
        if not input_dict[CURRENT_KEY]:
            return None
        (current,) = input_dict[CURRENT_KEY]
        # Statistics of other splits are not those of examples to train on.
        alike = {
            each.id: each
            for each in input_dict[STATISTICS_KEY]
            if each.split_names == current.split_names and each.id != current.id
        }
        data = _data_of(store, [current.id, *alike])
        of_current = data.pop(current.id)
        candidates = (
            _earlier_data(current.id, of_current, data)
            if of_current.spans is None
            else _earlier_spans(of_current.spans, data)
        )
        usable = (
            alike[each]
            for each in candidates
            if not _is_refused(store, each) and is_there(alike[each])
        )
        return {CURRENT_KEY: [current], STATISTICS_KEY: list(itertools.islice(usable, 1))}


def _earlier_spans(current: tuple[int, int], data: Mapping[int, _Data]) -> list[int]:
    """Returns statistics of spans before the current ones, the best first."""
    earlier = {each: of.spans for each, of in data.items() if of.spans and of.spans[1] < current[1]}
    return sorted(
        earlier,
        key=lambda each: (earlier[each][1] < current[0], earlier[each][1], each),
        reverse=True,
    )


def _earlier_data(current: int, of_current: _Data, data: Mapping[int, _Data]) -> list[int]:
    """Returns earlier statistics of other data than the current ones, the latest first."""
    return sorted(
        (each for each, of in data.items() if each < current and of.files != of_current.files),
        reverse=True,
    )


def _data_of(store: ml_metadata.MetadataStore, statistics: Sequence[int]) -> dict[int, _Data]:
    """Returns the data behind statistics, in three calls however many they are."""
    made_by = {
        event.artifact_id: event.execution_id
        for event in store.get_events_by_artifact_ids(statistics)
        if event.type in _OUTPUTS
    }
    inputs: dict[int, set[int]] = {}
    if made_by:
        for event in store.get_events_by_execution_ids(sorted(set(made_by.values()))):
            if event.type in _INPUTS:
                inputs.setdefault(event.execution_id, set()).add(event.artifact_id)
    examples = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id(sorted(set().union(*inputs.values())))
    }
    return {
        each: _data([examples[number] for number in sorted(inputs.get(made_by.get(each, 0), ()))])
        for each in statistics
    }


def _data(examples: Sequence[Artifact]) -> _Data:
    files: list[str] = []
    spans = None
    for each in examples:
        properties = each.custom_properties
        if found := properties[_INPUT_FILES_PROPERTY].string_value:
            files += [file["sha256"] for file in json.loads(found)["files"]]
        else:
            files.append(properties[_FINGERPRINT_PROPERTY].string_value)
        # StatisticsGen's own property of the span is 0: it looks at another one of the examples.
        if numbers := span_numbers(each):
            spans = (int(numbers[FIRST_SPAN_PROPERTY]), int(numbers[SPAN_PROPERTY]))
    return _Data(tuple(sorted(files)), spans)


def _is_refused(store: ml_metadata.MetadataStore, statistics_id: int) -> bool:
    """Whether each validation of statistics has refused them."""
    verdicts = [
        bool(anomalies.custom_properties[REFUSAL_PROPERTY].string_value)
        for event in _events(store, statistics_id, _INPUTS)
        # Where it was the previous statistics, the verdict is about others.
        if event.path.steps and event.path.steps[0].key == STATISTICS_KEY
        for anomalies in _artifacts(store, event.execution_id, _OUTPUTS)
        if anomalies.type == "ExampleAnomalies"
    ]
    return bool(verdicts) and all(verdicts)


def _events(
    store: ml_metadata.MetadataStore, artifact_id: int, types_of_event: Sequence[int]
) -> list[Event]:
    events = store.get_events_by_artifact_ids([artifact_id])
    return [event for event in events if event.type in types_of_event]


def _artifacts(
    store: ml_metadata.MetadataStore, execution_id: int, types_of_event: Sequence[int]
) -> list[Artifact]:
    events = store.get_events_by_execution_ids([execution_id])
    return store.get_artifacts_by_id(
        [event.artifact_id for event in events if event.type in types_of_event]
    )
