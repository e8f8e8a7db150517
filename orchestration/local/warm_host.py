"""A process that has TFX imported and forks a child for each step.

Run as ``python -m orchestration.local.warm_host FD [MODULE ...]`` with one end of a socket pair as
file descriptor FD; the modules are imported first. Requests and events are lines of JSON:

    {"start": NAME, "argv": [...], "environment": {...}, "folder": DIR, "log": FILE}
    {"signal": NAME, "number": 15}

    {"event": "ready"}
    {"event": "started", "name": NAME, "pid": PID}
    {"event": "exited", "name": NAME, "code": CODE, "cpu_seconds": S, "peak_bytes": B}

CODE is negative where a signal ended the child. When the socket closes, the host kills its
children and ends.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pathlib
import runpy
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import psutil

#: What TFX's steps import. Nothing of it may run in the host: a fork keeps no threads.
TFX_MODULES = (
    "tfx.orchestration.kubeflow.container_entrypoint",
    "tensorflow",
    "apache_beam",
    "apache_beam.runners.direct.direct_runner",
    "apache_beam.runners.portability.fn_api_runner.fn_runner",
    "tensorflow_transform.beam",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tfx.components.evaluator.executor",
    "tfx.components.example_validator.executor",
    "tfx.components.pusher.executor",
    "tfx.components.schema_gen.executor",
    "tfx.components.statistics_gen.executor",
    "tfx.components.trainer.executor",
    "tfx.components.transform.executor",
    "tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy",
)

#: Where the packages of the project lie that is running.
_PROJECT = pathlib.Path(__file__).resolve().parents[2]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_END_SECONDS = 3.0

#: What this process, a child that has run its module or the host itself, exits with.
_exit_status: list[int] = []

_GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class WarmHost:
    """The host's loop: takes requests, forks, and reports what became of the children."""

    def __init__(self, connection: socket.socket, modules: Sequence[str]) -> None:
        """Takes the socket to the runner, and the names of the modules to import."""
        self._connection = connection
        self._modules = modules
        self._received = b""
        self._children: dict[int, str] = {}

    def serve(self) -> dict[str, Any] | None:
        """Serves until the socket closes.

        Returns:
            In a child, the request that it is to run; in the host, at the end, ``None``.
        """
        # Imports make hardly any garbage, but enough objects to have them all looked through.
        gc.disable()
        for name in self._modules:
            importlib.import_module(name)
        # No child looks through all of this again, or copies its pages to do so.
        gc.freeze()
        gc.enable()
        _adopt_orphans()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # These reach the whole group; the runner alone decides what becomes of the steps.
        for number in _GROUP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._send({"event": "ready"})
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj == wake_read:
                        os.read(wake_read, 4096)
                        continue
                    requests = self._receive()
                    if requests is None:
                        self._end_children()
                        return None
                    for request in requests:
                        if self._handle(request):
                            return request
                self._reap()

    def _receive(self) -> list[dict[str, Any]] | None:
        try:
            data = self._connection.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _handle(self, request: dict[str, Any]) -> bool:
        """Acts on a request; returns True in a new child."""
        if "signal" in request:
            for pid, name in self._children.items():
                if name == request["signal"]:
                    os.killpg(pid, request["number"])
            return False
        host = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(request, host)
            return True
        # Both sides make the group, so that it exists whoever is first.
        _make_group(pid)
        self._children[pid] = request["start"]
        self._send({"event": "started", "name": request["start"], "pid": pid})
        return False

    def _become_child(self, request: dict[str, Any], host: int) -> None:
        _make_group(0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *_GROUP_SIGNALS):
            signal.signal(number, signal.SIG_DFL)
        _die_with(host)
        self._connection.close()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.close(null)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            name = self._children.pop(pid, None)
            if name is None:
                continue
            # What the step started and did not end would otherwise go on.
            _kill_group(pid)
            self._send(
                {
                    "event": "exited",
                    "name": name,
                    "code": os.waitstatus_to_exitcode(status),
                    "cpu_seconds": usage.ru_utime + usage.ru_stime,
                    # Linux counts in KiB.
                    "peak_bytes": usage.ru_maxrss * 1024,
                }
            )

    def _end_children(self) -> None:
        # The groups, and whoever has left them: as their subreaper, this is their parent.
        descendants = psutil.Process().children(recursive=True)
        for pid in self._children:
            _kill_group(pid)
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(descendants, timeout=_END_SECONDS)

    def _send(self, event: dict[str, Any]) -> None:
        try:
            self._connection.sendall(json.dumps(event).encode() + b"\n")
        except ConnectionError:
            # The runner is gone; the next read ends the loop.
            return


def _adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _make_group(pid: int) -> None:
    try:
        os.setpgid(pid, 0)
    except (PermissionError, ProcessLookupError):
        return  # The child has made it, or is gone.


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        return


def _die_with(host: int) -> None:
    """Lets the kernel kill this child when the host dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(1)


def run_container(request: dict[str, Any]) -> NoReturn:
    """Runs a container's command line in this process, and ends it.

    ``python -m MODULE`` runs here, with what the host has imported; any other command replaces
    the process.

    Args:
        request: The request to start it.
    """
    argv = request["argv"]
    environment = request["environment"]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(request["folder"])
    if argv[0] not in ("python", "python3") or argv[1:2] != ["-m"]:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 (the workflow's own, no shell)
    sys.argv = argv[2:]
    sys.path.insert(0, request["folder"])
    folders = [name for name in environment.get("PYTHONPATH", "").split(os.pathsep) if name]
    for folder in reversed(folders):
        sys.path.insert(0, folder)
    # Beam's worker processes run the code that the step runs.
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, str(_PROJECT)])
    # Under the name __main__ it runs anew; a copy among the imported ones is only warned of.
    sys.modules.pop(argv[2], None)
    _exit_status.append(_run_module(argv[2]))
    sys.exit(_exit_status[-1])


def _run_module(name: str) -> int:
    """Runs a module as ``python -m`` does, and returns the exit status."""
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 (as the interpreter itself does at the top)
        traceback.print_exc()
        return 1
    return 0


def _leave() -> None:
    """Ends the process once all threads and exit handlers have ended.

    The interpreter would go on to free what the host has imported, object by object.
    """
    if _exit_status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_exit_status[-1])


def main() -> None:
    """Serves on the file descriptor that the first argument names."""
    # Exit handlers run in the opposite order of their registration: this one is the last.
    atexit.register(_leave)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        request = WarmHost(connection, sys.argv[2:]).serve()
    if request is not None:
        run_container(request)
    _exit_status.append(0)


if __name__ == "__main__":
    main()
