"""`stage` into a bucket: Google's own client, and a Cloud Storage on loopback."""

import functools
import http.server
import json
import os
import pathlib
import time
import types
from collections.abc import Callable, Iterator

import pytest

from tests.google_cloud import service_account_key
from tests.loopback import serving
from tests.storage_server import Fault, StorageServer, running_storage

WORKFLOW = pathlib.Path(__file__).resolve().parents[2] / "golden" / "buckets.yaml"
#: Takes several chunks of a resumable upload.
MANY = 20 * 1024 * 1024
OBJECT = "data/complaints.csv"

Stage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    waits = types.SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    monkeypatch.setattr("google.resumable_media.requests._request_helpers.time", waits)
    with running_storage() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    """A CSV file."""
    path = tmp_path / "complaints.csv"
    path.write_bytes(b"a,b\n1,2\n")
    return path


@pytest.fixture
def stage(command_line: Stage) -> Stage:
    """Runs the command; returns its status, output and errors."""
    return functools.partial(command_line, "stage", WORKFLOW)


def uploads(bucket: StorageServer) -> int:
    """How often an upload has begun."""
    return sum(call.startswith("POST /upload") for call in bucket.calls)


def test_data_and_module_file_go_where_the_workflow_looks(
    bucket: StorageServer, data: pathlib.Path, tmp_path: pathlib.Path, stage: Stage
) -> None:
    code = tmp_path / "mine.py"
    code.write_text("code")
    (tmp_path / "sibling.py").write_text("TFX fetches the module file alone")

    status, out, err = stage("--data", data, "--module-file", code)

    assert (status, err) == (0, "")
    assert bucket.objects == {OBJECT: b"a,b\n1,2\n", "release-7/module.py": b"code"}
    assert "gs://example-bucket/data/complaints.csv" in out


def test_what_is_the_same_is_not_sent_again(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    stage("--data", data)

    _, out, _ = stage("--data", data, "--json")

    assert [item["action"] for item in json.loads(out)["files"]] == ["same"]
    assert uploads(bucket) == 1


def test_a_dry_run_sends_nothing(bucket: StorageServer, data: pathlib.Path, stage: Stage) -> None:
    status, out, _ = stage("--data", data, "--dry-run", "--json")

    assert [item["action"] for item in json.loads(out)["files"]] == ["send"]
    assert (status, bucket.objects) == (0, {})


def test_what_differs_is_refused(bucket: StorageServer, data: pathlib.Path, stage: Stage) -> None:
    bucket.put(OBJECT, b"a,b\n9,9\n")

    status, _, err = stage("--data", data)

    assert status == 1
    assert "gs://example-bucket/data/complaints.csv: there with other content; --overwrite" in err
    assert bucket.objects[OBJECT] == b"a,b\n9,9\n"


def test_overwrite_replaces(bucket: StorageServer, data: pathlib.Path, stage: Stage) -> None:
    bucket.put(OBJECT, b"old")

    assert stage("--data", data, "--overwrite")[0] == 0
    assert bucket.objects[OBJECT] == b"a,b\n1,2\n"


def test_other_data_are_named_and_kept(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    for name in ("data/sample.csv", "data/.hidden.csv", "data/notes.txt", "data/sub/deep.csv"):
        bucket.put(name, b"")

    _, _, err = stage("--data", data)

    assert "gs://example-bucket/data: ExampleGen will also read sample.csv; remove" in err
    assert len(bucket.objects) == 5


def test_a_large_file_survives_broken_connections(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    content = os.urandom(MANY)
    data.write_bytes(content)
    bucket.faults = [Fault("PUT", "upload_id"), Fault("PUT", "upload_id", status=503)]

    status, _, _ = stage("--data", data)

    assert status == 0
    assert bucket.objects == {OBJECT: content}
    assert uploads(bucket) == 1


def test_an_answer_that_got_lost_is_not_an_error(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    bucket.faults = [Fault("POST", "uploadType=multipart", is_done=True)]

    assert stage("--data", data)[0] == 0
    assert bucket.objects == {OBJECT: b"a,b\n1,2\n"}


def test_nothing_is_overwritten_that_came_meanwhile(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    bucket.on_chunk = lambda: bucket.put(OBJECT, b"of somebody else")

    status, _, err = stage("--data", data)

    assert (status, "has been written by somebody else meanwhile" in err) == (1, True)
    assert bucket.objects[OBJECT] == b"of somebody else"


def test_a_file_that_changes_meanwhile_does_not_get_its_name(
    bucket: StorageServer, data: pathlib.Path, stage: Stage
) -> None:
    data.write_bytes(os.urandom(MANY))
    bucket.on_chunk = lambda: data.write_bytes(os.urandom(MANY))

    status, _, err = stage("--data", data)

    assert (status, "complaints.csv: changed while it was staged" in err) == (1, True)
    assert bucket.objects == {}


@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        (401, "; log in with 'gcloud auth application-default login', or set GOOGLE_"),
        (403, "ask for the role Storage Object User"),
        (404, "there is no bucket example-bucket; make it first"),
    ],
)
def test_a_refusal_says_what_to_do(
    bucket: StorageServer, data: pathlib.Path, stage: Stage, answer: int, mend: str
) -> None:
    bucket.faults = [Fault("GET", "/o", status=answer)]

    status, _, err = stage("--data", data)

    assert (status, mend in err) == (1, True)
    assert err.startswith("error: gs://example-bucket/data: ")
    assert len(err.splitlines()) == 1


def test_without_credentials_it_says_how_to_get_some(
    data: pathlib.Path, stage: Stage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    status, _, err = stage("--data", data)

    assert (status, "gcloud auth application-default login" in err) == (1, True)


def test_a_file_that_is_no_key_is_named(
    data: pathlib.Path, stage: Stage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.json"
    key.write_text("[]")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))

    status, _, err = stage("--data", data)

    assert status == 1
    assert f"{key} (GOOGLE_APPLICATION_CREDENTIALS) has no" in err
    assert len(err.splitlines()) == 1


def test_a_login_service_that_is_a_page_is_told(
    data: pathlib.Path, stage: Stage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Log in</html>")

        def log_message(self, *_: object) -> None:
            return

    with serving(Page, types.SimpleNamespace()) as state:
        key = service_account_key(tmp_path, f"{state.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))

        status, _, err = stage("--data", data)

    assert status == 1
    assert "has answered, but not as they do; check whether a proxy or a login page" in err


def test_another_store_is_refused(data: pathlib.Path, stage: Stage) -> None:
    status, _, err = stage("--data", data, "--data-root", "az://team/complaints")

    assert status == 1
    assert "az://team/complaints" in err
    assert "only volumes, gs:// and s3:// can" in err
