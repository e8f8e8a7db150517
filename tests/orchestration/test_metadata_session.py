"""A run's metadata service: an embedded server that ends with the run, or one that runs already."""

import functools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from components.metadata_client import wait_until_serving
from orchestration.local import metadata_session
from orchestration.local.metadata_server import MetadataServer
from orchestration.local.metadata_session import serve
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, SqliteTarget

pytestmark = pytest.mark.whole


@pytest.fixture
def target(tmp_path: pathlib.Path) -> SqliteTarget:
    return SqliteTarget(tmp_path / "metadata.db")


@pytest.fixture
def log(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "host.log"


def pid_in(log: pathlib.Path) -> int:
    match = re.search(r"^metadata server, process (\d+): ", log.read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A process that has ended and that nobody has waited for yet.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_serves_a_store_until_the_context_ends(target: SqliteTarget, log: pathlib.Path) -> None:
    with serve(target, None, log) as address:
        connect(address).put_context_type(mlmd.ContextType(name="Run"))
        pid = pid_in(log)
        assert not is_gone(pid)

    assert is_gone(pid)
    with MetadataServer(target) as again:
        assert [item.name for item in connect(again).get_context_types()] == ["Run"]


def test_the_server_is_gone_after_an_exception(target: SqliteTarget, log: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt), serve(target, None, log):
        raise KeyboardInterrupt

    assert is_gone(pid_in(log))


def test_the_server_is_gone_when_its_run_is_killed(target: SqliteTarget, log: pathlib.Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from orchestration.local.metadata_session import serve\n"
        "from orchestration.metadata_target import MetadataTarget\n"
        "with serve(MetadataTarget.parse(sys.argv[1]), None, pathlib.Path(sys.argv[2])):\n"
        "    print('serving', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(target), str(log)], stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"serving\n"

        run.kill()

    deadline = time.monotonic() + 10
    while not is_gone(pid_in(log)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_for_the_run_does_not_reach_the_server(
    target: SqliteTarget, log: pathlib.Path
) -> None:
    with serve(target, None, log):
        assert os.getpgid(pid_in(log)) != os.getpgid(0)


def test_a_store_that_cannot_be_opened_is_an_error_of_one_line(
    target: SqliteTarget, log: pathlib.Path
) -> None:
    target.path.write_text("no database" * 100)

    with (
        pytest.raises(MetadataError) as caught,
        serve(target, None, log),
    ):
        pytest.fail("nothing to serve")

    message = f"metadata store {target}: the file is not an SQLite database"
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert message in log.read_text()
    assert is_gone(pid_in(log))


def test_a_server_that_does_not_start_in_time_is_an_error_and_gone(
    target: SqliteTarget, log: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata_session, "_START_SECONDS", 0.001)

    with (
        pytest.raises(MetadataError, match=r"the server did not start within 0\.001 s"),
        serve(target, None, log),
    ):
        pytest.fail("nothing to serve")

    assert is_gone(pid_in(log))


def test_a_server_that_prints_much_keeps_serving_and_is_in_the_log(
    target: SqliteTarget, log: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a pipe holds.
    monkeypatch.setenv("GRPC_VERBOSITY", "debug")
    monkeypatch.setenv("GRPC_TRACE", "all")

    with serve(target, None, log) as address:
        store = connect(address)
        for _ in range(50):
            assert store.get_contexts() == []

    assert log.stat().st_size > 1_000_000


def test_the_log_tells_how_the_server_ended(target: SqliteTarget, log: pathlib.Path) -> None:
    log.write_text("before\n")

    with serve(target, None, log):
        os.kill(pid_in(log), signal.SIGKILL)

    pid = pid_in(log)
    assert log.read_text().splitlines() == [
        "before",
        f"metadata server, process {pid}: {target}",
        f"metadata server, process {pid}: ended, {-signal.SIGKILL}",
    ]


def test_a_server_that_runs_already_is_used_and_left_running(
    target: SqliteTarget, log: pathlib.Path
) -> None:
    with MetadataServer(target) as running:
        with serve(running, None, log) as address:
            assert address == running

        assert connect(running).get_contexts() == []
        assert not log.exists()


def test_a_server_that_nobody_runs_is_an_error(
    log: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = functools.partial(wait_until_serving, timeout_seconds=0.5)
    monkeypatch.setattr(metadata_session, "wait_until_serving", short)

    with (
        pytest.raises(MetadataError, match=r"no metadata server answered at 127\.0\.0\.1:1 "),
        serve(GrpcTarget("127.0.0.1", 1), None, log),
    ):
        pytest.fail("nobody serves")
