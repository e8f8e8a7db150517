"""Sends the calls of kfp's client: with timeouts, repeats, and errors of one line.

A call is repeated where the server cannot have carried it out, or where carrying it out twice
makes no difference.
"""

import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

import urllib3.exceptions

from orchestration.cluster.errors import ClusterError
from orchestration.local.logs import without_controls

_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 20.0

_TOO_MANY_REQUESTS = 429
_FIRST_SERVER_ERROR = 500

#: Methods, and the POSTs by their path, that can be carried out twice.
_REPEATABLE_METHODS = ("GET", "HEAD", "DELETE")
_REPEATABLE_POST = re.compile(r"/(terminate|enable|disable)$")

#: The connection did not come about, so that nothing was sent.
_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)

_WHAT_TO_DO = {
    301: "the address leads elsewhere; give --host the final one",
    302: "it wants you to log in: give a session's cookie (KFP_COOKIES) or a token (KFP_TOKEN)",
    307: "the address leads elsewhere; give --host the final one",
    401: "the token or cookie is missing, wrong or expired; renew KFP_TOKEN or KFP_COOKIES",
    403: "you may not do this; check the namespace (--namespace) and your role in it",
    404: "check the name or id, and that --host is the address of Kubeflow Pipelines",
    429: "the server has too many calls; try again later",
}


class Transport:
    """Takes the place of the generated client's ``rest_client``."""

    def __init__(
        self,
        inner: Any,
        *,
        host: str,
        timeout_seconds: float,
        attempts: int,
        backoff_seconds: float,
        clean: Callable[[str], str],
        api_exception: type[Exception],
    ) -> None:
        """Wraps a ``RESTClientObject``.

        Args:
            inner: The client that sends a request.
            host: The server, for messages.
            timeout_seconds: How long to wait for an answer.
            attempts: How often to try what may be repeated.
            backoff_seconds: Wait before the first repeat; it doubles with each.
            clean: Takes secrets out of a text.
            api_exception: What ``inner`` raises for an answer that is not a success.
        """
        self._inner = inner
        self._host = host
        self._timeout = (min(_CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        self._attempts = attempts
        self._backoff = backoff_seconds
        self._clean = clean
        self._api_exception = api_exception

    def GET(self, url: str, **options: Any) -> Any:  # noqa: N802 (the generated client's name)
        """Sends a GET."""
        return self._send("GET", url, options)

    def HEAD(self, url: str, **options: Any) -> Any:  # noqa: N802
        """Sends a HEAD."""
        return self._send("HEAD", url, options)

    def POST(self, url: str, **options: Any) -> Any:  # noqa: N802
        """Sends a POST."""
        return self._send("POST", url, options)

    def DELETE(self, url: str, **options: Any) -> Any:  # noqa: N802
        """Sends a DELETE."""
        return self._send("DELETE", url, options)

    def _send(self, method: str, url: str, options: dict[str, Any]) -> Any:
        repeatable = method in _REPEATABLE_METHODS or bool(_REPEATABLE_POST.search(url))
        options = {**options, "_request_timeout": self._timeout}
        attempt = 0
        while True:
            attempt += 1
            # The generated client takes the content type out of the headers of an upload.
            headers = dict(options.get("headers") or {})
            try:
                answer = self._inner.request(method, url, **{**options, "headers": headers})
                _ = answer.data  # Read here, where a lost connection is expected.
            except self._api_exception as error:
                wait, problem = self._refusal(error, method, attempt, repeatable)
            except urllib3.exceptions.HTTPError as error:
                wait, problem = self._no_answer(error, attempt, repeatable)
            else:
                self._check_kind(answer)
                return answer
            if wait is None or attempt >= self._attempts:
                # Without the cause: its text holds the answer's headers, cookies among them.
                raise problem from None
            time.sleep(wait)

    def _check_kind(self, answer: Any) -> None:
        if "text/html" in (answer.getheader("Content-Type") or ""):
            raise ClusterError(
                f"{self._host}: answered with a web page in place of the API's answer; check the "
                "address, and whether you must log in (KFP_COOKIES or KFP_TOKEN)",
                status=answer.status,
            )

    def _refusal(
        self, error: Any, method: str, attempt: int, repeatable: bool
    ) -> tuple[float | None, ClusterError]:
        """Returns how long to wait before a repeat, or ``None``; and what to raise otherwise."""
        status = error.status or 0
        is_ours = status < _FIRST_SERVER_ERROR
        message = self._clean(_message(error) or str(error.reason or "no reason given"))
        hint = _WHAT_TO_DO.get(status)
        if "namespace" in message.lower() and hint is None:
            hint = "on multi-user Kubeflow, give --namespace"
        if not is_ours:
            hint = f"the server failed{_tries(attempt)}; see the logs of its pod ml-pipeline"
        text = f"{self._host}: {message} ({status})" + (f"; {hint}" if hint else "")
        if status == 0:
            text = f"{self._host}: {message}; check the address and the certificate (--ca-file)"
        problem = ClusterError(text, status=status, is_lost=not is_ours and method == "POST")
        if status == _TOO_MANY_REQUESTS or (not is_ours and repeatable):
            return self._wait(attempt, (error.headers or {}).get("Retry-After")), problem
        return None, problem

    def _no_answer(
        self, error: urllib3.exceptions.HTTPError, attempt: int, repeatable: bool
    ) -> tuple[float | None, ClusterError]:
        reason = getattr(error, "reason", None) or error
        never_sent = isinstance(reason, _NEVER_SENT)
        said = self._clean(_plain(reason))
        problem = ClusterError(
            f"{self._host}: no answer ({said}){_tries(attempt)}; check that it runs, "
            "that the address is right and that a port-forward is still up",
            is_lost=not never_sent,
        )
        return (self._wait(attempt) if never_sent or repeatable else None), problem

    def _wait(self, attempt: int, retry_after: str | None = None) -> float:
        if retry_after is not None and retry_after.isdigit():
            return min(float(retry_after), _LONGEST_WAIT)
        # Half of it by chance, so that clients that failed together do not come back together.
        longest = min(self._backoff * 2 ** (attempt - 1), _LONGEST_WAIT)
        return longest * (0.5 + random.random() / 2)  # noqa: S311 (not for secrets)


def _tries(attempts: int) -> str:
    return f" after {attempts} tries" if attempts > 1 else ""


def _plain(reason: object) -> str:
    # urllib3 1.26 counts a refused connection among its timeouts.
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "the connection was refused or the name is unknown"
    if isinstance(reason, urllib3.exceptions.TimeoutError):
        return "it took too long"
    return "the connection was lost"


def _message(error: Any) -> str:
    """Returns what the server says of a refusal: one line, not the whole answer."""
    body = error.body
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    details = answer.get("details")
    inner = details[0] if isinstance(details, list) and details else {}
    said = (
        (inner.get("error_message") if isinstance(inner, dict) else None)
        or answer.get("error_message")
        or answer.get("message")
        or answer.get("error")
        or ""
    )
    return without_controls(" ".join(str(said).split())).rstrip(".")
