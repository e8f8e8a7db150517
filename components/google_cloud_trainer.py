"""Trains on Vertex AI, or on AI Platform, by TFX's own executor."""

import contextlib
import copy
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from absl import logging
from google.cloud.aiplatform import gapic
from tfx.components.trainer import component
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.extensions.google_cloud_ai_platform.trainer import executor
from tfx.types import Artifact, standard_component_specs
from tfx.utils import json_utils

from components.errors import RunError
from components.google_cloud_keys import ENABLE_VERTEX_KEY, TRAINING_ARGS_KEY, VERTEX_REGION_KEY

_CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/{region}/training/{id}/cpu"

_GOES_ON = frozenset(
    {
        gapic.JobState.JOB_STATE_QUEUED,
        gapic.JobState.JOB_STATE_PENDING,
        gapic.JobState.JOB_STATE_RUNNING,
    }
)


class Executor(executor.GenericExecutor):
    """TFX's executor, whose job has the run's name, is told in one line, and ends with its pod."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains in a job, and waits for its end.

        Args:
            input_dict: The Trainer's inputs.
            output_dict: The Trainer's outputs, in Cloud Storage.
            exec_properties: The Trainer's; ``custom_config`` has the job.

        Raises:
            RunError: If an output is not in Cloud Storage, or the job has failed.
        """
        for artifacts in (*input_dict.values(), *output_dict.values()):
            for artifact in artifacts:
                if not artifact.uri.startswith("gs://"):
                    raise RunError(
                        f"{artifact.uri}: Google Cloud cannot reach it; the run's pipeline-root "
                        "must be in Cloud Storage, such as gs://bucket/output"
                    )
        config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        if not config.get(ENABLE_VERTEX_KEY):
            super().Do(input_dict, output_dict, exec_properties)
            return
        arguments = copy.deepcopy(config[TRAINING_ARGS_KEY])
        run_id = os.environ.get("WORKFLOW_ID")
        # By which the job of a run can be found.
        arguments["display_name"] = run_id or arguments["display_name"]
        jobs = _Jobs(arguments["project"], config[VERTEX_REGION_KEY], arguments["display_name"])
        if run_id:
            # That of an attempt whose pod was killed, which would write the same backups.
            jobs.cancel()
        properties = {
            **exec_properties,
            standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps(
                {**config, TRAINING_ARGS_KEY: arguments}
            ),
        }
        try:
            with _terminated_by_exception():
                super().Do(input_dict, output_dict, properties)
        except RuntimeError as error:
            raise RunError(jobs.failure() or str(error)) from error
        except (KeyboardInterrupt, SystemExit):
            jobs.cancel()
            raise


class Trainer(component.Trainer):
    """TFX's Trainer, whose step waits for a job on Google Cloud."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)


class _Jobs:
    """The jobs of a name in a project and region.

    Args:
        project: The project's id.
        region: The region.
        name: The jobs' display name.
    """

    def __init__(self, project: str, region: str, name: str) -> None:
        self._region, self._name = region, name
        self._parent = f"projects/{project}/locations/{region}"
        self._project = project

    def failure(self) -> str | None:
        """Returns why the newest one has failed, in one line; ``None`` where there is none."""
        newest = next(iter(self._list()), None)
        if newest is None:
            return None
        state = newest.state.name.removeprefix("JOB_STATE_").lower()
        reason = " ".join(newest.error.message.split()).rstrip(". ") or "it gives no reason"
        number = newest.name.rpartition("/")[2]
        console = _CONSOLE.format(region=self._region, id=number)
        return (
            f"Vertex AI's job {number} ended as {state}: {reason}; its logs are at "
            f"{console}?project={self._project}"
        )

    def cancel(self) -> None:
        """Cancels those that go on; what goes wrong is only logged."""
        try:
            for job in self._list():
                if job.state in _GOES_ON:
                    logging.warning("Cancelling %s.", job.name)
                    self._client().cancel_custom_job(name=job.name)
        except Exception as error:  # noqa: BLE001 (Google's clients raise many kinds)
            logging.error("%s may go on: %s", self._name, error)

    def _client(self) -> gapic.JobServiceClient:
        endpoint = f"{self._region}-aiplatform.googleapis.com"
        return gapic.JobServiceClient(client_options={"api_endpoint": endpoint})

    def _list(self) -> list[gapic.CustomJob]:
        """Returns the jobs, newest first."""
        found = self._client().list_custom_jobs(
            request={"parent": self._parent, "filter": f'display_name="{self._name}"'}
        )
        return sorted(found, key=lambda job: job.create_time.timestamp(), reverse=True)


@contextlib.contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Lets SIGTERM, which ends a pod, be an exception, so that the job can be cancelled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: Any) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
