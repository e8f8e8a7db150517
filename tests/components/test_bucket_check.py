"""A bucket that cannot be used is told in one line, by real clients on loopback."""

import http.server
import pathlib
import socket
import types
from collections.abc import Iterator

import pytest

from components import bucket_check
from components.bucket_check import check
from components.errors import RunError
from components.object_storage import Location
from tests.google_storage import google_storage_missing, running_google_storage
from tests.loopback import serving
from tests.s3 import S3Server, running_s3


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """As in a pod without a secret: no variables, no files, no metadata server of a cloud."""
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3("complaints") as server:
        yield server


def use(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)


def problem(uri_scheme: str, bucket: str, path: str = "data") -> str:
    with pytest.raises(RunError) as raised:
        check(Location(scheme=uri_scheme, bucket=bucket, path=path))
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"{uri_scheme}://{bucket}/{path}: ")
    return line


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_bucket_that_is_there_passes_though_nothing_is_at_the_place(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    use(monkeypatch, **s3.variables)

    check(Location(scheme="s3", bucket="complaints", path="not/yet"))


def test_a_bucket_that_is_not_there(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    use(monkeypatch, **s3.variables)

    line = problem("s3", "complaimts")

    assert line.endswith(f"there is no bucket complaimts at {s3.url}; make it, or mend the URI")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    use(monkeypatch, AWS_ENDPOINT_URL_S3=s3.url, AWS_REGION="eu-west-1")

    line = problem("s3", "complaints")

    assert "no credentials for S3" in line
    assert "aws_secret" in line


def test_a_refused_connection(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": url})

    line = problem("s3", "complaints")

    assert f"{url} does not answer" in line
    assert line.endswith("check storage.s3_endpoint")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "may not list it (AccessDenied); allow s3:ListBucket on complaints"),
        (403, "InvalidAccessKeyId", "does not take the credentials (InvalidAccessKeyId); renew"),
        (301, "PermanentRedirect", "in region eu-north-1, not in eu-west-1; set storage.s3_region"),
        (400, "Odd", "has answered 400 Odd: why; see its log, or check storage.s3_endpoint"),
    ],
)
def test_what_s3_refuses_is_told_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server, status: int, code: str, expected: str
) -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                f"<Error><Code>{code}</Code><Message>why</Message>"
                "<Region>eu-north-1</Region></Error>"
            ).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with serving(Refusing, types.SimpleNamespace()) as state:
        use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": state.url})

        line = problem("s3", "complaints")

    assert expected in line
    assert "a-secret-key" not in line


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "has answered, but not as S3 does; check storage.s3_endpoint"),
        (403, "the credentials may not list it (HTTP 403); allow s3:ListBucket"),
        (500, "has answered 500: Internal Server Error; see its log"),
    ],
)
def test_a_web_page_is_not_an_answer_of_s3(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server, status: int, expected: str
) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html><head><title>Log in</title></head><body><p>Welcome</p></body></html>"
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *_: object) -> None:
            return

    with serving(Page, types.SimpleNamespace()) as state:
        use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": state.url})

        assert expected in problem("s3", "complaints")


def test_an_endpoint_that_sends_each_call_elsewhere(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"https://127.0.0.1:9{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *_: object) -> None:
            return

    with serving(Redirecting, types.SimpleNamespace()) as state:
        use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": state.url})

        line = problem("s3", "complaints")

    assert state.url in line
    assert "storage.s3_endpoint" in line


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_with_a_line_break_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server, name: str
) -> None:
    use(monkeypatch, **{**s3.variables, name: "hunter2\n"})

    line = problem("s3", "complaints")

    assert f"{name} has a space, a line break or another character" in line
    assert "echo ends a line" in line
    assert "hunter2" not in line


def test_an_endpoint_that_cannot_be_trusted(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    url = s3.url.replace("http://", "https://")
    use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": url})

    line = problem("s3", "complaints")

    assert f"{url} cannot be trusted by the public authorities" in line
    assert "storage.s3_ca_file" in line


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    use(monkeypatch, **{**s3.variables, "AWS_CA_BUNDLE": "/secret/minio/ca.crt"})

    line = problem("s3", "complaints")

    assert "/secret/minio/ca.crt (AWS_CA_BUNDLE) is not there; check storage.s3_ca_file" in line


def test_a_bucket_is_looked_at_once_in_a_process(
    monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    monkeypatch.setattr(bucket_check, "_outcomes", {})
    use(monkeypatch, **{**s3.variables, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{unused_port()}"})
    place = Location(scheme="s3", bucket="complaints", path="a")
    with pytest.raises(RunError, match="does not answer"):
        bucket_check.open_bucket(place)
    monkeypatch.setattr(bucket_check, "check", lambda place: pytest.fail("it was asked again"))

    with pytest.raises(RunError, match="does not answer"):
        bucket_check.open_bucket(Location(scheme="s3", bucket="complaints", path="b"))


def test_no_credentials_for_google() -> None:
    line = problem("gs", "complaints")

    assert "no credentials for Cloud Storage" in line
    assert "gcp_secret" in line


def test_a_refused_connection_to_google(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{unused_port()}")

    assert "Cloud Storage does not answer" in problem("gs", "complaints")


@pytest.mark.skipif(google_storage_missing() is not None, reason=str(google_storage_missing()))
def test_googles_buckets(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    with running_google_storage(tmp_path, "complaints") as server:
        use(monkeypatch, STORAGE_EMULATOR_HOST=server.url)

        check(Location(scheme="gs", bucket="complaints", path="not/yet"))
        line = problem("gs", "complaimts")

    assert line.endswith("there is no bucket complaimts; make it, or mend the URI")


def test_a_uri_without_a_bucket() -> None:
    with pytest.raises(RunError, match=r"s3:///data: names no bucket; write it as s3://BUCKET/"):
        check(Location(scheme="s3", bucket="", path="data"))
