"""Finds the statistics that new ones are compared with: those of the previous span."""

import json
from collections.abc import Iterator, Sequence

import ml_metadata
from ml_metadata.proto.metadata_store_pb2 import Artifact, Event
from tfx import types
from tfx.dsl.components.common.resolver import ResolverStrategy

from components.execution_outcome import REFUSAL_PROPERTY

#: The Resolver's inputs: the statistics of this run, and all of this pipeline.
CURRENT_KEY = "current"
STATISTICS_KEY = "statistics"

#: What ExampleGen says of the files that examples come from; TFX's own has sizes and times only.
_INPUT_FILES_PROPERTY = "input_files"
_FINGERPRINT_PROPERTY = "input_fingerprint"

_OUTPUTS = (Event.OUTPUT, Event.DECLARED_OUTPUT)
_INPUTS = (Event.INPUT, Event.DECLARED_INPUT)


class PreviousStatisticsStrategy(ResolverStrategy):
    """Resolves the statistics of the latest span before this one.

    Where data come without spans, all in span 0, they are those of the latest earlier run on
    other data. Data that ExampleValidator has refused are nothing to compare with.
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
        alike = [
            each
            for each in input_dict[STATISTICS_KEY]
            if each.split_names == current.split_names and each.id != current.id
        ]
        candidates = (
            _earlier_spans(current, alike) if current.span else _earlier_data(store, current, alike)
        )
        found = [each for each in candidates if not _is_refused(store, each.id)][:1]
        return {CURRENT_KEY: [current], STATISTICS_KEY: found}


def _earlier_spans(
    current: types.Artifact, statistics: Sequence[types.Artifact]
) -> list[types.Artifact]:
    """Returns the statistics of the spans before the current one, the latest first."""
    earlier = [each for each in statistics if each.span < current.span]
    return sorted(earlier, key=lambda each: (each.span, each.id), reverse=True)


def _earlier_data(
    store: ml_metadata.MetadataStore, current: types.Artifact, statistics: Sequence[types.Artifact]
) -> Iterator[types.Artifact]:
    """Yields earlier statistics of other data than the current ones, the latest first."""
    data = _data_of(store, current.id)
    for each in sorted(statistics, key=lambda each: each.id, reverse=True):
        if each.id < current.id and _data_of(store, each.id) != data:
            yield each


def _data_of(store: ml_metadata.MetadataStore, statistics_id: int) -> list[str]:
    """Returns checksums of the data that statistics are of, or TFX's own fingerprints."""
    found = []
    for event in _events(store, statistics_id, _OUTPUTS):
        for examples in _artifacts(store, event.execution_id, _INPUTS):
            properties = examples.custom_properties
            if files := properties[_INPUT_FILES_PROPERTY].string_value:
                found += [file["sha256"] for file in json.loads(files)["files"]]
            else:
                found.append(properties[_FINGERPRINT_PROPERTY].string_value)
    return sorted(found)


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
