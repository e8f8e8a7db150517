"""A pushed model: what it takes, what it returns, and how large it is."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from components.charts.files import ArtifactError, file_sizes
from components.charts.saved_model import meta_graphs
from components.charts.section import Block, Cell, Note, Section, Table
from components.charts.text import counted, short

#: The most rows of a table.
_TENSORS, _FILES = 60, 20

#: A signature of TensorFlow's own, which runs initializers.
_INTERNAL = "__saved_model_init_op"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or an output of a signature.

    Attributes:
        signature: Name of the signature, such as ``serving_default``.
        role: ``input`` or ``output``.
        name: Name of the tensor.
        dtype: TensorFlow's name of its type, such as ``string``.
        shape: Its shape, with ``?`` where it is any; such as ``(?, 1)``.
    """

    signature: str
    role: str
    name: str
    dtype: str
    shape: str


def model_section(uri: str) -> Section:
    """Returns the signatures of a SavedModel and the sizes of its files.

    Args:
        uri: Its folder.
    """
    blocks: list[Block] = []
    try:
        blocks += _signature_blocks(signatures(uri))
    except ArtifactError as error:
        blocks.append(Note(text=short(str(error), 1_000), level="unreadable"))
    try:
        blocks.append(_size_table(file_sizes(uri)))
    except ArtifactError as error:
        # Where there is no folder, that has been said.
        if blocks and not any(isinstance(block, Note) for block in blocks):
            blocks.append(Note(text=short(str(error), 1_000), level="warning"))
    return Section(id="model", title="Pushed model", blocks=blocks)


def signatures(uri: str) -> list[Tensor]:
    """Returns the inputs and outputs of the signatures of a SavedModel.

    Args:
        uri: Its folder.

    Raises:
        ArtifactError: If there is none, or it cannot be read.
    """
    found = []
    for graph in meta_graphs(uri):
        for name, signature in sorted(graph.signature_def.items()):
            if name == _INTERNAL:
                continue
            for role, tensors in (("input", signature.inputs), ("output", signature.outputs)):
                found += [
                    Tensor(
                        signature=name,
                        role=role,
                        name=tensor,
                        dtype=_dtype(tensors[tensor]),
                        shape=_shape(tensors[tensor].tensor_shape),
                    )
                    for tensor in sorted(tensors)
                ]
    return found


def _signature_blocks(tensors: Sequence[Tensor]) -> list[Block]:
    if not tensors:
        return [Note(text="The model has no signature: nothing can call it.", level="warning")]
    rows: list[list[Cell]] = [
        [
            short(tensor.signature),
            tensor.role,
            short(tensor.name),
            tensor.dtype,
            short(tensor.shape),
        ]
        for tensor in tensors
    ]
    left_out = len(rows) - _TENSORS
    return [
        Table(
            title="Signatures",
            columns=["signature", "role", "name", "type", "shape"],
            rows=rows[:_TENSORS],
            note=f"Not shown: {counted(left_out, 'tensor')} more." if left_out > 0 else "",
        )
    ]


def _size_table(sizes: dict[str, int]) -> Table:
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))
    left_out = len(largest) - _FILES
    more = f" Not shown: {counted(left_out, 'smaller file')} more." if left_out > 0 else ""
    return Table(
        title="Files",
        columns=["file", "bytes"],
        rows=[[short(path), sizes[path]] for path in largest[:_FILES]],
        note=f"{counted(sum(sizes.values()), 'byte')} in {counted(len(sizes), 'file')}.{more}",
    )


def _dtype(info: Any) -> str:
    from tensorboard.compat.proto import types_pb2

    try:
        return types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
    except ValueError:
        return f"type {info.dtype}"  # Of a later TensorFlow than this TensorBoard's.


def _shape(shape: Any) -> str:
    if shape.unknown_rank:
        return "any"
    sizes = ["?" if dimension.size < 0 else str(dimension.size) for dimension in shape.dim]
    # As Python writes a tuple.
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
