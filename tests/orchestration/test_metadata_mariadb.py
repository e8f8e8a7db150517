"""The embedded metadata server on a real MariaDB."""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import ml_metadata
import pytest
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from orchestration.local import metadata_store
from orchestration.local.metadata_server import MetadataServer
from orchestration.local.metadata_session import serve
from orchestration.metadata_client import connect
from orchestration.metadata_target import MetadataTarget
from tests.mariadb import MariaDb

pytestmark = pytest.mark.whole

_NUMBERS = itertools.count(1)


@pytest.fixture
def database() -> str:
    """The name of a database that no other test uses and that does not exist."""
    return f"metadata_{next(_NUMBERS)}"


@pytest.fixture
def target(mariadb: MariaDb, database: str) -> str:
    return mariadb.target_of(mariadb.user, database)


def server_on(target: str, password: str | None) -> MetadataServer:
    return MetadataServer(MetadataTarget.parse(target), password)


def failure(target: str, password: str | None) -> str:
    """The message of the MetadataError at the start: one line, without the password."""
    with pytest.raises(MetadataError) as caught:
        server_on(target, password).start()
    message = str(caught.value)
    assert message.startswith(f"metadata store {target}")
    assert "\n" not in message
    assert not password or password not in message + str(caught.value.__cause__)
    return message


def put_run(store: ml_metadata.MetadataStore, name: str) -> int:
    type_id = store.put_context_type(mlmd.ContextType(name="Run"))
    return store.put_contexts([mlmd.Context(type_id=type_id, name=name)])[0]


def names(store: ml_metadata.MetadataStore) -> list[str]:
    return sorted(item.name for item in store.get_contexts())


def close_connections(mariadb: MariaDb, user: str) -> None:
    processes = "information_schema.processlist"
    for number in mariadb.execute(f"SELECT id FROM {processes} WHERE user = '{user}'").split():
        mariadb.execute(f"KILL {number}")


@contextlib.contextmanager
def listener(greeting: bytes | None) -> Iterator[str]:
    """Something on a port that is no MySQL server; yields the target that names it.

    It greets and hangs up, or, without a greeting, says nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.sendall(greeting or b"")

        if greeting is not None:
            threading.Thread(target=answer, daemon=True).start()
        yield f"mysql://u@127.0.0.1:{server.getsockname()[1]}/d"


# Data


def test_a_missing_database_is_made_and_keeps_what_is_put(
    mariadb: MariaDb, database: str, target: str
) -> None:
    assert database not in mariadb.execute("SHOW DATABASES").split()

    with server_on(target, mariadb.password) as address:
        put_run(connect(address), "größe")

    with server_on(target, mariadb.password) as address:
        assert names(connect(address)) == ["größe"]
    assert mariadb.execute(f"SELECT COUNT(*) FROM {database}.Context").strip() == "1"


def test_the_name_localhost_means_tcp(mariadb: MariaDb, target: str) -> None:
    # MySQL's own clients would look for a Unix socket.
    local = target.replace(mariadb.host, "localhost")

    with server_on(local, mariadb.password) as address:
        assert names(connect(address)) == []


def test_a_user_with_rights_on_one_existing_database_is_enough(
    mariadb: MariaDb, database: str
) -> None:
    mariadb.execute(
        f"CREATE DATABASE {database}; CREATE USER own@'%' IDENTIFIED BY 'own password';"
        f"GRANT ALL ON {database}.* TO own@'%'"
    )

    with server_on(mariadb.target_of("own", database), "own password") as address:
        assert put_run(connect(address), "monday") == 1


def test_two_servers_write_to_one_database(
    mariadb: MariaDb, target: str, tmp_path: pathlib.Path
) -> None:
    def put(store: ml_metadata.MetadataStore, server: int) -> None:
        for i in range(20):
            put_run(store, f"{server}-{i:02}")

    parsed = MetadataTarget.parse(target)
    with (
        serve(parsed, mariadb.password, tmp_path / "0.log") as first,
        serve(parsed, mariadb.password, tmp_path / "1.log") as second,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        stores = [connect(first), connect(second)]
        list(pool.map(put, stores, range(2)))

        assert names(stores[0]) == [f"{server}-{i:02}" for server in (0, 1) for i in range(20)]


# Errors at the start


@pytest.mark.parametrize("password", ["wr0ng", "", None])
def test_a_wrong_password_is_an_error(target: str, password: str | None) -> None:
    message = failure(target, password)

    assert "refused the user: check the user, the password" in message


def test_an_unknown_user_is_an_error(mariadb: MariaDb, database: str) -> None:
    message = failure(mariadb.target_of("nobody", database), mariadb.password)

    assert "refused the user" in message


def test_a_password_that_is_no_text_is_an_error(target: str) -> None:
    # What os.environ gives for bytes that are not UTF-8.
    message = failure(target, "p\udcff")

    assert "the password is not valid UTF-8 text" in message


def test_an_unknown_host_is_an_error(mariadb: MariaDb, target: str) -> None:
    message = failure(target.replace(mariadb.host, "no-such-host.invalid"), mariadb.password)

    assert "no MySQL server can be reached at no-such-host.invalid:" in message


def test_a_port_where_nobody_listens_is_an_error() -> None:
    message = failure("mysql://u@127.0.0.1:1/d", "s3cret")

    assert "no MySQL server can be reached at 127.0.0.1:1 (Connection refused)" in message


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["nothing", "ssh"])
def test_what_greets_otherwise_is_no_mysql_server(greeting: bytes) -> None:
    with listener(greeting) as target:
        assert "is no MySQL server: check host and port" in failure(target, "s3cret")


def test_what_never_greets_is_an_error_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_store, "_MYSQL_TIMEOUT_SECONDS", 0.3)

    with listener(None) as target:
        assert "(timed out): check host and port" in failure(target, "s3cret")


def test_a_server_that_refuses_connections_is_quoted() -> None:
    # An error packet: length and number, 0xff, code 1040, text.
    with listener(b"\x17\0\0\0\xff\x10\x04Too many connections") as target:
        message = failure(target, "s3cret")

    assert message.endswith("the MySQL server refuses connections: Too many connections")


@pytest.mark.parametrize("rights", ["", "SELECT, CREATE"], ids=["none", "too few"])
def test_a_user_without_rights_is_an_error(mariadb: MariaDb, database: str, rights: str) -> None:
    user = f"poor{len(rights)}"
    mariadb.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 's3cret'")
    if rights:
        mariadb.execute(f"GRANT {rights} ON {database}.* TO {user}@'%'")

    message = failure(mariadb.target_of(user, database), "s3cret")

    assert message.endswith("grant it all privileges on that database")


def test_a_reserved_word_is_no_database(mariadb: MariaDb) -> None:
    message = failure(mariadb.target_of(mariadb.user, "select"), mariadb.password)

    assert message.endswith("is a reserved word of SQL: name another database")


# Connections that are lost


def test_a_connection_that_the_server_closed_as_idle_is_replaced(
    mariadb: MariaDb, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata_store, "_IDLE_SECONDS", 0.5)
    mariadb.execute("SET GLOBAL wait_timeout = 1")
    try:
        with server_on(target, mariadb.password) as address:
            store = connect(address)
            before = mariadb.execute("SHOW PROCESSLIST")
            put_run(store, "monday")
            deadline = time.monotonic() + 20
            while mariadb.user in mariadb.execute("SHOW PROCESSLIST"):
                assert time.monotonic() < deadline
                time.sleep(0.2)

            put_run(store, "tuesday")

            assert mariadb.user in before
            assert names(store) == ["monday", "tuesday"]
    finally:
        mariadb.execute("SET GLOBAL wait_timeout = DEFAULT")


def test_a_connection_that_was_lost_while_idle_costs_no_call(
    mariadb: MariaDb, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Unlike one that the server closed in time, the core fails a call over this one.
    monkeypatch.setattr(metadata_store, "_IDLE_SECONDS", 0)
    with server_on(target, mariadb.password) as address:
        store = connect(address)
        put_run(store, "monday")
        close_connections(mariadb, mariadb.user)

        put_run(store, "tuesday")

        assert names(store) == ["monday", "tuesday"]


def test_a_server_that_is_away_for_a_while_is_used_again(
    mariadb: MariaDb, database: str, tmp_path: pathlib.Path
) -> None:
    mariadb.execute("CREATE USER moody@'%' IDENTIFIED BY 's3cret'; GRANT ALL ON *.* TO moody@'%'")
    target = MetadataTarget.parse(mariadb.target_of("moody", database))
    # A process of its own: ml-metadata's core would end it with a segmentation fault.
    with serve(target, "s3cret", tmp_path / "host.log") as address:
        store = connect(address)
        put_run(store, "monday")
        mariadb.execute("ALTER USER moody@'%' ACCOUNT LOCK")
        close_connections(mariadb, "moody")
        with pytest.raises(errors.InternalError, match="Lost connection"):
            names(store)
        for _ in range(3):
            with pytest.raises(MetadataError, match="refused the user"):
                names(store)

        mariadb.execute("ALTER USER moody@'%' ACCOUNT UNLOCK")

        assert names(store) == ["monday"]


# The password


def test_the_password_reaches_the_server_unseen(
    mariadb: MariaDb, target: str, tmp_path: pathlib.Path
) -> None:
    log = tmp_path / "host.log"
    with serve(MetadataTarget.parse(target), mariadb.password, log) as address:
        assert names(connect(address)) == []
        match = re.search(r"process (\d+): ", log.read_text())
        assert match is not None
        command = pathlib.Path(f"/proc/{match[1]}/cmdline").read_bytes().decode()

    assert target in command
    assert mariadb.password not in command
    assert mariadb.password not in log.read_text()


def test_the_session_tells_what_is_wrong_in_one_line(target: str, tmp_path: pathlib.Path) -> None:
    with (
        pytest.raises(MetadataError, match="refused the user") as caught,
        serve(MetadataTarget.parse(target), "wr0ng", tmp_path / "host.log"),
    ):
        pytest.fail("nothing to serve")

    assert "\n" not in str(caught.value)
    assert "wr0ng" not in str(caught.value) + (tmp_path / "host.log").read_text()


def test_the_process_ends_with_1_after_an_error_and_its_last_line_says_why(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.local.metadata_server", "--store", target],
        env={**os.environ, "MYSQL_PWD": "wr0ng"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    # The core has words of its own before.
    assert done.stderr.splitlines()[-1].startswith(f"metadata store {target}: the MySQL server")
    assert "wr0ng" not in done.stderr
