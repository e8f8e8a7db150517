"""A real emulator of Google Cloud Storage, which TensorFlow, TFX and Beam can be pointed at.

google-cloud-storage, and so Beam, takes an emulator's address from STORAGE_EMULATOR_HOST.
TensorFlow's own file system for gs:// knows www.googleapis.com only
(tensorflow/core/platform/cloud/gcs_file_system.cc, kGcsUriBase): it comes here by an HTTPS proxy,
which answers in Google's name with a certificate that TensorFlow is told to trust.
"""

import contextlib
import dataclasses
import email
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping

import requests

_GOOGLE = "www.googleapis.com"
_PROJECT = pathlib.Path(__file__).resolve().parents[1]

_TOKEN = {"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600}

#: Of a connection, not of a message; TensorFlow's Transfer-Encoding "identity" is no longer HTTP's.
_NOT_FORWARDED = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "host"}


def google_storage_missing() -> str | None:
    """Why the emulator cannot run here, or ``None`` if it can."""
    if shutil.which("openssl") is None:
        return "openssl is not installed"
    return None if _server() else "fake-gcs-server is not installed; see make test-servers"


def _server() -> str | None:
    path = os.pathsep.join([str(_PROJECT / ".test-servers"), os.environ.get("PATH", "")])
    return shutil.which("fake-gcs-server", path=path)


@dataclasses.dataclass(frozen=True)
class GoogleStorage:
    """An emulator that runs.

    Attributes:
        url: Its address.
        key: The key of a service account, as JSON.
        variables: What a process needs in its environment, besides the key, to use it.
    """

    url: str
    key: str
    variables: Mapping[str, str]


class _Front(http.server.BaseHTTPRequestHandler):
    """What stands before the emulator: Google's name over TLS after a CONNECT, and batches."""

    protocol_version = "HTTP/1.1"
    # Header and body are two packets, the second of which would wait 40 ms for an answer.
    disable_nagle_algorithm = True
    server: "_FrontServer"
    base = ""

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.base = f"https://{_GOOGLE}"
        self.close_connection = False

    def _answer(self) -> None:
        body = self._body()
        if self.path.startswith("/batch/"):
            self._answer_batch(body)
            return
        if self.path.endswith("/token"):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self._send(json.dumps(_TOKEN).encode())
            return
        status, headers, content = self._ask(self.command, self.path, body, self.headers.items())
        self.send_response(status)
        for name, value in headers:
            if name.lower() == "location":
                value = value.replace(self.server.backend_url, self.base or self.server.url)
            if name.lower() not in {*_NOT_FORWARDED, "content-length", "date", "server"}:
                self.send_header(name, value)
        self._send(content)

    def _answer_batch(self, body: bytes) -> None:
        """Carries out each part by itself: fake-gcs-server does not read google-cloud-storage's."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        answers = []
        for part in email.message_from_bytes(head + body).get_payload():
            request, _, rest = part.get_payload().lstrip().partition("\n")
            method, url, _ = request.split()
            message = email.message_from_string(rest)
            path = url.removeprefix(self.base or self.server.url)
            content = str(message.get_payload()).strip().encode()
            status, _, found = self._ask(method, path, content, message.items())
            answers.append(
                "--answer\r\nContent-Type: application/http\r\n\r\n"
                f"HTTP/1.1 {status} {http.client.responses[status]}\r\n"
                f"Content-Type: application/json\r\n\r\n{found.decode()}\r\n"
            )
        self.send_response(200)
        self.send_header("Content-Type", 'multipart/mixed; boundary="answer"')
        self._send(("".join(answers) + "--answer--\r\n").encode())

    def _ask(
        self, method: str, path: str, body: bytes, headers: Iterable[tuple[str, str]]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        kept = {
            name: value
            for name, value in headers
            if name.lower() not in {*_NOT_FORWARDED, "content-length"}
        }
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend_port, timeout=60)
        with contextlib.closing(backend):
            backend.request(method, path, body, kept)
            answer = backend.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _body(self) -> bytes:
        # TensorFlow sends chunks, with a Content-Length all the same.
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, content: bytes) -> None:
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


class _FrontServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # TensorFlow makes a connection for each request; one that is turned away tries for a minute.
    request_queue_size = 128
    tls: ssl.SSLContext
    backend_port: int

    @property
    def backend_url(self) -> str:
        return f"http://127.0.0.1:{self.backend_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        # A client of another certificate authority than TensorFlow's has hung up.
        return


@contextlib.contextmanager
def running_google_storage(folder: pathlib.Path, bucket: str) -> Iterator[GoogleStorage]:
    """Runs an emulator with one bucket, in memory.

    Args:
        folder: Folder for the certificate.
        bucket: Name of the bucket.
    """
    certificate = _certificate(folder)
    front = _FrontServer(("127.0.0.1", 0), _Front)
    front.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.tls.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        front.backend_port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(str(_server()), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1"),
            *("-port", str(front.backend_port), "-external-url", front.backend_url),
            *("-public-host", f"127.0.0.1:{front.backend_port}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
    try:
        _make_bucket(front.backend_url, bucket)
        yield GoogleStorage(
            front.url,
            _service_account(certificate, front.url),
            {
                "STORAGE_EMULATOR_HOST": front.url,
                "https_proxy": front.url,
                "no_proxy": "127.0.0.1,localhost",
                "CURL_CA_BUNDLE": str(certificate),
                "NO_GCE_CHECK": "true",
            },
        )
    finally:
        front.shutdown()
        front.server_close()
        process.kill()
        process.wait()


def _service_account(certificate: pathlib.Path, url: str) -> str:
    """TensorFlow asks www.googleapis.com for a token, google-auth what the key names."""
    private_key, _, _ = certificate.read_text().partition("-----BEGIN CERTIFICATE-----")
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "a-project",
            "private_key_id": "1",
            "private_key": private_key,
            "client_id": "1",
            "client_email": "pipeline@a-project.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
    )


def _make_bucket(url: str, bucket: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.post(f"{url}/storage/v1/b", json={"name": bucket}, timeout=10)
            return
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _certificate(folder: pathlib.Path) -> pathlib.Path:
    """A key and a certificate for Google's name, signed by itself."""
    path = folder / "google.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *(
                "-subj",
                f"/CN={_GOOGLE}",
                "-addext",
                f"subjectAltName=DNS:{_GOOGLE},DNS:storage.googleapis.com",
            ),
            *("-keyout", str(path), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    with path.open("a") as file:
        file.write((folder / "certificate.pem").read_text())
    return path
