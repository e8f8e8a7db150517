"""Waiting for a metadata server, and what is said of one that does not answer or does not fit."""

import concurrent.futures
import contextlib
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc
import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2, metadata_store_service_pb2_grpc

from components import metadata_client, mysql_server
from components.errors import MetadataError
from components.metadata_client import is_of_schema_10, wait_until_serving
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, SqliteTarget
from tests.mariadb import MariaDb, mariadb_missing, running_mariadb

pytestmark = pytest.mark.whole


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_at_the_address_is_an_error_within_the_time() -> None:
    port = free_port()
    began = time.monotonic()

    with pytest.raises(MetadataError) as caught:
        wait_until_serving("127.0.0.1", port, timeout_seconds=0.5)

    assert str(caught.value) == (
        f"no metadata server answered at 127.0.0.1:{port} within 0.5 s: check host and port and "
        "that it runs"
    )
    assert time.monotonic() - began < 5


def test_a_listener_that_says_nothing_is_an_error_within_the_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(MetadataError, match=r"no metadata server answered .* within 0\.5 s"),
    ):
        wait_until_serving("127.0.0.1", silent.getsockname()[1], timeout_seconds=0.5)


def test_another_grpc_server_is_an_error() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = grpc.server(pool)
        port = other.add_insecure_port("127.0.0.1:0")
        other.start()
        try:
            with pytest.raises(MetadataError) as caught:
                connect(GrpcTarget("127.0.0.1", port), timeout_seconds=20)
        finally:
            other.stop(None).wait()

    assert str(caught.value) == (
        f"the server at 127.0.0.1:{port} does not speak ml-metadata's protocol: check host and port"
    )


def test_a_server_that_starts_later_is_waited_for(tmp_path: pathlib.Path) -> None:
    port = free_port()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(connect, GrpcTarget("127.0.0.1", port), 30)
        time.sleep(0.5)
        assert not waiting.done()

        with MetadataServer(SqliteTarget(tmp_path / "metadata.db"), port=port):
            store = waiting.result(30)
            assert store.get_contexts() == []


# A server that goes away


@pytest.mark.parametrize(("call", "names"), [("read", ["before"]), ("write", ["before", "after"])])
def test_a_call_waits_for_a_server_that_has_gone_away(
    tmp_path: pathlib.Path, call: str, names: list[str]
) -> None:
    target = SqliteTarget(tmp_path / "metadata.db")
    with MetadataServer(target) as address:
        store = connect(address)
        put_run_type(store, "before")
    calls = {"read": store.get_context_types, "write": lambda: put_run_type(store, "after")}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(calls[call])
        time.sleep(0.5)
        assert not waiting.done()

        with MetadataServer(target, port=address.port):
            waiting.result(30)
            assert [item.name for item in store.get_context_types()] == names


def test_a_call_does_not_wait_for_longer_than_its_patience(tmp_path: pathlib.Path) -> None:
    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        connect(address)  # It has started.
        store = connect(address, timeout_seconds=0.5)

    for call in (store.get_context_types, lambda: put_run_type(store, "after")):
        with pytest.raises(MetadataError, match=f"server answered at {address.authority} within"):
            call()


def put_run_type(store: ml_metadata.MetadataStore, name: str) -> int:
    return store.put_context_type(mlmd.ContextType(name=name))


# A server that is too old


@contextlib.contextmanager
def server_without(method: str) -> Iterator[GrpcTarget]:
    """An ML Metadata server that knows each call but one, and does nothing."""

    class Calls(metadata_store_service_pb2_grpc.MetadataStoreServiceServicer):
        def __getattribute__(self, name: str) -> Any:
            if not name[:1].isupper() or name == method:
                return super().__getattribute__(name)  # Those answer UNIMPLEMENTED.
            answer = getattr(metadata_store_service_pb2, f"{name}Response")
            return lambda _request, _context: answer()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        metadata_store_service_pb2_grpc.add_MetadataStoreServiceServicer_to_server(Calls(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield GrpcTarget("127.0.0.1", port)
        finally:
            server.stop(None).wait()


def client_config(address: GrpcTarget) -> mlmd.MetadataStoreClientConfig:
    return mlmd.MetadataStoreClientConfig(host=address.host, port=address.port)


def test_a_server_without_external_ids_is_of_an_older_schema() -> None:
    with server_without("GetArtifactsByExternalIds") as address:
        connect(address)

        assert not is_of_schema_10(client_config(address))


def test_a_server_that_has_them_is_not(tmp_path: pathlib.Path) -> None:
    with server_without("GetContexts") as address:
        assert is_of_schema_10(client_config(address))

    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        assert is_of_schema_10(client_config(address))
        assert connect(address).get_executions() == []


def test_a_database_is_not_asked() -> None:
    nowhere = mlmd.MySQLDatabaseConfig(host="nowhere.invalid")

    assert is_of_schema_10(mlmd.ConnectionConfig(mysql=nowhere))


# A database


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    if reason := mariadb_missing():
        pytest.skip(reason)
    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


def database(port: int, user: str, password: str) -> mlmd.ConnectionConfig:
    return mlmd.ConnectionConfig(
        mysql=mlmd.MySQLDatabaseConfig(
            host="127.0.0.1", port=port, database="metadata", user=user, password=password
        )
    )


def test_a_database_that_cannot_be_reached_is_one_error_after_the_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mysql_server, "_WAIT_SECONDS", 0.1)
    port = free_port()

    with pytest.raises(MetadataError) as caught:
        metadata_client.connect(database(port, "tfx", "s3cret"), timeout_seconds=0.5)

    assert str(caught.value) == (
        f"no MySQL server can be reached at 127.0.0.1:{port} (Connection refused): check host and "
        "port and that it runs"
    )
    assert "s3cret" not in str(caught.value.__cause__)


def test_a_database_of_another_version_is_refused(mariadb: MariaDb) -> None:
    config = database(mariadb.port, mariadb.user, mariadb.password)
    config.mysql.database = "newer"
    metadata_client.connect(config)
    mariadb.execute("UPDATE newer.MLMDEnv SET schema_version = 99")

    with pytest.raises(MetadataError) as caught:
        metadata_client.connect(config)

    line = str(caught.value)
    assert line.startswith("the metadata database has another schema than this ml-metadata: ")
    assert "database version 99" in line
    assert "\n" not in line
    assert mariadb.password not in f"{line} {caught.value.__cause__}"


# Lets connections through to another port: what a server that starts late looks like.
FORWARDER = """
import asyncio, sys

async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def forward(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

async def main():
    async with await asyncio.start_server(forward, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""


def test_a_database_that_starts_late_is_waited_for(
    mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_server, "_WAIT_SECONDS", 0.1)
    port = free_port()
    config = database(port, mariadb.user, mariadb.password)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(metadata_client.connect, config)
        time.sleep(0.5)
        assert not waiting.done()

        # Not a thread: ml-metadata's core holds Python's lock while it connects.
        arguments = [sys.executable, "-c", FORWARDER, str(port), str(mariadb.port)]
        with subprocess.Popen(arguments) as forwarder:
            try:
                store = waiting.result(60)
                assert store.get_contexts() == []
            finally:
                forwarder.terminate()


def test_a_wrong_password_is_refused_at_once(mariadb: MariaDb) -> None:
    # With the default patience, another attempt would last for minutes.
    with pytest.raises(MetadataError) as caught:
        metadata_client.connect(database(mariadb.port, mariadb.user, "wr0ng"))

    assert str(caught.value) == (
        "the MySQL server has refused the user: check user and password in the secret, and that "
        "the user's plugin is mysql_native_password"
    )
    assert "wr0ng" not in str(caught.value.__cause__)
