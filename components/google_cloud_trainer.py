"""Trains on Vertex AI, or, by TFX's own executor, on AI Platform."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from google.api_core.exceptions import GoogleAPIError
from tfx.components.trainer import component
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.extensions.google_cloud_ai_platform.trainer import executor
from tfx.types import Artifact, standard_component_specs
from tfx.utils import json_utils, path_utils

from components.errors import RunError
from components.google_cloud_job import VertexJob
from components.google_cloud_keys import ENABLE_VERTEX_KEY, TRAINING_ARGS_KEY, VERTEX_REGION_KEY


class Executor(executor.GenericExecutor):
    """TFX's executor, whose job has the run's name, is told in one line, and ends with its pod."""

    #: Time between two looks at the job, in seconds.
    POLL_SECONDS = 30.0
    #: How long Vertex AI may fail to answer while the job runs, in seconds.
    PATIENCE_SECONDS = 900.0

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
            RunError: If an output is not in Cloud Storage, the job has not succeeded, or it has
                left no model.
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
            _require_model(output_dict)
            return
        self._log_startup(input_dict, output_dict, exec_properties)
        arguments = config[TRAINING_ARGS_KEY]
        run_id = os.environ.get("WORKFLOW_ID")
        job = VertexJob(
            project=arguments["project"],
            region=config[VERTEX_REGION_KEY],
            # By which the job of a run can be found.
            display_name=run_id or arguments["display_name"],
        )
        if run_id:
            # That of an attempt whose pod was killed, which would write the same backups.
            job.cancel_namesakes()
        try:
            with _terminated_by_exception():
                job.start(input_dict, output_dict, exec_properties, arguments)
                job.wait(self.POLL_SECONDS, self.PATIENCE_SECONDS)
        except (KeyboardInterrupt, SystemExit, GoogleAPIError):
            # The answer that names the job may not have come.
            if run_id:
                job.cancel_namesakes()
            else:
                job.cancel()
            raise
        _require_model(output_dict)


class Trainer(component.Trainer):
    """TFX's Trainer, whose step waits for a job on Google Cloud."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)


def _require_model(output_dict: dict[str, list[Artifact]]) -> None:
    """Refuses what a job says to be a success without a model."""
    for model in output_dict[standard_component_specs.MODEL_KEY]:
        folder = path_utils.serving_model_path(model.uri)
        if not fileio.exists(f"{folder}/saved_model.pb"):
            raise RunError(
                f"{folder}: the job ended as succeeded, but left no saved_model.pb here; see its "
                "logs, and that its image runs the command that it is given"
            )


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
