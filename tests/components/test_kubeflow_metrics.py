"""Metrics for Kubeflow: names, the file, and what TensorBoard's and TFMA's files hold."""

import json
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import pytest
from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.kubeflow_metrics import (
    evaluation_metrics,
    metric_name,
    metrics_of,
    training_epochs,
    training_metrics,
    write_metrics,
)

# kubeflow/pipelines, backend/src/apiserver/resource/resource_manager.go
KUBEFLOWS_NAME = re.compile(r"[a-zA-Z]([-_a-zA-Z0-9]{0,62}[a-zA-Z0-9])?")


@pytest.mark.parametrize(
    ("name", "kubeflows"),
    [
        ("val_auc", "val_auc"),
        ("precision@0.25", "precision-0-25"),
        ("mean_label/", "mean_label"),
        ("95th percentile", "m95th-percentile"),
        ("_hidden", "m_hidden"),
        ("Größe", "Gr--e"),
        ("", "m"),
        ("---", "m"),
        ("a" * 80, "a" * 64),
        ("b" * 63 + "-_-_c", "b" * 63),
    ],
)
def test_a_name_is_made_fit_for_kubeflow(name: str, kubeflows: str) -> None:
    assert metric_name(name) == kubeflows
    assert KUBEFLOWS_NAME.fullmatch(kubeflows)


def test_the_file_is_the_one_that_kubeflow_reads(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metrics.json"

    write_metrics(path, {"val_auc": 0.75, "example_count": 1200})

    assert json.loads(path.read_text()) == {
        "metrics": [
            {"name": "example_count", "numberValue": 1200, "format": "RAW"},
            {"name": "val_auc", "numberValue": 0.75, "format": "RAW"},
        ]
    }


def test_the_file_holds_the_first_50_by_name(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metrics.json"

    write_metrics(path, {f"m{number:02}": number for number in reversed(range(60))})

    names = [metric["name"] for metric in json.loads(path.read_text())["metrics"]]
    assert names == [f"m{number:02}" for number in range(50)]


def test_a_step_without_metrics_leaves_an_empty_list(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metrics.json"

    write_metrics(path, metrics_of({"schema": [Artifact(type="Schema", uri="/nowhere")]}))

    assert json.loads(path.read_text()) == {"metrics": []}


# TensorBoard's logs


def log(folder: pathlib.Path, values: Mapping[int, Mapping[str, float]]) -> pathlib.Path:
    """Logs metrics by epoch, as Keras' TensorBoard callback does, and returns the file."""
    import tensorflow as tf

    before = set(folder.glob("*")) if folder.exists() else set()
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for epoch, metrics in values.items():
            for name, number in metrics.items():
                tf.summary.scalar(f"epoch_{name}", number, step=epoch)
        tf.summary.scalar("evaluation_loss_vs_iterations", 9.0, step=1)
    writer.close()
    (path,) = set(folder.glob("*")) - before
    return path


def log_aucs(folder: pathlib.Path, aucs: list[float]) -> None:
    log(folder / "validation", {epoch: {"auc": auc} for epoch, auc in enumerate(aucs)})
    log(folder / "train", {epoch: {"loss": float(epoch)} for epoch in range(len(aucs))})


@pytest.mark.whole
def test_the_splits_of_an_epoch_are_told_apart(tmp_path: pathlib.Path) -> None:
    log(tmp_path / "train", {0: {"loss": 0.5, "auc": 0.75}})
    log(tmp_path / "validation", {0: {"loss": 0.25, "auc": 0.625}})
    log(tmp_path / "other", {0: {"loss": 8.0}})

    assert training_epochs(str(tmp_path)) == {
        0: {"train_loss": 0.5, "train_auc": 0.75, "val_loss": 0.25, "val_auc": 0.625}
    }


@pytest.mark.whole
@pytest.mark.parametrize(
    ("aucs", "epoch"),
    [
        ([0.5, 0.75, 0.625], 1),
        ([0.5, 0.75, 0.75], 1),
        ([math.nan, 0.5, math.nan], 1),
    ],
    ids=["best", "first of equals", "a number"],
)
def test_the_metrics_are_those_of_the_epoch_that_was_exported(
    tmp_path: pathlib.Path, aucs: list[float], epoch: int
) -> None:
    log_aucs(tmp_path, aucs)

    assert training_metrics(f"{tmp_path}/") == {"train_loss": epoch, "val_auc": aucs[epoch]}


@pytest.mark.whole
def test_the_metrics_without_a_monitored_one_are_the_last_epochs(tmp_path: pathlib.Path) -> None:
    log(tmp_path / "train", {0: {"loss": 0.25}, 1: {"loss": 0.5}})

    assert training_metrics(str(tmp_path)) == {"train_loss": 0.5}


@pytest.mark.whole
def test_what_is_no_finite_number_is_left_out(tmp_path: pathlib.Path) -> None:
    log(tmp_path / "train", {0: {"loss": math.inf, "auc": math.nan, "precision": 0.5}})

    assert training_metrics(str(tmp_path)) == {"train_precision": 0.5}


@pytest.mark.whole
def test_an_epoch_that_was_trained_again_has_its_later_metrics(tmp_path: pathlib.Path) -> None:
    log_aucs(tmp_path, [0.5, 0.875])
    log(tmp_path / "validation", {1: {"auc": 0.625}, 2: {"auc": 0.75}})

    epochs = training_epochs(str(tmp_path))

    assert {epoch: metrics["val_auc"] for epoch, metrics in epochs.items()} == {
        0: 0.5,
        1: 0.625,
        2: 0.75,
    }


@pytest.mark.whole
def test_a_file_whose_writer_was_killed_is_read_up_to_there(tmp_path: pathlib.Path) -> None:
    path = log(tmp_path / "train", {0: {"loss": 0.5}, 1: {"loss": 0.25}})
    whole = path.read_bytes()
    # The last record, of another summary, and a part of the one before.
    path.write_bytes(whole[: whole.rindex(b"epoch_loss") + 4])

    assert training_epochs(str(tmp_path)) == {0: {"train_loss": 0.5}}


@pytest.mark.whole
@pytest.mark.parametrize("folder", ["", "missing"])
def test_without_logs_there_are_no_metrics(tmp_path: pathlib.Path, folder: str) -> None:
    assert training_metrics(str(tmp_path / folder)) == {}


# TFMA's evaluation


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An evaluation over all examples and by product, in which specificity is not a number."""
    import pandas as pd
    import tensorflow_model_analysis as tfma
    from google.protobuf import text_format

    config = text_format.Parse(
        """
        model_specs { label_key: "label" prediction_key: "prediction" }
        metrics_specs {
          metrics { class_name: "ExampleCount" }
          metrics { class_name: "AUC" }
          metrics { class_name: "Specificity" }
        }
        slicing_specs {}
        slicing_specs { feature_keys: ["product"] }
        """,
        tfma.EvalConfig(),
    )
    folder = str(tmp_path_factory.mktemp("evaluation"))
    data = pd.DataFrame({"label": [1, 1], "prediction": [0.25, 0.75], "product": ["a", "b"]})
    tfma.analyze_raw_data(data, config, output_path=folder)
    return folder


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_the_metrics_of_an_evaluation_are_the_finite_ones_over_all_examples(
    evaluation: str,
) -> None:
    assert evaluation_metrics(evaluation) == {"example_count": 2.0, "auc": 0.0}


@pytest.mark.whole
def test_a_steps_metrics_are_those_of_its_outputs(tmp_path: pathlib.Path, evaluation: str) -> None:
    log(tmp_path / "train", {0: {"loss": 0.5}})
    outputs: dict[str, Any] = {
        "model_run": [Artifact(type="ModelRun", uri=str(tmp_path))],
        "evaluation": [Artifact(type="ModelEvaluation", uri=evaluation)],
        "model": [Artifact(type="Model", uri="/nowhere")],
    }

    metrics = metrics_of(outputs)

    assert metrics == {"train_loss": 0.5, "example_count": 2.0, "auc": 0.0}


def test_examples_say_which_spans_they_come_from() -> None:
    spans, none = Artifact(type="Examples"), Artifact(type="Examples")
    spans.custom_properties["first_span"].int_value = 3
    spans.custom_properties["span"].int_value = 5
    # TFX records it without spans as well.
    none.custom_properties["span"].int_value = 0

    assert metrics_of({"examples": [spans]}) == {"first_span": 3, "span": 5}
    assert metrics_of({"examples": [none]}) == {}
