"""What Transform has learned: vocabularies, buckets, and the features that it makes."""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from plotly import graph_objects

from components import features
from components.charts import style
from components.charts.files import ArtifactError, exists, join, list_folder, read_bytes
from components.charts.saved_model import Operation, operations
from components.charts.schema import read_schema, schema_table
from components.charts.section import Block, Cell, Chart, Note, Section, Table
from components.charts.text import counted, distinct_labels, number_cell, number_text, short

_METADATA, _GRAPH, _ASSETS = "transformed_metadata", "transform_fn", "assets"

#: The most vocabularies, values of one in a table, values of one in a chart, and operations.
_VOCABULARIES, _TABLE_VALUES, _CHART_VALUES, _OPERATIONS = 12, 20, 10, 60

_CATEGORY_LENGTH = 22

#: What gzip's files begin with: tft.vocabulary's file format ``tfrecord_gzip``.
_GZIP = b"\x1f\x8b"

#: A line of a vocabulary that tft.vocabulary wrote with store_frequency.
_WITH_FREQUENCY = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?) (.*)", re.DOTALL)

#: How tf.lookup names the operation for values outside a vocabulary.
_OUT_OF_VOCABULARY = re.compile(r"_Lookup/hash_bucket(_\d+)?$")

#: The scope in which tft.bucketize and tft.apply_buckets put numbers into buckets.
_BUCKETIZE_SCOPE = "assign_buckets"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A vocabulary file.

    Attributes:
        name: The file's name.
        values: Its values in order: the most frequent first, unless it was sorted otherwise.
        frequencies: How often each occurs; ``None`` where the file does not hold it.
    """

    name: str
    values: Sequence[str]
    frequencies: Sequence[float] | None


def transform_section(uri: str) -> Section:
    """Returns what Transform has learned.

    Args:
        uri: Transform's graph, its output ``transform_graph``.
    """
    blocks: list[Block] = []
    try:
        blocks.append(schema_table(read_schema(join(uri, _METADATA)), "Transformed features"))
    except ArtifactError as error:
        blocks.append(Note(text=str(error), level="unreadable"))
    try:
        blocks += _vocabulary_blocks(uri)
    except ArtifactError as error:
        blocks.append(Note(text=str(error), level="unreadable"))
    try:
        blocks += _bucket_blocks(operations(join(uri, _GRAPH)))
    except ArtifactError as error:
        blocks.append(Note(text=str(error), level="unreadable"))
    return Section(id="transform", title="Transform", blocks=blocks)


def vocabulary_names(uri: str) -> list[str]:
    """Returns the names of the files among a graph's assets.

    Args:
        uri: Transform's graph.

    Raises:
        ArtifactError: If the graph has assets that cannot be listed, or there is no graph.
    """
    folder = join(uri, _GRAPH, _ASSETS)
    if not exists(folder):
        list_folder(join(uri, _GRAPH))
        return []
    return list_folder(folder)


def read_vocabulary(uri: str, name: str) -> Vocabulary:
    """Reads a vocabulary.

    A file holds frequencies where each line begins with a number, and these never rise: the file
    itself does not say so.

    Args:
        uri: Transform's graph.
        name: The file's name.

    Raises:
        ArtifactError: If the file cannot be read, or is compressed.
    """
    content = read_bytes(join(uri, _GRAPH, _ASSETS, name))
    if content.startswith(_GZIP):
        raise ArtifactError(f"vocabulary {name} is a compressed TFRecord, which is not shown")
    # Values may hold any line end but this one.
    lines = content.decode(errors="replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    pairs = [match.groups() for line in lines if (match := _WITH_FREQUENCY.fullmatch(line))]
    frequencies = [float(number) for number, _ in pairs]
    if lines and len(pairs) == len(lines) and frequencies == sorted(frequencies, reverse=True):
        values = [value for _, value in pairs]
        return Vocabulary(name=name, values=values, frequencies=frequencies)
    return Vocabulary(name=name, values=lines, frequencies=None)


def frequency_figure(vocabulary: Vocabulary) -> graph_objects.Figure:
    """Draws the most frequent values of a vocabulary.

    Args:
        vocabulary: One with frequencies; its first 10 values are drawn.
    """
    sizes = list(vocabulary.frequencies or ())[:_CHART_VALUES]
    return _bars(vocabulary.values[: len(sizes)], sizes, "frequency")


def column_figure(vocabulary: Vocabulary) -> graph_objects.Figure:
    """Draws how many values of each column the common vocabulary of the columns has.

    Args:
        vocabulary: The vocabulary ``features.CATEGORIES_KEY``, with values such as ``state=nj``.
    """
    counts = _by_column(vocabulary)
    return _bars(list(counts), list(counts.values()), "values")


def _vocabulary_blocks(uri: str) -> list[Block]:
    names = vocabulary_names(uri)
    if not names:
        return [Note(text="The graph has no vocabulary.")]
    found: list[Vocabulary] = []
    blocks: list[Block] = []
    for name in names[:_VOCABULARIES]:
        try:
            found.append(read_vocabulary(uri, name))
        except ArtifactError as error:
            blocks.append(Note(text=short(str(error)), level="warning"))
    if len(names) > _VOCABULARIES:
        rest = counted(len(names) - _VOCABULARIES, "vocabulary file")
        blocks.append(Note(text=f"Not shown: {rest} more."))
    rows: list[list[Cell]] = [
        [short(each.name), len(each.values), each.frequencies is not None] for each in found
    ]
    if rows:
        blocks.append(
            Table(
                title="Vocabularies",
                columns=["vocabulary", "size", "frequencies stored"],
                rows=rows,
                note="Without the buckets for values outside the vocabulary.",
            )
        )
    for vocabulary in found:
        blocks += _values_blocks(vocabulary)
    return blocks


def _values_blocks(vocabulary: Vocabulary) -> list[Block]:
    name, size = short(vocabulary.name), len(vocabulary.values)
    if not size:
        return [Note(text=f"Vocabulary {name} is empty.", level="warning")]
    frequencies = vocabulary.frequencies
    rows: list[list[Cell]] = []
    for index, value in enumerate(vocabulary.values[:_TABLE_VALUES]):
        frequency = [] if frequencies is None else [number_cell(frequencies[index])]
        rows.append([index, short(value), *frequency])
    note = "In the file's order, which is the most frequent first unless it was set otherwise."
    if size > _TABLE_VALUES:
        note += f" Not shown: {counted(size - _TABLE_VALUES, 'value')} more."
    blocks: list[Block] = []
    if frequencies is not None:
        blocks.append(
            Chart(
                title=f"Most frequent values of vocabulary {name}",
                figure=frequency_figure(vocabulary),
                description=f"Of {counted(size, 'value')}, {short(vocabulary.values[0])} is the "
                f"most frequent, {number_text(frequencies[0])} times.",
            )
        )
    elif vocabulary.name == features.CATEGORIES_KEY:
        counts = _by_column(vocabulary)
        listed = ", ".join(f"{short(column)} {count:,}" for column, count in counts.items())
        blocks.append(
            Chart(
                title=f"Values of each column in vocabulary {name}",
                figure=column_figure(vocabulary),
                description=f"The vocabulary has {counted(size, 'value')}: {listed}.",
            )
        )
    columns = ["id", "value"] + ([] if frequencies is None else ["frequency"])
    blocks.append(Table(title=f"Vocabulary {name}", columns=columns, rows=rows, note=note))
    return blocks


def _bucket_blocks(graph: Sequence[Operation]) -> list[Block]:
    rows: list[list[Cell]] = []
    for each in graph:
        if "num_buckets" in each.integers:
            use = "values outside a vocabulary" if _is_out_of_vocabulary(each) else "hashed values"
            rows.append([short(each.name), each.integers["num_buckets"], use])
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                title="Hash buckets",
                columns=["operation", "buckets", "for"],
                rows=rows[:_OPERATIONS],
                note=f"Not shown: {counted(len(rows) - _OPERATIONS, 'operation')} more."
                if len(rows) > _OPERATIONS
                else "",
            )
        )
    return [*blocks, *_boundary_blocks(graph)]


def _boundary_blocks(graph: Sequence[Operation]) -> list[Block]:
    bounded = [each for each in graph if "boundaries" in each.floats]
    if bounded:
        rows: list[list[Cell]] = [
            [
                short(each.name),
                len(each.floats["boundaries"]) + 1,
                short(", ".join(number_text(edge) for edge in each.floats["boundaries"])),
            ]
            for each in bounded[:_OPERATIONS]
        ]
        return [
            Table(
                title="Buckets of numbers",
                columns=["operation", "buckets", "boundaries"],
                rows=rows,
            )
        ]
    if any(_BUCKETIZE_SCOPE in each.name for each in graph):
        return [
            Note(
                text="The graph puts numbers into buckets whose boundaries are constants without "
                "a name; they are not shown."
            )
        ]
    return [Note(text="The graph has no buckets of numbers, so there are no boundaries.")]


def _is_out_of_vocabulary(operation: Operation) -> bool:
    return _OUT_OF_VOCABULARY.search(operation.name) is not None


def _by_column(vocabulary: Vocabulary) -> dict[str, int]:
    counts = Counter(value.partition("=")[0] for value in vocabulary.values)
    return {column: counts[column] for column in features.VOCABULARY_SIZES if counts[column]}


def _bars(names: Sequence[str], sizes: Sequence[float], axis: str) -> graph_objects.Figure:
    # The first category is at the bottom.
    bars = graph_objects.Bar(
        orientation="h",
        x=list(reversed(sizes)),
        y=list(reversed(distinct_labels(names, _CATEGORY_LENGTH))),
    )
    return style.figure(
        bars,
        height=110 + 26 * len(names),
        xaxis={"title": {"text": axis}, "rangemode": "tozero"},
        yaxis={"type": "category"},
    )
