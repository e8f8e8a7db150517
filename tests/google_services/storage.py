"""Cloud Storage's JSON API, as far as TensorFlow, Beam and google-cloud-storage use it."""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
import threading
import urllib.parse
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import google_crc32c

from tests.google_services.http import Answer, Request, error

_TIME = "2026-01-01T00:00:00.000Z"
_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?(/rewriteTo|/copyTo)?(.*)")
_UPLOAD = re.compile(r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)(/storageLayout)?")
#: As TensorFlow reads: Cloud Storage's XML API.
_XML_OBJECT = re.compile(r"/([^/]+)/(.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Storage:
    """Buckets with objects.

    Attributes:
        buckets: The objects of each bucket, by name.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {"example-bucket": {}}
        self._generations: dict[tuple[str, str], int] = {}
        self._numbers = itertools.count(1)
        self._uploads: dict[str, tuple[str, str, bytearray]] = {}
        self._lock = threading.RLock()

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Makes or replaces an object."""
        self.buckets[bucket][name] = data
        self._generations[bucket, name] = next(self._numbers)

    def answer(self, request: Request) -> Answer | None:
        """Answers a request; ``None`` if it is for another service."""
        if request.path == "/batch/storage/v1":
            return self._batch(request)
        with self._lock:
            if match := _UPLOAD.fullmatch(request.path):
                return self._upload(urllib.parse.unquote(match[1]), request)
            if match := _BUCKET.fullmatch(request.path):
                return self._bucket(urllib.parse.unquote(match[1]))
            if match := _OBJECT.fullmatch(request.path):
                parts = [urllib.parse.unquote(part or "") for part in match.groups()]
                return self._of_bucket(*parts, request=request)
            if request.host == "storage.googleapis.com" and request.method == "GET":
                match = _XML_OBJECT.fullmatch(request.path)
                if match is not None and match[1] in self.buckets:
                    read = dataclasses.replace(request, query={"alt": "media"})
                    return self._object(match[1], urllib.parse.unquote(match[2]), read)
        return None

    def _bucket(self, name: str) -> Answer:
        if name not in self.buckets:
            return error(404, "The specified bucket does not exist.")
        resource = {"kind": "storage#bucket", "id": name, "name": name, "location": "US-CENTRAL1"}
        return Answer(200, resource)

    def _of_bucket(
        self, bucket: str, name: str, copies: str, rest: str, *, request: Request
    ) -> Answer:
        if bucket not in self.buckets:
            return error(404, "The specified bucket does not exist.")
        if copies:
            return self._copy(bucket, name, copies, rest)
        return self._object(bucket, name, request) if name else self._list(bucket, request)

    def _resource(self, bucket: str, name: str) -> dict[str, Any]:
        data = self.buckets[bucket][name]
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{name}/1",
            "name": name,
            "bucket": bucket,
            "size": str(len(data)),
            "generation": str(self._generations[bucket, name]),
            "metageneration": "1",
            "storageClass": "STANDARD",
            "timeCreated": _TIME,
            "updated": _TIME,
            "contentType": "application/octet-stream",
            "crc32c": base64.b64encode(google_crc32c.Checksum(data).digest()).decode(),
            "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        }

    def _list(self, bucket: str, request: Request) -> Answer:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter")
        items, prefixes = [], set()
        for name in sorted(self.buckets[bucket]):
            if not name.startswith(prefix):
                continue
            rest = name.removeprefix(prefix)
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                items.append(self._resource(bucket, name))
        limit = int(request.query.get("maxResults", 1000))
        body: dict[str, Any] = {"kind": "storage#objects", "items": items[:limit]}
        if prefixes:
            body["prefixes"] = sorted(prefixes)
        return Answer(200, body)

    def _object(self, bucket: str, name: str, request: Request) -> Answer:
        objects = self.buckets[bucket]
        if name not in objects:
            return error(404, f"No such object: {bucket}/{name}")
        if request.method == "DELETE":
            del objects[name]
            return Answer(204)
        if request.query.get("alt") != "media":
            return Answer(200, self._resource(bucket, name))
        data, status, headers = objects[name], 200, {}
        if match := _RANGE.fullmatch(request.headers.get("range", "")):
            start = int(match[1])
            end = min(int(match[2]) if match[2] else len(data) - 1, len(data) - 1)
            if start >= len(data):
                return Answer(416, b"")
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        headers["X-Goog-Generation"] = str(self._generations[bucket, name])
        headers["X-Goog-Stored-Content-Length"] = str(len(objects[name]))
        return Answer(status, data, headers)

    def _copy(self, bucket: str, name: str, verb: str, rest: str) -> Answer:
        target = re.fullmatch(r"/b/([^/]+)/o/(.+)", rest)
        assert target is not None
        if name not in self.buckets[bucket]:
            return error(404, f"No such object: {bucket}/{name}")
        self.put(target[1], target[2], self.buckets[bucket][name])
        resource = self._resource(target[1], target[2])
        if verb == "/copyTo":
            return Answer(200, resource)
        size = resource["size"]
        body = {"kind": "storage#rewriteResponse", "done": True, "resource": resource}
        return Answer(200, {**body, "objectSize": size, "totalBytesRewritten": size})

    def _batch(self, request: Request) -> Answer:
        """Answers several requests at once (https://cloud.google.com/storage/docs/batch)."""
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts()  # type: ignore[attr-defined]
        answers = []
        for part in parts:
            text = part.get_payload(decode=True).decode()
            lines, _, body = text.partition("\r\n\r\n" if "\r\n\r\n" in text else "\n\n")
            method, target, _ = lines.splitlines()[0].split(" ")
            url = urllib.parse.urlsplit(target)
            query = dict(urllib.parse.parse_qsl(url.query))
            inner = Request(request.host, method, url.path, query, {}, body.encode())
            answer = self.answer(inner) or error(404, "not found")
            content = "" if answer.body is None else json.dumps(answer.body)
            answers.append(
                "Content-Type: application/http\r\n\r\n"
                f"HTTP/1.1 {answer.status} Answer\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n{content}\r\n"
            )
        boundary = "batch_of_answers"
        text = "".join(f"--{boundary}\r\n{answer}" for answer in answers) + f"--{boundary}--\r\n"
        return Answer(
            200, text.encode(), {"Content-Type": f'multipart/mixed; boundary="{boundary}"'}
        )

    def _upload(self, bucket: str, request: Request) -> Answer:
        if bucket not in self.buckets:
            return error(404, "The specified bucket does not exist.")
        if "upload_id" in request.query:
            return self._go_on(request)
        kind = request.query.get("uploadType")
        if kind == "media":
            name = request.query["name"]
            self.put(bucket, name, request.body)
            return Answer(200, self._resource(bucket, name))
        if kind == "resumable":
            metadata = request.json() if request.body else {}
            name = request.query.get("name") or metadata["name"]
            identity = f"upload-{next(self._numbers)}"
            self._uploads[identity] = (bucket, name, bytearray())
            location = (
                f"https://{request.host}{request.path}?uploadType=resumable&upload_id={identity}"
            )
            return Answer(200, None, {"Location": location})
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = list(BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts())  # type: ignore[attr-defined]
        metadata = json.loads(parts[0].get_payload(decode=True))
        # As it came: a parser of mail would mend the ends of lines.
        data = request.body.split(b"\r\n\r\n", 2)[2].rpartition(b"\r\n--")[0]
        self.put(bucket, metadata["name"], data)
        return Answer(200, self._resource(bucket, metadata["name"]))

    def _go_on(self, request: Request) -> Answer:
        bucket, name, data = self._uploads[request.query["upload_id"]]
        match = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
        if match is None:
            data += request.body
        elif match[1] is not None:
            data[int(match[1]) :] = request.body
        if match is None or (match[2] != "*" and len(data) == int(match[2])):
            self.put(bucket, name, bytes(data))
            return Answer(200, self._resource(bucket, name))
        headers = {"Range": f"bytes=0-{len(data) - 1}"} if data else {}
        return Answer(308, None, headers)
