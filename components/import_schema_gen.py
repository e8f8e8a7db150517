"""ImportSchemaGen for the curated schema, which comes with this package.

TFX's own takes a path, and its cache key knows the path but not the file's content. The package's
own path differs between the machine that compiles and the pods; its content does not.
"""

import hashlib
import importlib.resources
from typing import Any

from tfx import types
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.components.schema_gen.import_schema_gen import component
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.charts.files import join
from components.errors import WorkflowError

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


def _sha256(content: bytes) -> str:
    # A checkout on Windows may have other line ends.
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
