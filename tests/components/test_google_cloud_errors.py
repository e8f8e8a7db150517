"""What Google's clients raise, in one line."""

import http.server
import socket
import types

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth import exceptions as login
from httplib2.error import ServerNotFoundError

from components.errors import RunError
from components.google_cloud_errors import as_run_error, connection_problem
from tests.loopback import serving


def line(error: BaseException) -> str:
    made = as_run_error(error)
    assert made is not None
    return str(made)


def test_what_no_client_of_google_has_raised_is_left_alone() -> None:
    assert as_run_error(ValueError("429 Quota exceeded")) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            exceptions.ResourceExhausted("Quota exceeded."),
            "Google Cloud refused (429): Quota exceeded; ask for more quota in this region, or use "
            "another machine type, fewer machines or another region",
        ),
        (
            exceptions.NotFound("no such\n  project"),
            "Google Cloud refused (404): no such project; check project, region and bucket",
        ),
        (
            exceptions.RetryError(
                "Timeout of 600.0s exceeded", exceptions.ServiceUnavailable("gone")
            ),
            "Google Cloud refused (503): gone; try again",
        ),
        (
            exceptions.InternalServerError("what happened"),
            "Google Cloud refused (500): what happened",
        ),
        (
            exceptions.from_grpc_status(grpc.StatusCode.UNKNOWN, ""),
            "Google Cloud refused (UNKNOWN): it gives no reason; try again",
        ),
    ],
)
def test_a_refusal_is_told_with_what_to_do(error: Exception, expected: str) -> None:
    assert line(error) == expected


def test_the_cause_of_another_error_is_found() -> None:
    try:
        try:
            raise exceptions.PermissionDenied("no role")
        except exceptions.PermissionDenied as error:
            raise RuntimeError("Creating endpoint in AI Platform failed.") from error
    except RuntimeError as error:
        told = line(error)

    assert told.startswith("Google Cloud refused (403): no role; give the pods' service account")


def test_what_the_project_says_of_it_stays() -> None:
    said = RunError("gs://a: there is no bucket a; make it")
    said.__cause__ = exceptions.NotFound("no a")

    assert as_run_error(said) is None


def test_missing_credentials_are_told_with_both_places() -> None:
    told = line(login.DefaultCredentialsError("Your default credentials were not found."))

    assert "workload identity" in told
    assert "gcloud auth application-default login" in told


def test_that_google_cannot_be_reached_is_told() -> None:
    told = line(ServerNotFoundError("Unable to find the server at dataflow.googleapis.com"))

    assert told.startswith(
        "Google Cloud cannot be reached: Unable to find the server at dataflow.googleapis.com; "
    )


def test_no_token_is_shown() -> None:
    told = line(exceptions.Unauthenticated("bad header: Bearer ya29.a0AfH6SMC-secret_token"))

    assert "a0AfH6SMC" not in told


def test_a_long_answer_is_cut() -> None:
    assert len(line(exceptions.BadRequest("x" * 10_000))) < 800


def test_a_connection_that_fails_is_told_without_the_librarys_objects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(requests.ConnectionError) as raised:
        requests.get(f"http://127.0.0.1:{port}/token", timeout=10)

    assert connection_problem(raised.value) == "127.0.0.1: Connection refused"
    # As google.auth and google.api_core raise it.
    for error in (login.TransportError(raised.value), exceptions.RetryError("Timeout", None)):
        error.__cause__ = raised.value
        assert connection_problem(error) == "127.0.0.1: Connection refused"


def test_a_proxy_that_refuses_is_told_as_one() -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            return

    with (
        serving(Refusing, types.SimpleNamespace()) as state,
        pytest.raises(requests.ConnectionError) as raised,
    ):
        requests.get("https://oauth2.example.com/token", proxies={"https": state.url}, timeout=10)

    told = connection_problem(raised.value)
    assert told == "oauth2.example.com by the proxy: Tunnel connection failed: 403 Forbidden"
