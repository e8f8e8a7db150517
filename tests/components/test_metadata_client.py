"""Waiting for a metadata server, and what is said of one that does not answer or is none."""

import concurrent.futures
import pathlib
import socket
import time

import grpc
import pytest

from components.errors import MetadataError
from components.metadata_client import wait_until_serving
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, SqliteTarget

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
