"""Requests over HTTP to Google's services, and answers to them."""

import dataclasses
import gzip
import http.server
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tests.loopback import LoopbackServer


@dataclasses.dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        host: The host that it is for.
        method: The method.
        path: The path as it came, with its escapes.
        query: The query.
        headers: The headers, by lower-case names.
        body: The body.
    """

    host: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body or b"null")


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, whose body is JSON unless it is bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def error(status: int, message: str) -> Answer:
    """An error as Google's APIs say it."""
    details = [{"message": message, "domain": "global", "reason": "refused"}]
    return Answer(status, {"error": {"code": status, "message": message, "errors": details}})


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives requests to the server's state, whose ``answer`` answers them."""

    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""

    def _handle(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            host=headers.get("host", "").partition(":")[0],
            method=self.command,
            path=url.path,
            query=dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
            headers=headers,
            body=self._body(headers),
        )
        answer = self.server.state.answer(request)
        body = answer.body
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not isinstance(answer.body, bytes):
            self.send_header("Content-Type", "application/json; charset=UTF-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(headers.get("content-length") or 0))
        return gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body

    # http.server's names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815
