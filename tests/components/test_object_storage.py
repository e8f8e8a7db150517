"""Where a step reads and writes in object storage, and what TensorFlow needs for it."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from components import object_storage
from components.errors import WorkflowError
from components.object_storage import (
    Location,
    location,
    locations_of_step,
    register,
    tensorflow_variables,
)
from tests.s3 import running_s3


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b.csv", ("s3", "bucket", "a/b.csv")),
        ("gs://bucket", ("gs", "bucket", "")),
        ("gs://bucket/a/", ("gs", "bucket", "a/")),
    ],
)
def test_a_uri_has_a_bucket_and_a_path(uri: str, expected: tuple[str, str, str]) -> None:
    found = location(uri)

    assert found is not None
    assert (found.scheme, found.bucket, found.path) == expected


@pytest.mark.parametrize("path", ["/tfx-data/data", "https://a/b", "s3a://b/c", "notes3://b", ""])
def test_other_paths_are_not_in_object_storage(path: str) -> None:
    assert location(path) is None


def arguments(*parameters: str, **nodes: Any) -> list[str]:
    """The command line of TFX's entry point, with nodes of its IR by id."""
    ir = {
        "nodes": [
            {"pipelineNode": {"nodeInfo": {"id": name}, "parameters": {"parameters": value}}}
            for name, value in nodes.items()
        ]
    }
    options = [word for text in parameters for word in ("--runtime_parameter", text)]
    return [*options, "--tfx_ir", json.dumps(ir)]


def test_the_runs_parameters_count_and_not_the_defaults_that_they_replace() -> None:
    default = {"runtimeParameter": {"defaultValue": {"stringValue": "s3://old/data"}}}

    found = locations_of_step(
        arguments("data-root=STRING:s3://new/data", "n=INT:1", Gen={"input_base": default}), "Gen"
    )

    assert found == [Location(scheme="s3", bucket="new", path="data")]


def test_what_lies_within_json_is_found_and_told_once() -> None:
    destination = {"fieldValue": {"stringValue": '{"filesystem": {"base": "gs://b/serving"}}'}}

    found = locations_of_step(
        arguments(Pusher={"push_destination": destination, "again": destination}), "Pusher"
    )

    assert [str(place) for place in found] == ["gs://b/serving"]


def test_what_another_node_uses_does_not_count() -> None:
    value = {"fieldValue": {"stringValue": "s3://b/x"}}

    assert locations_of_step(arguments(Other={"a": value}, Gen={}), "Gen") == []


def test_tensorflow_gets_what_awss_own_tools_read() -> None:
    found = tensorflow_variables(
        {
            "AWS_ENDPOINT_URL": "http://all",
            "AWS_ENDPOINT_URL_S3": "http://s3",
            "AWS_REGION": "eu-west-1",
            "AWS_CA_BUNDLE": "/ca.pem",
        }
    )

    assert found == {
        "S3_ENDPOINT": "http://s3",
        "S3_CA_FILE": "/ca.pem",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


def test_what_is_set_for_tensorflow_stays() -> None:
    assert (
        tensorflow_variables({"AWS_ENDPOINT_URL_S3": "http://a", "S3_ENDPOINT": "http://b"}) == {}
    )


def test_paths_on_a_volume_and_google_storage_import_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_storage, "_load_tensorflow_io", lambda: pytest.fail("imported"))

    register([])
    register(["gs"])


def test_without_tensorflow_io_the_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    object_storage._load_tensorflow_io.cache_clear()

    with pytest.raises(WorkflowError, match=r"s3:// needs the package tensorflow-io.*make setup"):
        register(["s3"])


@pytest.mark.whole
@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_has_used_s3_ends_with_its_own_status(
    tmp_path: pathlib.Path, status: int
) -> None:
    # tensorflow-io's AWS SDK would abort it.
    code = (
        "import sys; from components.object_storage import register; register(['s3'])\n"
        "import tensorflow as tf\n"
        "with tf.io.gfile.GFile('s3://models/a/b', 'w') as file: file.write('written')\n"
        f"print(tf.io.gfile.glob('s3://models/*/b')); sys.exit({status})"
    )
    with running_s3("models") as server:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**_environment(), **server.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        written = server.client.get_object(Bucket="models", Key="a/b")["Body"].read()

    assert done.returncode == status, done.stderr
    assert done.stdout == "['s3://models/a/b']\n"
    assert written == b"written"


def _environment() -> dict[str, str]:
    import os

    project = str(pathlib.Path(object_storage.__file__).parents[1])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": project, "HOME": os.environ.get("HOME", "/")}


_PIPELINE = """
import apache_beam as beam

def exists(uri):
    import os
    import tensorflow as tf
    return os.getpid(), tf.io.gfile.exists(uri)

if __name__ == "__main__":
    options = beam.options.pipeline_options.PipelineOptions([
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=1",
        "--beam_plugin=components.object_storage_plugin",
    ])
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | beam.Create(["s3://models/a"])
            | beam.Map(exists)
            | beam.io.WriteToText("s3://models/found")
        )
"""


@pytest.mark.whole
def test_a_worker_of_beam_uses_s3_by_tensorflow_and_by_beam(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(_PIPELINE)
    with running_s3("models") as server:
        server.client.put_object(Bucket="models", Key="a", Body=b"")
        done = subprocess.run(
            [sys.executable, script],
            env={
                **_environment(),
                **server.variables,
                "AWS_DEFAULT_REGION": server.variables["AWS_REGION"],
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (found,) = server.client.list_objects_v2(Bucket="models", Prefix="found")["Contents"]
        text = server.client.get_object(Bucket="models", Key=found["Key"])["Body"].read()

    assert text.decode().strip().endswith("True)")
