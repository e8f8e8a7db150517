"""CsvExampleGen for complaints, with declared column types and errors that name the row."""

from google.protobuf import wrappers_pb2
from tfx.components.example_gen import utils
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.csv_example_gen import component
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2

from components.csv_executor import Executor, ServingExecutor
from components.span_driver import Driver


class CsvExampleGen(component.CsvExampleGen):
    """TFX's CsvExampleGen, running ``components.csv_executor`` after ``components.span_driver``."""

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str | RuntimeParameter,
        input_pattern: str = "*.csv",
        output_config: example_gen_pb2.Output | RuntimeParameter | None = None,
        range_config: RuntimeParameter | None = None,
        code_hash: str = "",
    ) -> None:
        """Creates the component.

        Args:
            input_base: Folder or URI of the CSV files.
            input_pattern: Pattern of the files below ``input_base``; spans as in
                ``components.spans``. Notes and checksums may lie next to the data.
            output_config: Output splits; TFX's default is two thirds ``train``, one ``eval``.
            range_config: Run parameter with the spans to read, JSON of TFX's RangeConfig.
            code_hash: Hash of the code that reads the files. TFX's cache key does not know the
                code, but it does know this.
        """
        # TFX's CsvExampleGen takes no custom configuration; what it derives from does.
        FileBasedExampleGen.__init__(
            self,
            input_base=input_base,
            input_config=utils.make_default_input_config(input_pattern),
            output_config=output_config,
            range_config=range_config,
            custom_config=_custom_config(code_hash),
        )


class ServingExampleGen(CsvExampleGen):
    """CsvExampleGen of what a model was asked: complaints without a label."""

    EXECUTOR_SPEC = BeamExecutorSpec(ServingExecutor)


def _custom_config(code_hash: str) -> example_gen_pb2.CustomConfig:
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(wrappers_pb2.StringValue(value=code_hash))
    return config
