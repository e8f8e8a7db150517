"""A Google Cloud on loopback: what Google's own clients send goes there, and is kept.

The clients are not changed, and know nothing of it: variables of their process name a proxy, which
ends TLS with a certificate of its own and answers for Google's hosts. Nothing leaves the machine:
the proxy refuses all other hosts.
"""

import contextlib
import datetime
import ipaddress
import json
import pathlib
import socket
import ssl
import threading
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.google_services import ai_platform, dataflow, storage
from tests.google_services.http import Answer, Handler, Request
from tests.google_services.vertex import Vertex, vertex_server
from tests.loopback import LoopbackServer

_SUFFIX = ".googleapis.com"
_VERTEX_SUFFIX = f"-aiplatform{_SUFFIX}"


class GoogleCloud:
    """The state of all services.

    Attributes:
        vertex: Vertex AI.
        storage: Cloud Storage.
        ai_platform: The legacy AI Platform.
        dataflow: Dataflow.
        refused: Addresses that somebody wanted to reach, and that are not Google's.
        environment: Variables for a process whose clients are to come here.
    """

    def __init__(self) -> None:
        self.vertex = Vertex()
        self.storage = storage.Storage()
        self.ai_platform = ai_platform.AiPlatform()
        self.dataflow = dataflow.Dataflow()
        self.refused: list[str] = []
        self.environment: dict[str, str] = {}

    def answer(self, request: Request) -> Answer:
        """Answers a request over HTTP."""
        if request.path.endswith("/token"):
            token = {"access_token": "ya29.example", "expires_in": 3600, "token_type": "Bearer"}
            return Answer(200, token)
        if request.path.endswith("/allowedLocations"):
            return Answer(200, {"locations": [], "encodedLocations": "0x0"})
        for service in (self.ai_platform, self.dataflow, self.storage):
            answer = service.answer(request)
            if answer is not None:
                return answer
        return Answer(404, {"error": {"code": 404, "message": f"no {request.path} here"}})


@contextlib.contextmanager
def google_cloud(folder: pathlib.Path) -> Iterator[GoogleCloud]:
    """Serves Google Cloud on loopback.

    Args:
        folder: A folder for certificates and credentials.
    """
    cloud = GoogleCloud()
    certificates = _certificates(folder)
    with contextlib.ExitStack() as stack:
        https_port = stack.enter_context(_https(certificates, cloud))
        grpc_port = stack.enter_context(vertex_server(cloud.vertex, certificates))
        proxy_port = stack.enter_context(_proxy(https_port, grpc_port, cloud.refused))
        address = f"http://127.0.0.1:{proxy_port}"
        authority = str(certificates / "authority.pem")
        here = "127.0.0.1,localhost"
        cloud.environment = {
            **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), address),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), here),
            # Of gRPC, requests, httplib2 and TensorFlow's curl.
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": authority,
            "REQUESTS_CA_BUNDLE": authority,
            "HTTPLIB2_CA_CERTS": authority,
            "CURL_CA_BUNDLE": authority,
            "GOOGLE_APPLICATION_CREDENTIALS": str(service_account_key(folder)),
            # There is no metadata server to ask.
            "NO_GCE_CHECK": "true",
            "GCE_METADATA_TIMEOUT": "1",
        }
        yield cloud


def _certificates(folder: pathlib.Path) -> pathlib.Path:
    """Makes an authority, and a certificate of it for all hosts."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example authority")])
    authority = (
        x509.CertificateBuilder()
        .subject_name(authority_name)
        .issuer_name(authority_name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in (f"*{_SUFFIX}", "localhost")]
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example server")]))
        .issuer_name(authority_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([*names, address]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


def service_account_key(
    folder: pathlib.Path, token_uri: str = "https://oauth2.googleapis.com/token"
) -> pathlib.Path:
    """Writes the key file of a service account.

    Args:
        folder: The folder for it.
        token_uri: The login service.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    path = folder / "credentials.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "example-project",
                "private_key_id": "1",
                "private_key": text,
                "client_email": "pipeline@example-project.iam.gserviceaccount.com",
                "client_id": "1",
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": token_uri,
            }
        )
    )
    return path


@contextlib.contextmanager
def _https(certificates: pathlib.Path, cloud: GoogleCloud) -> Iterator[int]:
    server = LoopbackServer(("127.0.0.1", 0), Handler)
    server.state = cloud
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    # The handshake is the handler's thread's, or a client that hangs would stop all.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def _proxy(https_port: int, grpc_port: int, refused: list[str]) -> Iterator[int]:
    """Serves HTTP's CONNECT, and connects to the server that answers for the host."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                got = client.recv(4096)
                if not got:
                    return
                head += got
            method, target, *_ = head.decode("latin-1").split()
            host = target.rpartition(":")[0]
            if method != "CONNECT" or not host.endswith(_SUFFIX):
                refused.append(target)
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            port = grpc_port if host.endswith(_VERTEX_SUFFIX) else https_port
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
