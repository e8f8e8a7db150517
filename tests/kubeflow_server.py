"""A Kubeflow Pipelines that keeps state and speaks the v1beta1 API over HTTP, without a cluster.

Paths, fields and error bodies are those of kfp-server-api 1.8.5 and of KFP's API server; steps do
not run: a test says how they went with ``KubeflowServer.progress``.
"""

import contextlib
import dataclasses
import datetime
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import yaml

from tests.loopback import LoopbackServer, serving

_API = "/apis/v1beta1"
_NO_TIME = "1970-01-01T00:00:00Z"


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": message,
            "message": message,
            "code": code,
            "details": [
                {
                    "@type": "type.googleapis.com/api.Error",
                    "error_message": message,
                    "error_details": f"{message}\n  at resource_manager.go:1",
                }
            ],
        }


@dataclasses.dataclass
class Fault:
    """What goes wrong with a call.

    Attributes:
        method: The call's method.
        path: A regular expression for its path.
        kind: ``status`` (an error before anything is done), ``lost`` (it is carried out, and the
            connection is cut instead of an answer), ``cut`` (the connection is cut while the body
            still comes, nothing is done), ``slow`` (an answer after ``seconds``) or ``page`` (a
            web page).
        times: How often.
        status: The status of ``status``.
        seconds: The delay of ``slow``.
        headers: More headers of ``status``.
        message: What ``status`` says.
    """

    method: str
    path: str
    kind: str
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    message: str = "Internal Server Error"


@dataclasses.dataclass
class Call:
    """A call that has come in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class KubeflowServer:
    """The state of a Kubeflow Pipelines, and the answers to calls.

    Attributes:
        url: Its address.
        calls: All calls that came in.
        token: The bearer token that calls must have, or ``None``.
        cookie: The cookie that calls must have, or ``None``.
        multi_user: Whether calls must name a namespace.
        page_limit: The most items of a page.
        logs: Logs by pod.
    """

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.token: str | None = None
        self.cookie: str | None = None
        self.multi_user = False
        self.page_limit = 200
        self.logs: dict[str, str] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.workflows: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self._faults: list[Fault] = []
        self._clock = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)

    def fail(self, method: str, path: str, kind: str, **more: Any) -> None:
        """Lets the next calls of a kind fail."""
        self._faults.append(Fault(method, path, kind, **more))

    def called(self, method: str, path: str) -> int:
        """Counts the calls of a kind."""
        with self.lock:
            return sum(
                1
                for call in self.calls
                if call.method == method and re.fullmatch(_API + path, call.path)
            )

    def progress(
        self, run_id: str, phase: str, nodes: dict[str, dict[str, Any]], **status: Any
    ) -> None:
        """Says how a run goes: its phase, and Argo's nodes."""
        with self.lock:
            run, workflow = self.runs[run_id], self.workflows[run_id]
            run["status"] = phase
            if phase in ("Succeeded", "Failed", "Error"):
                run["finished_at"] = self._now()
            workflow["status"] = {"phase": phase, "nodes": nodes, **status}

    def report_metrics(self, run_id: str, node: str, **values: float) -> None:
        """Says what a step has measured, as Kubeflow's persistence agent does."""
        metrics = [
            {"name": name, "node_id": node, "number_value": value, "format": "RAW"}
            for name, value in values.items()
        ]
        for metric in metrics:
            assert re.fullmatch(r"[a-zA-Z]([-_a-zA-Z0-9]{0,62}[a-zA-Z0-9])?", metric["name"])
        with self.lock:
            self.runs[run_id].setdefault("metrics", []).extend(metrics)

    def fault(self, method: str, path: str) -> Fault | None:
        """Takes the next fault of a call."""
        with self.lock:
            for fault in self._faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def answer(self, call: Call) -> tuple[int, Any]:
        """Carries out a call."""
        with self.lock:
            self.calls.append(call)
            self._authenticate(call)
            for method, pattern, function in self._routes():
                match = re.fullmatch(pattern, call.path)
                if match and method == call.method:
                    return 200, function(call, *map(urllib.parse.unquote, match.groups()))
        raise ApiError(404, "Not Found", 5)

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        one = r"/([^/:]+)"
        return [
            ("GET", f"{_API}/healthz", lambda _: {"multi_user": self.multi_user}),
            ("POST", f"{_API}/pipelines/upload", self._upload),
            ("POST", f"{_API}/pipelines/upload_version", self._upload_version),
            (
                "GET",
                f"{_API}/pipelines",
                lambda call: self._page(call, "pipelines", self.pipelines),
            ),
            (
                "GET",
                f"{_API}/pipelines{one}",
                lambda _, id_: self._get("Pipeline", self.pipelines, id_),
            ),
            ("GET", f"{_API}/pipeline_versions", self._list_versions),
            (
                "GET",
                f"{_API}/pipeline_versions{one}",
                lambda _, id_: self._get("PipelineVersion", self.versions, id_),
            ),
            ("POST", f"{_API}/experiments", self._create_experiment),
            (
                "GET",
                f"{_API}/experiments",
                lambda call: self._page(call, "experiments", self.experiments),
            ),
            (
                "GET",
                f"{_API}/experiments{one}",
                lambda _, id_: self._get("Experiment", self.experiments, id_),
            ),
            ("POST", f"{_API}/runs", self._create_run),
            ("GET", f"{_API}/runs", lambda call: self._page(call, "runs", self.runs)),
            ("GET", f"{_API}/runs{one}", self._run_detail),
            ("POST", f"{_API}/runs{one}/terminate", self._terminate),
            ("POST", f"{_API}/runs{one}/retry", self._retry),
            ("POST", f"{_API}/jobs", self._create_job),
            ("GET", f"{_API}/jobs", lambda call: self._page(call, "jobs", self.jobs)),
            ("GET", f"{_API}/jobs{one}", lambda _, id_: self._get("Job", self.jobs, id_)),
            ("DELETE", f"{_API}/jobs{one}", self._delete_job),
            ("POST", f"{_API}/jobs{one}/enable", lambda _, id_: self._switch(id_, True)),
            ("POST", f"{_API}/jobs{one}/disable", lambda _, id_: self._switch(id_, False)),
            ("GET", "/k8s/pod/logs", self._pod_log),
        ]

    def _authenticate(self, call: Call) -> None:
        if self.token is not None and call.headers.get("authorization") != f"Bearer {self.token}":
            given = call.headers.get("authorization", "none")
            raise ApiError(401, f"Unauthenticated: the token is expired: {given}", 16)
        if self.cookie is not None and call.headers.get("cookie") != self.cookie:
            raise ApiError(403, "no session", 7)

    def _now(self) -> str:
        self._clock += datetime.timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _get(self, kind: str, items: dict[str, dict[str, Any]], identity: str) -> dict[str, Any]:
        if identity not in items:
            raise ApiError(404, f"{kind} {identity} not found.", 5)
        return items[identity]

    def _page(self, call: Call, name: str, items: dict[str, dict[str, Any]]) -> dict[str, Any]:
        found = list(items.values())
        for predicate in json.loads(call.query.get("filter") or "{}").get("predicates", []):
            assert predicate["op"] in (1, "EQUALS")
            found = [item for item in found if item[predicate["key"]] == predicate["stringValue"]]
        if self.multi_user and name != "pipelines":
            if call.query.get("resource_reference_key.type") != "NAMESPACE":
                raise ApiError(400, "Invalid input error: namespace is empty")
            namespace = call.query["resource_reference_key.id"]
            found = [item for item in found if _refers(item, "NAMESPACE", namespace)]
        key, _, order = call.query.get("sort_by", "").partition(" ")
        if key:
            found = sorted(found, key=lambda item: item[key], reverse=order == "desc")
        first = int(call.query.get("page_token") or 0)
        size = min(int(call.query.get("page_size") or 20), self.page_limit)
        answer: dict[str, Any] = {name: found[first : first + size], "total_size": len(found)}
        if first + size < len(found):
            answer["next_page_token"] = str(first + size)
        return answer

    def _list_versions(self, call: Call) -> dict[str, Any]:
        assert call.query["resource_key.type"] == "PIPELINE"
        pipeline = call.query["resource_key.id"]
        own = {
            id_: item for id_, item in self.versions.items() if _refers(item, "PIPELINE", pipeline)
        }
        return self._page(call, "versions", own)

    def _upload(self, call: Call) -> dict[str, Any]:
        name = call.query["name"]
        if any(item["name"] == name for item in self.pipelines.values()):
            raise ApiError(409, f"Already exist error: pipeline {name} already exist", 6)
        pipeline = {
            "id": str(uuid.uuid4()),
            "name": name,
            "description": call.query.get("description", ""),
            "created_at": self._now(),
        }
        version = self._new_version(pipeline["id"], name, call.body)
        pipeline |= {"default_version": version, "parameters": version["parameters"]}
        self.pipelines[pipeline["id"]] = pipeline
        return pipeline

    def _upload_version(self, call: Call) -> dict[str, Any]:
        pipeline = self._get("Pipeline", self.pipelines, call.query["pipelineid"])
        name = call.query["name"]
        for version in self.versions.values():
            if version["name"] == name and _refers(version, "PIPELINE", pipeline["id"]):
                raise ApiError(409, f"Already exist error: version {name} already exist", 6)
        version = self._new_version(pipeline["id"], name, call.body)
        pipeline["default_version"] = version
        return version

    def _new_version(self, pipeline_id: str, name: str, text: str) -> dict[str, Any]:
        manifest = yaml.safe_load(text)
        if manifest.get("kind") != "Workflow":
            raise ApiError(400, "Invalid input error: unexpected resource type")
        version = {
            "id": str(uuid.uuid4()),
            "name": name,
            "created_at": self._now(),
            "parameters": manifest["spec"].get("arguments", {}).get("parameters", []),
            "resource_references": [
                {"key": {"type": "PIPELINE", "id": pipeline_id}, "relationship": "OWNER"}
            ],
        }
        self.versions[version["id"]] = version
        self.workflows[version["id"]] = manifest
        return version

    def _create_experiment(self, call: Call) -> dict[str, Any]:
        body = call.body
        if any(item["name"] == body["name"] for item in self.experiments.values()):
            raise ApiError(409, f"Already exist error: experiment {body['name']}", 6)
        if self.multi_user and not any(
            item["key"]["type"] == "NAMESPACE" for item in body.get("resource_references", [])
        ):
            raise ApiError(400, "Invalid input error: namespace is empty")
        experiment = {**body, "id": str(uuid.uuid4()), "created_at": self._now()}
        self.experiments[experiment["id"]] = experiment
        return experiment

    def _resource(self, body: dict[str, Any]) -> dict[str, Any]:
        """What a run and a job have in common, with references looked up."""
        references = []
        version: dict[str, Any] = {}
        for reference in body["resource_references"]:
            kind, identity = reference["key"]["type"], reference["key"]["id"]
            items = {"EXPERIMENT": self.experiments, "PIPELINE_VERSION": self.versions}.get(kind)
            if items is None:
                references.append(reference)
                continue
            found = self._get(kind, items, identity)
            references.append({**reference, "name": found["name"]})
            if kind == "PIPELINE_VERSION":
                version = found
            else:
                references += found.get("resource_references", [])
        known = {item["name"] for item in version.get("parameters", [])}
        for parameter in body.get("pipeline_spec", {}).get("parameters") or []:
            if parameter["name"] not in known:
                raise ApiError(400, f"Unrecognized input parameter: {parameter['name']}")
        unique = {json.dumps(item["key"], sort_keys=True): item for item in references}
        return {
            **body,
            "id": str(uuid.uuid4()),
            "created_at": self._now(),
            "resource_references": list(unique.values()),
            "version": version.get("id"),
        }

    def _create_run(self, call: Call) -> dict[str, Any]:
        run = self._resource(call.body)
        manifest = json.loads(json.dumps(self.workflows[run.pop("version")]))
        values = {
            item["name"]: item["value"] for item in run["pipeline_spec"].get("parameters") or []
        }
        for parameter in manifest["spec"].get("arguments", {}).get("parameters", []):
            parameter["value"] = values.get(parameter["name"], parameter.get("value"))
        manifest["metadata"] |= {"name": f"wf-{run['id'][:5]}", "namespace": "kubeflow"}
        if account := run.get("service_account"):
            manifest["spec"]["serviceAccountName"] = account
        run |= {"status": "", "finished_at": _NO_TIME}
        self.runs[run["id"]] = run
        self.workflows[run["id"]] = manifest
        return self._run_detail(call, run["id"])

    def _run_detail(self, _: Call, identity: str) -> dict[str, Any]:
        run = self._get("Run", self.runs, identity)
        text = json.dumps(self.workflows[identity])
        return {"run": run, "pipeline_runtime": {"workflow_manifest": text}}

    def _terminate(self, _: Call, identity: str) -> dict[str, Any]:
        self._get("Run", self.runs, identity)["status"] = "Terminating"
        self.workflows[identity]["spec"]["activeDeadlineSeconds"] = 0
        return {}

    def _retry(self, _: Call, identity: str) -> dict[str, Any]:
        run = self._get("Run", self.runs, identity)
        if run["status"] not in ("Failed", "Error"):
            raise ApiError(400, "Workflow cannot be retried: it must be Failed/Error")
        run |= {"status": "Running", "finished_at": _NO_TIME}
        self.workflows[identity]["spec"].pop("activeDeadlineSeconds", None)
        return {}

    def _create_job(self, call: Call) -> dict[str, Any]:
        body = call.body
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise ApiError(400, "The max concurrency of the job is out of range. Support 1-10")
        trigger = body["trigger"]
        if len((trigger.get("cron_schedule") or {"cron": "* * * * * *"})["cron"].split()) != 6:
            raise ApiError(400, "The cron has not six fields")
        job = self._resource(body)
        job.pop("version")
        self.jobs[job["id"]] = job
        return job

    def _delete_job(self, _: Call, identity: str) -> dict[str, Any]:
        self._get("Job", self.jobs, identity)
        del self.jobs[identity]
        return {}

    def _switch(self, identity: str, enabled: bool) -> dict[str, Any]:
        self._get("Job", self.jobs, identity)["enabled"] = enabled
        return {}

    def _pod_log(self, call: Call) -> str:
        name = call.query["podname"]
        if name not in self.logs:
            raise ApiError(404, "pod not found")
        return self.logs[name]


def _refers(item: dict[str, Any], kind: str, identity: str) -> bool:
    return any(
        reference["key"] == {"type": kind, "id": identity}
        for reference in item.get("resource_references", [])
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        state = self.server.state
        fault = state.fault(self.command, url.path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.kind == "cut":
            self.rfile.read(min(length // 2, 64))
            self._hang_up()
            return
        body = self.rfile.read(length)
        call = Call(
            self.command,
            url.path,
            dict(urllib.parse.parse_qsl(url.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self._parsed(body),
        )
        if fault is not None and fault.kind == "status":
            with state.lock:
                state.calls.append(call)
            self._send(fault.status, ApiError(fault.status, fault.message).body, fault.headers)
            return
        if fault is not None and fault.kind == "page":
            self._send(200, "<html>log in</html>", {"Content-Type": "text/html"})
            return
        try:
            status, answer = state.answer(call)
        except ApiError as error:
            status, answer = error.status, error.body
        if fault is not None and fault.kind == "lost":
            self._hang_up()
            return
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        self._send(status, answer, {})

    def _parsed(self, body: bytes) -> Any:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            message = BytesParser(policy=HTTP).parsebytes(
                b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
            )
            (part,) = message.iter_parts()  # type: ignore[attr-defined]
            assert part.get_param("name", header="Content-Disposition") == "uploadfile"
            return part.get_payload(decode=True).decode()
        return json.loads(body) if body else None

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        is_text = isinstance(answer, str)
        data = answer.encode() if is_text else json.dumps(answer).encode()
        kind = "text/plain" if is_text else "application/json"
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Set-Cookie": "session=answered-secret",
                **headers,
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def running_kubeflow() -> contextlib.AbstractContextManager[KubeflowServer]:
    """Serves a new, empty Kubeflow Pipelines on loopback."""
    return serving(_Handler, KubeflowServer())
