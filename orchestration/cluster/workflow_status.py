"""Reads how a run goes from the workflow that Kubeflow keeps with it, Argo's status in it."""

import base64
import dataclasses
import datetime
import graphlib
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.approval_wait import waiting_note
from orchestration.cluster.errors import ClusterError
from orchestration.local import run_record
from orchestration.local.run_record import StepRecord
from orchestration.suggestion import did_you_mean
from orchestration.workflow import Resources
from orchestration.workflow_parser import read_resources

_STATES = {
    "": run_record.PENDING,
    "Pending": run_record.PENDING,
    "Running": run_record.RUNNING,
    "Terminating": run_record.RUNNING,
    "Succeeded": run_record.SUCCEEDED,
    "Skipped": run_record.OMITTED,
    "Omitted": run_record.OMITTED,
    "Failed": run_record.FAILED,
    "Error": run_record.FAILED,
}

#: Phases in which a run has ended.
ENDED = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")

#: What Argo says where somebody has ended the workflow.
_ENDED_BY_HAND = re.compile(r"[Ss]trategy:?\s*'?(Terminate|Stop)\b")

#: Kubeflow's label for the id of the run.
_RUN_LABEL = "pipeline/runid"

_POD_NAMES = "workflows.argoproj.io/pod-name-format"
_MAX_POD_PREFIX = 253 - 11  # Kubernetes' limit less a hyphen and the hash


def state_of(phase: str | None, message: str | None = None) -> str:
    """Returns a state in the words of local runs.

    Args:
        phase: Kubeflow's or Argo's word; a word not known here is returned as it is.
        message: What Argo says beside it.
    """
    state = _STATES.get(phase or "", str(phase))
    if state == run_record.FAILED and _ENDED_BY_HAND.search(message or ""):
        return run_record.TERMINATED
    return state


def seconds_of(time: str | datetime.datetime | None) -> float | None:
    """Returns a time of Argo or of Kubeflow in seconds since 1970; ``None`` where it is unset."""
    if not time:
        return None
    if isinstance(time, str):
        time = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    # Kubeflow writes 1970 for a time that has not come.
    return time.timestamp() or None


@dataclasses.dataclass(frozen=True)
class PodOfStep:
    """A pod that a step ran in.

    Attributes:
        node: The id of its node in the workflow.
        name: The pod's name.
        namespace: Its namespace; empty if not known.
        phase: Argo's word for how it goes.
    """

    node: str
    name: str
    namespace: str
    phase: str


class WorkflowStatus:
    """A workflow with its status."""

    def __init__(self, text: str | None) -> None:
        """Takes the manifest of a run's detail.

        Raises:
            ClusterError: If it is not one that Argo writes.
        """
        try:
            self._manifest = json.loads(text or "{}")
            self._status: Mapping[str, Any] = self._manifest.get("status") or {}
            self._nodes = self._read_nodes()
        except (ValueError, OSError, AttributeError) as error:
            raise ClusterError(f"the run's workflow cannot be read: {error}") from error

    @property
    def name(self) -> str | None:
        """The workflow's name; ``None`` before it has one."""
        return (self._manifest.get("metadata") or {}).get("name") or None

    @property
    def message(self) -> str | None:
        """What Argo says of the workflow."""
        return self._status.get("message") or None

    @property
    def is_ended_by_hand(self) -> bool:
        """Whether somebody has ended the run: Kubeflow does so by a deadline of 0 seconds."""
        deadline = (self._manifest.get("spec") or {}).get("activeDeadlineSeconds")
        return deadline == 0 or bool(_ENDED_BY_HAND.search(self.message or ""))

    @property
    def has_running_steps(self) -> bool:
        """Whether a pod still runs or waits."""
        return any(
            node.get("type") == "Pod" and node.get("phase") in ("Running", "Pending")
            for node in self._nodes.values()
        )

    @property
    def parameters(self) -> dict[str, str]:
        """The run parameters."""
        arguments = (self._manifest.get("spec") or {}).get("arguments") or {}
        return {
            item["name"]: str(item.get("value", item.get("default", "")))
            for item in arguments.get("parameters") or []
        }

    @property
    def steps(self) -> list[StepRecord]:
        """The steps, each after those that it depends on, the exit handler last."""
        is_over = self._status.get("phase") in ("Succeeded", "Failed", "Error")
        records = []
        for name in self._step_names():
            node = self._node(name)
            if node is not None:
                records.append(self._record(name, node))
                continue
            state = run_record.OMITTED if is_over else run_record.PENDING
            records.append(StepRecord(name=name, state=state))
        return records

    @property
    def resources(self) -> dict[str, Resources]:
        """The steps' requests and limits, where they can be read."""
        templates = self._templates()
        found = {}
        for name, template in self._step_templates().items():
            container = (templates.get(template) or {}).get("container") or {}
            try:
                found[name] = read_resources(container.get("resources") or {})
            except ValueError:
                continue
        return found

    def pod(self, step: str) -> PodOfStep:
        """Returns the pod that a step ran in last.

        Raises:
            ClusterError: If there is no such step, or it has no pod yet.
        """
        pods = self.pods(step)
        if not pods:
            raise ClusterError(f"{step}: this step has no pod; it has not started")
        return pods[-1]

    def pods(self, step: str) -> list[PodOfStep]:
        """Returns the pods of a step, one an attempt, the last one last.

        Raises:
            ClusterError: If there is no such step.
        """
        names = self._step_names()
        if step not in names:
            raise ClusterError(f"{step}: the run has no such step{did_you_mean(step, names)}")
        node = self._node(step)
        namespace = (self._manifest.get("metadata") or {}).get("namespace") or ""
        return [
            PodOfStep(pod["id"], self._pod_name(pod), namespace, pod.get("phase") or "")
            for pod in ([] if node is None else self._pods(node))
        ]

    def _read_nodes(self) -> dict[str, dict[str, Any]]:
        packed = self._status.get("compressedNodes")
        if packed:  # Argo packs what is larger than 1 MiB.
            return json.loads(gzip.decompress(base64.b64decode(packed)))
        return dict(self._status.get("nodes") or {})

    def _templates(self) -> dict[str, dict[str, Any]]:
        spec = self._manifest.get("spec") or {}
        return {template["name"]: template for template in spec.get("templates") or []}

    def _tasks(self) -> Sequence[Mapping[str, Any]]:
        entry = (self._manifest.get("spec") or {}).get("entrypoint") or ""
        template = self._templates().get(entry) or {}
        tasks = (template.get("dag") or {}).get("tasks")
        return tasks if tasks is not None else [{"name": entry, "template": entry}]

    def _exit_step(self) -> str | None:
        return (self._manifest.get("spec") or {}).get("onExit") or None

    def _step_names(self) -> list[str]:
        tasks = {task["name"]: task.get("dependencies") or () for task in self._tasks()}
        try:
            names = list(graphlib.TopologicalSorter(tasks).static_order())
        except graphlib.CycleError:
            names = list(tasks)
        names = [name for name in names if name]
        exit_step = self._exit_step()
        return names if exit_step is None else [*names, exit_step]

    def _step_templates(self) -> dict[str, str]:
        templates = {task["name"]: task.get("template") or "" for task in self._tasks()}
        exit_step = self._exit_step()
        return templates if exit_step is None else {**templates, exit_step: exit_step}

    def _node(self, step: str) -> dict[str, Any] | None:
        root = (self._manifest.get("metadata") or {}).get("name")
        entry = (self._manifest.get("spec") or {}).get("entrypoint")
        for identity, node in self._nodes.items():
            is_inside = node.get("boundaryID") == root and node.get("displayName") == step
            is_exit = step == self._exit_step() and node.get("name") == f"{root}.onExit"
            is_whole = step == entry and identity == root and node.get("type") != "DAG"
            if is_inside or is_exit or is_whole:
                return {"id": identity, **node}
        return None

    def _pods(self, node: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The pods of a node, in the order in which they started."""
        if node.get("type") == "Pod":
            return [dict(node)]
        children = [
            {"id": child, **self._nodes[child]}
            for child in node.get("children") or []
            if child in self._nodes
        ]
        # The last attempt's children are the next steps: they have another display name.
        own = [
            child
            for child in children
            if str(child.get("displayName", "")).startswith(f"{node.get('displayName')}(")
        ]
        return sorted(
            (child for child in own if child.get("type") == "Pod"),
            key=lambda child: (child.get("startedAt") or "", child["id"]),
        )

    def _record(self, name: str, node: Mapping[str, Any]) -> StepRecord:
        pods = self._pods(node)
        last = pods[-1] if pods else node
        message = node.get("message") or last.get("message")
        if last.get("message") and node.get("phase") in ("Failed", "Error"):
            message = last["message"]  # Argo's own is "No more retries left".
        state = state_of(node.get("phase"), node.get("message") or last.get("message"))
        if state == run_record.FAILED and self.is_ended_by_hand and "deadline" in (message or ""):
            state = run_record.TERMINATED
        started = seconds_of(last.get("startedAt")) if pods else None
        if state == run_record.RUNNING:
            message = self._waiting_note(name, started) or message
        return StepRecord(
            name=name,
            state=state,
            attempts=len(pods),
            started=started,
            ended=seconds_of(last.get("finishedAt")) if pods else None,
            message=message if state != run_record.SUCCEEDED else None,
        )

    def _waiting_note(self, step: str, started: float | None) -> str | None:
        template = self._templates().get(self._step_templates().get(step, "")) or {}
        args = (template.get("container") or {}).get("args") or []
        run = ((self._manifest.get("metadata") or {}).get("labels") or {}).get(_RUN_LABEL, "RUN")
        command = f"complaint-pipeline approve --cluster {run} --by NAME"
        return waiting_note(args, started, command)

    def _pod_name(self, pod: Mapping[str, Any]) -> str:
        """Returns a pod's name: since Argo 3.4 it has the template's in it."""
        metadata = self._manifest.get("metadata") or {}
        workflow = str(metadata.get("name") or "")
        is_v2 = (metadata.get("annotations") or {}).get(_POD_NAMES) == "v2"
        identity, template = str(pod["id"]), pod.get("templateName")
        if not is_v2 or not template or identity == workflow:
            return identity
        prefix = f"{workflow}-{template}"[:_MAX_POD_PREFIX]
        return f"{prefix}-{identity.rpartition('-')[2]}"


def status_of(detail: Any) -> WorkflowStatus:
    """Returns the workflow in a run's detail.

    Raises:
        ClusterError: If it is not one that Argo writes.
    """
    runtime = detail.pipeline_runtime
    return WorkflowStatus(runtime.workflow_manifest if runtime else None)
