"""`stage` into a bucket of S3: boto3, and moto's server on loopback."""

import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from tests.s3 import S3Server, running_s3

WORKFLOW = pathlib.Path(__file__).resolve().parents[2] / "golden" / "s3.yaml"
BUCKET = "complaints"
OBJECT = "data/complaints.csv"
CONTENT = b"a,b\n1,2\n"
#: Takes several parts.
MANY = 20 * 1024 * 1024

Stage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with running_s3(BUCKET) as server:
        for name, text in server.variables.items():
            monkeypatch.setenv(name, text)
        yield server


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    """A CSV file."""
    path = tmp_path / "complaints.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def stage(command_line: Stage) -> Stage:
    """Runs the command; returns its status, output and errors."""
    return functools.partial(command_line, "stage", WORKFLOW)


def objects(bucket: S3Server) -> dict[str, bytes]:
    listed = bucket.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        item["Key"]: bucket.client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in listed
    }


def put(bucket: S3Server, name: str, content: bytes) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key=name, Body=content)


def actions(out: str) -> list[str]:
    return [item["action"] for item in json.loads(out)["files"]]


def test_data_and_a_schema_go_where_the_workflow_looks(
    bucket: S3Server, data: pathlib.Path, tmp_path: pathlib.Path, stage: Stage
) -> None:
    schema = tmp_path / "mine.pbtxt"
    schema.write_text("")

    status, out, err = stage("--data", data, "--schema", schema)

    assert (status, err) == (0, "")
    assert objects(bucket) == {OBJECT: CONTENT, "schema.pbtxt": b""}
    assert f"s3://{BUCKET}/{OBJECT}" in out


@pytest.mark.parametrize("size", [8, MANY])
def test_what_is_the_same_is_not_sent_again(
    bucket: S3Server, data: pathlib.Path, stage: Stage, size: int
) -> None:
    content = os.urandom(size)
    data.write_bytes(content)
    assert stage("--data", data)[0] == 0

    _, out, _ = stage("--data", data, "--json")

    assert actions(out) == ["same"]
    assert objects(bucket) == {OBJECT: content}


def test_a_dry_run_sends_nothing(bucket: S3Server, data: pathlib.Path, stage: Stage) -> None:
    status, out, _ = stage("--data", data, "--dry-run", "--json")

    assert (status, actions(out), objects(bucket)) == (0, ["send"], {})


@pytest.mark.parametrize("other", [b"a,b\n9,9\n", b"longer than that"])
def test_what_differs_is_refused_unless_it_is_to_be_replaced(
    bucket: S3Server, data: pathlib.Path, stage: Stage, other: bytes
) -> None:
    put(bucket, OBJECT, other)

    status, _, err = stage("--data", data)

    assert (status, objects(bucket)) == (1, {OBJECT: other})
    assert f"s3://{BUCKET}/{OBJECT}: there with other content; --overwrite" in err
    assert stage("--data", data, "--overwrite")[0] == 0
    assert objects(bucket) == {OBJECT: CONTENT}


def test_other_data_are_named_and_kept(bucket: S3Server, data: pathlib.Path, stage: Stage) -> None:
    for name in ("data/sample.csv", "data/.hidden.csv", "data/notes.txt", "data/sub/deep.csv"):
        put(bucket, name, b"")

    _, _, err = stage("--data", data)

    assert f"s3://{BUCKET}/data: ExampleGen will also read sample.csv; remove" in err
    assert len(objects(bucket)) == 5


def test_a_file_that_changes_meanwhile_does_not_get_its_name(
    bucket: S3Server, data: pathlib.Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.cluster.staging import s3_bucket

    data.write_bytes(os.urandom(MANY))
    read = s3_bucket._Watched.read

    def change_and_read(self: s3_bucket._Watched, size: int = -1) -> bytes:
        data.write_bytes(os.urandom(MANY))
        return read(self, size)

    monkeypatch.setattr(s3_bucket._Watched, "read", change_and_read)

    status, _, err = stage("--data", data)

    assert (status, "complaints.csv: changed while it was staged" in err) == (1, True)
    assert objects(bucket) == {}


def test_nothing_is_overwritten_that_came_meanwhile(
    bucket: S3Server, data: pathlib.Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.cluster.staging.s3_bucket import S3Bucket

    send = S3Bucket.send

    def put_and_send(self: S3Bucket, found: object, on_progress: object) -> None:
        put(bucket, OBJECT, b"of somebody else")
        send(self, found, on_progress)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Bucket, "send", put_and_send)

    status, _, err = stage("--data", data)

    assert (status, "has been written by somebody else meanwhile" in err) == (1, True)
    assert objects(bucket) == {OBJECT: b"of somebody else"}


def test_a_bucket_that_is_not_there_is_one_line(
    bucket: S3Server, data: pathlib.Path, stage: Stage
) -> None:
    status, _, err = stage("--data", data, "--data-root", "s3://team/complaints")

    assert status == 1
    assert err.startswith("error: s3://team/complaints/: there is no bucket team")
    assert len(err.splitlines()) == 1


def begin_upload(bucket: S3Server, name: str) -> None:
    """Leaves the first part of an upload, as a killed process does."""
    upload = bucket.client.create_multipart_upload(Bucket=BUCKET, Key=name)
    bucket.client.upload_part(
        Bucket=BUCKET, Key=name, UploadId=upload["UploadId"], PartNumber=1, Body=CONTENT
    )


def test_what_a_killed_upload_of_the_same_file_has_left_is_removed(
    bucket: S3Server, data: pathlib.Path, stage: Stage
) -> None:
    for name in (OBJECT, OBJECT, f"{OBJECT}.gz"):
        begin_upload(bucket, name)

    status, _, err = stage("--data", data)

    assert (status, err) == (0, "")
    left = bucket.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [item["Key"] for item in left] == [f"{OBJECT}.gz"]
    assert objects(bucket) == {OBJECT: CONTENT}
