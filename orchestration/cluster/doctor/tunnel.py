"""A way from here to a Service in the cluster."""

import re
import selectors
import subprocess
import time

from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl, reason

_FORWARDING = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ->")
_GRACE_SECONDS = 5.0


class PortForward:
    """``kubectl port-forward`` to a port of a Service, on a free port of loopback.

    Entered, it is the address here; left, it has ended.
    """

    def __init__(self, kubectl: Kubectl, service: str, port: int) -> None:
        """Keeps the arguments; nothing is started before it is entered.

        Args:
            kubectl: The calls of ``kubectl``, in the namespace of the Service.
            service: Name of the Service.
            port: A port of the Service.
        """
        self._kubectl = kubectl
        self._words = ["port-forward", "--address=127.0.0.1", f"service/{service}", f":{port}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> tuple[str, int]:
        """Starts it.

        Raises:
            ClusterError: If it does not come about in time.
        """
        self._process = self._kubectl.start(self._words)
        try:
            return "127.0.0.1", self._port(self._process)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _port(self, process: "subprocess.Popen[bytes]") -> int:
        assert process.stdout is not None
        deadline = time.monotonic() + self._kubectl.timeout_seconds
        printed = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if not selector.select(left):
                    continue
                some = process.stdout.read1(4096)  # type: ignore[attr-defined]
                if not some:
                    _, errors = process.communicate()
                    raise ClusterError(f"kubectl port-forward: {reason(errors)}")
                printed += some
                if match := _FORWARDING.search(printed):
                    return int(match[1])
        raise ClusterError(
            f"kubectl port-forward: not ready within {self._kubectl.timeout_seconds:g} s"
        )
