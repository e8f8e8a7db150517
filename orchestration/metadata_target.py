"""Where the metadata of a run is kept: the value behind ``--metadata`` and ``--store``.

``MetadataTarget.parse`` turns text into one of three frozen values. None of them ever holds a
password: whoever opens a MySQL store passes the password on explicitly.
"""

import dataclasses
import ipaddress
import pathlib
import re
import urllib.parse

from components.errors import MetadataError

#: What a target may look like; every message about a bad one ends with it.
VALID_FORMS = "sqlite:PATH, mysql://USER@HOST[:PORT]/DATABASE or grpc://HOST:PORT"

MYSQL_DEFAULT_PORT = 3306

# ml-metadata's core writes the name unquoted into "CREATE DATABASE IF NOT EXISTS ..." and
# "USE ...", so only what MySQL takes as an unquoted identifier is safe:
# https://dev.mysql.com/doc/refman/8.0/en/identifiers.html
_DATABASE_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_$]{0,63}")
# The labels of a name have 63 characters at most; Python's resolver raises UnicodeError for more:
# https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
_LABEL = "[0-9A-Za-z]([-_0-9A-Za-z]{0,61}[0-9A-Za-z])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HOST_AND_PORT = re.compile(r"(\[(?P<ipv6>[^]]*)\]|(?P<name>[^][:]*))(:(?P<port>[0-9]{0,10}))?")
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class MetadataTarget:
    """A metadata store: ``SqliteTarget``, ``MySqlTarget`` or ``GrpcTarget``."""

    @staticmethod
    def parse(text: str) -> "MetadataTarget":
        """Returns the target that ``text`` names.

        Args:
            text: ``sqlite:PATH``, ``mysql://USER@HOST[:PORT]/DATABASE`` (MySQL or MariaDB; a
                user with special characters is percent-encoded) or ``grpc://HOST:PORT``.

        Raises:
            MetadataError: if ``text`` is none of these, or holds a password.
        """
        scheme, separator, rest = text.partition(":")
        if scheme == "sqlite" and separator:
            return _parse_sqlite(text, rest)
        if scheme in ("mysql", "grpc") and rest.startswith("//"):
            return _parse_url(text)
        raise _not_valid(text, "unknown form")


@dataclasses.dataclass(frozen=True)
class SqliteTarget(MetadataTarget):
    """An SQLite file.

    Attributes:
        path: The file, relative to the working folder or absolute.

    Raises:
        MetadataError: if the path is empty or holds characters that no file name can have.
    """

    path: pathlib.Path

    def __post_init__(self) -> None:
        text = str(self.path)
        if not self.path.name:
            raise _not_valid(str(self), "the path names no file")
        if _CONTROL.search(text) or not _is_utf8(text):
            raise _not_valid(str(self), "the path is not printable UTF-8 text")

    def __str__(self) -> str:
        return f"sqlite:{self.path}"


@dataclasses.dataclass(frozen=True)
class MySqlTarget(MetadataTarget):
    """A database on a MySQL or MariaDB server, reached over TCP.

    Attributes:
        user: The user's name, not encoded.
        host: Host name or address; IPv6 without brackets.
        port: TCP port, 1 to 65535.
        database: The database; ml-metadata creates it where it is missing.

    Raises:
        MetadataError: if a part is missing or not valid.
    """

    user: str
    host: str
    port: int
    database: str

    def __post_init__(self) -> None:
        _check_address(str(self), self.host, self.port)
        if not self.user:
            raise _not_valid(str(self), "the user is missing")
        if not _is_utf8(self.user):
            raise _not_valid(str(self), "the user is not valid UTF-8 text")
        if not _DATABASE_NAME.fullmatch(self.database):
            raise _not_valid(
                str(self),
                "the database must be 1 to 64 letters, digits, _ or $ and not start with a digit",
            )

    @property
    def authority(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return _authority(self.host, self.port)

    def __str__(self) -> str:
        user = urllib.parse.quote(self.user, safe="", errors="replace")
        return f"mysql://{user}@{self.authority}/{self.database}"


@dataclasses.dataclass(frozen=True)
class GrpcTarget(MetadataTarget):
    """A server that speaks ml-metadata's gRPC protocol, such as Kubeflow's.

    Attributes:
        host: Host name or address; IPv6 without brackets.
        port: TCP port, 1 to 65535.

    Raises:
        MetadataError: if a part is missing or not valid.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        _check_address(str(self), self.host, self.port)

    @property
    def authority(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return _authority(self.host, self.port)

    def __str__(self) -> str:
        return f"grpc://{self.authority}"


def _parse_sqlite(text: str, path: str) -> SqliteTarget:
    if path.startswith("//"):
        # SQLAlchemy's sqlite:///x is a relative path, a URL's is an absolute one.
        raise _not_valid(text, "write the path straight after the colon, without //")
    if not path or path.endswith("/") or path == ":memory:":
        raise _not_valid(text, "the path must name a file")
    return SqliteTarget(pathlib.Path(path))


def _parse_url(text: str) -> MetadataTarget:
    if _has_password(text):
        raise MetadataError(
            f"metadata target {_redacted(text)!r} holds a password: leave it out and put it in "
            "the environment variable MYSQL_PWD"
        )
    if _CONTROL.search(text) or not _is_utf8(text):
        # urlsplit would pass over some of these.
        raise _not_valid(text, "this is not printable UTF-8 text")
    try:
        url = urllib.parse.urlsplit(text)
        user = urllib.parse.unquote(url.username or "", errors="strict")
    except ValueError as error:
        # The error may quote what a user took for the place of the password.
        raise _not_valid(text, "the user or the host cannot be read") from error
    if "?" in text or "#" in text:
        raise _not_valid(text, "nothing may follow ? or #")
    host, port = _host_and_port(text, url.netloc.rpartition("@")[2])
    if url.scheme == "mysql":
        return MySqlTarget(
            user=user,
            host=host,
            port=MYSQL_DEFAULT_PORT if port is None else port,
            database=url.path.removeprefix("/"),
        )
    if url.username is not None:
        raise _not_valid(text, "a gRPC target has no user")
    if url.path not in ("", "/"):
        raise _not_valid(text, "a gRPC target has no path")
    if port is None:
        raise _not_valid(text, "the port is missing")
    return GrpcTarget(host, port)


def _host_and_port(text: str, authority: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(authority)
    if match is None:
        raise _not_valid(
            text,
            "only a port, a number from 1 to 65535, may follow the host, and an IPv6 address "
            "stands in brackets",
        )
    host = match["ipv6"] or match["name"] or ""
    return host.lower(), int(match["port"]) if match["port"] else None


def _check_address(text: str, host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise _not_valid(text, "the port must be 1 to 65535")
    if not host:
        raise _not_valid(text, "the host is missing")
    if not _HOST_NAME.fullmatch(host) and not _is_ipv6(host):
        raise _not_valid(text, "the host is neither a name nor an address")


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _has_password(text: str) -> bool:
    user_info, at, _ = text.partition("//")[2].rpartition("@")
    return bool(at) and ":" in user_info


def _redacted(text: str) -> str:
    """``text`` without anything that could be a password, wherever a stray / : @ or ? stands."""
    scheme = re.match(r"[^:/@]*://", text)
    head = scheme.group() if scheme else ""
    user_info, at, rest = text[len(head) :].rpartition("@")
    user, colon, _ = user_info.partition(":")
    if not text.startswith("sqlite:"):
        # USER:PASSWORD with its host forgotten, or a password where the port belongs.
        rest = re.sub(r"^([^][:/]*):(?![0-9]*([/?#]|$)).*", r"\1:***", rest, flags=re.DOTALL)
        rest = re.sub(r"[?#].*", "?***", rest, flags=re.DOTALL)
    return f"{head}{user}{':***' if colon else ''}{at}{rest}"


def _not_valid(text: str, reason: str) -> MetadataError:
    return MetadataError(
        f"metadata target {_redacted(text)!r} is not valid ({reason}): use {VALID_FORMS}"
    )
