"""ImportSchemaGen for the curated schema, which comes with this package, and for a file.

TFX's own takes a path, and its cache key knows the path but not the file's content. The package's
own path differs between the machine that compiles and the pods; its content does not. A file's
content is known when a run begins.
"""

import contextlib
import hashlib
import importlib.resources
from typing import Any

from tfx import types
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.components.schema_gen.import_schema_gen import component, executor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_driver import BaseDriver
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.orchestration.portable import base_driver
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.charts.files import ArtifactError, join, read_bytes
from components.charts.schema import read_schema_file
from components.errors import InputDataError, WorkflowError

#: The file in the package ``components``.
SCHEMA_RESOURCE = "schema.pbtxt"

_RESOURCE_KEY = "resource"
_SHA256_KEY = "sha256"


def curated_schema() -> bytes:
    """Returns the curated schema as text."""
    return importlib.resources.files("components").joinpath(SCHEMA_RESOURCE).read_bytes()


class ImportSchemaGenSpec(ComponentSpec):
    """Parameters and output of ImportSchemaGen."""

    PARAMETERS = {  # noqa: RUF012 (TFX's way)
        _RESOURCE_KEY: ExecutionParameter(type=str),
        _SHA256_KEY: ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        standard_component_specs.SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema)
    }


class Executor(BaseExecutor):
    """Copies the curated schema to the output artifact."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the schema.

        Args:
            input_dict: Nothing.
            output_dict: The ``schema`` artifact.
            exec_properties: ``sha256`` of the schema that the workflow was compiled with.

        Raises:
            WorkflowError: If the schema here is another one.
        """
        content = curated_schema()
        if _sha256(content) != exec_properties[_SHA256_KEY]:
            raise WorkflowError(
                f"{exec_properties[_RESOURCE_KEY]} is another one here than in the workflow; "
                "compile anew (make compile), or build the image from the commit that the workflow "
                "comes from"
            )
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
        with fileio.open(join(uri, DEFAULT_FILE_NAME), "wb") as stream:
            stream.write(content)


class ImportSchemaGen(component.ImportSchemaGen):
    """Gives the curated schema to the components that need one."""

    SPEC_CLASS = ImportSchemaGenSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self) -> None:
        """Takes the schema as it is in the package now."""
        # TFX's ImportSchemaGen would make its own specification, with a path.
        BaseComponent.__init__(
            self,
            spec=ImportSchemaGenSpec(
                resource=f"components/{SCHEMA_RESOURCE}",
                sha256=_sha256(curated_schema()),
                schema=types.Channel(type=standard_artifacts.Schema),
            ),
        )


class SchemaFileDriver(BaseDriver, base_driver.BaseDriver):
    """Adds the file's checksum to the execution's properties, and so to TFX's cache key."""

    def __init__(self, store: Any) -> None:
        """Takes the connection to ML Metadata, of which nothing is asked."""
        BaseDriver.__init__(self, store)
        base_driver.BaseDriver.__init__(self, store)

    def run(self, execution_info: ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Reads the file; one that cannot be read is the executor's to tell.

        Args:
            execution_info: The execution.

        Returns:
            Its properties, with ``sha256``.
        """
        output = driver_output_pb2.DriverOutput()
        properties = dict(execution_info.exec_properties)
        with contextlib.suppress(ArtifactError):
            file = str(properties[standard_component_specs.SCHEMA_FILE_KEY])
            properties[_SHA256_KEY] = hashlib.sha256(read_bytes(file)).hexdigest()
        for name, value in properties.items():
            output.exec_properties[name].string_value = str(value)
        for key, artifacts in execution_info.output_dict.items():
            output.output_artifacts[key].artifacts.extend(
                artifact.mlmd_artifact for artifact in artifacts
            )
        return output


class SchemaFileExecutor(executor.Executor):
    """Copies a schema's file to the output artifact."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the schema.

        Args:
            input_dict: Nothing.
            output_dict: The ``schema`` artifact.
            exec_properties: ``schema_file``, its path or URI.

        Raises:
            InputDataError: If it is not there, or no schema.
        """
        try:
            read_schema_file(exec_properties[standard_component_specs.SCHEMA_FILE_KEY])
        except ArtifactError as error:
            raise InputDataError(
                f"schema_file: {error}; put a schema in Protocol Buffers' text format there"
            ) from error
        super().Do(input_dict, output_dict, exec_properties)


class ImportSchemaFileGen(component.ImportSchemaGen):
    """TFX's ImportSchemaGen, which reads a changed file anew."""

    EXECUTOR_SPEC = ExecutorClassSpec(SchemaFileExecutor)
    DRIVER_CLASS = SchemaFileDriver


def _sha256(content: bytes) -> str:
    # A checkout on Windows may have other line ends.
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
