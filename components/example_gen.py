"""CsvExampleGen for complaints, with declared column types and errors that name the row."""

from tfx.components.example_gen import utils
from tfx.components.example_gen.csv_example_gen import component
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2

from components.csv_executor import Executor

#: Notes, checksums and the hidden files of a mounted volume may lie next to the data.
_PATTERN = "*.csv"


class CsvExampleGen(component.CsvExampleGen):
    """TFX's CsvExampleGen, running ``components.csv_executor``."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str | RuntimeParameter,
        input_config: example_gen_pb2.Input | RuntimeParameter | None = None,
        output_config: example_gen_pb2.Output | RuntimeParameter | None = None,
    ) -> None:
        """Creates the component.

        Args:
            input_base: Folder or URI of the CSV files.
            input_config: Input splits and their patterns; by default every ``*.csv`` file is
                one split.
            output_config: Output splits; TFX's default is two thirds ``train``, one ``eval``.
        """
        super().__init__(
            input_base=input_base,
            input_config=input_config or utils.make_default_input_config(_PATTERN),
            output_config=output_config,
        )
