"""The graphs of a SavedModel and their operations, read without TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from google.protobuf import empty_pb2, message

# TensorBoard, which comes with TensorFlow, has its graph's messages, and imports nothing of it.
from tensorboard.compat.proto import meta_graph_pb2

from components.charts.files import ArtifactError, join, read_bytes

FILE_NAME = "saved_model.pb"

#: ``repeated MetaGraphDef meta_graphs`` in tensorflow/core/protobuf/saved_model.proto.
_META_GRAPHS = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of a graph, or of one of its functions.

    Attributes:
        name: Its name, with its scopes.
        type: TensorFlow's name of what it does, such as ``StringToHashBucketFast``.
        integers: Attributes that are a whole number.
        floats: Attributes that are lists of numbers.
    """

    name: str
    type: str
    integers: dict[str, int]
    floats: dict[str, Sequence[float]]


def operations(uri: str) -> list[Operation]:
    """Returns the operations of a SavedModel.

    Args:
        uri: Its folder.

    Raises:
        ArtifactError: If there is none, or it cannot be read.
    """
    found = []
    for meta_graph in meta_graphs(uri):
        graph = meta_graph.graph_def
        found += [_operation(node) for node in graph.node]
        for function in graph.library.function:
            found += [_operation(node) for node in function.node_def]
    return found


def meta_graphs(uri: str) -> list[Any]:
    """Returns the graphs of a SavedModel with their signatures, as ``MetaGraphDef``.

    Args:
        uri: Its folder.

    Raises:
        ArtifactError: If there is none, or it cannot be read.
    """
    file = join(uri, FILE_NAME)
    content = read_bytes(file)
    try:
        # Only the message around the graphs is not among TensorBoard's.
        envelope: Any = empty_pb2.Empty.FromString(content)
        return [
            meta_graph_pb2.MetaGraphDef.FromString(field.data)
            for field in envelope.UnknownFields()
            if field.field_number == _META_GRAPHS
        ]
    except (message.DecodeError, TypeError) as error:
        raise ArtifactError(f"{file} is no SavedModel, or is cut off") from error


def _operation(node: Any) -> Operation:
    kinds = {name: value.WhichOneof("value") for name, value in node.attr.items()}
    return Operation(
        name=node.name,
        type=node.op,
        integers={name: node.attr[name].i for name, kind in kinds.items() if kind == "i"},
        floats={
            name: list(node.attr[name].list.f)
            for name, kind in kinds.items()
            if kind == "list" and node.attr[name].list.f
        },
    )
