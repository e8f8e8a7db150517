"""A script in a pod, to which data and lines go and from which lines come."""

import collections
import contextlib
import os
import select
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType

from orchestration.cluster.kubectl import Kubectl, reason

#: What a script prints while it computes: connections that are silent for long get cut.
ALIVE = "alive"

_ERROR_LINES = 50
_END_SECONDS = 5.0


class BrokenStreamError(Exception):
    """The stream to the pod has ended before the script was done; trying again may help."""


class ExecSession:
    """A shell script that runs in a container by way of ``kubectl exec``.

    Args:
        kubectl: How to reach the cluster.
        pod: The pod.
        container: Its container.
        script: The script, a constant: what varies goes into ``arguments``.
        arguments: The script's arguments, from ``$1`` on.
        stall_seconds: How long neither side may be silent.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        pod: str,
        container: str,
        script: str,
        arguments: Sequence[str],
        stall_seconds: float,
    ) -> None:
        words = ["exec", "--stdin", pod, f"--container={container}", "--", "sh", "-c", script]
        self._process = kubectl.start([*words, "sh", *arguments], stdin=subprocess.PIPE)
        self._stall_seconds = stall_seconds
        self._errors: collections.deque[bytes] = collections.deque(maxlen=_ERROR_LINES)
        self._received = b""
        # Written to and read from without waiting, so that a silent connection is noticed.
        os.set_blocking(self._input, False)
        # Not read, the pipe would fill up and hold kubectl back.
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def __enter__(self) -> "ExecSession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        if kind is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=self._stall_seconds)
        process.kill()
        process.wait()
        self._reader.join()
        assert process.stdout is not None
        process.stdout.close()

    def send(self, data: bytes) -> None:
        """Sends bytes to the script's input.

        Raises:
            BrokenStreamError: If they cannot be sent.
        """
        view = memoryview(data)
        while view:
            if not select.select([], [self._input], [], self._stall_seconds)[1]:
                raise BrokenStreamError(f"nothing went through for {self._stall_seconds:g} s")
            try:
                view = view[os.write(self._input, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise BrokenStreamError("the connection to the pod has broken") from error

    def line(self) -> str:
        """Returns the next line that the script prints.

        Raises:
            BrokenStreamError: If there comes none.
        """
        while True:
            line, separator, rest = self._received.partition(b"\n")
            if separator:
                self._received = rest
                text = line.decode("utf-8", "replace")
                if text != ALIVE:
                    return text
                continue
            if not select.select([self._output], [], [], self._stall_seconds)[0]:
                raise BrokenStreamError(f"no answer from the pod for {self._stall_seconds:g} s")
            data = os.read(self._output, 65536)
            if not data:
                raise BrokenStreamError(reason("\n".join(self.errors()).encode()))
            self._received += data

    def errors(self) -> list[str]:
        """Returns what was printed as errors, once the script has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_SECONDS)
        self._process.kill()
        self._reader.join()
        return [line.decode("utf-8", "replace") for line in self._errors]

    @property
    def _input(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._errors.append(line.strip())
