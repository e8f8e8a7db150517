"""Reads the logs of a step's pods on Kubeflow, whole or as they grow.

Neither of Kubeflow's ways to a log can stream, begin in the middle, or say how long it is: each
look takes the whole log, and what has been seen of it before is left out.
"""

import urllib.parse
from typing import Any

from orchestration.cluster.errors import ClusterError
from orchestration.cluster.workflow_status import ENDED, PodOfStep, WorkflowStatus, status_of
from orchestration.local.run_record import StepRecord
from orchestration.log_following import LogLook
from orchestration.run_view import UNFINISHED

_NOT_ALLOWED = (302, 401, 403)
_NOT_FOUND = 404

#: How much of a log's end is looked for in one whose beginning has gone.
_OVERLAP_BYTES = 1024


def read_log(client: Any, run: str, pod: PodOfStep) -> bytes | None:
    """Reads the log of a pod, as much as there is.

    Args:
        client: A client of ``connect``.
        run: The run's id.
        pod: The pod.

    Returns:
        The log, or ``None`` where Kubeflow does not have it.

    Raises:
        ClusterError: If the user may not read it, or there was no answer.
    """
    query = {"podname": pod.name, "runid": run}
    if pod.namespace:
        query["podnamespace"] = pod.namespace
    # Kubeflow's API has no call for logs: its UI has one, and its server another.
    places = (
        f"/k8s/pod/logs?{urllib.parse.urlencode(query)}",
        f"/apis/v1alpha1/runs/{run}/nodes/{urllib.parse.quote(pod.node)}/log",
    )
    no_answer: ClusterError | None = None
    for place in places:
        try:
            return _bytes(client, place)
        except ClusterError as error:
            if error.status in _NOT_ALLOWED:
                raise
            if error.status == 0:
                no_answer = error
    if no_answer is not None:
        raise no_answer
    return None


def missing_log(step: str, pod: PodOfStep) -> str:
    """Returns a message about a log that Kubeflow does not have."""
    namespace = f" -n {pod.namespace}" if pod.namespace else ""
    return (
        f"{step}: Kubeflow does not have the whole log; where the pod is still there: "
        f"kubectl logs{namespace} {pod.name} -c main"
    )


def unseen(before: bytes, now: bytes) -> tuple[bytes, bytes]:
    """Returns what of a log has not been seen.

    Args:
        before: The log as it was read before.
        now: The log as it was read now.

    Returns:
        What is new, and what ``before`` is from now on.
    """
    if now.startswith(before):
        return now[len(before) :], now
    if before.startswith(now):
        return b"", before  # An answer that lags behind.
    # A node keeps only the end of a long log. Rather a line twice than one never.
    end = before[-_OVERLAP_BYTES:]
    at = now.find(end)
    return (now if at < 0 else now[at + len(end) :]), now


class FollowedLog:
    """The log of a step from its last pod on: a retry is a new pod."""

    def __init__(self, client: Any, run: str, step: str) -> None:
        """Takes a client of ``connect``, the run's id, and the name of one of its steps."""
        self._client = client
        self._run = run
        self._step = step
        self._node: str | None = None
        self._seen = b""
        # What was read before a call failed is not lost with it.
        self._gained = b""
        self._missing: str | None = None

    def look(self) -> LogLook:
        """Reads what has been logged since the last look, or the last look that succeeded.

        Raises:
            ClusterError: If Kubeflow does not answer, or refuses.
        """
        # The state first: a step that has ended by now has logged all that it ever will.
        detail = self._client.runs.get_run(self._run)
        status = status_of(detail)
        step = self._record(status)
        is_over = step.state not in UNFINISHED or detail.run.status in ENDED
        pods = self._pods_to_read(status)
        for pod in pods:
            # The log of a pod that has only just started may not be there yet.
            if not self._read(pod) and (is_over or pod is not pods[-1]):
                self._missing = missing_log(self._step, pod)
        gained, self._gained = self._gained, b""
        return LogLook(
            run=self._run,
            step=step,
            gained=gained,
            is_over=is_over,
            missing=self._missing,
        )

    def _record(self, status: WorkflowStatus) -> StepRecord:
        steps = {step.name: step for step in status.steps}
        return steps.get(self._step) or StepRecord(self._step)

    def _pods_to_read(self, status: WorkflowStatus) -> list[PodOfStep]:
        """The pod that was read last, for its end, and those that have come since."""
        pods = status.pods(self._step)
        nodes = [pod.node for pod in pods]
        first = nodes.index(self._node) if self._node in nodes else max(0, len(pods) - 1)
        # A pod that waits for its node or its image has no log.
        return [pod for pod in pods[first:] if pod.phase != "Pending"]

    def _read(self, pod: PodOfStep) -> bool:
        now = read_log(self._client, self._run, pod)
        if now is None:
            return False
        if pod.node != self._node:
            if self._seen and not self._seen.endswith(b"\n"):
                self._gained += b"\n"
            self._node, self._seen = pod.node, b""
        new, self._seen = unseen(self._seen, now)
        self._gained += new
        return True


def _bytes(client: Any, path: str) -> bytes:
    answer = client.runs.api_client.call_api(
        path, "GET", response_type="str", auth_settings=["Bearer"], _preload_content=False
    )
    response = answer[0] if isinstance(answer, tuple) else answer
    return response.data
