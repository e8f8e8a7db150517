"""Walks through a metadata store: back to what something was made of, forward to what came of it.

Two inputs are no origin, and are not followed: a baseline model is what another one was compared
with, and what a resolver finds was made by others. Else each model would lead to all before it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ml_metadata.proto.metadata_store_pb2 import Event

from orchestration.lineage.graph import (
    BACK,
    BLESSING_SUFFIX,
    CACHED,
    FORWARD,
    MODEL,
    Artifact,
    Execution,
    Graph,
    Kind,
    Link,
)
from orchestration.lineage.reader import INPUTS, OUTPUTS, Reader, role_of

#: The input of an Evaluator with the model that was pushed last.
_BASELINE_ROLE = "baseline_model"

#: Type of an execution in which somebody decides about a model.
APPROVAL = "Approval"


def back(reader: Reader, roots: Iterable[int], runs: Iterable[str] = ()) -> Graph:
    """Returns all that artifacts were made of, and what has judged the models among it.

    Args:
        reader: The store.
        roots: Ids of the artifacts.
        runs: Runs beyond those that the walk finds, whose reuse of the cache is of interest.

    Raises:
        MetadataError: If the store cannot be read.
    """
    walk = _Walk(reader, BACK, roots)
    walk.back_from(walk.roots)
    # What judges a model has inputs of its own, and its blessing may be judged in turn.
    while judgements := walk.judgements():
        walk.back_from(judgements)
    walk.add_runs(set(runs))
    return walk.graph()


def forward(reader: Reader, roots: Iterable[int]) -> Graph:
    """Returns all that has come of artifacts.

    Args:
        reader: The store.
        roots: Ids of the artifacts.

    Raises:
        MetadataError: If the store cannot be read.
    """
    walk = _Walk(reader, FORWARD, roots)
    walk.forward_from(walk.roots)
    return walk.graph()


class _Seen(NamedTuple):
    """An event."""

    artifact: int
    execution: int
    type: int
    role: str


class _Walk:
    def __init__(self, reader: Reader, direction: str, roots: Iterable[int]) -> None:
        self._reader = reader
        self._direction = direction
        self.roots = set(roots)
        self._links: set[Link] = set()
        # Artifacts whose own links were looked at, and executions whose inputs were.
        self._followed: dict[int, Artifact] = {}
        self._expanded: set[int] = set()
        self._events: list[_Seen] = []

    def back_from(self, artifacts: set[int]) -> None:
        """Goes from artifacts to what made them, and so on."""
        frontier = artifacts - self._followed.keys()
        while frontier:
            made_by = self._makers(self._follow(frontier))
            frontier = self._read_by(made_by) - self._followed.keys()

    def forward_from(self, artifacts: set[int]) -> None:
        """Goes from artifacts to what was made of them, and so on."""
        frontier = artifacts - self._followed.keys()
        # What has made the roots belongs to the answer, but what else that has made does not.
        self._makers([event for event in self._look_at(frontier) if event.type in OUTPUTS])
        while frontier:
            self._followed |= self._reader.artifacts(frontier)
            readers = set()
            for event in self._look_at(frontier):
                if event.type in INPUTS:
                    kind: Kind = "compared" if event.role == _BASELINE_ROLE else "input"
                    if kind == "input":
                        readers.add(event.execution)
                        self._link(event, kind)
            frontier = self._made_by(readers) - self._followed.keys()

    def judgements(self) -> set[int]:
        """Returns what was made by judging models, without what only the cache has repeated."""
        subjects = {
            key
            for key, artifact in self._followed.items()
            if artifact.type == MODEL or artifact.type.endswith(BLESSING_SUFFIX)
        }
        readers = {
            event.execution
            for event in self._events
            if event.artifact in subjects
            and event.type in INPUTS
            and event.role != _BASELINE_ROLE
            and event.execution not in self._expanded
        }
        executions = self._reader.executions(readers)
        made: dict[int, set[int]] = {}
        for event in self._seen(self._reader.events_of_executions(executions)):
            if event.type in OUTPUTS:
                made.setdefault(event.execution, set()).add(event.artifact)
        self._reader.artifacts(set().union(*made.values()))
        found: set[int] = set()
        for key, execution in executions.items():
            outputs = made.get(key, set())
            blessings = {output for output in outputs if self._is_blessing(output)}
            if execution.state == CACHED:
                continue
            if APPROVAL in execution.type:
                found |= outputs
                # It may have said no, and made nothing.
                self._read_by({key})
            elif blessings:
                found |= blessings
        return found - self._followed.keys()

    def add_runs(self, more: set[str]) -> None:
        """Adds what else the runs of the graph had to do with it: reuse, choice and failure."""
        in_graph = self._reader.executions({link.execution for link in self._links})
        runs = {execution.run for execution in in_graph.values() if execution.run} | more
        of_runs: dict[int, Execution] = {}
        for run in sorted(runs):
            of_runs |= self._reader.executions_of_run(run) or {}
        artifacts = {link.artifact for link in self._links} | self.roots
        for event in self._events:
            execution = of_runs.get(event.execution)
            if execution is None or event.artifact not in artifacts:
                continue
            if execution.state == CACHED and event.type in OUTPUTS:
                self._link(event, "reused")
            elif event.type == Event.INTERNAL_OUTPUT:
                self._link(event, "chosen")
            elif execution.has_failed and event.type in INPUTS:
                self._link(event, "compared" if event.role == _BASELINE_ROLE else "input")
        self._add_attempts(in_graph, of_runs)

    def graph(self) -> Graph:
        """Returns what was found."""
        artifacts = {link.artifact for link in self._links} | self.roots
        executions = {link.execution for link in self._links}
        return Graph(
            direction=self._direction,
            roots=tuple(sorted(self.roots)),
            artifacts=self._reader.artifacts(artifacts),
            executions=self._reader.executions(executions),
            links=tuple(sorted(self._links)),
        )

    def _add_attempts(self, in_graph: dict[int, Execution], of_runs: dict[int, Execution]) -> None:
        """Adds failed executions of a node that succeeded later in the same run."""
        made: dict[tuple[str, str, str], Link] = {}
        for link in sorted(self._links):
            if link.kind == "output" and link.execution in in_graph:
                execution = in_graph[link.execution]
                made.setdefault((execution.run, execution.pipeline, execution.node), link)
        linked = {link.execution for link in self._links}
        for key, execution in of_runs.items():
            output = made.get((execution.run, execution.pipeline, execution.node))
            if execution.has_failed and output is not None and key not in linked:
                self._links.add(output._replace(execution=key, kind="attempt"))

    def _follow(self, artifacts: set[int]) -> list[_Seen]:
        self._followed |= self._reader.artifacts(artifacts)
        return [event for event in self._look_at(artifacts) if event.type in OUTPUTS]

    def _makers(self, outputs: list[_Seen]) -> set[int]:
        """Links artifacts with what has made them; returns those executions."""
        executions = self._reader.executions({event.execution for event in outputs})
        by_artifact: dict[int, list[_Seen]] = {}
        for event in outputs:
            if event.execution in executions:
                by_artifact.setdefault(event.artifact, []).append(event)
        makers = set()
        for events in by_artifact.values():
            made = [event for event in events if executions[event.execution].state != CACHED]
            if self._direction == FORWARD:
                for event in events:
                    self._link(event, "output" if event in made else "reused")
            # Where the store has lost what made it, the first that reused it stands for that.
            for event in made or [min(events, key=lambda event: event.execution)]:
                self._link(event, "output" if made else "reused")
                makers.add(event.execution)
        return makers

    def _read_by(self, executions: set[int]) -> set[int]:
        """Links executions with their inputs; returns those that are an origin."""
        new = executions - self._expanded
        self._expanded |= new
        origins = set()
        for event in self._seen(self._reader.events_of_executions(new)):
            if event.type in INPUTS:
                if event.role == _BASELINE_ROLE:
                    self._link(event, "compared")
                else:
                    self._link(event, "input")
                    origins.add(event.artifact)
        # A baseline's own events tell which resolver has chosen it.
        baselines = {link.artifact for link in self._links if link.kind == "compared"}
        self._look_at(baselines - {event.artifact for event in self._events} - origins)
        return origins

    def _made_by(self, executions: set[int]) -> set[int]:
        """Links executions with their outputs; returns those that were made, not reused."""
        new = executions - self._expanded
        self._expanded |= new
        states = self._reader.executions(new)
        made = set()
        for event in self._seen(self._reader.events_of_executions(new)):
            if event.type in OUTPUTS:
                is_reused = states[event.execution].state == CACHED
                self._link(event, "reused" if is_reused else "output")
                made.add(event.artifact)
        return made

    def _look_at(self, artifacts: set[int]) -> list[_Seen]:
        events = self._seen(self._reader.events_of_artifacts(artifacts))
        self._events.extend(events)
        return events

    @staticmethod
    def _seen(events: Iterable[Event]) -> list[_Seen]:
        return [
            _Seen(event.artifact_id, event.execution_id, event.type, role_of(event))
            for event in events
        ]

    def _is_blessing(self, artifact: int) -> bool:
        found = self._reader.artifacts([artifact])
        return bool(found) and found[artifact].type.endswith(BLESSING_SUFFIX)

    def _link(self, event: _Seen, kind: Kind) -> None:
        self._links.add(Link(event.artifact, event.execution, kind, event.role))
