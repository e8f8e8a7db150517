"""The compiled workflow with all its roots in buckets, against real servers on loopback."""

import contextlib
import csv
import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from tests.end_to_end.project import (
    FEW_STEPS,
    SAMPLE,
    Workplace,
    only_tasks,
    steps,
    succeeded,
)
from tests.google_storage import google_storage_missing, running_google_storage
from tests.s3 import KEY_ID, REGION, SECRET_KEY, running_s3

pytestmark = pytest.mark.whole

BUCKET = "complaints"


@dataclasses.dataclass(frozen=True)
class Storage:
    """A bucket with the sample in it, and how a run and a command reach it.

    Attributes:
        root: URI of the bucket.
        settings: What the workflow is compiled with.
        options: What the run is given.
        variables: What a run here needs besides.
        own_variables: What a command needs that knows nothing of the run.
    """

    root: str
    settings: tuple[str, ...]
    options: tuple[str, ...]
    variables: Mapping[str, str]
    own_variables: Mapping[str, str]


@contextlib.contextmanager
def s3_storage(folder: pathlib.Path) -> Iterator[Storage]:
    secret = folder / "aws-secret"
    secret.mkdir()
    (secret / "AWS_ACCESS_KEY_ID").write_text(KEY_ID)
    (secret / "AWS_SECRET_ACCESS_KEY").write_text(SECRET_KEY)
    with running_s3(BUCKET) as server:
        server.client.upload_file(str(SAMPLE), BUCKET, "data/sample.csv")
        yield Storage(
            f"s3://{BUCKET}",
            (
                "aws_secret=aws-secret",
                f"storage.s3_endpoint={server.url}",
                f"storage.s3_region={REGION}",
            ),
            ("--mount", f"aws-secret={secret}"),
            {},
            server.variables,
        )


@contextlib.contextmanager
def google_storage(folder: pathlib.Path) -> Iterator[Storage]:
    if reason := google_storage_missing():
        pytest.skip(reason)
    with running_google_storage(folder, BUCKET) as server:
        requests.post(
            f"{server.url}/upload/storage/v1/b/{BUCKET}/o",
            params={"uploadType": "media", "name": "data/sample.csv"},
            data=SAMPLE.read_bytes(),
            timeout=60,
        ).raise_for_status()
        secret = folder / "user-gcp-sa"
        secret.mkdir()
        key = secret / "user-gcp-sa.json"
        key.write_text(server.key)
        yield Storage(
            f"gs://{BUCKET}",
            ("gcp_secret=user-gcp-sa",),
            ("--mount", f"user-gcp-sa={secret}"),
            server.variables,
            {**server.variables, "GOOGLE_APPLICATION_CREDENTIALS": str(key)},
        )


@pytest.fixture(scope="module", params=[s3_storage, google_storage], ids=["s3", "gs"])
def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    with request.param(tmp_path_factory.mktemp("storage")) as found:
        yield found


@pytest.fixture(scope="module")
def place(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    # One for each storage: a store that knows a model in the other one would take it for the
    # baseline, and nobody serves that bucket any more.
    assert storage.root
    return Workplace(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def workflow(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("compiled") / "buckets.yaml"
    settings = (
        "volume=null",
        f"input_root={storage.root}/data",
        f"output_root={storage.root}/output",
        *storage.settings,
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "orchestration", "compile", "--output-filename", str(path)),
            *(word for setting in settings for word in ("--set", setting)),
        ],
        env=Workplace(path.parent).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return path


def run_command(place: Workplace, workflow: pathlib.Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "orchestration", "run", str(workflow), "--json"),
        *("--home", str(place.home), *options),
    ]


@pytest.fixture(scope="module")
def first(place: Workplace, storage: Storage, workflow: pathlib.Path) -> dict[str, Any]:
    page = place.folder / "report.html"
    command = run_command(place, workflow, *storage.options, *FEW_STEPS, "--report", str(page))
    return succeeded(place.command(command, **storage.variables))


def test_the_model_is_pushed_to_the_bucket_and_its_evaluation_read_from_there(
    first: dict[str, Any], storage: Storage
) -> None:
    assert first["state"] == "Succeeded"
    assert first["result"]["blessed"]
    assert first["result"]["pushed_model"].startswith(f"{storage.root}/output/serving_model/")
    assert 0.6 < first["result"]["metrics"]["auc"] < 0.9


def test_the_runs_report_has_what_is_in_the_bucket(first: dict[str, Any], place: Workplace) -> None:
    page = (place.folder / "report.html").read_text(encoding="utf-8")

    assert "consumer_complaint_narrative" in page
    assert "cannot be read" not in page
    assert "cannot be listed" not in page


def test_a_second_run_comes_from_the_cache(
    first: dict[str, Any], place: Workplace, storage: Storage, workflow: pathlib.Path
) -> None:
    command = run_command(place, workflow, *storage.options, *FEW_STEPS)

    record = succeeded(place.command(command, **storage.variables))

    assert steps(record)["trainer"]["cached"]
    assert steps(record)["csvexamplegen"]["cached"]


def test_predict_takes_the_newest_model_of_the_bucket(
    first: dict[str, Any], place: Workplace, storage: Storage
) -> None:
    pushed = first["result"]["pushed_model"]
    out = place.folder / "predicted.csv"
    command = [sys.executable, "-m", "orchestration", "predict", pushed.rpartition("/")[0]]

    done = place.command(
        [*command, "--csv", str(SAMPLE), "--out", str(out)], **storage.own_variables
    )

    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        probabilities = [float(row["probability"]) for row in csv.DictReader(file)]
    assert len(probabilities) == 5_000
    assert 0 < min(probabilities) < max(probabilities) < 1


def test_a_bucket_that_is_not_there_fails_the_step_with_one_line(
    place: Workplace, storage: Storage, workflow: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    scheme = storage.root.partition("://")[0]
    cut = only_tasks(tmp_path, "csvexamplegen", workflow=workflow)
    command = run_command(
        place, cut, *storage.options, "--param", f"data-root={scheme}://not-there/data"
    )

    done = place.command(command, **storage.variables)

    assert done.returncode == 1
    assert f"{scheme}://not-there/data: there is no bucket not-there" in done.stderr
    assert "Traceback" not in done.stderr
