"""TFMA's protocol buffers, without TFMA's import.

Importing any module of TFMA imports all of it, with TensorFlow and Beam: five seconds, against some
hundredths for these messages. Their definitions are in TFMA's generated modules, as a constant that
protoc has written there; it is read from the installed files, into a pool of its own, so that TFMA
can still be imported afterwards.
"""

import ast
import functools
import importlib.util
import pathlib
from typing import Any

from google.protobuf import descriptor_pool, message_factory, wrappers_pb2

from components.charts.files import ArtifactError

_PACKAGE = "tensorflow_model_analysis"

#: Each imports only those before it.
_MODULES = ("config_pb2", "metrics_for_slice_pb2", "validation_result_pb2")


def message_class(name: str) -> Any:
    """Returns the class of one of TFMA's messages.

    Args:
        name: Its name, such as ``MetricsForSlice``.

    Raises:
        ArtifactError: If TFMA is not installed, or has no such message.
    """
    try:
        descriptor = _factory().pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    except KeyError as error:
        raise ArtifactError(f"{_PACKAGE} has no message {name}") from error
    return _factory().GetPrototype(descriptor)


@functools.lru_cache(maxsize=1)
def _factory() -> Any:
    # Finding a package does not import it.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError(f"an evaluation cannot be read: {_PACKAGE} is not installed")
    folder = pathlib.Path(spec.submodule_search_locations[0]) / "proto"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    for module in _MODULES:
        pool.AddSerializedFile(_definition(folder / f"{module}.py"))
    return message_factory.MessageFactory(pool)


def _definition(path: pathlib.Path) -> bytes:
    """Returns the serialized ``FileDescriptorProto`` that a generated module registers."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, bytes):
                return argument.value
    raise ArtifactError(f"{path} registers no protocol buffers; is it of another version of TFMA?")
