"""A Kubernetes API server with pods whose commands run on this machine, for the real kubectl.

It knows ``kubectl get pods`` and ``kubectl exec`` over WebSockets (``v5.channel.k8s.io``, which
kubectl speaks from 1.31 on). A pod's paths are paths here: give a pod's volume a folder as its
mount path.
"""

import base64
import contextlib
import dataclasses
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

from tests.loopback import LoopbackServer, serving

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PROTOCOL = "v5.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_TEXT, _BINARY, _CLOSED, _PING, _PONG = 1, 2, 8, 9, 10

#: The first release whose kubectl speaks WebSockets without being told to.
_KUBECTL_MINOR = 31


def kubectl_missing() -> str | None:
    """Why there is no kubectl that speaks WebSockets, or ``None``."""
    if shutil.which("kubectl") is None:
        return "no kubectl on PATH: apt-get install kubernetes-client"
    words = ["kubectl", "version", "--client", "--output=json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r'"gitVersion": "v1\.(\d+)', done.stdout)
    if found is None or int(found[1]) < _KUBECTL_MINOR:
        return f"kubectl is older than 1.{_KUBECTL_MINOR}"
    return None


@dataclasses.dataclass
class Fault:
    """What goes wrong with one call of exec.

    Attributes:
        cut_after: Cut the connection once so many bytes of input have come.
        flip_at: Change the byte of the input at this offset.
        is_forbidden: Run nothing.
        lose_answer: Cut the connection instead of passing on a line ``done``.
    """

    cut_after: int | None = None
    flip_at: int | None = None
    is_forbidden: bool = False
    lose_answer: bool = False


class KubernetesServer:
    """The state of a cluster.

    Attributes:
        url: Its address.
        pods: The pods of all namespaces, as objects of the API.
        path: The ``PATH`` of commands in pods.
        faults: What goes wrong with the next calls of exec, one each.
        commands: The commands that were run.
        received: Bytes of input of each of them.
        on_input: Is told how many bytes of input a command has got; with an ``OSError`` it gets
            no more.
        idle: Set while no command runs.
    """

    def __init__(self) -> None:
        self.url = ""
        self.pods: list[dict[str, Any]] = []
        self.path = os.environ.get("PATH", os.defpath)
        self.faults: list[Fault | None] = []
        self.commands: list[list[str]] = []
        self.received: list[int] = []
        self.on_input: Callable[[int], object] = lambda count: None
        self.lock = threading.Lock()
        self.idle = threading.Event()
        self._running = 0

    def count(self, change: int) -> None:
        """Counts commands that run."""
        with self.lock:
            self._running += change
            (self.idle.clear if self._running else self.idle.set)()

    def add_pod(
        self,
        folder: pathlib.Path,
        name: str = "tfx-data-access-5d9c",
        claim: str = "tfx-pvc",
        namespace: str = "kubeflow",
        **mount: Any,
    ) -> dict[str, Any]:
        """Adds a data-access pod that mounts a claim at a folder of this machine."""
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-of-{name}",
                "labels": {"app.kubernetes.io/name": "tfx-data-access"},
            },
            "spec": {
                "containers": [
                    {
                        "name": "data-access",
                        "image": "busybox:1.37.0",
                        "volumeMounts": [{"name": "v", "mountPath": str(folder), **mount}],
                    }
                ],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
            },
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }
        self.pods.append(pod)
        return pod

    def kubeconfig(self, folder: pathlib.Path) -> pathlib.Path:
        """Writes a kubeconfig with the contexts ``test``, the current one, and ``nowhere``."""
        servers = {"test": self.url, "nowhere": "http://127.0.0.1:9"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": n, "cluster": {"server": url}} for n, url in servers.items()],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": n, "context": {"cluster": n, "user": "me"}} for n in servers],
            "current-context": "test",
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""

    def do_POST(self) -> None:
        """Refuses SPDY, kubectl's second choice after WebSockets."""
        self._forbid()

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if match := re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods(?:/([^/]+)(/exec)?)?", url.path):
            namespace, name, is_exec = match.groups()
            self._pods(namespace, name, query, is_exec=bool(is_exec))
            return
        answers: dict[str, dict[str, Any]] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {
                "kind": "APIResourceList",
                "groupVersion": "v1",
                "resources": [{"name": "pods", "namespaced": True, "kind": "Pod", "verbs": []}],
            },
            "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
        }
        if url.path in answers:
            self._answer(200, answers[url.path])
        else:
            self._refuse(404, "NotFound", "the server could not find the requested resource")

    def _pods(
        self, namespace: str, name: str | None, query: dict[str, list[str]], is_exec: bool
    ) -> None:
        pods = [pod for pod in self.server.state.pods if pod["metadata"]["namespace"] == namespace]
        if name is None:
            label, _, value = query.get("labelSelector", [""])[0].partition("=")
            chosen = [p for p in pods if not label or p["metadata"]["labels"].get(label) == value]
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "items": chosen})
            return
        pod = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
        if pod is None:
            self._refuse(404, "NotFound", f'pods "{name}" not found')
        elif is_exec:
            self._exec(query["command"])
        else:
            self._answer(200, pod)

    def _exec(self, command: list[str]) -> None:
        state = self.server.state
        with state.lock:
            fault = (state.faults.pop(0) if state.faults else None) or Fault()
            number = len(state.commands)
            state.commands.append(command)
            state.received.append(0)
        if fault.is_forbidden:
            self._forbid()
            return
        assert _PROTOCOL in self.headers["Sec-WebSocket-Protocol"]
        key = (self.headers["Sec-WebSocket-Key"] + _GUID).encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        digest = hashlib.sha1(key, usedforsecurity=False).digest()
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.send_header("Sec-WebSocket-Protocol", _PROTOCOL)
        self.end_headers()
        self.close_connection = True
        state.count(1)
        _Exec(self, fault, number).run(command)

    def _forbid(self) -> None:
        self._refuse(403, "Forbidden", 'pods "p" is forbidden: cannot create resource "pods/exec"')

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, reason: str, message: str) -> None:
        value = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
        self._answer(status, {**value, "reason": reason, "message": message})


class _Exec:
    """A command in a pod, and the WebSocket to its kubectl."""

    def __init__(self, handler: _Handler, fault: Fault, number: int) -> None:
        self._socket = handler.connection
        self._input = handler.rfile
        self._state = handler.server.state
        self._fault = fault
        self._number = number
        self._lock = threading.Lock()

    def run(self, command: list[str]) -> None:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": self._state.path},
        )
        threads = [
            threading.Thread(target=self._pump, args=(process.stdout, _STDOUT)),
            threading.Thread(target=self._pump, args=(process.stderr, _STDERR)),
            threading.Thread(target=self._feed, args=(process,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        status = process.wait()
        for thread in threads[:2]:
            thread.join()
        self._state.count(-1)
        ended: dict[str, Any] = {"metadata": {}, "status": "Success"}
        if status:
            causes = [{"reason": "ExitCode", "message": str(status)}]
            ended = {
                "metadata": {},
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": f"command terminated with non-zero exit code: exit status {status}",
                "details": {"causes": causes},
            }
        with contextlib.suppress(OSError):
            self._send(_BINARY, bytes([_ERROR]) + json.dumps(ended).encode())
            self._send(_CLOSED, struct.pack(">H", 1000))

    def _pump(self, stream: Any, channel: int) -> None:
        """Passes on what the command prints, until its end even if nobody listens."""
        while data := os.read(stream.fileno(), 65536):
            if self._fault.lose_answer and b"done" in data:
                self._cut()
            with contextlib.suppress(OSError):
                self._send(_BINARY, bytes([channel]) + data)
        stream.close()

    def _feed(self, process: "subprocess.Popen[bytes]") -> None:
        """Passes on what the client sends, until it ends or breaks."""
        assert process.stdin is not None
        count = 0
        with contextlib.suppress(OSError, ValueError), process.stdin as stream:
            while (frame := self._receive()) is not None:
                kind, data = frame
                if kind == _PING:
                    self._send(_PONG, data)
                if kind == _CLOSED or (data[:1] == bytes([_CLOSE]) and data[1:2] == b"\0"):
                    return
                if kind not in (_TEXT, _BINARY) or data[:1] != bytes([_STDIN]):
                    continue
                data = data[1:]
                flip = self._fault.flip_at
                if flip is not None and count <= flip < count + len(data):
                    at = flip - count
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                cut = self._fault.cut_after
                is_cut = cut is not None and count + len(data) >= cut
                if is_cut:
                    data = data[: (cut or 0) - count]
                count += len(data)
                stream.write(data)
                stream.flush()
                self._state.received[self._number] = count
                if is_cut:
                    self._cut()
                    return
                self._state.on_input(count)

    def _receive(self) -> tuple[int, bytes] | None:
        """Returns the kind and the data of the next message."""
        kind, message = 0, b""
        while True:
            head = self._input.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._input.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._input.read(8))
            mask = self._input.read(4)
            data = self._input.read(size)
            if len(data) < size:
                return None
            repeated = (mask * (size // 4 + 1))[:size]
            clear = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
            message += clear.to_bytes(size, "big")
            kind = kind or head[0] & 0x0F
            if head[0] & 0x80:
                return kind, message

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 127, size)
        with self._lock:
            self._socket.sendall(head + data)

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def running_kubernetes() -> contextlib.AbstractContextManager[KubernetesServer]:
    """Serves a cluster without pods on loopback."""
    return serving(_Handler, KubernetesServer())
