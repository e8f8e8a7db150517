"""What an audit asks first, as lines of a name and a text."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.lineage import words
from orchestration.lineage.answer import Answer, Approval
from orchestration.lineage.data_files import InputFiles
from orchestration.lineage.graph import BACK
from orchestration.lineage.run_facts import NOT_RECORDED, RunFacts, code_hash_of
from orchestration.lineage.walk import APPROVAL
from orchestration.times import utc

#: So many of each are named; the JSON has all.
_MAX_FILES = 20
_MAX_LINES = 5
_MAX_VALUES = 20

#: The longest line: a path and a checksum.
_LENGTH = 600


def summary(answer: Answer) -> list[tuple[str, str]]:
    """Returns what an audit asks first.

    Args:
        answer: The answer.

    Returns:
        Pairs of a name and a line of text; what nobody has recorded says so.
    """
    lines = [*_roots(answer), *(("note", note) for note in answer.notes)]
    lines += _data(answer)
    if answer.graph.direction == BACK:
        lines.append(("code by step", _code(answer)))
        makers, made = _makers(answer), _made(answer)
        # First who has made it: who comes later only takes it from the cache, or judges it anew.
        for run in sorted(answer.runs, key=lambda run: run.id not in makers)[:_MAX_LINES]:
            when = "" if run.id in makers else "later " if run.started > made else "earlier "
            lines += _run(run, f"{when}run")
        lines += _more("run", len(answer.runs))
        blessings = [
            (f"{'later ' if found.recorded > made else ''}blessing", _blessing(answer, found))
            for found in sorted(_verdicts(answer), key=lambda found: found.recorded > made)
        ]
        lines += blessings[:_MAX_LINES] or [("blessing", NOT_RECORDED)]
        lines += _more("blessing", len(blessings))
        decisions = [("decision", text) for text in decision_lines(answer)]
        lines += decisions[:_MAX_LINES]
        lines += _more("decision", len(decisions))
    return [(name, words.one_line(text, _LENGTH)) for name, text in lines]


def _makers(answer: Answer) -> set[str]:
    """Returns the runs that have made what was asked for."""
    roots = set(answer.graph.roots)
    executions = {
        link.execution
        for link in answer.graph.links
        if link.artifact in roots and link.kind == "output"
    }
    return {answer.graph.executions[execution].run for execution in executions}


def _made(answer: Answer) -> float:
    """Returns when the last of what was asked for was made, seconds since 1970."""
    created = [answer.graph.artifacts[key].created for key in answer.graph.roots]
    return max(created, default=math.inf)


def _roots(answer: Answer) -> Iterator[tuple[str, str]]:
    for key in reversed(answer.graph.roots[-_MAX_LINES:]):
        artifact = answer.graph.artifacts[key]
        place = artifact.properties.get("pushed_destination") or artifact.uri
        title = words.artifact_title(artifact)
        yield "artifact", ", ".join(filter(None, [title, str(place), utc(artifact.created)]))
    yield from _more("artifact", len(answer.graph.roots))


def _data(answer: Answer) -> Iterator[tuple[str, str]]:
    # The newest first, as everywhere.
    for files in reversed(answer.data[-_MAX_LINES:]):
        for line in _files(files):
            yield "data", line
    yield from _more("data", len(answer.data))
    if not answer.data:
        yield "data", NOT_RECORDED


def _files(files: InputFiles) -> Iterator[str]:
    folder = ", ".join(files.folders) or "an unknown folder"
    if spans := words.spans(files):
        yield f"{folder}: {spans}"
    if not files.files:
        yield f"{folder}: {', '.join(words.unlisted_details(files))}"
    for file in files.files[:_MAX_FILES]:
        yield f"{folder}/{file.name}: {', '.join(words.file_details(file))}"
    left_out = len(files.files[_MAX_FILES:]) + files.left_out
    if left_out:
        yield (
            f"{folder}: {left_out:,} more files; all together {files.bytes:,} bytes and "
            f"{files.rows:,} rows"
        )


def _code(answer: Answer) -> str:
    hashes: dict[str, list[str]] = {}
    for execution in answer.graph.executions.values():
        if (code := code_hash_of(execution)) and not execution.has_failed:
            nodes = hashes.setdefault(code, [])
            if execution.node not in nodes:
                nodes.append(execution.node)
    named = [f"{', '.join(nodes)}: {code}" for code, nodes in list(hashes.items())[:_MAX_LINES]]
    return "; ".join(named) or NOT_RECORDED


def _run(run: RunFacts, name: str) -> Iterator[tuple[str, str]]:
    of = f" of {run.pipeline}" if run.pipeline else ""
    yield name, f"{run.id or 'an unknown run'}{of}, {utc(run.started)}"
    yield "  image", ", ".join(run.images) or NOT_RECORDED
    yield "  packages", _values(run.packages, " ")
    yield "  code", f"components/: {run.code_hash}" if run.code_hash else NOT_RECORDED
    yield "  parameters", _values(run.parameters, "=")
    if run.workflow:
        yield "  workflow", run.workflow


def decision_lines(answer: Answer) -> list[str]:
    """Returns what people have decided on the models, the newest first.

    An approval that came from the cache belongs to another run, and stands beside its execution
    only.

    Args:
        answer: The answer.
    """
    said = [
        words.decision(decision.approved, decision.by, decision.note, decision.decided)
        for decision in answer.decisions
    ]
    lines = [
        f"{text} (run {decision.run})"
        for text, decision in zip(said, answer.decisions, strict=True)
    ]
    for found in answer.approvals:
        text = words.recorded_approval(dict(found.details))
        if text and text not in said:
            lines.append(f"{text} (execution {found.execution})")
    return lines


def _verdicts(answer: Answer) -> list[Approval]:
    """Returns what judged models by itself; what a person decided is said in other words."""
    return [found for found in answer.approvals if APPROVAL not in found.type]


def _blessing(answer: Answer, found: Approval) -> str:
    graph = answer.graph
    models = ", ".join(words.artifact_title(graph.artifacts[key]) for key in found.models)
    verdict = found.verdict or "judged"
    parts = [f"{models or 'the model'} {verdict} by {found.by} (execution {found.execution})"]
    parts.append(utc(found.recorded))
    parts.append(words.metrics(found.metrics))
    parts += [
        f"compared with {words.artifact_title(graph.artifacts[key])}" for key in found.baselines
    ]
    parts += [f"{name} {words.one_line(value)}" for name, value in found.details.items()]
    return ", ".join(filter(None, parts))


def _values(values: Mapping[str, Any], sign: str) -> str:
    named = [f"{name}{sign}{value}" for name, value in list(values.items())[:_MAX_VALUES]]
    if len(values) > _MAX_VALUES:
        named.append(f"{len(values) - _MAX_VALUES:,} more")
    return ", ".join(named) or NOT_RECORDED


def _more(name: str, number: int) -> Iterator[tuple[str, str]]:
    if number > _MAX_LINES:
        yield name, f"{number - _MAX_LINES:,} more; --json has them all"
