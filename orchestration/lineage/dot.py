"""A graph in the language of Graphviz."""

from collections.abc import Iterator

from orchestration.lineage import words
from orchestration.lineage.answer import Answer
from orchestration.lineage.graph import COMPLETE, Kind

_STYLES: dict[Kind, str] = {
    "input": "solid",
    "output": "solid",
    "reused": "dashed",
    "chosen": "dotted",
    "compared": "dotted",
    "attempt": "dotted",
}


def dot(answer: Answer) -> str:
    """Returns an answer's whole graph as a digraph, along the flow of data.

    Args:
        answer: The answer.
    """
    return "\n".join(["digraph lineage {", *_lines(answer), "}", ""])


def _lines(answer: Answer) -> Iterator[str]:
    graph = answer.graph
    yield '  node [fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for artifact in graph.artifacts.values():
        width = 2 if artifact.id in graph.roots else 1
        label = _quoted(words.artifact_title(artifact))
        yield f"  {_quoted(artifact.key)} [shape=ellipse, penwidth={width}, label={label}];"
    for execution in graph.executions.values():
        state = "" if execution.state == COMPLETE else f", {execution.state}"
        label = _quoted(f"{words.execution_title(execution)}{state}")
        colour = ", color=red" if execution.has_failed else ""
        yield f"  {_quoted(execution.key)} [shape=box{colour}, label={label}];"
    for files in answer.data:
        for number, file in enumerate(files.files):
            key = _quoted(f"file-{files.artifact}-{number}")
            label = _quoted(f"{words.file_title(file)}, {file.rows:,} rows")
            yield f"  {key} [shape=note, label={label}];"
            for reader in _readers(answer, files.artifact):
                yield f"  {key} -> {_quoted(reader)};"
    for link in graph.links:
        ends = (f"artifact-{link.artifact}", f"execution-{link.execution}")
        start, end = ends if link.kind in ("input", "compared") else ends[::-1]
        names = [link.role] if link.kind in ("input", "output") else [link.role, link.kind]
        label = _quoted(words.one_line(", ".join(filter(None, names))))
        yield (f"  {_quoted(start)} -> {_quoted(end)} [style={_STYLES[link.kind]}, label={label}];")


def _readers(answer: Answer, artifact: int) -> list[str]:
    """Returns the nodes into which the files behind examples lead."""
    made = [
        f"execution-{link.execution}"
        for link in answer.graph.links
        if link.artifact == artifact and link.kind == "output"
    ]
    return made or [f"artifact-{artifact}"]


def _quoted(text: str) -> str:
    # Graphviz knows no other escape within quotes than these, and \n, \l, \r.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
