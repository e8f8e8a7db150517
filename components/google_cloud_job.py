"""A training job of Vertex AI: started by TFX's client, and followed to its end."""

import time
from typing import Any

from absl import logging
from google.cloud.aiplatform import gapic
from tfx.components.trainer import executor
from tfx.extensions.google_cloud_ai_platform import training_clients
from tfx.types import Artifact
from tfx.utils import name_utils

from components import google_cloud_errors
from components.errors import RunError

_CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/{region}/training/{id}/cpu"

#: How long one answer may take, in seconds.
_ANSWER_SECONDS = 60.0

# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState
_GOES_ON = frozenset(
    {
        gapic.JobState.JOB_STATE_QUEUED,
        gapic.JobState.JOB_STATE_PENDING,
        gapic.JobState.JOB_STATE_RUNNING,
        gapic.JobState.JOB_STATE_UPDATING,
    }
)

#: Of these nothing is left to cancel.
_ENDS = frozenset(
    {
        gapic.JobState.JOB_STATE_FAILED,
        gapic.JobState.JOB_STATE_CANCELLING,
        gapic.JobState.JOB_STATE_CANCELLED,
        gapic.JobState.JOB_STATE_EXPIRED,
        gapic.JobState.JOB_STATE_PARTIALLY_SUCCEEDED,
    }
)


class VertexJob:
    """The CustomJob of a step.

    Args:
        project: The project's id.
        region: The region.
        display_name: The job's display name.
    """

    def __init__(self, project: str, region: str, display_name: str) -> None:
        self._project, self._region, self._display_name = project, region, display_name
        self._client = training_clients.VertexJobClient(region)

    def start(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
        arguments: dict[str, Any],
    ) -> None:
        """Starts TFX's Trainer in a job.

        Args:
            input_dict: The Trainer's inputs.
            output_dict: The Trainer's outputs.
            exec_properties: The Trainer's.
            arguments: A CustomJob, whose display name this one's replaces.
        """
        job = self._client.create_training_job(
            input_dict,
            output_dict,
            exec_properties,
            name_utils.get_full_name(executor.GenericExecutor),
            {**arguments, "display_name": self._display_name},
            job_id=None,
            job_labels=None,
        )
        self._client.launch_job(self._project, job)

    def wait(self, poll_seconds: float, patience_seconds: float) -> None:
        """Returns once the job has succeeded.

        TFX waits for ever for a job that ends in a state other than the three it knows, and gives
        up at the first answer that says "try again".

        Args:
            poll_seconds: How long to wait between two questions, in seconds.
            patience_seconds: How long Vertex AI may fail to answer, in seconds.

        Raises:
            RunError: If the job has ended otherwise, or cannot be asked for any more; it is then
                cancelled.
        """
        answered = time.monotonic()
        while True:
            try:
                job = self._api.get_custom_job(name=self._name, retry=None, timeout=_ANSWER_SECONDS)
            except Exception as error:
                lost = time.monotonic() - answered > patience_seconds
                if lost or not google_cloud_errors.is_transient(error):
                    raise RunError(
                        f"{google_cloud_errors.one_line(error)}; {self._end()}"
                    ) from error
                logging.warning(
                    "Vertex AI's job %s: %s; asking again.",
                    self._name,
                    google_cloud_errors.one_line(error),
                )
            else:
                answered = time.monotonic()
                if job.state == gapic.JobState.JOB_STATE_SUCCEEDED:
                    return
                if job.state in _ENDS:
                    raise RunError(self._failure(job))
                if job.state not in _GOES_ON:
                    raise RunError(f"{self._failure(job)}; {self._end()}")
            time.sleep(poll_seconds)

    def cancel(self) -> None:
        """Cancels the job if it was started; what goes wrong is only logged."""
        if self._name:
            logging.warning("Cancelling: %s.", self._end())

    def cancel_namesakes(self) -> None:
        """Cancels the jobs of this display name that go on; what goes wrong is only logged."""
        try:
            parent = f"projects/{self._project}/locations/{self._region}"
            wanted = f'display_name="{self._display_name}"'
            for job in self._api.list_custom_jobs(request={"parent": parent, "filter": wanted}):
                if job.state in _GOES_ON:
                    logging.warning("Cancelling %s.", job.name)
                    self._api.cancel_custom_job(name=job.name)
        except Exception as error:  # noqa: BLE001 (Google's clients raise many kinds)
            logging.error("%s may go on: %s", self._display_name, error)

    @property
    def _api(self) -> gapic.JobServiceClient:
        return self._client._client

    @property
    def _name(self) -> str:
        return self._client.get_job_name()

    def _failure(self, job: gapic.CustomJob) -> str:
        # A state that this client does not know is a number.
        state = getattr(job.state, "name", str(job.state))
        ended = state.removeprefix("JOB_STATE_").lower().replace("_", " ")
        reason = " ".join(job.error.message.split()).rstrip(". ") or "it gives no reason"
        number = job.name.rpartition("/")[2]
        console = _CONSOLE.format(region=self._region, id=number)
        return (
            f"Vertex AI's job {number} ended as {ended}: {reason}; its logs are at "
            f"{console}?project={self._project}"
        )

    def _end(self) -> str:
        """Cancels the job, and returns what has become of it."""
        try:
            self._api.cancel_custom_job(name=self._name, retry=None, timeout=_ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 (Google's clients raise many kinds)
            number = self._name.rpartition("/")[2]
            return (
                f"Vertex AI's job {self._name} may still run, as it cannot be cancelled "
                f"({google_cloud_errors.one_line(error)}): gcloud ai custom-jobs cancel {number} "
                f"--project={self._project} --region={self._region}"
            )
        return f"Vertex AI's job {self._name} was cancelled"
