"""Waiting for a MySQL server, by the greeting that it sends first."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from components import mysql_server
from components.errors import MetadataError
from components.mysql_server import wait_for_mysql

GREETING = b"\x4a\0\0\0\x0a10.11.6-MariaDB"
TOO_MANY = b"\x17\0\0\0\xff\x10\x04Too many connections"
HANGS_UP = b""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_server, "_WAIT_SECONDS", 0.01)


@contextlib.contextmanager
def listener(*greetings: bytes) -> Iterator[int]:
    """Greets one connection after the other, and yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for greeting in greetings:
                with server.accept()[0] as connection:
                    connection.sendall(greeting)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def test_a_server_that_greets_is_there() -> None:
    with listener(GREETING) as port:
        wait_for_mysql("127.0.0.1", port, timeout_seconds=0)


@pytest.mark.parametrize("first", [HANGS_UP, TOO_MANY], ids=["proxy", "too many connections"])
def test_a_server_that_takes_no_connection_yet_is_waited_for(first: bytes) -> None:
    with listener(first, first, GREETING) as port:
        wait_for_mysql("127.0.0.1", port, timeout_seconds=60)


@pytest.mark.parametrize(
    ("greeting", "problem"),
    [
        (HANGS_UP, "is no MySQL server: check host and port"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no MySQL server: check host and port"),
        (TOO_MANY, "the MySQL server refuses connections: Too many connections"),
    ],
)
def test_the_error_after_the_wait_says_what_was_wrong(greeting: bytes, problem: str) -> None:
    with listener(greeting) as port, pytest.raises(MetadataError) as caught:
        wait_for_mysql("127.0.0.1", port, timeout_seconds=0)

    assert str(caught.value).endswith(problem)
