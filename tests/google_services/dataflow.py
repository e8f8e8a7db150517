"""Dataflow's API, as Beam's runner uses it."""

import dataclasses
import re
import threading
from collections.abc import Callable
from typing import Any

from tests.google_services.http import Answer, Request

_JOBS = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs")
_JOB = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)(/messages|/metrics)?")
_TIME = "2026-01-01T00:00:00.000Z"


@dataclasses.dataclass
class Dataflow:
    """Jobs.

    Attributes:
        jobs: Project, region and body of each job that was made.
        refusal: Answer in place of a new job.
        state: How a job ends.
        messages: Errors that a job gives.
        run_job: Runs the pipeline at a URI, and tells whether it has succeeded; ``None`` runs none.
    """

    jobs: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)
    refusal: Answer | None = None
    state: str = "JOB_STATE_DONE"
    messages: tuple[str, ...] = ()
    run_job: Callable[[str], bool] | None = None

    def answer(self, request: Request) -> Answer | None:
        """Answers a request; ``None`` if it is for another service."""
        if request.host != "dataflow.googleapis.com":
            return None
        if (match := _JOBS.fullmatch(request.path)) and request.method == "POST":
            if self.refusal is not None:
                return self.refusal
            self.jobs.append((match[1], match[2], request.json()))
            if self.run_job is not None:
                self._start(request.json())
            return Answer(200, self._job(match[1], match[2], "JOB_STATE_PENDING"))
        if match := _JOB.fullmatch(request.path):
            if match[4] == "/messages":
                return Answer(
                    200,
                    {
                        "jobMessages": [
                            {
                                "id": str(number),
                                "time": _TIME,
                                "messageText": text,
                                "messageImportance": "JOB_MESSAGE_ERROR",
                            }
                            for number, text in enumerate(self.messages)
                        ]
                    },
                )
            if match[4] == "/metrics":
                return Answer(200, {"metrics": []})
            return Answer(200, self._job(match[1], match[2], self.state))
        return None

    def _start(self, job: Any) -> None:
        self.state = "JOB_STATE_RUNNING"
        uri = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]

        def run() -> None:
            assert self.run_job is not None
            self.state = "JOB_STATE_DONE" if self.run_job(uri) else "JOB_STATE_FAILED"

        threading.Thread(target=run, daemon=True).start()

    def _job(self, project: str, region: str, state: str) -> dict[str, Any]:
        return {
            "id": "2026-01-01_00_00_00-1",
            "projectId": project,
            "location": region,
            "name": "example",
            "type": "JOB_TYPE_BATCH",
            "currentState": state,
            "createTime": _TIME,
        }
