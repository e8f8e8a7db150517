"""A Google Cloud Storage on loopback, as far as uploads and lists need it.

The JSON API's multipart and resumable uploads, with preconditions and checksums, for
google-cloud-storage with STORAGE_EMULATOR_HOST.
"""

import base64
import contextlib
import dataclasses
import hashlib
import http.server
import itertools
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import google_crc32c

from tests.loopback import LoopbackServer, serving


@dataclasses.dataclass
class Fault:
    """What goes wrong with a call.

    Attributes:
        method: The call's method.
        path: A regular expression for its path and query.
        status: The status of the answer; 0 to cut the connection instead.
        is_done: Whether the call is carried out all the same.
        times: How often.
    """

    method: str
    path: str
    status: int = 0
    is_done: bool = False
    times: int = 1


@dataclasses.dataclass
class Upload:
    """A resumable upload that goes on."""

    name: str
    metadata: dict[str, Any]
    generation: int | None
    data: bytes = b""


class StorageServer:
    """The state of a Cloud Storage with one bucket.

    Attributes:
        url: Its address.
        bucket: The bucket.
        objects: What each object holds.
        generations: Each object's generation.
        faults: What goes wrong with the next calls.
        calls: Method, path and query of all calls.
        on_chunk: Is called when a part of an upload has come.
    """

    def __init__(self) -> None:
        self.url = ""
        self.bucket = "example-bucket"
        self.objects: dict[str, bytes] = {}
        self.generations: dict[str, int] = {}
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.on_chunk: Callable[[], None] = lambda: None
        self.uploads: dict[str, Upload] = {}
        self._numbers = itertools.count(1)
        self.lock = threading.RLock()

    def put(self, name: str, data: bytes) -> None:
        """Makes or replaces an object."""
        self.objects[name] = data
        self.generations[name] = next(self._numbers)

    def new_upload(self, upload: Upload) -> str:
        """Begins a resumable upload and returns its id."""
        identity = f"upload-{next(self._numbers)}"
        self.uploads[identity] = upload
        return identity

    def resource(self, name: str) -> dict[str, Any]:
        """An object as the API shows it."""
        data = self.objects[name]
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": self.bucket,
            "size": str(len(data)),
            "generation": str(self.generations[name]),
            "crc32c": _crc32c(data),
            "md5Hash": base64.b64encode(md5).decode(),
        }

    def finish(self, upload: Upload) -> tuple[int, dict[str, Any]]:
        """Makes an object of what has come, unless a precondition or checksum says no."""
        wanted = upload.generation
        if wanted is not None and wanted != self.generations.get(upload.name, 0):
            return 412, _error(
                412, "At least one of the pre-conditions you specified did not hold."
            )
        given = upload.metadata.get("crc32c")
        if given not in (None, _crc32c(upload.data)):
            return 400, _error(400, f"Provided CRC32C {given} doesn't match calculated CRC32C.")
        self.put(upload.name, upload.data)
        return 200, self.resource(upload.name)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""

    def do_GET(self) -> None:
        self._handle(self._get)

    def do_POST(self) -> None:
        self._handle(self._post)

    def do_PUT(self) -> None:
        self._handle(self._put)

    def _handle(self, work: Callable[[str, dict[str, str], bytes], None]) -> None:
        state = self.server.state
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with state.lock:
            state.calls.append(f"{self.command} {self.path}")
            fault = next((item for item in state.faults if self._is_for(item)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times == 0:
                    state.faults.remove(fault)
            if fault is not None and fault.status:
                self._send(fault.status, _error(fault.status, "not now"))
                return
            if fault is not None and not fault.is_done:
                self._hang_up()
                return
            self._is_lost = fault is not None
            work(urllib.parse.unquote(url.path), query, body)

    def _is_for(self, fault: Fault) -> bool:
        return fault.method == self.command and re.search(fault.path, self.path) is not None

    def _get(self, path: str, query: dict[str, str], _: bytes) -> None:
        state = self.server.state
        start = f"/storage/v1/b/{state.bucket}/o"
        name = path.removeprefix(f"{start}/")
        if path == start:
            prefix = query.get("prefix", "")
            names = [name for name in sorted(state.objects) if name.startswith(prefix)]
            if query.get("delimiter"):
                names = [name for name in names if "/" not in name.removeprefix(prefix)]
            self._send(200, {"items": [state.resource(name) for name in names]})
        elif path.startswith(f"{start}/") and name in state.objects:
            self._send(200, state.resource(name))
        else:
            self._send(404, _error(404, "The specified bucket or object does not exist."))

    def _post(self, path: str, query: dict[str, str], body: bytes) -> None:
        state = self.server.state
        if path != f"/upload/storage/v1/b/{state.bucket}/o":
            self._send(404, _error(404, "The specified bucket does not exist."))
            return
        wanted = query.get("ifGenerationMatch")
        generation = None if wanted is None else int(wanted)
        if query["uploadType"] == "resumable":
            metadata = json.loads(body)
            identity = state.new_upload(Upload(metadata["name"], metadata, generation))
            location = f"{state.url}{path}?uploadType=resumable&upload_id={identity}"
            self._send(200, {}, {"Location": location})
            return
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        parts = list(BytesParser(policy=HTTP).parsebytes(head + body).iter_parts())  # type: ignore[attr-defined]
        metadata = json.loads(parts[0].get_payload(decode=True))
        # As it came: a parser of mail would mend the ends of lines.
        data = body.split(b"\r\n\r\n", 2)[2].rpartition(b"\r\n--")[0]
        state.on_chunk()
        self._send(*state.finish(Upload(metadata["name"], metadata, generation, data)))

    def _put(self, path: str, query: dict[str, str], body: bytes) -> None:
        state = self.server.state
        upload = state.uploads[query["upload_id"]]
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", self.headers["Content-Range"])
        assert match
        if match[1] is not None:
            upload.data = upload.data[: int(match[1])] + body
            state.on_chunk()
        if match[2] == str(len(upload.data)):
            self._send(*state.finish(upload))
            return
        came = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        self._send(308, None, came)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        if getattr(self, "_is_lost", False):
            self._hang_up()
            return
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def running_storage() -> contextlib.AbstractContextManager[StorageServer]:
    """Serves an empty bucket on loopback."""
    return serving(_Handler, StorageServer())


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "errors": [{"message": message}]}}
