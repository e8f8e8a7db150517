"""Kubernetes by way of ``kubectl``, which knows the user's clusters and how to log in to them."""

import dataclasses
import json
import pathlib
import subprocess
from collections.abc import Sequence
from typing import IO, Any

from orchestration.cluster.errors import ClusterError

#: What kubectl says of an object that is not there.
NOT_FOUND = "(NotFound)"
_CONNECT_SECONDS = 10

#: What tells the user most where kubectl prints several lines.
_TELLING = ("Error from server", "error:", "Unable to connect", "The connection to the server")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kubectl:
    """Calls of ``kubectl``.

    Attributes:
        namespace: The namespace of what is asked for.
        context: Context of the kubeconfig; ``None`` for the current one.
        program: Name or path of the program.
        timeout_seconds: How long a call may take that does not carry data.
    """

    namespace: str = "kubeflow"
    context: str | None = None
    program: str = "kubectl"
    timeout_seconds: float = 30.0

    def get(
        self, kind: str, name: str | None = None, *, selector: str | None = None
    ) -> dict[str, Any] | None:
        """Returns an object, or a list of objects, as Kubernetes' API has it.

        Args:
            kind: Its kind, such as ``nodes``.
            name: Its name; ``None`` for a list.
            selector: Labels that the objects of a list must have.

        Returns:
            The object, or ``None`` if there is none of this name.

        Raises:
            ClusterError: If the cluster cannot be reached, or refuses.
        """
        words = ["get", kind, *([] if name is None else [name]), "--output=json"]
        if selector is not None:
            words.append(f"--selector={selector}")
        try:
            return json.loads(self.call(words))
        except ClusterError as error:
            if NOT_FOUND in str(error) and name is not None:
                return None
            raise
        except ValueError as error:
            raise ClusterError(f"kubectl get {kind}: its answer is no JSON: {error}") from error

    def call(self, words: Sequence[str]) -> bytes:
        """Runs ``kubectl`` to its end and returns what it prints.

        Raises:
            ClusterError: If it fails, in one line.
        """
        argv = self.argv([f"--request-timeout={_CONNECT_SECONDS}s", *words])
        try:
            ended = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"kubectl {words[0]}: no answer within {self.timeout_seconds:g} s; check that the "
                "cluster can be reached",
                is_lost=True,
            ) from None
        except OSError as error:
            raise self._missing(error) from error
        if ended.returncode != 0:
            raise ClusterError(f"kubectl {words[0]}: {reason(ended.stderr)}")
        return ended.stdout

    def start(
        self, words: Sequence[str], *, stdin: int | IO[bytes] = subprocess.DEVNULL
    ) -> "subprocess.Popen[bytes]":
        """Starts ``kubectl`` with pipes for what it prints, for a stream of data.

        Args:
            words: Its arguments.
            stdin: Its input; ``subprocess.PIPE`` for a stream to it.
        """
        try:
            return subprocess.Popen(
                self.argv(words), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise self._missing(error) from error

    def argv(self, words: Sequence[str]) -> list[str]:
        """Returns the whole command line."""
        context = [] if self.context is None else [f"--context={self.context}"]
        return [self.program, *context, f"--namespace={self.namespace}", *words]

    def _missing(self, error: OSError) -> ClusterError:
        program = pathlib.PurePath(self.program).name
        return ClusterError(
            f"{program}: cannot be run ({error.strerror}); install kubectl, or put it on the PATH"
        )


def reason(printed: bytes) -> str:
    """Returns the line that says most of what ``kubectl`` printed about a failure."""
    lines = [line.strip() for line in printed.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if line.startswith(_TELLING)]
    return (telling or lines or ["it failed without a word"])[-1]
