"""Reading S3 in ExampleGen: one client for many objects, and what is said of what is not there."""

import gzip
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.s3 import S3Server, running_s3

pytestmark = pytest.mark.whole

PROJECT = pathlib.Path(__file__).parents[2]
BUCKET = "complaints"

# In a process of its own: TensorFlow's file system for s3 stays as it is first set up.
CHILD = f"""
import json
from components import csv_executor, object_storage, span_driver
object_storage.register(["s3"])
import tensorflow as tf

def problem(work):
    try:
        work()
    except Exception as error:
        return error

read = lambda path: list(tf.data.TFRecordDataset("s3://{BUCKET}/" + path))
print(json.dumps([
    str(problem(lambda: csv_executor._csv_files("s3://{BUCKET}/none", "*.csv", "data-root"))),
    span_driver._problem("s3://{BUCKET}/none", None, {{}}, None),
    str(object_storage.as_run_error(problem(lambda: read("gone")))),
    object_storage.as_run_error(problem(lambda: read("data/1.csv"))),
]))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with running_s3(BUCKET) as running:
        for name, text in running.variables.items():
            monkeypatch.setenv(name, text)
        for number in range(3):
            running.client.put_object(
                Bucket=BUCKET, Key=f"data/{number}.csv", Body=f"row {number}\n".encode() * 9
            )
        running.client.put_object(
            Bucket=BUCKET, Key="data/packed.csv.gz", Body=gzip.compress(b"packed\n")
        )
        yield running


def test_all_objects_are_read_by_one_client(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    import boto3
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.s3_reader import FileOpener

    monkeypatch.setenv("AWS_DEFAULT_REGION", server.variables["AWS_REGION"])
    FileSystems.set_options(PipelineOptions([f"--s3_endpoint_url={server.url}"]))
    (tmp_path / "here.csv").write_bytes(b"here\n")
    made = []
    client = boto3.session.Session.client
    monkeypatch.setattr(
        boto3.session.Session,
        "client",
        lambda *args, **options: made.append(options) or client(*args, **options),
    )
    opener = FileOpener()

    for number in range(3):
        with opener.open(f"s3://{BUCKET}/data/{number}.csv") as stream:
            # The rest is not read.
            assert stream.read(6) == f"row {number}\n".encode()[:6]
        with opener.open(f"s3://{BUCKET}/data/{number}.csv") as stream:
            assert stream.read() == f"row {number}\n".encode() * 9
    assert len(made) == 1

    with opener.open(f"s3://{BUCKET}/data/packed.csv.gz") as stream:
        assert stream.read() == b"packed\n"
    with opener.open(str(tmp_path / "here.csv")) as stream:
        assert stream.read() == b"here\n"
    with pytest.raises(OSError, match=f"Not found: s3://{BUCKET}/none"):
        opener.open(f"s3://{BUCKET}/none")


def test_what_is_not_in_a_bucket_is_told_without_a_folder_to_create(server: S3Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    executor, driver, gone, damaged = json.loads(done.stdout.splitlines()[-1])
    nothing = "nothing is there; put CSV files there (complaint-pipeline stage), or set data-root"
    assert executor.startswith(f"data-root 's3://{BUCKET}/none': {nothing}")
    assert driver.startswith(nothing)
    assert gone.startswith("an object in S3 that the step reads is not there any more")
    assert damaged is None
