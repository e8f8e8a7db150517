"""Google Cloud's refusals in one line, with what to do about them."""

import json
import re
import sys
import urllib.parse
from collections.abc import Iterator
from typing import Any

from components.errors import PipelineError, RunError

#: What to do, by the HTTP status of the answer.
_MENDS = {
    400: "check the settings google_cloud and beam.dataflow",
    401: "log in anew, or give the pods credentials (gcp_secret, or workload identity)",
    403: "give the pods' service account the roles that docs/google_cloud.md lists, and enable the "
    "service in the project",
    404: "check project, region and bucket",
    409: "another one of this name is there",
    429: "ask for more quota in this region, or use another machine type, fewer machines or "
    "another region",
    503: "try again",
    504: "try again",
}

_NO_CREDENTIALS = (
    "give the pods credentials (gcp_secret, or workload identity); on this machine: "
    "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS"
)

_CONSOLE = "https://console.cloud.google.com/dataflow/jobs"

#: Longest part of an answer that a line shows.
_MAX_REASON = 600

_SECRET = re.compile(r"(ya29\.|Bearer\s+)[-\w.~+/]+=*")


def as_run_error(error: BaseException) -> RunError | None:
    """Returns an error of Google's clients as one line.

    Args:
        error: The error, or one that was raised because of it.

    Returns:
        The error to show instead; ``None`` if no client of Google's has raised it, or the project
        has said it in words of its own.
    """
    if isinstance(error, PipelineError):
        return None
    for cause in _causes(error):
        line = _line(cause)
        if line is not None:
            return RunError(line)
    return None


def one_line(error: BaseException) -> str:
    """Returns an error as one line, also where none of Google's clients has raised it."""
    known = error if isinstance(error, PipelineError) else as_run_error(error)
    return str(known) if known else f"{type(error).__name__}: {_short(str(error))}"


def is_transient(error: BaseException) -> bool:
    """Tells whether a call to Google may succeed when it is repeated.

    Args:
        error: What a client of Google's has raised.
    """
    if _is_of(error, "google.auth.exceptions", "TransportError"):
        return True
    if _is_of(error, "google.auth.exceptions", "GoogleAuthError"):
        return bool(error.retryable)  # type: ignore[attr-defined]
    if _is_of(error, "google.api_core.exceptions", "MethodNotImplemented"):
        return False
    return _is_of(error, "google.api_core.exceptions", "ServerError", "TooManyRequests")


def connection_problem(error: BaseException) -> str:
    """Returns why a service could not be reached, without the names of its library's classes.

    Args:
        error: What requests, or a client above it, has raised.

    Returns:
        Such as ``oauth2.googleapis.com: Connection refused``.
    """
    causes = [cause for raised in _causes(error) for cause in (raised, *raised.args)]
    # requests' own errors are OSErrors as well, and say it with the library's objects.
    plain = [
        cause
        for cause in causes
        if isinstance(cause, OSError) and not _is_of(cause, "requests", "RequestException")
    ]
    reason = (plain[-1].strerror or str(plain[-1])) if plain else str(error)
    urls = [getattr(getattr(cause, "request", None), "url", None) for cause in causes]
    host = next((urllib.parse.urlsplit(url).hostname for url in urls if url), None)
    if any(_is_of(cause, "requests.exceptions", "ProxyError") for cause in causes):
        host = f"{host} by the proxy"
    return _short(reason if host is None else f"{host}: {reason}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _line(error: BaseException) -> str | None:
    if _is_of(error, "google.auth.exceptions", "DefaultCredentialsError", "RefreshError"):
        said = _short(first_argument(error))
        return f"Google Cloud: no valid credentials: {said}; {_NO_CREDENTIALS}"
    if _is_of(error, "google.auth.exceptions", "TransportError"):
        return f"Google Cloud: the login service cannot be reached: {connection_problem(error)}"
    if _is_of(error, "httplib2.error", "ServerNotFoundError"):
        return (
            f"Google Cloud cannot be reached: {_short(str(error))}; check the network, or set "
            "HTTPS_PROXY"
        )
    if _is_of(error, "google.api_core.exceptions", "GoogleAPICallError"):
        return _refusal(
            getattr(error, "code", None),
            str(getattr(error, "message", error)),
            getattr(getattr(error, "grpc_status_code", None), "name", None),
        )
    if _is_of(error, "google.api_core.exceptions", "RetryError"):
        cause = getattr(error, "cause", None)
        return (cause is not None and _line(cause)) or _refusal(504, str(error))
    if _is_of(error, "googleapiclient.errors", "HttpError"):
        content = getattr(error, "content", b"")
        return _refusal(getattr(error.resp, "status", None), _reason(content))  # type: ignore[attr-defined]
    if _is_of(error, "apitools.base.py.exceptions", "HttpError"):
        return _refusal(error.status_code, _reason(error.content))  # type: ignore[attr-defined]
    if _is_of(error, "apache_beam.runners.dataflow.dataflow_runner", "DataflowRuntimeException"):
        return _failed_job(error)
    return None


def _failed_job(error: BaseException) -> str:
    """Returns what Dataflow says of a job that has failed, and where its logs are."""
    job = error.result._job  # type: ignore[attr-defined]
    reason = _short(str(error).partition("Error:")[2]) or "it gives no reason"
    return (
        f"Dataflow's job {job.id} has failed: {reason}; its logs are at {_CONSOLE}/{job.location}/"
        f"{job.id}?project={job.projectId}"
    )


def _is_of(error: BaseException, module: str, *names: str) -> bool:
    """Tells whether an error is of a class, without importing what nobody has imported yet."""
    loaded = sys.modules.get(module)
    return any(isinstance(error, getattr(loaded, name)) for name in names) if loaded else False


def _refusal(code: Any, reason: str, name: str | None = None) -> str:
    status = int(code) if code is not None else None
    # Some of gRPC's, such as UNKNOWN, have no number in HTTP.
    known = name if status is None else status
    said = "" if known is None else f" ({known})"
    mend = _MENDS.get(status) if status is not None else "try again"
    told = _short(reason) or "it gives no reason"
    return f"Google Cloud refused{said}: {told}" + (f"; {mend}" if mend else "")


def _reason(content: bytes | str) -> str:
    """Returns what an answer in Google's JSON says, or the answer itself."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    try:
        message = json.loads(text)["error"]["message"]
    except (KeyError, TypeError, ValueError):
        return text
    return str(message)


def first_argument(error: BaseException) -> str:
    """Returns what an error of Google's says, without what came with it.

    Args:
        error: An error of ``google.auth``.
    """
    # google.auth gives the answer of the server as well, in a second argument.
    return str(error.args[0]) if error.args else str(error)


def _short(text: str) -> str:
    line = _SECRET.sub(r"\1...", " ".join(text.split())).rstrip(". ")
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]}..."
