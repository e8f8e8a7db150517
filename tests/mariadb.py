"""A private MariaDB server for tests: on loopback, in a folder of its own, gone with the tests."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

_PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

# Debian keeps the server's program where only root's PATH looks.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])

# The shell ends the server when its standard input ends: with the context, or with the tests'
# process, however that dies. SIGTERM would be lost on a server that is still starting.
_SUPERVISE = '"$@" & cat; kill -KILL $!; wait $!'


@dataclasses.dataclass(frozen=True)
class MariaDb:
    """A running server.

    Attributes:
        host: Where it listens.
        port: Its TCP port.
        user: A user with all rights.
        password: That user's password.
        database: A database that does not exist yet: ml-metadata creates it.
        target: ``mysql://USER@HOST:PORT/DATABASE``, for ``--metadata`` and ``--store``.
        socket: The Unix socket on which root needs no password.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    socket: pathlib.Path

    @property
    def target(self) -> str:
        return self.target_of(self.user, self.database)

    def target_of(self, user: str, database: str) -> str:
        """The target of another user or database of this server."""
        return f"mysql://{user}@{self.host}:{self.port}/{database}"

    def execute(self, sql: str) -> str:
        """Runs statements as root and returns what they print, without column names."""
        options = ["--no-defaults", "--user=root", "--batch", "--skip-column-names"]
        return subprocess.run(
            [_program("mariadb"), *options, f"--socket={self.socket}"],
            input=sql,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout


def mariadb_missing() -> str | None:
    """Returns why no server can be started here, or ``None`` where one can."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"no {', '.join(missing)} on PATH: apt-get install mariadb-server"
    return None


@contextlib.contextmanager
def running_mariadb(folder: pathlib.Path) -> Iterator[MariaDb]:
    """Runs a server for as long as the context lasts.

    Args:
        folder: An existing folder for its files; what it prints is in ``server.log`` there.

    Yields:
        The server, ready, with one user.
    """
    data = folder / "data"
    log = folder / "server.log"
    # A server that root starts refuses to run as root unless told to.
    user = ["--user=root"] if os.geteuid() == 0 else []
    options = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
    with log.open("ab") as output:
        subprocess.run(
            [_program("mariadb-install-db"), *options, f"--datadir={data}", *user],
            stdout=output,
            stderr=output,
            check=True,
            timeout=_START_SECONDS,
        )
    # A Unix socket's path may have 107 characters; those of pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="mariadb-") as short:
        server = MariaDb(
            host="127.0.0.1",
            port=_free_port(),
            user="keeper",
            password="Gehe1m@:/ pass'word",
            database="metadata",
            socket=pathlib.Path(short, "socket"),
        )
        options = [
            "--no-defaults",
            *user,
            f"--datadir={data}",
            f"--socket={server.socket}",
            f"--port={server.port}",
            "--skip-networking=0",
            f"--bind-address={server.host}",
            "--skip-name-resolve",
            # Small and quick: nothing here has to outlive a power cut.
            "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-log-bin",
        ]
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["sh", "-c", _SUPERVISE, "sh", _program("mariadbd"), *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                # Ctrl-C is for the tests, which then end the server.
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, server, log)
            password = server.password.replace("'", "''")
            server.execute(
                f"CREATE USER {server.user}@'%' IDENTIFIED BY '{password}';"
                f"GRANT ALL ON *.* TO {server.user}@'%';"
            )
            yield server
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_STOP_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], server: MariaDb, log: pathlib.Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(server.socket))
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"MariaDB did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _program(name: str) -> str:
    program = shutil.which(name, path=_PATH)
    assert program is not None, mariadb_missing()
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
