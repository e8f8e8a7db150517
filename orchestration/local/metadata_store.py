"""ml-metadata's C++ core on SQLite or MySQL: opened with errors that a user can act on.

The core's functions take and return serialized messages, just as they travel over gRPC, so the
server in ``metadata_server`` needs no knowledge of single messages.
"""

import contextlib
import os
import pathlib
import re
import sqlite3
import threading
import time

import ml_metadata
from ml_metadata import errors
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as core
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

from components.errors import MetadataError
from components.mysql_server import check_mysql
from orchestration.metadata_target import MetadataTarget, MySqlTarget, SqliteTarget

# A store that another process is creating just now: it is ready within a second.
_OPEN_ATTEMPTS = 5
_OPEN_RETRY_SECONDS = 0.5
_BUSY_MESSAGES = ("subset of tables", "Concurrent writes aborted")

#: How long another process may lock a file; a run that writes to it needs far less.
_LOCK_SECONDS = 10.0

_MYSQL_TIMEOUT_SECONDS = 10.0

# MySQL closes a connection after wait_timeout (8 hours; often minutes behind a proxy). The
# core reconnects by itself, but only after it has failed one call.
_IDLE_SECONDS = 30.0

#: What the core says when it cannot open a store, and what that means to the user.
_OPEN_FAILURES = (
    (
        r"file is not a database|malformed",
        "the file is not an SQLite database, or is damaged: name another file",
    ),
    (
        r"write a readonly database query: +CREATE TABLE",
        "the file holds no metadata store: name another file",
    ),
    (
        r"Unknown database",
        "the server has no such database: check its name",
    ),
    (
        r"unable to open database file|readonly database",
        "the file cannot be written: check the permissions of the file and its folder",
    ),
    (
        r"database version (?P<theirs>\d+) is older than library version (?P<ours>\d+)",
        "the store has ml-metadata's older schema {theirs}, this version needs {ours}: back it up "
        "and open it once with ml_metadata.MetadataStore(..., enable_upgrade_migration=True), or "
        "name another store",
    ),
    (
        r"database version (?P<theirs>\d+) is greater than library version (?P<ours>\d+)",
        "the store has ml-metadata's newer schema {theirs}, this version knows {ours}: use the "
        "ml-metadata that wrote it, or name another store",
    ),
    (
        r"subset of tables",
        "the store lacks some of ml-metadata's tables, or another process had locked it: try "
        "again, restore it from a backup, or name another store",
    ),
    (
        r"mysql_real_connect failed",
        "the MySQL server refused the user: check the user, the password (environment variable "
        "MYSQL_PWD) and that the user's plugin is mysql_native_password",
    ),
    (
        r"error in your SQL syntax",
        "the database's name is a reserved word of SQL: name another database",
    ),
    (
        r"Access denied|command denied",
        "the user may not use the database: grant it all privileges on that database",
    ),
)


class MetadataStoreCore:
    """An open store, safe to call from several threads.

    Several processes may open one SQLite file: SQLite's locks keep it whole, the core waits for
    them, and a writer that waits in vain gets ABORTED, on which ml-metadata's clients try again.
    """

    def __init__(self, target: MetadataTarget, password: str | None = None) -> None:
        """Opens the store and creates its tables where there are none.

        Args:
            target: A ``SqliteTarget`` or a ``MySqlTarget``.
            password: The MySQL user's password.

        Raises:
            MetadataError: if the store cannot be opened, with the mend.
        """
        self._target = target
        self._password = password
        self._is_mysql = isinstance(target, MySqlTarget)
        # The C++ object is not safe for threads; the lock is also what makes close() wait.
        self._lock = threading.Lock()
        self._closed = False
        self._store: object | None = _open(target, password)
        self._last_call = time.monotonic()

    def call(self, method: str, request: bytes) -> bytes:
        """Runs one method of the core.

        Args:
            method: Its name, as in ml-metadata's service.
            request: The serialized request message.

        Returns:
            The serialized response message.

        Raises:
            ml_metadata.errors.StatusError: what the core answered instead; its ``error_code``
                is an absl status code.
        """
        with self._lock:
            if self._closed:
                raise errors.StatusError("the metadata server is stopping", errors.UNAVAILABLE)
            if self._is_mysql and time.monotonic() - self._last_call > _IDLE_SECONDS:
                self._ping()
            if self._store is None:
                self._reopen()
            response, message, code = self._run(method, request)
            self._last_call = time.monotonic()
        if code != errors.OK:
            raise errors.StatusError(message.decode("utf-8", "replace"), code)
        return response

    def close(self) -> None:
        """Closes the store once the running call is done; waiting and later ones: UNAVAILABLE."""
        self._closed = True
        with self._lock:
            self._store = None

    def _run(self, method: str, request: bytes) -> tuple[bytes, bytes, int]:
        response, message, code = getattr(core, method)(self._store, request)
        if self._is_mysql and code == errors.INTERNAL:
            # The connection may be lost. The core connects again at its next call, but where
            # that fails the call after it ends the process with a segmentation fault.
            self._store = None
        return response, message, code

    def _ping(self) -> None:
        """Lets a harmless empty transaction, not the caller's, meet a closed connection."""
        if self._store is not None:
            request = metadata_store_service_pb2.GetArtifactTypesByIDRequest()
            self._run("GetArtifactTypesByID", request.SerializeToString())

    def _reopen(self) -> None:
        try:
            self._store = _open(self._target, self._password)
        except MetadataError as error:
            raise errors.StatusError(str(error), errors.UNAVAILABLE) from error


def open_to_read(target: MetadataTarget, password: str | None) -> ml_metadata.MetadataStore:
    """Opens a store that is there already: it is neither created nor, as a file, changed.

    A file is locked only for the moments of a call, for which a run that writes to it waits.

    Args:
        target: A ``SqliteTarget`` or a ``MySqlTarget``.
        password: The MySQL user's password.

    Returns:
        ml-metadata's client.

    Raises:
        MetadataError: if there is no such store, or it cannot be opened.
    """
    if isinstance(target, SqliteTarget):
        check_readable(target)
        if _is_locked(target.path, _LOCK_SECONDS):
            raise MetadataError(_locked(target))
    config = _config(target, password)
    if isinstance(target, SqliteTarget):
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    else:
        config.mysql.skip_db_creation = True
    try:
        return ml_metadata.MetadataStore(config)
    except (RuntimeError, errors.StatusError) as error:
        raise MetadataError(_open_failure(target, str(error))) from error


def _open(target: MetadataTarget, password: str | None) -> object:
    if isinstance(target, SqliteTarget):
        _check_sqlite(target)
    config = _config(target, password)
    migration = metadata_store_pb2.MigrationOptions()
    for attempt in range(1, _OPEN_ATTEMPTS + 1):
        try:
            return core.CreateMetadataStore(
                config.SerializeToString(), migration.SerializeToString()
            )
        except RuntimeError as error:
            busy = any(message in str(error) for message in _BUSY_MESSAGES)
            if not busy or attempt == _OPEN_ATTEMPTS:
                raise MetadataError(_open_failure(target, str(error))) from error
            time.sleep(_OPEN_RETRY_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _config(target: MetadataTarget, password: str | None) -> metadata_store_pb2.ConnectionConfig:
    config = metadata_store_pb2.ConnectionConfig()
    if isinstance(target, SqliteTarget):
        # An absolute path is never taken for a "file:" URI or ":memory:".
        config.sqlite.filename_uri = str(target.path.absolute())
    elif isinstance(target, MySqlTarget):
        try:
            address = check_mysql(target.host, target.port, _MYSQL_TIMEOUT_SECONDS)
        except MetadataError as error:
            raise MetadataError(f"metadata store {target}: {error}") from error
        # The core's client takes "localhost" for a Unix socket, whatever the port.
        config.mysql.host = address if target.host.lower() == "localhost" else target.host
        config.mysql.port = target.port
        config.mysql.user = target.user
        config.mysql.database = target.database
        try:
            config.mysql.password = password or ""
        except ValueError:
            # Without its cause, which quotes the password.
            raise MetadataError(
                f"metadata store {target}: the password is not valid UTF-8 text: set MYSQL_PWD "
                "to one that is"
            ) from None
    else:
        raise MetadataError(
            f"{target} is a server already: connect to it, or name an sqlite: or mysql: store"
        )
    return config


def _open_failure(target: MetadataTarget, message: str) -> str:
    if isinstance(target, SqliteTarget) and _is_locked(target.path, 0.0):
        return _locked(target)
    for pattern, meaning in _OPEN_FAILURES:
        if match := re.search(pattern, message):
            return f"metadata store {target}: {meaning.format(**match.groupdict())}"
    return f"metadata store {target} cannot be opened: {' '.join(message.split())[:300]}"


def _locked(target: SqliteTarget) -> str:
    return (
        f"metadata store {target}: another process has locked the file: wait until it has ended, "
        "or end it"
    )


def _is_locked(path: pathlib.Path, patience_seconds: float) -> bool:
    """Whether a file cannot be read for a lock, which the core takes for missing tables."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(
            sqlite3.connect(uri, uri=True, timeout=patience_seconds)
        ) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return "locked" in str(error)
    return False


def check_readable(target: SqliteTarget) -> None:
    """Refuses what is no file: opened to read only, nothing would create it.

    Args:
        target: The store.

    Raises:
        MetadataError: If there is no file, or nothing is in it.
    """
    where = f"metadata store {target}"
    try:
        if not target.path.is_file():
            raise MetadataError(
                f"{where}: there is no such file: run a pipeline first, or name the store with "
                "--home or --metadata"
            )
        if target.path.stat().st_size == 0:
            raise MetadataError(f"{where}: it is empty: no run has been recorded in it")
        with target.path.open("rb"):
            return
    except OSError as error:
        raise MetadataError(
            f"{where}: {error.strerror}: change its permissions, or name another file"
        ) from error


def _check_sqlite(target: SqliteTarget) -> None:
    """Refuses what SQLite would only call "unable to open database file", or report late."""
    folder = target.path.absolute().parent
    try:
        if not folder.is_dir():
            reason = f"there is no folder {folder}: create it, or name another file"
        elif target.path.exists() and not target.path.is_file():
            reason = "this is not a file: name a file"
        # SQLite puts its journal beside the file, so the folder must be writable too.
        elif not os.access(folder, os.W_OK | os.X_OK):
            reason = f"the folder {folder} is not writable: change its permissions, or name another"
        elif target.path.exists() and not os.access(target.path, os.R_OK | os.W_OK):
            reason = "the file is not writable: change its permissions, or name another file"
        else:
            return
    except OSError as error:
        reason = f"{error.strerror}: name another file"
    raise MetadataError(f"metadata store {target}: {reason}")
