"""What made the executions of a run: image, packages, code and parameters."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.errors import PipelineError
from components.execution_outcome import (
    CODE_HASH_PROPERTY,
    IMAGE_PROPERTY,
    PACKAGES_PROPERTY,
    PARAMETERS_PROPERTY,
)
from orchestration.lineage.graph import Execution, Graph, Links, json_value
from orchestration.local.run_record import Runs
from orchestration.package import read_package

NOT_RECORDED = "not recorded"

#: Labels that the compiler gives each pod, by what they say.
_PACKAGE_LABELS = {
    "complaint-pipeline": "complaint-pipeline/version",
    "tfx": "complaint-pipeline/tfx-version",
}
_CODE_HASH_LABEL = "complaint-pipeline/code-hash"

#: A workflow takes a few hundredths of a second to read.
_MAX_RUN_FOLDERS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run.

    Attributes:
        id: Its id.
        pipeline: Name of its pipeline.
        started: When its first execution in the graph was recorded, seconds since 1970.
        executions: Ids of its executions in the graph.
        images: Container images.
        packages: Versions by package.
        code_hash: Hash of all code under ``components/``; empty where it was not recorded.
        parameters: The run parameters; empty where they were not recorded.
        workflow: Path of the workflow's file, where the run was on this machine.
    """

    id: str
    pipeline: str
    started: float
    executions: tuple[int, ...]
    images: tuple[str, ...] = ()
    packages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    code_hash: str = ""
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    workflow: str = ""


def run_facts(graph: Graph, links: Links, home: pathlib.Path | None) -> list[RunFacts]:
    """Returns the runs of a graph, the newest first.

    Args:
        graph: The graph.
        links: Its links.
        home: Folder with the runs on this machine, ``None`` to take only what ML Metadata has.
            The newest ten runs are looked up there.
    """
    by_run: dict[str, list[Execution]] = {}
    for execution in graph.executions.values():
        by_run.setdefault(execution.run, []).append(execution)
    facts = [
        _recorded(run, executions, _tfx_versions(graph, links, executions))
        for run, executions in by_run.items()
    ]
    facts.sort(key=lambda found: (-found.started, found.id))
    if home is None:
        return facts
    return [
        *(_with_folder(found, home) for found in facts[:_MAX_RUN_FOLDERS]),
        *facts[_MAX_RUN_FOLDERS:],
    ]


def code_hash_of(execution: Execution) -> str:
    """Returns the hash of the code that an execution ran; empty where it was not recorded."""
    own = execution.properties.get(CODE_HASH_PROPERTY)
    if isinstance(own, str) and own:
        return own
    config = json_value(execution.properties.get("custom_config"))
    if not isinstance(config, dict):
        return ""
    if isinstance(found := config.get("code_hash"), str):
        return found
    # ExampleGen's custom configuration is a message, which holds nothing but the hash.
    packed = config.get("custom_config")
    found = packed.get("value") if isinstance(packed, dict) else None
    return found if isinstance(found, str) else ""


def _recorded(run: str, executions: Sequence[Execution], tfx_versions: set[str]) -> RunFacts:
    packages: dict[str, str] = {"tfx": ", ".join(sorted(tfx_versions))} if tfx_versions else {}
    parameters: dict[str, str] = {}
    for execution in executions:
        packages |= _texts(execution, PACKAGES_PROPERTY)
        parameters |= _texts(execution, PARAMETERS_PROPERTY)
    return RunFacts(
        id=run,
        pipeline=executions[0].pipeline,
        started=min(execution.recorded for execution in executions),
        executions=tuple(sorted(execution.id for execution in executions)),
        images=tuple(_values(executions, IMAGE_PROPERTY)),
        packages=packages,
        code_hash=", ".join(_values(executions, CODE_HASH_PROPERTY)),
        parameters=parameters,
    )


def _with_folder(found: RunFacts, home: pathlib.Path) -> RunFacts:
    """Adds what the folder of a run on this machine has; a damaged one is as good as none."""
    try:
        folder = Runs(home).find(found.id)
        record = folder.read()
        manifest = read_package(folder.workflow).manifest
    except (PipelineError, OSError, ValueError):
        return found
    labels: dict[str, str] = {}
    images = []
    for template in manifest.get("spec", {}).get("templates", []):
        own = template.get("metadata", {}).get("labels", {})
        if _CODE_HASH_LABEL in own:
            labels |= own
            images.append(str(template.get("container", {}).get("image", "")))
    packages = {
        package: str(labels[label]) for package, label in _PACKAGE_LABELS.items() if label in labels
    }
    return dataclasses.replace(
        found,
        images=found.images or tuple(sorted(set(images) - {""})),
        packages={**packages, **found.packages},
        code_hash=found.code_hash or str(labels.get(_CODE_HASH_LABEL, "")),
        parameters=found.parameters or record.parameters,
        workflow=record.package,
    )


def _tfx_versions(graph: Graph, links: Links, executions: Iterable[Execution]) -> set[str]:
    versions = (
        graph.artifacts[link.artifact].properties.get("tfx_version")
        for execution in executions
        for link in links.of_execution(execution.id, "output")
    )
    return {version for version in versions if isinstance(version, str) and version}


def _texts(execution: Execution, name: str) -> dict[str, str]:
    value: Any = json_value(execution.properties.get(name))
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def _values(executions: Iterable[Execution], name: str) -> list[str]:
    found = (execution.properties.get(name) for execution in executions)
    texts = sorted(text for text in found if isinstance(text, str) and text)
    return [text for text, _ in itertools.groupby(texts)]
