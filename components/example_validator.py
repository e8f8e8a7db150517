"""ExampleValidator for complaints: anomalies can stop the run; drift and skew are checked."""

from tfx import types
from tfx.components.example_validator import component
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_component_specs import ANOMALIES_KEY, SCHEMA_KEY, STATISTICS_KEY

from components import example_validator_executor as executor


class ExampleValidatorSpec(ComponentSpec):
    """Parameters, inputs and outputs of ExampleValidator."""

    PARAMETERS = {  # noqa: RUF012 (TFX's way)
        executor.FAIL_ON_ANOMALIES_KEY: ExecutionParameter(type=int),
        executor.FAIL_ON_DRIFT_KEY: ExecutionParameter(type=int),
        executor.RAISE_KEY: ExecutionParameter(type=int),
        "code_hash": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema),
        executor.PREVIOUS_STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        executor.SERVING_STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        ANOMALIES_KEY: ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }


class ExampleValidator(component.ExampleValidator):
    """TFX's ExampleValidator, running ``components.example_validator_executor``."""

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        previous_statistics: types.BaseChannel | None = None,
        serving_statistics: types.BaseChannel | None = None,
        fail_on_anomalies: bool = True,
        fail_on_drift: bool = False,
        raise_on_refusal: bool = True,
        code_hash: str = "",
    ) -> None:
        """Creates the component.

        Args:
            statistics: The statistics to validate.
            schema: The schema.
            previous_statistics: Statistics of the previous span, for drift; may have none.
            serving_statistics: Statistics of what the model was asked, for skew.
            fail_on_anomalies: Whether anomalies that are errors stop the run.
            fail_on_drift: Whether drift and skew above the schema's thresholds are errors.
            raise_on_refusal: Whether the execution itself fails; TFX then removes the anomalies.
                Otherwise ``components.entrypoint`` fails the step, and they stay.
            code_hash: Hash of the code that validates, for the cache key.
        """
        BaseComponent.__init__(
            self,
            spec=ExampleValidatorSpec(
                statistics=statistics,
                schema=schema,
                previous_statistics=previous_statistics,
                serving_statistics=serving_statistics,
                fail_on_anomalies=int(fail_on_anomalies),
                fail_on_drift=int(fail_on_drift),
                raise_on_refusal=int(raise_on_refusal),
                code_hash=code_hash,
                anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
            ),
        )
