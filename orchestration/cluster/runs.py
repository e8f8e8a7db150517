"""Runs on Kubeflow: create, list, look, read logs, terminate, retry."""

import dataclasses
import re
import secrets
from collections.abc import Mapping
from typing import Any

from orchestration.cluster.calls import create_once, name_is, of_namespace, pages
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.logs import FollowedLog, missing_log, read_log
from orchestration.cluster.pipelines import Version
from orchestration.cluster.workflow_status import (
    ENDED,
    WorkflowStatus,
    seconds_of,
    state_of,
    status_of,
)
from orchestration.local import run_record
from orchestration.run_view import RunView, finite_numbers

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_PAGE = 200
_RETRYABLE = ("Failed", "Error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a user says of a run.

    Attributes:
        name: Its name; ``None`` for one made from the pipeline's.
        experiment: The experiment, which is created where there is none.
        parameters: Values of run parameters, checked.
        service_account: Kubernetes service account; ``None`` for the workflow's.
    """

    name: str | None
    experiment: str
    parameters: Mapping[str, str]
    service_account: str | None = None


class ClusterRuns:
    """The runs on Kubeflow, as the commands see them."""

    def __init__(self, client: Any, connection: Connection) -> None:
        """Takes a client of ``connect``, and its connection."""
        self._client = client
        self._connection = connection

    def create(self, version: Version, new: NewRun) -> RunView:
        """Starts a run of a pipeline version.

        Raises:
            ClusterError: If the server refuses it, or does not answer.
        """
        experiment = ensure_experiment(self._client, self._connection, new.experiment)
        name = new.name or f"{version.pipeline}-{secrets.token_hex(4)}"
        # Names are not unique: what is there before cannot be the new run.
        before = {run.id for run in self._named(name)} if new.name else set()

        def found() -> Any | None:
            return next((run for run in self._named(name) if run.id not in before), None)

        def create() -> Any:
            return self._client.run_pipeline(
                experiment.id,
                name,
                params=dict(new.parameters),
                version_id=version.id,
                service_account=new.service_account,
            )

        run, _ = create_once(found, create, self._connection)
        return self.get(run.id)

    def newest(self, limit: int) -> list[RunView]:
        """Returns the newest runs, without their steps."""
        runs: list[Any] = []
        token = ""
        while len(runs) < limit:
            answer = self._client.runs.list_runs(
                page_token=token,
                page_size=min(limit - len(runs), _MAX_PAGE),
                sort_by="created_at desc",
                **of_namespace(self._client),
            )
            runs += answer.runs or []
            token = answer.next_page_token or ""
            if not token:
                break
        return [self._view(run, None) for run in runs[:limit]]

    def get(self, run: str | None) -> RunView:
        """Returns a run by its id or name, or the newest one.

        Raises:
            ClusterError: If there is none, or several have the name.
        """
        detail = self._detail(run)
        return self._view(detail.run, status_of(detail))

    def log(self, run: str | None, step: str) -> tuple[str, str]:
        """Returns the run's id and the log of a step's last pod.

        Raises:
            ClusterError: If there is no such step, or its log cannot be had.
        """
        detail = self._detail(run)
        identity = detail.run.id
        pod = status_of(detail).pod(step)
        text = read_log(self._client, identity, pod)
        if text is None:
            raise ClusterError(missing_log(step, pod))
        return identity, text.decode("utf-8", "replace")

    def follow_log(self, run: str | None, step: str) -> FollowedLog:
        """Returns the log of a step, to be read while it grows.

        Raises:
            ClusterError: If there is no such run or step.
        """
        detail = self._detail(run)
        status_of(detail).pods(step)
        return FollowedLog(self._client, detail.run.id, step)

    def workflow_name(self, run: str) -> str:
        """Returns the name of a run's workflow, by which ML Metadata knows the run.

        Raises:
            ClusterError: If there is no such run, or it has not started.
        """
        name = status_of(self._detail(run)).name
        if name is None:
            raise ClusterError(f"{run}: has no workflow yet; it has not started")
        return name

    def terminate(self, run: str) -> RunView:
        """Asks Kubeflow to end a run.

        Raises:
            ClusterError: If it has ended already, or the server refuses.
        """
        found = self._detail(run).run
        if found.status in ENDED:
            raise ClusterError(f"{run}: {found.status}; there is nothing to terminate")
        self._client.runs.terminate_run(found.id)
        return self.get(found.id)

    def retry(self, run: str) -> RunView:
        """Restarts a failed run from its failed steps.

        Raises:
            ClusterError: If it has not failed, something of it still runs, or the server refuses.
        """
        detail = self._detail(run)
        status = detail.run.status or "Pending"
        if status not in _RETRYABLE:
            raise ClusterError(
                f"{run}: {status}; only a run that is Failed or Error can be retried"
            )
        if status_of(detail).has_running_steps:
            raise ClusterError(
                f"{run}: {status}, but some of its steps still run; wait for them, or end the run "
                f"with 'complaint-pipeline terminate --cluster {run}'"
            )
        try:
            self._client.runs.retry_run(detail.run.id)
        except ClusterError as error:
            if not error.is_lost:
                raise
            raise ClusterError(
                f"{error}; whether the retry began is not known: look with 'complaint-pipeline "
                f"status --cluster {detail.run.id}' before another"
            ) from error
        return self.get(detail.run.id)

    def _detail(self, run: str | None) -> Any:
        if run is None:
            newest = self.newest(1)
            if not newest:
                raise ClusterError(
                    "there are no runs; check --namespace, or start one with "
                    "'complaint-pipeline run FILE --cluster'"
                )
            return self._client.runs.get_run(newest[0].id)
        if _UUID.fullmatch(run):
            return self._client.runs.get_run(run)
        named = self._named(run)
        if not named:
            raise ClusterError(
                f"{run}: no run has this id or name; 'complaint-pipeline runs --cluster' lists them"
            )
        if len(named) > 1:
            ids = ", ".join(found.id for found in named[:3])
            raise ClusterError(f"{run}: {len(named)} runs have this name; give an id: {ids}")
        return self._client.runs.get_run(named[0].id)

    def _named(self, name: str) -> list[Any]:
        found = pages(
            self._client.runs.list_runs,
            "runs",
            filter=name_is(name),
            sort_by="created_at desc",
            **of_namespace(self._client),
        )
        return [run for run in found if run.name == name]

    def _view(self, run: Any, status: WorkflowStatus | None) -> RunView:
        references = {item.key.type: item for item in run.resource_references or []}
        version = references.get("PIPELINE_VERSION")
        experiment = references.get("EXPERIMENT")
        spec = run.pipeline_spec
        pipeline = (spec.pipeline_name if spec else None) or ""
        label = (version.name if version else None) or ""
        message = status.message if status else None
        state = state_of(run.status, message or run.error)
        if state == run_record.FAILED and status is not None and status.is_ended_by_hand:
            state = run_record.TERMINATED
        created = seconds_of(run.created_at)
        parameters = {item.name: item.value for item in (spec.parameters if spec else None) or []}
        if status is not None:
            parameters = {**status.parameters, **parameters}
        metrics = finite_numbers({item.name: item.number_value for item in run.metrics or []})
        return RunView(
            id=run.id,
            name=run.name or run.id,
            state=state,
            pipeline=label if pipeline in ("", label) else f"{pipeline} {label}".strip(),
            experiment=(experiment.name or experiment.key.id) if experiment else None,
            started=created,
            ended=None if run.status not in ENDED else seconds_of(run.finished_at),
            message=None if state == run_record.SUCCEEDED else (run.error or message),
            url=self._connection.page(f"runs/details/{run.id}"),
            parameters=parameters,
            steps=status.steps if status else [],
            resources=status.resources if status else {},
            metrics=metrics,
            result={"metrics": metrics} if metrics else {},
        )


def ensure_experiment(client: Any, connection: Connection, name: str) -> Any:
    """Returns an experiment by its name, and creates it where there is none."""

    def found() -> Any | None:
        matches = pages(
            client.experiments.list_experiment,
            "experiments",
            filter=name_is(name),
            **of_namespace(client),
        )
        return next((experiment for experiment in matches if experiment.name == name), None)

    return create_once(found, lambda: client.create_experiment(name), connection)[0]
