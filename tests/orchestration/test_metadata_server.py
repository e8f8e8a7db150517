"""The embedded metadata server on SQLite: its data, its errors, its life as a process."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator

import grpc
import ml_metadata
import pytest
from ml_metadata import errors
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as core
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2 as service
from ml_metadata.proto import metadata_store_service_pb2_grpc as service_grpc

from components.errors import MetadataError
from orchestration.local import metadata_store
from orchestration.local.metadata_server import MetadataServer
from orchestration.local.metadata_store import MetadataStoreCore
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, MetadataTarget, SqliteTarget

pytestmark = pytest.mark.whole

# gRPC's own limit for one message.
FOUR_MIB = 4 * 1024 * 1024


@pytest.fixture
def target(tmp_path: pathlib.Path) -> SqliteTarget:
    return SqliteTarget(tmp_path / "metadata.db")


@pytest.fixture
def store(target: SqliteTarget) -> Iterator[ml_metadata.MetadataStore]:
    """ml-metadata's own client, connected to a server on a new store."""
    with MetadataServer(target) as address:
        yield connect(address)


def start_process(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.local.metadata_server", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leaves no process and no pipe behind, whatever the test finds."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[str]) -> GrpcTarget:
    assert process.stdout is not None
    return GrpcTarget(**json.loads(process.stdout.readline()))


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Another process holds SQLite's lock on a file; one process's locks do not see each other."""
    code = (
        "import sqlite3, sys;"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('BEGIN EXCLUSIVE');"
        "print('locked', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.kill()


def put_type(store: ml_metadata.MetadataStore, name: str = "Trainer") -> int:
    return store.put_execution_type(mlmd.ExecutionType(name=name))


def failure(start: Callable[[], object]) -> str:
    """The message of the MetadataError that ``start`` raises: one line."""
    with pytest.raises(MetadataError) as caught:
        start()
    message = str(caught.value)
    assert "\n" not in message
    return message


# Data


def test_ml_metadatas_client_reads_what_it_put(store: ml_metadata.MetadataStore) -> None:
    type_id = put_type(store)
    execution = mlmd.Execution(
        type_id=type_id, name="größe", properties={}, last_known_state=mlmd.Execution.RUNNING
    )

    [execution_id] = store.put_executions([execution])

    [read] = store.get_executions_by_id([execution_id])
    assert (read.name, read.type, read.last_known_state) == (
        "größe",
        "Trainer",
        mlmd.Execution.RUNNING,
    )


def test_ml_metadatas_client_raises_its_own_errors(store: ml_metadata.MetadataStore) -> None:
    type_id = put_type(store)
    store.put_executions([mlmd.Execution(type_id=type_id, name="one")])

    with pytest.raises(errors.AlreadyExistsError):
        store.put_executions([mlmd.Execution(type_id=type_id, name="one")])
    with pytest.raises(errors.NotFoundError):
        store.get_execution_type("Absent")
    with pytest.raises(errors.InvalidArgumentError):
        store.put_executions([mlmd.Execution()])


def test_eight_threads_put_executions_at_once(store: ml_metadata.MetadataStore) -> None:
    type_id = put_type(store)

    def put(thread: int) -> list[int]:
        return [
            store.put_executions([mlmd.Execution(type_id=type_id, name=f"{thread}-{i}")])[0]
            for i in range(20)
        ]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = [execution_id for batch in pool.map(put, range(8)) for execution_id in batch]

    assert len(set(ids)) == 160
    assert {item.id for item in store.get_executions()} == set(ids)


def test_two_servers_write_to_one_file(target: SqliteTarget) -> None:
    def put(store: ml_metadata.MetadataStore, server: int) -> None:
        type_id = put_type(store)
        for i in range(20):
            store.put_executions([mlmd.Execution(type_id=type_id, name=f"{server}-{i}")])

    # Both start at once, so both also create the tables at once.
    processes = [start_process("--store", str(target)) for _ in range(2)]
    with ended(processes[0]), ended(processes[1]):
        stores = [connect(address_of(process)) for process in processes]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(put, stores, range(2)))
        names = [sorted(item.name for item in store.get_executions()) for store in stores]

    assert names[0] == names[1] == sorted(f"{server}-{i}" for server in (0, 1) for i in range(20))


def test_messages_may_be_larger_than_four_mebibytes(store: ml_metadata.MetadataStore) -> None:
    type_id = put_type(store)
    text = mlmd.Value(string_value="x" * 1_000_000)
    executions = [
        mlmd.Execution(type_id=type_id, custom_properties={"text": text}) for _ in range(6)
    ]

    ids = store.put_executions(executions)

    read = store.get_executions_by_id(ids)
    assert sum(item.ByteSize() for item in read) > FOUR_MIB
    assert {item.custom_properties["text"].string_value for item in read} == {text.string_value}


def test_a_restart_keeps_the_data(target: SqliteTarget) -> None:
    server = MetadataServer(target)
    with server as address:
        put_type(connect(address), "Kept")

    with server as address:
        types_after = connect(address).get_execution_types()

    assert [item.name for item in types_after] == ["Kept"]


# Addresses


def test_a_port_in_use_is_an_error_and_leaves_no_store_behind(
    target: SqliteTarget, tmp_path: pathlib.Path
) -> None:
    second = SqliteTarget(tmp_path / "second.db")
    with MetadataServer(target) as address:
        message = failure(MetadataServer(second, port=address.port).start)

    assert message == (
        f"port {address.port} is in use on 127.0.0.1: stop the process that holds it, or choose "
        "another port (0 takes a free one)"
    )
    assert not second.path.exists()


def test_a_stopped_server_frees_its_port(target: SqliteTarget) -> None:
    with MetadataServer(target) as address:
        connect(address)

    with MetadataServer(target, port=address.port) as again:
        assert again == address


def test_a_running_server_is_not_started_twice(target: SqliteTarget) -> None:
    server = MetadataServer(target)
    with server as address:
        assert "runs already" in failure(server.start)
        assert connect(address).get_contexts() == []


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", -1, "port -1 is not valid"),
        ("127.0.0.1", 65536, "port 65536 is not valid"),
        ("no-such-host.invalid", 0, "cannot listen on host 'no-such-host.invalid'"),
        ("a..b", 0, "cannot listen on host 'a..b': not a name"),
        ("", 0, "cannot listen on host ''"),
        # https://www.rfc-editor.org/rfc/rfc5737: an address of nobody.
        ("192.0.2.1", 0, "cannot listen on 192.0.2.1, port 0: Cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_had_is_an_error(
    target: SqliteTarget, host: str, port: int, reason: str
) -> None:
    assert failure(MetadataServer(target, host=host, port=port).start).startswith(reason)


def test_serves_on_a_name(target: SqliteTarget) -> None:
    with MetadataServer(target, host="localhost") as address:
        assert address.host == "localhost"
        assert connect(address).get_contexts() == []


def test_serves_on_ipv6(target: SqliteTarget) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")

    with MetadataServer(target, host="::1") as address:
        assert connect(address).get_contexts() == []


# Stores that cannot be opened


def start_on(path: str | pathlib.Path) -> Callable[[], object]:
    return MetadataServer(SqliteTarget(pathlib.Path(path))).start


def test_a_missing_folder_is_an_error(tmp_path: pathlib.Path) -> None:
    message = failure(start_on(tmp_path / "absent" / "metadata.db"))

    assert message.endswith(
        f"there is no folder {tmp_path}/absent: create it, or name another file"
    )


def test_a_folder_that_is_a_file_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()

    assert f"there is no folder {tmp_path}/file" in failure(start_on(tmp_path / "file" / "m.db"))


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: pathlib.Path) -> None:
    assert "this is not a file" in failure(start_on(tmp_path))


def test_a_folder_that_takes_no_files_is_an_error() -> None:
    # Not even root can make a file there.
    message = failure(start_on("/proc/metadata.db"))

    assert "cannot be written" in message or "not writable" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("read_only", ["folder", "file"])
def test_what_is_read_only_is_an_error(target: SqliteTarget, read_only: str) -> None:
    target.path.touch()
    what = target.path if read_only == "file" else target.path.parent
    mode = what.stat().st_mode
    what.chmod(mode & ~0o222)
    try:
        assert "not writable: change its permissions" in failure(MetadataServer(target).start)
    finally:
        what.chmod(mode)


def test_a_file_name_that_is_too_long_is_an_error(tmp_path: pathlib.Path) -> None:
    assert "File name too long: name another file" in failure(start_on(tmp_path / ("m" * 300)))


def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(target: SqliteTarget) -> None:
    target.path.write_bytes(b"a,b\n1,2\n" * 1000)

    assert "the file is not an SQLite database, or is damaged" in failure(
        MetadataServer(target).start
    )
    assert target.path.read_bytes() == b"a,b\n1,2\n" * 1000


def test_a_file_that_another_process_keeps_locked_is_told_as_that(
    target: SqliteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MetadataServer(target):
        pass
    monkeypatch.setattr(metadata_store, "_LOCK_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(target.path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")

        with pytest.raises(MetadataError, match="another process has locked the file: wait until"):
            metadata_store.open_to_read(target, None)

    metadata_store.open_to_read(target, None).get_artifacts()


def test_a_damaged_database_is_an_error(target: SqliteTarget) -> None:
    with MetadataServer(target):
        pass
    whole = target.path.read_bytes()
    target.path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))

    assert "the file is not an SQLite database, or is damaged" in failure(
        MetadataServer(target).start
    )


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE MLMDEnv SET schema_version = 9", "older schema 9, this version needs 10"),
        ("UPDATE MLMDEnv SET schema_version = 11", "newer schema 11, this version knows 10"),
        ("DROP TABLE Event", "lacks some of ml-metadata's tables"),
    ],
)
def test_a_store_of_another_shape_is_an_error(
    target: SqliteTarget, monkeypatch: pytest.MonkeyPatch, statement: str, reason: str
) -> None:
    with MetadataServer(target):
        pass
    with contextlib.closing(sqlite3.connect(target.path)) as connection, connection:
        connection.execute(statement)
    monkeypatch.setattr(metadata_store, "_OPEN_RETRY_SECONDS", 0.01)

    assert reason in failure(MetadataServer(target).start)


def test_a_store_that_another_process_is_still_making_is_waited_for(
    target: SqliteTarget, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MetadataServer(target):
        pass
    whole = shutil.copy(target.path, tmp_path / "whole.db")
    with contextlib.closing(sqlite3.connect(target.path)) as connection, connection:
        connection.execute("DROP TABLE Event")
    clock = types.SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda _: shutil.copy(whole, target.path)
    )
    monkeypatch.setattr(metadata_store, "time", clock)

    with MetadataServer(target) as address:
        assert connect(address).get_contexts() == []


def test_a_server_is_no_store() -> None:
    target = MetadataTarget.parse("grpc://h:1")

    assert failure(MetadataServer(target).start).startswith("grpc://h:1 is a server already")


def test_a_failed_start_frees_the_port_and_can_be_repeated(target: SqliteTarget) -> None:
    target.path.write_text("no database" * 100)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MetadataServer(target, port=port)
    failure(server.start)

    target.path.unlink()

    with server as address:
        assert connect(address).get_contexts() == []


# The end


def test_stops_within_seconds_while_a_call_waits_for_a_lock(target: SqliteTarget) -> None:
    with ended(start_process("--store", str(target))) as process:
        address = address_of(process)
        with locked(target.path), grpc.insecure_channel(address.authority) as channel:
            stub = service_grpc.MetadataStoreServiceStub(channel)
            request = service.PutContextTypeRequest(context_type=mlmd.ContextType(name="Run"))
            call = stub.PutContextType.future(request)
            time.sleep(0.5)

            process.terminate()

            assert process.wait(9) == 0
            assert call.code() in {
                grpc.StatusCode.ABORTED,
                grpc.StatusCode.CANCELLED,
                grpc.StatusCode.UNAVAILABLE,
            }


def test_calls_that_wait_when_the_store_closes_do_not_reach_the_core(
    target: SqliteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, finish = threading.Event(), threading.Event()
    reached = []

    def slow(_: object, request: bytes) -> tuple[bytes, bytes, int]:
        reached.append(request)
        running.set()
        assert finish.wait(20)
        return b"answer", b"", errors.OK

    slow_core = types.SimpleNamespace(CreateMetadataStore=core.CreateMetadataStore, Get=slow)
    monkeypatch.setattr(metadata_store, "core", slow_core)
    store = MetadataStoreCore(target)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        first = pool.submit(store.call, "Get", b"first")
        assert running.wait(20)
        waiting = [pool.submit(store.call, "Get", b"waiting") for _ in range(3)]
        closing = pool.submit(store.close)
        time.sleep(0.2)
        finish.set()

    assert first.result() == b"answer"
    assert {type(call.exception()) for call in waiting} == {errors.StatusError}
    assert {call.exception().error_code for call in waiting} == {errors.UNAVAILABLE}
    assert reached == [b"first"]
    assert closing.exception() is None


# The process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_prints_its_address_and_ends_with_0_at_a_signal(
    target: SqliteTarget, number: signal.Signals
) -> None:
    with ended(start_process("--store", str(target))) as process:
        address = address_of(process)
        assert connect(address).get_contexts() == []
        # Its standard input has ended long ago, which it was not told to heed.
        assert process.poll() is None

        process.send_signal(number)

        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_the_process_ends_with_0_at_the_end_of_its_standard_input(target: SqliteTarget) -> None:
    arguments = ("--exit-on-stdin-eof", "--store", str(target))
    with ended(start_process(*arguments, stdin=subprocess.PIPE)) as process:
        address = address_of(process)
        assert process.stdin is not None
        process.stdin.write("what is said there does not matter\n")
        process.stdin.flush()
        assert connect(address).get_contexts() == []

        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_the_process_ends_with_1_and_one_line_when_its_port_is_in_use(
    target: SqliteTarget,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with ended(start_process("--store", str(target), "--port", str(port))) as process:
            out, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert out == ""
    assert err.startswith(f"port {port} is in use")
    assert err.index("\n") == len(err) - 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--store", "metadata.db"], "metadata target 'metadata.db' is not valid"),
        (["--store", "mysql://u:s3cret@h/d"], "metadata target 'mysql://u:***@h/d' holds"),
        (["--store", "sqlite:absent/metadata.db"], "metadata store sqlite:absent/metadata.db"),
        (["--store", "sqlite:metadata.db", "--port", "65536"], "port 65536 is not valid"),
    ],
)
def test_the_process_ends_with_1_and_one_line_after_an_error(
    arguments: list[str], reason: str
) -> None:
    with ended(start_process(*arguments)) as process:
        out, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert out == ""
    assert err.startswith(reason)
    assert err.index("\n") == len(err) - 1
    assert "s3cret" not in err
