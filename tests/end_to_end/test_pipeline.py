"""The committed YAML from CSV to a pushed model, as a user runs it."""

import csv
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from components import features
from tests.end_to_end.project import (
    FEW_STEPS,
    PROJECT,
    SAMPLE,
    WORKFLOW,
    Workplace,
    only_tasks,
    steps,
    succeeded,
    workplace,
)
from tests.mariadb import mariadb_missing, running_mariadb

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return workplace(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def first(place: Workplace) -> dict[str, Any]:
    """The record of a first run with the committed YAML's own parameters."""
    return succeeded(place.run(WORKFLOW))


@pytest.fixture(scope="module")
def model(first: dict[str, Any]) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(first["result"]["pushed_model"])


@pytest.fixture(scope="module")
def complaints() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))[:64]


def test_every_step_succeeds_anew_and_the_model_is_blessed_and_pushed(
    place: Workplace, first: dict[str, Any]
) -> None:
    assert first["state"] == "Succeeded"
    assert {step["state"] for step in first["steps"]} == {"Succeeded"}
    assert {step["cached"] for step in first["steps"]} == {False}
    assert first["result"]["blessed"]
    pushed = pathlib.Path(first["result"]["pushed_model"])
    assert pushed.is_relative_to(place.volume / "output/serving_model")
    assert (pushed / "saved_model.pb").is_file()


def test_the_evaluation_reports_the_gate_and_the_metrics_beside_it(first: dict[str, Any]) -> None:
    metrics = first["result"]["metrics"]

    # Guessing has 0.5; the label's noise keeps every model far from 1.
    assert 0.6 < metrics["auc"] < 0.9
    assert 400 < metrics["example_count"] < 600
    assert {"binary_accuracy", "precision", "recall", "calibration"} <= set(metrics)
    (threshold,) = first["result"]["thresholds"]
    assert threshold == {
        "metric": "auc",
        "slice": "all examples",
        "of_all_examples": True,
        "demand": "at least 0.6",
        "measured": pytest.approx(metrics["auc"]),
        "baseline": None,
        "reached": True,
    }


def test_memory_of_each_step_is_measured(first: dict[str, Any]) -> None:
    assert all(step["peak_bytes"] > 100_000_000 for step in first["steps"])
    assert all(step["cpu_seconds"] > 0 for step in first["steps"])


def test_both_signatures_give_the_same_probabilities(
    model: Any, complaints: list[dict[str, str]]
) -> None:
    import tensorflow as tf

    columns = {key: tf.constant([row[key] for row in complaints]) for key in features.TEXT_COLUMNS}
    raw = model.signatures["serving_raw"](**columns)["probability"].numpy()
    serialized = model.signatures["serving_default"](
        examples=tf.constant([_example(row) for row in complaints])
    )["probability"].numpy()

    assert raw.shape == (64, 1)
    assert abs(raw - serialized).max() < 1e-6
    assert 0 < raw.min() < raw.max() < 1


def test_the_model_answers_a_complaint_of_which_nothing_is_known(model: Any) -> None:
    import tensorflow as tf

    columns = {key: tf.constant([""]) for key in features.TEXT_COLUMNS}

    probability = model.signatures["serving_raw"](**columns)["probability"].numpy()

    assert 0 < probability[0, 0] < 1


def _example(row: dict[str, str]) -> bytes:
    """A serialized ``tf.Example`` without the label, as a client sends it."""
    import tensorflow as tf

    return tf.train.Example(
        features=tf.train.Features(
            feature={
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[row[key].encode()]))
                for key in features.TEXT_COLUMNS
                if row[key]
            }
        )
    ).SerializeToString()


def test_a_second_run_comes_from_the_cache(place: Workplace, first: dict[str, Any]) -> None:
    record = succeeded(place.run(WORKFLOW))

    cached = {name: step["cached"] for name, step in steps(record).items()}
    # Resolvers look each time. There is a blessed model now, so that the evaluation has a baseline
    # for the first time, and the pusher a new blessing.
    assert {name for name, hit in cached.items() if not hit} <= {
        "previousstatistics",
        "resolver",
        "evaluator",
        "infravalidator",
        "pusher",
    }
    assert cached["trainer"]
    third = succeeded(place.run(WORKFLOW))
    assert {name for name, step in steps(third).items() if not step["cached"]} <= {
        "previousstatistics",
        "resolver",
    }


def test_changed_components_are_not_served_from_the_cache_and_a_killed_trainer_continues(
    place: Workplace, first: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    changed = tmp_path / "changed"
    for name in ("components", "pipelines", "orchestration", "data"):
        shutil.copytree(PROJECT / name, changed / name)
    with (changed / "components/model.py").open("a") as file:
        file.write("\n# Changed.\n")
    there = Workplace(place.folder, changed)
    compiler = "pipelines.kubeflow_pipelines.pipeline_kubeflow"
    compiled = there.command(
        [sys.executable, "-m", compiler, "--output-dir", str(tmp_path)],
    )
    assert compiled.returncode == 0, compiled.stderr
    workflow = tmp_path / WORKFLOW.name
    process = subprocess.Popen(
        there.run_command(workflow),
        cwd=place.folder,
        env=there.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _kill_trainer(process, place)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "step trainer failed: it was killed by SIGKILL" in errors
    killed = place.record()
    before = steps(killed)
    # A change of the model does not make it transform anew.
    assert before["transform"]["cached"]
    assert before["evaluator"]["state"] == "Omitted"
    resumed = succeeded(
        there.command(
            [
                *(sys.executable, "-m", "orchestration", "retry", killed["id"]),
                *("--home", str(place.home), "--json"),
            ]
        )
    )
    after = steps(resumed)
    assert after["transform"] == before["transform"]
    assert after["trainer"]["attempts"] == 2
    assert after["trainer"]["cached"] is False
    assert resumed["state"] == "Succeeded"


def _kill_trainer(process: subprocess.Popen[str], place: Workplace) -> None:
    """Kills the trainer's process once it trains."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                logs = [pathlib.Path(file.path) for file in child.open_files()]
            except psutil.Error:
                continue
            for log in logs:
                if log.parent.name == "trainer" and "Epoch 2" in log.read_text(errors="replace"):
                    child.send_signal(signal.SIGKILL)
                    return
        time.sleep(0.1)
    raise AssertionError("the trainer was not seen training")


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of a run with a module file and a text encoder that lie on the volume."""
    folder = tmp_path_factory.mktemp("variant")
    place = workplace(folder)
    shutil.copytree(PROJECT / "components", place.volume / "components")
    _save_text_encoder(place.volume / "encoder")
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile"),
            *("--set", "module_file=/tfx-data/components/module.py"),
            *("--set", "training.text_encoder=hub"),
            *("--set", "training.text_encoder_handle=/tfx-data/encoder"),
            # So that a model of a few steps is pushed.
            *("--set", "evaluation.auc_lower_bound=0.1"),
            *("--output-filename", "variant.yaml"),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return succeeded(place.run(folder / "variant.yaml", *FEW_STEPS))


def _save_text_encoder(path: pathlib.Path) -> None:
    """Saves a text encoder as TF-Hub has them: text ``[batch]`` to ``[batch, 2]``."""
    import tensorflow as tf

    class Encoder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts: Any) -> Any:
            length = tf.cast(tf.strings.length(texts), tf.float32)
            return tf.stack([length / 1000.0, tf.ones_like(length)], axis=1)

    tf.saved_model.save(Encoder(), str(path))


def test_a_module_file_on_the_volume_serves_as_the_package_does(variant: dict[str, Any]) -> None:
    log = pathlib.Path(variant["folders"]["tfx-pvc"]).parent.glob(
        "home/runs/*/steps/trainer/log.txt"
    )

    assert variant["result"]["pushed"]
    assert "module_file" in next(log).read_text()


def test_a_model_with_a_hub_encoder_carries_it_along(variant: dict[str, Any]) -> None:
    import tensorflow as tf

    shutil.rmtree(pathlib.Path(variant["folders"]["tfx-pvc"]) / "encoder")

    model = tf.saved_model.load(variant["result"]["pushed_model"])

    columns = {key: tf.constant(["", "a text"]) for key in features.TEXT_COLUMNS}
    probability = model.signatures["serving_raw"](**columns)["probability"].numpy()
    assert probability.shape == (2, 1)


def test_a_file_with_an_unbalanced_quote_is_one_line_that_names_it(
    place: Workplace, first: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    rows = SAMPLE.read_text(encoding="utf-8").splitlines()[:1]
    rows.append('Mortgage,,Other,,"never closed,,,,,,1')
    (folder / "bad.csv").write_text("\n".join(rows) + "\n")

    done = place.run(WORKFLOW, "--param", f"data-root={folder}")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "step csvexamplegen failed" in line
    assert "bad.csv" in line
    assert "row 2" in line
    assert pathlib.Path(first["result"]["pushed_model"], "saved_model.pb").is_file()


@pytest.mark.parametrize("exists", [True, False])
def test_a_data_folder_without_csv_files_is_one_line_that_names_it(
    place: Workplace, tmp_path: pathlib.Path, exists: bool
) -> None:
    folder = tmp_path / "empty"
    if exists:
        folder.mkdir()

    done = place.run(only_tasks(tmp_path, "csvexamplegen"), "--param", f"data-root={folder}")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(folder) in line


def test_a_step_that_exits_with_0_but_has_done_nothing_fails_the_run(
    tmp_path: pathlib.Path,
) -> None:
    place = workplace(tmp_path)

    done = place.run(only_tasks(tmp_path, "statisticsgen"))

    assert done.returncode == 1
    assert "step statisticsgen failed: it exited with 0" in done.stderr
    assert place.record()["state"] == "Failed"


def test_a_full_disk_is_one_line_and_leaves_the_metadata_usable(tmp_path: pathlib.Path) -> None:
    place = workplace(tmp_path)
    output = place.volume / "output"
    output.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", output],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        done = place.run(only_tasks(tmp_path, "csvexamplegen"))
    finally:
        subprocess.run(["umount", output], check=True)

    assert done.returncode == 1
    assert "step csvexamplegen failed" in done.stderr
    assert "No space left on device" in done.stderr
    assert succeeded(place.run(only_tasks(tmp_path, "csvexamplegen")))["state"] == "Succeeded"


def test_mariadb_keeps_the_metadata_of_a_run(tmp_path: pathlib.Path) -> None:
    if reason := mariadb_missing():
        pytest.skip(reason)
    place = workplace(tmp_path)
    cut = only_tasks(tmp_path, "csvexamplegen", "statisticsgen", "importschemagen")
    with running_mariadb(tmp_path) as server:
        options = ("--metadata", server.target)
        first = succeeded(place.run(cut, *options, MYSQL_PWD=server.password))
        second = succeeded(place.run(cut, *options, MYSQL_PWD=server.password))

    assert {step["cached"] for step in first["steps"]} == {False}
    assert {step["cached"] for step in second["steps"]} == {True}
    assert not (place.home / "metadata.db").exists()
    written = (place.home / "runs" / first["id"] / "run.json").read_text()
    assert server.password not in written
