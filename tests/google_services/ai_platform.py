"""The legacy AI Platform, as googleapiclient finds it: a description, jobs and models."""

import dataclasses
import re
from typing import Any

from tests.google_services.http import Answer, Request, error

_ROOT = "https://ml.googleapis.com/"


def _method(
    name: str, http: str, path: str, parameters: list[str], *, body: bool
) -> dict[str, Any]:
    method: dict[str, Any] = {
        "id": f"ml.{name}",
        "path": path,
        "httpMethod": http,
        "parameters": {
            parameter: {"type": "string", "required": True, "location": "path", "pattern": ".*"}
            for parameter in parameters
        },
        "parameterOrder": parameters,
        "response": {"$ref": "Any"},
    }
    if body:
        method["request"] = {"$ref": "Any"}
    return method


#: The part of the discovery document (https://developers.google.com/discovery/v1/reference/apis)
#: of what TFX calls.
_DESCRIPTION = {
    "kind": "discovery#restDescription",
    "id": "ml:v1",
    "name": "ml",
    "version": "v1",
    "rootUrl": _ROOT,
    "servicePath": "",
    "baseUrl": _ROOT,
    "batchPath": "batch",
    "protocol": "rest",
    "parameters": {"alt": {"type": "string", "location": "query", "default": "json"}},
    "auth": {
        "oauth2": {
            "scopes": {"https://www.googleapis.com/auth/cloud-platform": {"description": ""}}
        }
    },
    "schemas": {
        "Any": {
            "id": "Any",
            "type": "object",
            "additionalProperties": {"type": "any", "description": ""},
        }
    },
    "resources": {
        "projects": {
            "resources": {
                "jobs": {
                    "methods": {
                        "create": _method(
                            "projects.jobs.create",
                            "POST",
                            "v1/{+parent}/jobs",
                            ["parent"],
                            body=True,
                        ),
                        "get": _method(
                            "projects.jobs.get", "GET", "v1/{+name}", ["name"], body=False
                        ),
                    }
                },
                "models": {
                    "methods": {
                        "create": _method(
                            "projects.models.create",
                            "POST",
                            "v1/{+parent}/models",
                            ["parent"],
                            body=True,
                        )
                    },
                    "resources": {
                        "versions": {
                            "methods": {
                                "create": _method(
                                    "projects.models.versions.create",
                                    "POST",
                                    "v1/{+parent}/versions",
                                    ["parent"],
                                    body=True,
                                ),
                                "setDefault": _method(
                                    "projects.models.versions.setDefault",
                                    "POST",
                                    "v1/{+name}:setDefault",
                                    ["name"],
                                    body=True,
                                ),
                            }
                        }
                    },
                },
                "operations": {
                    "methods": {
                        "get": _method(
                            "projects.operations.get", "GET", "v1/{+name}", ["name"], body=False
                        )
                    }
                },
            }
        }
    },
}


@dataclasses.dataclass
class AiPlatform:
    """What has been asked of it.

    Attributes:
        calls: Method, path and body of each call.
        refusals: Answers in place of those to the next calls, by a part of their path.
        job_state: How a job ends.
    """

    calls: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)
    refusals: dict[str, Answer] = dataclasses.field(default_factory=dict)
    job_state: str = "SUCCEEDED"

    def answer(self, request: Request) -> Answer | None:
        """Answers a request; ``None`` if it is for another service."""
        if request.path == "/discovery/v1/apis/ml/v1/rest":
            return Answer(200, _DESCRIPTION)
        if request.host != "ml.googleapis.com":
            return None
        self.calls.append((request.method, request.path, request.json()))
        for part, refusal in self.refusals.items():
            if part in request.path:
                return refusal
        if re.fullmatch(r"/v1/projects/[^/]+/jobs/[^/]+", request.path):
            return Answer(200, {"jobId": request.path.rpartition("/")[2], "state": self.job_state})
        if "/operations/" in request.path:
            return Answer(200, {"name": "operations/1", "done": True, "response": {}})
        if request.method == "POST":
            return Answer(200, {"name": "projects/example-project/operations/1"})
        return error(404, "not found")
