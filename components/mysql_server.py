"""Whether a MySQL server is there: ml-metadata's core says only "errno: " of one that is not."""

import socket
import time

from components.errors import MetadataError

_ATTEMPT_SECONDS = 10.0
_WAIT_SECONDS = 2.0


def check_mysql(host: str, port: int, timeout_seconds: float = _ATTEMPT_SECONDS) -> str:
    """Refuses, within a bound, a server that is away or is none.

    The core would wait minutes for either, and keeps the whole interpreter waiting. A MySQL
    server speaks first, with version 10 of its handshake, or with an error:
    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html

    Args:
        host: Host name or address; IPv6 without brackets.
        port: TCP port.
        timeout_seconds: The longest wait for the connection, and for the greeting.

    Returns:
        The server's address.

    Raises:
        MetadataError: If no server can be reached, or it takes no connection, or is none.
    """
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds) as connection:
            greeting = connection.recv(512)
            address = connection.getpeername()[0]
    except OSError as error:
        raise MetadataError(
            f"no MySQL server can be reached at {authority} ({error.strerror or error}): check "
            "host and port and that it runs"
        ) from error
    # Four bytes of packet header, then the kind.
    kind = greeting[4:5]
    if kind == b"\xff":
        reason = greeting[7:].decode("utf-8", "replace").strip()
        raise MetadataError(f"the MySQL server refuses connections: {reason}")
    if kind != b"\x0a":
        raise MetadataError(f"what answers at {authority} is no MySQL server: check host and port")
    return address


def wait_for_mysql(host: str, port: int, timeout_seconds: float) -> None:
    """Returns as soon as a MySQL server takes connections.

    Args:
        host: Host name or address; IPv6 without brackets.
        port: TCP port.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: If none does in time; it says what was wrong at last.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            check_mysql(host, port)
            return
        except MetadataError:
            # A proxy or a service answers in the server's stead while that starts.
            if time.monotonic() + _WAIT_SECONDS > deadline:
                raise
        time.sleep(_WAIT_SECONDS)
