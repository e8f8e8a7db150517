"""The runner's side of the warm host: starts steps and hears what became of them."""

import contextlib
import dataclasses
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import RunError
from orchestration.local.isolation import isolated_command

_STOP_SECONDS = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Started:
    """A step has its process.

    Attributes:
        name: The name it was launched under.
        pid: Its process, which leads a process group of its own.
    """

    name: str
    pid: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exited:
    """A step's process has ended.

    Attributes:
        name: The name it was launched under.
        code: Its exit status; negative for the number of the signal that ended it.
        cpu_seconds: User and system time, with that of its ended children.
        peak_bytes: The most resident memory of the process itself.
    """

    name: str
    code: int
    cpu_seconds: float
    peak_bytes: int


Event = Started | Exited


class StepLauncher:
    """Starts a warm host and steps in it. Use it by ``with``."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        """Keeps the arguments; nothing is started before ``with``.

        Args:
            modules: What the host imports before it is ready.
        """
        self._modules = modules
        # The host starts before there is a folder for its run.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the host)
        self._received = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._groups: dict[str, int] = {}
        self.ready = False

    def __enter__(self) -> "StepLauncher":
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                isolated_command(
                    "orchestration.local.warm_host", str(theirs.fileno()), *self._modules
                ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        self._connection = ours
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            if not self.ready:
                # It would first import to the end.
                self._process.kill()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Its children die with it, and what those have started by their group.
                self._process.kill()
                self._process.wait()
                self._kill_groups()
        self._log.close()

    def log(self) -> bytes:
        """Returns what the host itself has printed so far."""
        self._log.seek(0)
        return self._log.read()

    def launch(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        folder: pathlib.Path,
        log: pathlib.Path,
    ) -> None:
        """Starts a process; the host must be ready.

        Args:
            name: Name of the process in events; not that of one that still runs.
            argv: Its command line.
            environment: Its whole environment.
            folder: Its working folder.
            log: File to which its output is appended.
        """
        self._send(
            {
                "start": name,
                "argv": list(argv),
                "environment": dict(environment),
                "folder": str(folder),
                "log": str(log),
            }
        )

    def signal(self, name: str, number: int) -> None:
        """Sends a signal to a process and all that it started."""
        self._send({"signal": name, "number": number})

    def events(self, timeout_seconds: float) -> list[Event]:
        """Waits for events.

        Args:
            timeout_seconds: The longest wait.

        Returns:
            What happened; empty after a wait in vain.

        Raises:
            RunError: If the host has died.
        """
        assert self._connection is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            if not selector.select(timeout_seconds):
                return []
        try:
            data = self._connection.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            raise self._died()
        *lines, self._received = (self._received + data).split(b"\n")
        return [event for line in lines if (event := self._event(json.loads(line))) is not None]

    def wait_for(self, name: str, timeout_seconds: float) -> Exited | None:
        """Waits for the end of one process while no other is of interest.

        Args:
            name: The process.
            timeout_seconds: The longest wait.

        Returns:
            Its end, or ``None`` if it has not come in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            for event in self.events(left):
                if isinstance(event, Exited) and event.name == name:
                    return event
        return None

    def _event(self, line: dict[str, Any]) -> Event | None:
        kind = line.pop("event")
        if kind == "ready":
            self.ready = True
            return None
        if kind == "started":
            self._groups[line["name"]] = line["pid"]
            return Started(**line)
        self._groups.pop(line["name"], None)
        return Exited(**line)

    def _send(self, request: dict[str, Any]) -> None:
        assert self._connection is not None
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
        except ConnectionError as error:
            raise self._died() from error

    def _kill_groups(self) -> None:
        for group in self._groups.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def _died(self) -> RunError:
        # The kernel ends the host's children with it, but not what those have started.
        self._kill_groups()
        lines = self.log().decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
        return RunError(f"the process that runs the steps has died: {last}")
