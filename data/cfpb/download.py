"""Downloads a large file over HTTP, and goes on where an earlier attempt stopped."""

import dataclasses
import hashlib
import http
import json
import pathlib
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import requests
from urllib3.exceptions import ReadTimeoutError

from components.errors import InputDataError

#: The Bureau's own file of all complaints, made anew each night.
DEFAULT_URL = "https://files.consumerfinance.gov/ccdb/complaints.csv.zip"

#: The Bureau's search API, which also answers with CSV.
API_URL = "https://www.consumerfinance.gov/data-research/consumer-complaints/search/api/v1/"

_CHUNK_BYTES = 2**18
_WAIT_FACTOR = 2.0
_MOST_WAIT_SECONDS = 60.0
_USER_AGENT = "complaint-pipeline"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download tries.

    Attributes:
        attempts: Attempts in a row that bring nothing before it gives up.
        first_wait_seconds: The wait after the first of them; each next one is twice as long.
        connect_seconds: How long to wait for a connection.
        read_seconds: How long to wait for the next bytes.
    """

    attempts: int = 6
    first_wait_seconds: float = 1.0
    connect_seconds: float = 30.0
    read_seconds: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A file that has come.

    Attributes:
        path: The file.
        url: Where it came from, after redirects, without what may be secret in it.
        modified: What the server says of its last change; empty where it does not.
    """

    path: pathlib.Path
    url: str
    modified: str


def api_url(base: str, *, received_from: str | None, received_to: str | None) -> str:
    """Returns the URL by which the search API answers with complaints as CSV.

    Args:
        base: The API's address.
        received_from: First day of receipt, ``YYYY-MM-DD``, or ``None``.
        received_to: Last day, or ``None``.
    """
    query = {"format": "csv", "no_aggs": "true", "has_narrative": "true", "field": "all"}
    if received_from:
        query["date_received_min"] = received_from
    if received_to:
        query["date_received_max"] = received_to
    return f"{base}?{urllib.parse.urlencode(query)}"


def forget(path: pathlib.Path) -> None:
    """Removes a download and what is known of it, so that the next one begins anew.

    Args:
        path: Where it lies.
    """
    path.unlink(missing_ok=True)
    _notes_of(path).unlink(missing_ok=True)


def _notes_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.json")


def check_url(url: str) -> None:
    """Checks that a URL is one of HTTP.

    Raises:
        InputDataError: If it is not, or holds a password.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputDataError(f"{_shown(url)}: is no address of http or https")
    try:
        _ = parts.port
    except ValueError:
        raise InputDataError(f"{parts.scheme}://{parts.hostname}: the port is no port") from None
    if parts.password or parts.username:
        raise InputDataError(f"{_shown(url)}: holds a user or password; give an address without")


def download(
    url: str,
    path: pathlib.Path,
    *,
    patience: Patience | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
    on_wait: Callable[[str, float], None] | None = None,
) -> Downloaded:
    """Downloads a file.

    What has come lies in ``path`` while it is under way, and what the server said of it beside,
    in ``path`` with ``.json``. If that is there, the download goes on from it, unless the file has
    changed on the server in the meantime.

    Args:
        url: The file's address.
        path: Where it is to lie; its folder must exist.
        patience: How long to try.
        on_progress: Is called with the bytes that are there, and those of the whole file if the
            server says so.
        on_wait: Is called with the problem and the seconds until the next attempt.

    Returns:
        The file.

    Raises:
        InputDataError: If the server refuses, or too many attempts in a row bring nothing.
    """
    check_url(url)
    attempt = _Transfer(url, path, patience or Patience(), on_progress or (lambda *_: None))
    patience = attempt.patience
    wait = patience.first_wait_seconds
    failures, most = 0, attempt.size
    while True:
        try:
            if attempt.go_on():
                return attempt.finished()
            problem = "the connection ended early"
        except _PassingError as error:
            problem = str(error)
        if attempt.size > most:
            failures, most, wait = 0, attempt.size, patience.first_wait_seconds
        failures += 1
        if failures >= patience.attempts:
            raise InputDataError(
                f"{_shown(url)}: {problem}, {failures} times in a row; {attempt.size:,} bytes are "
                "there, from which the same command goes on"
            )
        if on_wait is not None:
            on_wait(problem, wait)
        time.sleep(wait)
        wait = min(wait * _WAIT_FACTOR, _MOST_WAIT_SECONDS)


class _PassingError(Exception):
    """A problem that may be gone at the next attempt."""


class _Transfer:
    """A download with what is known of it."""

    def __init__(
        self,
        url: str,
        path: pathlib.Path,
        patience: Patience,
        on_progress: Callable[[int, int | None], None],
    ) -> None:
        self._url = url
        self._path = path
        self._notes = _notes_of(path)
        self.patience = patience
        self._on_progress = on_progress
        self._asked = hashlib.sha256(url.encode()).hexdigest()
        self._known = self._read_notes()

    @property
    def size(self) -> int:
        """The bytes that are there."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def go_on(self) -> bool:
        """Fetches what is missing; returns whether all is there.

        Raises:
            _PassingError: If the server cannot be reached, or says to come again.
            InputDataError: If it refuses.
        """
        start = self.size if self._known.get("validator") else 0
        headers = {"Accept-Encoding": "identity", "User-Agent": _USER_AGENT}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": self._known["validator"]}
        timeout = (self.patience.connect_seconds, self.patience.read_seconds)
        try:
            with requests.get(self._url, headers=headers, stream=True, timeout=timeout) as answer:
                self._check(answer)
                if answer.status_code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    if start and start == self._known.get("length"):
                        return True
                    self._start_anew()
                    raise _PassingError("the server's file has changed")
                start = self._begin(answer, start)
                return self._receive(answer, start)
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
            raise InputDataError(
                f"{_shown(self._url)}: leads to an address that is not http or https"
            ) from None
        except requests.exceptions.TooManyRedirects:
            raise InputDataError(f"{_shown(self._url)}: redirects without end") from None
        except requests.exceptions.SSLError as error:
            raise InputDataError(
                f"{_shown(self._url)}: its certificate is not trusted ({_reason(error)}); name the "
                "authority's file by REQUESTS_CA_BUNDLE"
            ) from None
        except requests.exceptions.RequestException as error:
            raise _PassingError(_reason(error)) from None
        except OSError as error:
            raise InputDataError(f"{self._path}: cannot be written: {error.strerror}") from error

    def finished(self) -> Downloaded:
        """Returns the file, which is whole."""
        return Downloaded(
            path=self._path,
            url=self._known.get("url", _shown(self._url)),
            modified=self._known.get("modified", ""),
        )

    def _check(self, answer: requests.Response) -> None:
        schemes = [urllib.parse.urlsplit(item.url).scheme for item in (*answer.history, answer)]
        if "https" in schemes and "http" in schemes[schemes.index("https") :]:
            raise InputDataError(f"{_shown(self._url)}: redirects from https to http; refused")
        status = answer.status_code
        if status in (200, 206, 416):
            return
        words = f"answered {status} {answer.reason or ''}".strip()
        if status in (408, 425, 429) or status >= 500:
            raise _PassingError(words)
        raise InputDataError(f"{_shown(answer.url)}: {words}; check the address")

    def _begin(self, answer: requests.Response, start: int) -> int:
        """Notes what the server says of the file; returns where its bytes go."""
        length = _number(answer.headers.get("Content-Length"))
        if answer.status_code == http.HTTPStatus.PARTIAL_CONTENT:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != start:
                self._start_anew()
                raise _PassingError("the server sent another part than was asked for")
            total = _number(found[2])
        else:
            start, total = 0, length
        self._known = {
            # A weak validator may stand for other bytes.
            "validator": _strong(answer.headers.get("ETag", ""))
            or answer.headers.get("Last-Modified", ""),
            "length": total,
            "url": _shown(answer.url),
            "asked": self._asked,
            "modified": answer.headers.get("Last-Modified", ""),
        }
        self._notes.write_text(json.dumps(self._known), encoding="utf-8")
        return start

    def _receive(self, answer: requests.Response, start: int) -> bool:
        total = self._known["length"]
        with self._path.open("r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            size = start
            self._on_progress(size, total)
            for chunk in answer.iter_content(_CHUNK_BYTES):
                stream.write(chunk)
                size += len(chunk)
                self._on_progress(size, total)
        if total is not None and size > total:
            self._start_anew()
            raise _PassingError("the server sent more than it had said")
        if size == 0 and total in (0, None):
            self._start_anew()
            self._notes.unlink(missing_ok=True)
            raise InputDataError(f"{_shown(self._url)}: answered with nothing; check the address")
        return total is None or size == total

    def _start_anew(self) -> None:
        self._known = {}
        self._path.unlink(missing_ok=True)

    def _read_notes(self) -> dict[str, Any]:
        try:
            known = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        is_ours = isinstance(known, Mapping) and known.get("asked") == self._asked
        return dict(known) if is_ours else {}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _strong(tag: str) -> str:
    return "" if tag.startswith("W/") else tag


def _reason(error: Exception) -> str:
    """Returns what has happened, without the objects that requests wraps around it."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, requests.exceptions.Timeout | ReadTimeoutError):
            return "no bytes in time"
        last, inner = inner, _inside(inner)
    return " ".join(str(last).split())[:200] or type(last).__name__


def _inside(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), *error.args)
    return next((item for item in candidates if isinstance(item, BaseException)), None)


def _shown(url: str) -> str:
    """Returns a URL for messages and manifests: without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.port:
        host += f":{parts.port}"
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
