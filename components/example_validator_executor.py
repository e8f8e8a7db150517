"""The executor of ExampleValidator: anomalies, drift and skew, and whether the run may go on.

TFX 1.15's own compares statistics with the schema only, and never fails.
"""

import json
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator.executor import (
    ARTIFACT_PROPERTY_BLESSED_KEY,
    DEFAULT_FILE_NAME,
)
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import ANOMALIES_KEY, SCHEMA_KEY, STATISTICS_KEY
from tfx.utils import writer_utils

from components import validation
from components.charts import schema as schema_reader
from components.charts.files import join
from components.errors import InputDataError
from components.execution_outcome import REFUSAL_PROPERTY, WARNINGS_PROPERTY

PREVIOUS_STATISTICS_KEY = "previous_statistics"
SERVING_STATISTICS_KEY = "serving_statistics"
FAIL_ON_ANOMALIES_KEY = "fail_on_anomalies"
FAIL_ON_DRIFT_KEY = "fail_on_drift"
RAISE_KEY = "raise_on_refusal"

#: How many warnings the artifact keeps; the anomalies have all.
_MOST_WARNINGS = 20

#: The split that is compared with other data. The others are random parts of the same files: what
#: would set them apart is their size.
COMPARED_SPLIT = "train"


class Executor(BaseExecutor):
    """Validates the statistics of all splits."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the anomalies of each split, and whether they stop the run.

        Args:
            input_dict: ``statistics`` and ``schema``; ``previous_statistics`` and
                ``serving_statistics`` where there are any.
            output_dict: The ``anomalies`` artifact. Its custom property ``warnings`` has those,
                and ``refusal`` says why the run must stop, where it must.
            exec_properties: ``fail_on_anomalies``, ``fail_on_drift`` and ``raise_on_refusal``.

        Raises:
            InputDataError: If the run must stop and ``raise_on_refusal`` is set.
        """
        statistics = artifact_utils.get_single_instance(input_dict[STATISTICS_KEY])
        anomalies = artifact_utils.get_single_instance(output_dict[ANOMALIES_KEY])
        schema_uri = artifact_utils.get_single_uri(input_dict[SCHEMA_KEY])
        anomalies.split_names = statistics.split_names
        anomalies.span = statistics.span
        fail_on_drift = bool(exec_properties[FAIL_ON_DRIFT_KEY])
        schema = schema_reader.read_schema(schema_uri)
        found = {}
        warnings: list[str] = []
        for split in artifact_utils.decode_split_names(statistics.split_names):
            found[split] = self._validate(input_dict, split, schema, fail_on_drift)
            folder = artifact_utils.get_split_uri([anomalies], split)
            writer_utils.write_anomalies(join(folder, DEFAULT_FILE_NAME), found[split])
            for line in validation.plain_words(split, found[split]):
                print(line, flush=True)  # noqa: T201 (the step's log)
                severity, _, words = line.partition(": ")
                if severity == "warning":
                    warnings.append(words)
        if warnings:
            anomalies.set_string_custom_property(
                WARNINGS_PROPERTY, json.dumps(warnings[:_MOST_WARNINGS])
            )
        refusals = {split: validation.refusal({split: each}) for split, each in found.items()}
        # As TFX's own ExampleValidator does for each split.
        anomalies.set_json_value_custom_property(
            ARTIFACT_PROPERTY_BLESSED_KEY, {split: int(not refusals[split]) for split in refusals}
        )
        refusal = validation.refusal(found)
        if not refusal or not exec_properties[FAIL_ON_ANOMALIES_KEY]:
            return
        if exec_properties[RAISE_KEY]:
            raise InputDataError(refusal)
        anomalies.set_string_custom_property(REFUSAL_PROPERTY, refusal)

    def _validate(
        self,
        input_dict: dict[str, list[types.Artifact]],
        split: str,
        schema: schema_pb2.Schema,
        fail_on_drift: bool,
    ) -> Any:
        compared: dict[str, Any] = {}
        if split == COMPARED_SPLIT:
            compared = {
                "previous": _statistics(input_dict.get(PREVIOUS_STATISTICS_KEY), split),
                "serving": _statistics(input_dict.get(SERVING_STATISTICS_KEY), split),
            }
        return validation.validate(
            _statistics(input_dict[STATISTICS_KEY], split),
            schema,
            fail_on_drift=fail_on_drift,
            **compared,
        )


def _statistics(
    artifacts: list[types.Artifact] | None, split: str
) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    """Returns the statistics of a split; of an artifact's only one where it is called otherwise."""
    if not artifacts:
        return None
    artifact = artifact_utils.get_single_instance(artifacts)
    splits = artifact_utils.decode_split_names(artifact.split_names)
    if split not in splits:
        if len(splits) != 1:
            return None
        (split,) = splits
    return stats_artifact_utils.load_statistics(artifact, split).proto()
