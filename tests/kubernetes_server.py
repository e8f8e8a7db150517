"""A Kubernetes API server that keeps objects as they are and speaks HTTP, without a cluster.

Discovery, answers and refusals are those of Kubernetes 1.32, as far as ``kubectl get``,
``kubectl version`` and ``kubectl auth can-i`` ask for them.
"""

import contextlib
import dataclasses
import http.server
import json
import pathlib
import re
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import yaml

#: Kinds by their plural: group and version, kind, and whether they are in a namespace.
RESOURCES = {
    "configmaps": ("v1", "ConfigMap", True),
    "events": ("v1", "Event", True),
    "limitranges": ("v1", "LimitRange", True),
    "namespaces": ("v1", "Namespace", False),
    "nodes": ("v1", "Node", False),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim", True),
    "persistentvolumes": ("v1", "PersistentVolume", False),
    "pods": ("v1", "Pod", True),
    "resourcequotas": ("v1", "ResourceQuota", True),
    "secrets": ("v1", "Secret", True),
    "serviceaccounts": ("v1", "ServiceAccount", True),
    "services": ("v1", "Service", True),
    "deployments": ("apps/v1", "Deployment", True),
    "workflows": ("argoproj.io/v1alpha1", "Workflow", True),
    "workflowtaskresults": ("argoproj.io/v1alpha1", "WorkflowTaskResult", True),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice", True),
    "storageclasses": ("storage.k8s.io/v1", "StorageClass", False),
}
_VERBS = ["create", "get", "list", "patch", "watch"]
_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?"
)
_PROXY = re.compile(r"/api/v1/namespaces/([^/]+)/services/([^/]+)/proxy(/.*)")
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class StatusError(Exception):
    """An answer that is not a success, as a Status object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


@dataclasses.dataclass
class KubernetesServer:
    """The state of a cluster.

    Attributes:
        url: Its address.
        version: What ``/version`` says.
        forbidden: What the user may not do, such as ``list nodes`` or ``impersonate
            serviceaccounts``.
        denied: What service accounts may not do, such as ``create workflowtaskresults``.
        groups: Groups that discovery leaves out.
        proxied: Answers of Services by ``NAMESPACE/NAME:PORT/PATH``.
        is_silent: Whether it takes calls and never answers.
        is_unauthorized: Whether it takes no credentials.
        calls: Methods and paths of the calls that came in.
    """

    url: str = ""
    version: str = "v1.32.2"
    forbidden: set[str] = dataclasses.field(default_factory=set)
    denied: set[str] = dataclasses.field(default_factory=set)
    groups: set[str] = dataclasses.field(default_factory=set)
    proxied: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_silent: bool = False
    is_unauthorized: bool = False
    calls: list[str] = dataclasses.field(default_factory=list)
    objects: dict[tuple[str, str, str], dict[str, Any]] = dataclasses.field(default_factory=dict)

    def add(
        self, resource: str, name: str, namespace: str = "kubeflow", **fields: Any
    ) -> dict[str, Any]:
        """Puts an object there, and returns it for changes.

        Args:
            resource: Its kind's plural.
            name: Its name.
            namespace: Its namespace, where the kind has one.
            fields: Its fields; ``metadata`` is merged with the name.
        """
        version, kind, is_namespaced = RESOURCES[resource]
        namespace = namespace if is_namespaced else ""
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        added = {
            "apiVersion": version,
            "kind": kind,
            **fields,
            "metadata": {**metadata, **fields.get("metadata", {})},
        }
        self.objects[resource, namespace, name] = added
        return added

    def remove(self, resource: str, name: str, namespace: str = "kubeflow") -> None:
        """Takes an object away."""
        del self.objects[resource, namespace if RESOURCES[resource][2] else "", name]

    def get(self, resource: str, name: str, namespace: str = "kubeflow") -> dict[str, Any]:
        """Returns an object for changes."""
        return self.objects[resource, namespace if RESOURCES[resource][2] else "", name]

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, user: str) -> Any:
        """Carries out a call.

        Raises:
            StatusError: If it is refused.
        """
        if path == "/version":
            major, minor, _ = self.version.removeprefix("v").split(".")
            return {"major": major, "minor": minor, "gitVersion": self.version}
        if self.is_unauthorized:
            raise StatusError(401, "Unauthorized", "Unauthorized")
        if user != "ann":
            self._check("impersonate", "serviceaccounts", user.split(":")[2])
        if path == _REVIEW:
            return self._review(body)
        if match := _PROXY.fullmatch(path):
            return self._proxy(*match.groups())
        if found := self._discovery(path):
            return found
        match = _PATH.fullmatch(path)
        if match is None or method != "GET":
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        return self._objects(match, query)

    def _served(self) -> dict[str, tuple[str, str, bool]]:
        return {
            name: kind
            for name, kind in RESOURCES.items()
            if kind[0].partition("/")[0] not in self.groups
        }

    def _discovery(self, path: str) -> Any:
        versions = {version for version, _, _ in self._served().values()}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = []
            for version in sorted(versions - {"v1"} | {"authorization.k8s.io/v1"}):
                named = {"groupVersion": version, "version": version.partition("/")[2]}
                name = version.partition("/")[0]
                groups.append({"name": name, "versions": [named], "preferredVersion": named})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in versions | {"authorization.k8s.io/v1"}:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": [
                {
                    "name": name,
                    "singularName": kind.lower(),
                    "namespaced": is_namespaced,
                    "kind": kind,
                    "verbs": _VERBS,
                }
                for name, (group, kind, is_namespaced) in self._served().items()
                if group == version
            ],
        }

    def _objects(self, match: "re.Match[str]", query: dict[str, str]) -> Any:
        resource, name = match["resource"], match["name"]
        version = match["core"] or match["group"]
        if self._served().get(resource, ("",))[0] != version:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        namespace = match["namespace"] or ""
        self._check("get" if name else "list", resource, namespace)
        if name:
            found = self.objects.get((resource, namespace, name))
            if found is None:
                raise StatusError(404, "NotFound", f'{resource} "{name}" not found')
            return found
        labels = _pairs(query.get("labelSelector", ""))
        fields = _pairs(query.get("fieldSelector", ""))
        items = [
            item
            for (kind, place, _), item in self.objects.items()
            if kind == resource
            and place == namespace
            and labels.items() <= item["metadata"].get("labels", {}).items()
            and fields.items() <= item.items()
        ]
        kind = RESOURCES[resource][1]
        return {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": items}

    def _check(self, verb: str, resource: str, namespace: str) -> None:
        if f"{verb} {resource}" not in self.forbidden:
            return
        group = RESOURCES[resource.partition("/")[0]][0].rpartition("/")[0]
        place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        raise StatusError(
            403,
            "Forbidden",
            f'{resource} is forbidden: User "ann" cannot {verb} resource "{resource}" in API '
            f'group "{group}" {place}',
        )

    def _review(self, body: bytes) -> Any:
        # kubectl sends it as protobuf: an envelope, the review, its spec, the attributes, of which
        # 2 is the verb and 5 the resource.
        envelope = body.removeprefix(b"k8s\0")
        attributes = _fields(_fields(_fields(_fields(envelope)[2])[2])[1])
        right = f"{attributes[2].decode()} {attributes[5].decode()}"
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "status": {"allowed": right not in self.denied},
        }

    def _proxy(self, namespace: str, service: str, path: str) -> Any:
        self._check("get", "services/proxy", namespace)
        if (found := self.proxied.get(f"{namespace}/{service}{path}")) is None:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        return found


def _fields(message: bytes) -> dict[int, bytes]:
    """The fields of a protobuf message that holds nothing but texts and messages."""
    fields, place = {}, 0
    while place < len(message):
        length, place = message[place + 1], place + 2
        number = message[place - 2] >> 3
        if length & 0x80:  # Of two bytes; nothing here is longer.
            length, place = (length & 0x7F) | message[place] << 7, place + 1
        fields[number] = message[place : place + length]
        place += length
    return fields


def _pairs(selector: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in selector.split(",") if item)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_HttpServer"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        state = self.server.state
        while state.is_silent and not self.server.is_closing.wait(0.02):
            pass
        url = urllib.parse.urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state.calls.append(f"{self.command} {url.path}")
        user = self.headers.get("Impersonate-User", "ann")
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            code = 200
            answer = state.answer(self.command, url.path, query, data, user)
        except StatusError as error:
            code, answer = error.code, error.body
        text = json.dumps(answer).encode()
        with contextlib.suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    state: KubernetesServer
    is_closing: threading.Event


@contextlib.contextmanager
def running_kubernetes() -> Iterator[KubernetesServer]:
    """Serves a new cluster without objects on loopback."""
    server = _HttpServer(("127.0.0.1", 0), _Handler)
    server.is_closing = threading.Event()
    server.state = KubernetesServer(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.is_closing.set()
        server.shutdown()
        server.server_close()


def write_kubeconfig(path: pathlib.Path, url: str) -> pathlib.Path:
    """Writes a kubeconfig whose current context ``loopback`` is a server."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "loopback",
        "clusters": [{"name": "loopback", "cluster": {"server": url}}],
        "users": [{"name": "ann", "user": {"token": "kubeconfig-secret"}}],
        "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": "ann"}}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
