"""An ML Metadata gRPC server: the protocol of Kubeflow's metadata service, without a cluster.

The core holds Python's global lock while it works, and gRPC's threads do not survive a fork: a
program that also runs pipeline steps starts the server as a process of its own:

    python -m orchestration.local.metadata_server --store sqlite:metadata.db
"""

import argparse
import concurrent.futures
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import threading

import grpc

from components.errors import MetadataError, PipelineError
from components.metadata_client import MAX_MESSAGE_BYTES
from orchestration.local.metadata_service import service_handler
from orchestration.local.metadata_store import MetadataStoreCore
from orchestration.metadata_target import GrpcTarget, MetadataTarget

# The core answers one call at a time; a few threads more take the messages off the wire.
_WORKER_THREADS = 8

_STOP_GRACE_SECONDS = 2.0


class MetadataServer:
    """A server on one store, started and stopped by ``with`` or by ``start`` and ``stop``.

    Several servers, here or in other processes, may serve one store at the same time.
    """

    def __init__(
        self,
        target: MetadataTarget,
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Keeps the arguments; nothing is opened before ``start``.

        Args:
            target: The store: an ``sqlite:`` or ``mysql://`` target.
            password: The MySQL user's password.
            host: The name or address to listen on. The protocol has no authentication: any
                other than the loopback default opens the store to the network.
            port: The TCP port; 0 takes a free one.
        """
        self._target = target
        self._password = password
        self._host = host
        self._port = port
        self._server: grpc.Server | None = None
        self._store: MetadataStoreCore | None = None
        self._workers: concurrent.futures.ThreadPoolExecutor | None = None

    def start(self) -> GrpcTarget:
        """Opens the store and serves it.

        Returns:
            The address that clients connect to.

        Raises:
            MetadataError: if the server runs already, the port cannot be had, or the store
                cannot be opened.
        """
        if self._server is not None:
            raise MetadataError(f"the metadata server of {self._target} runs already: stop it")
        self._workers = concurrent.futures.ThreadPoolExecutor(
            _WORKER_THREADS, thread_name_prefix="metadata-server"
        )
        self._server = grpc.server(
            self._workers,
            options=[
                # By default two gRPC servers may share a port, and each gets half the calls.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ],
        )
        try:
            # First the port, so that a second server leaves no empty store behind.
            port = _bind(self._server, self._host, self._port)
            self._store = MetadataStoreCore(self._target, self._password)
            self._server.add_generic_rpc_handlers((service_handler(self._store),))
            self._server.start()
            return GrpcTarget(self._host, port)
        except BaseException:
            # gRPC frees the port of a server that never ran only with the garbage.
            with contextlib.suppress(ValueError):
                self._server.start()
            self.stop()
            raise

    def stop(self) -> None:
        """Ends running calls within seconds, frees the port and closes the store."""
        if self._server is not None:
            self._server.stop(_STOP_GRACE_SECONDS).wait()
            self._server = None
        # First the store: calls that still wait for it end at once instead of one by one.
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None

    def __enter__(self) -> GrpcTarget:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def main(arguments: list[str] | None = None) -> int:
    """Serves a store in the foreground until SIGTERM or SIGINT.

    Once it serves, it prints one line of JSON with ``host`` and ``port``. The password of a
    MySQL user is read from the environment variable MYSQL_PWD.

    Args:
        arguments: The command line without the program's name; None takes the process's.

    Returns:
        The exit status: 0 after a signal or the end of standard input, 1 after an error.
    """
    options = _parser().parse_args(arguments)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        target = MetadataTarget.parse(options.store)
        server = MetadataServer(target, os.environ.get("MYSQL_PWD"), options.host, options.port)
        with server as address:
            if options.exit_on_stdin_eof:
                threading.Thread(target=_set_at_stdin_eof, args=(stopping,), daemon=True).start()
            sys.stdout.write(json.dumps({"host": address.host, "port": address.port}) + "\n")
            sys.stdout.flush()
            stopping.wait()
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.local.metadata_server",
        description="Serves an ML Metadata store over gRPC, as Kubeflow's metadata service does.",
    )
    parser.add_argument(
        "--store",
        required=True,
        help="sqlite:PATH or mysql://USER@HOST[:PORT]/DATABASE (password: MYSQL_PWD)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one")
    parser.add_argument(
        "--exit-on-stdin-eof",
        action="store_true",
        help="also end when standard input ends, that is, with the process that started this one",
    )
    return parser


def _set_at_stdin_eof(event: threading.Event) -> None:
    # Not sys.stdin: its lock, held by a daemon thread, would abort the interpreter's exit.
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass  # A closed standard input has ended as well.
    event.set()


def _bind(server: grpc.Server, host: str, port: int) -> int:
    """Binds the one address that ``host`` means and returns the port.

    gRPC would take a name with several addresses as bound when only one of them is free.
    """
    if not 0 <= port <= 65535:
        raise MetadataError(f"port {port} is not valid: use 1 to 65535, or 0 for a free one")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, ValueError) as error:
        # ValueError: what is no host name at all, such as one with an empty label.
        reason = getattr(error, "strerror", None) or "not a name"
        raise MetadataError(
            f"cannot listen on host {host!r}: {reason}: use a name or address of this machine"
        ) from error
    literal = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
    _check_free(family, address, host)
    try:
        return server.add_insecure_port(f"{literal}:{port}")
    except RuntimeError as error:
        raise _cannot_listen(host, port, "gRPC cannot bind it") from error


def _check_free(family: int, address: tuple, host: str) -> None:
    """Says why an address cannot be had; gRPC only writes that to standard error."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            port = address[1]
            if error.errno == errno.EADDRINUSE:
                raise MetadataError(
                    f"port {port} is in use on {host}: stop the process that holds it, or choose "
                    "another port (0 takes a free one)"
                ) from error
            raise _cannot_listen(host, port, error.strerror or str(error)) from error


def _cannot_listen(host: str, port: int, reason: str) -> MetadataError:
    return MetadataError(
        f"cannot listen on {host}, port {port}: {reason}: choose another host or port"
    )


if __name__ == "__main__":
    sys.exit(main())
