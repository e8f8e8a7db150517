"""The curves of a training as a section."""

import math
import pathlib

import pytest

from components.charts.section import Block, Chart, Note, Table
from components.charts.svg import figure_to_svg
from components.charts.training import (
    curve_figure,
    metric_names,
    training_blocks,
    training_section,
)
from components.kubeflow_metrics import exported_epoch, training_epochs
from components.training_record import RECORD_FILE, TrainingRecord, WarmStart
from tests.components.charts.artifacts_of_models import event, record_file, write_log
from tests.components.charts.protos import HOSTILE, charts, notes, tables, texts_of


def _write_logs(folder: pathlib.Path) -> str:
    losses, aucs = [0.5, 0.375, 0.25], [0.5, 0.75, 0.625]
    write_log(folder, "train", [{"loss": loss, "auc": 0.875} for loss in losses])
    write_log(
        folder,
        "validation",
        [{"loss": 2 * loss, "auc": auc} for loss, auc in zip(losses, aucs, strict=True)],
    )
    return str(folder)


def _descriptions(blocks: list[Block]) -> dict[str, str]:
    return {block.title: block.description for block in blocks if isinstance(block, Chart)}


def test_the_exported_epoch_is_a_table(tmp_path: pathlib.Path) -> None:
    section = training_section(_write_logs(tmp_path))

    assert section.id == "training"
    (table,) = tables(section).values()
    assert table.title == "Exported epoch: 2 of 3"
    assert table.rows == [["loss", 0.375, 0.75], ["auc", 0.875, 0.75]]
    assert table.note == "The exported epoch is the one with the highest val_auc."


def test_each_metric_is_a_chart_with_the_exported_epoch_marked(tmp_path: pathlib.Path) -> None:
    found = charts(training_section(_write_logs(tmp_path)))

    assert list(found) == ["loss by epoch", "auc by epoch"]
    train, validation, exported = found["loss by epoch"].figure.data
    assert (train.name, list(train.x), list(train.y)) == ("train", [1, 2, 3], [0.5, 0.375, 0.25])
    assert (validation.name, list(validation.y)) == ("validation", [1.0, 0.75, 0.5])
    assert (exported.name, list(exported.x), list(exported.y)) == ("exported epoch", [2], [0.75])
    assert found["loss by epoch"].description == (
        "loss by epoch: train 0.5 in epoch 1 and 0.25 in epoch 3, 0.375 in the exported epoch 2; "
        "validation 1 in epoch 1 and 0.5 in epoch 3, 0.75 in the exported epoch 2."
    )


def test_one_epoch_is_a_point(tmp_path: pathlib.Path) -> None:
    write_log(tmp_path, "validation", [{"auc": 0.5}])

    section = training_section(str(tmp_path))

    chart = charts(section)["auc by epoch"]
    assert chart.description == "auc by epoch: validation 0.5 in epoch 1."
    assert figure_to_svg(chart.figure).count("<circle") == 2
    assert tables(section)["Exported epoch: 1 of 1"].rows == [["auc", None, 0.5]]


def test_without_the_monitored_metric_the_last_epoch_is_exported(tmp_path: pathlib.Path) -> None:
    write_log(tmp_path, "train", [{"loss": 0.5}, {"loss": 0.25}])

    (table,) = tables(training_section(str(tmp_path))).values()

    assert table.title == "Exported epoch: 2 of 2"
    assert table.note == "The exported epoch is the last one, as no val_auc was logged."


def test_metrics_that_are_not_finite_are_gaps_and_a_warning(tmp_path: pathlib.Path) -> None:
    write_log(tmp_path, "train", [{"loss": 0.5}, {"loss": math.nan}, {"loss": math.inf}])

    section = training_section(str(tmp_path))

    assert notes(section) == [
        ("warning", "From epoch 2 on, metrics are not finite; the first is train_loss.")
    ]
    assert list(charts(section)["loss by epoch"].figure.data[0].y) == [0.5, None, None]


def test_metrics_that_never_were_numbers_can_be_drawn() -> None:
    blocks = training_blocks({0: {"train_loss": math.nan}})

    assert _descriptions(blocks)["loss by epoch"] == "loss by epoch: no numbers."


def test_many_metrics_are_bounded_and_counted() -> None:
    epochs = {0: {f"train_m{index}": 0.5 for index in range(40)}}

    blocks = training_blocks(epochs)

    assert len(_descriptions(blocks)) == 12
    table, note = blocks[0], blocks[-1]
    assert isinstance(table, Table)
    assert table.note.endswith("Not shown: 28 metrics more.")
    assert note == Note(text="Not drawn: 28 metrics more.")


def test_hostile_names_do_nothing() -> None:
    epochs = {0: {f"train_{HOSTILE}": 0.5, f"train_{'x' * 20_000}": 0.5}}

    for name in metric_names(epochs):
        assert not [text for text in texts_of(curve_figure(epochs, name)) if "<" in text]
    for title, description in _descriptions(training_blocks(epochs)).items():
        assert max(len(title), len(description)) < 300


def test_a_training_without_logs_has_a_warning(tmp_path: pathlib.Path) -> None:
    assert notes(training_section(str(tmp_path))) == [
        ("warning", "The training has logged no metrics.")
    ]


def test_logs_that_are_gone_are_told(tmp_path: pathlib.Path) -> None:
    gone = tmp_path / "gone"

    assert notes(training_section(str(gone))) == [
        ("unreadable", f"{gone} cannot be listed: No such file or directory")
    ]


def test_logs_that_cannot_be_read_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("no folder")

    found = notes(training_section(str(tmp_path / "file")))

    assert found == [("unreadable", f"{tmp_path}/file cannot be listed: Not a directory")]


# TensorBoard's logs


@pytest.mark.parametrize("cut", [1, 4, 20])
def test_a_log_that_is_cut_off_is_read_up_to_there(tmp_path: pathlib.Path, cut: int) -> None:
    path = write_log(tmp_path, "train", [{"loss": 0.5}, {"loss": 0.25}])
    path.write_bytes(path.read_bytes()[:-cut])

    assert training_epochs(str(tmp_path)) == {0: {"train_loss": 0.5}}


def test_a_damaged_record_ends_a_log(tmp_path: pathlib.Path) -> None:
    path = write_log(tmp_path, "train", [{"loss": 0.5}])
    path.write_bytes(path.read_bytes() + record_file([b"\xff" * 9, event(1, {"loss": 0.25})]))

    assert training_epochs(str(tmp_path)) == {0: {"train_loss": 0.5}}


def test_the_later_of_two_records_of_an_epoch_counts(tmp_path: pathlib.Path) -> None:
    path = write_log(tmp_path, "train", [])
    path.write_bytes(
        record_file([event(0, {"loss": 0.5}, time=2), event(0, {"loss": 0.25}, time=1)])
    )

    assert training_epochs(str(tmp_path)) == {0: {"train_loss": 0.5}}


def test_summaries_of_other_kinds_are_left_out(tmp_path: pathlib.Path) -> None:
    path = write_log(tmp_path, "train", [])
    made = event(0, {"loss": 0.5})
    made.summary.value.add(tag="epoch_old", simple_value=0.25)
    made.summary.value.add(tag="evaluation_loss_vs_iterations", simple_value=0.25)
    made.summary.value.add(tag="epoch_text").tensor.string_val.append(b"x")
    several = made.summary.value.add(tag="epoch_several")
    several.tensor.float_val.extend([1.0, 2.0])
    several.tensor.dtype = 1
    several.tensor.tensor_shape.dim.add(size=2)
    path.write_bytes(record_file([made]))

    assert training_epochs(str(tmp_path)) == {0: {"train_loss": 0.5, "train_old": 0.25}}


def test_logs_below_other_folders_are_found(tmp_path: pathlib.Path) -> None:
    write_log(tmp_path / "worker" / "0", "validation", [{"auc": 0.5}])
    write_log(tmp_path, "other", [{"auc": 0.75}])

    assert training_epochs(f"{tmp_path}/") == {0: {"val_auc": 0.5}}
    assert training_epochs(str(tmp_path / "worker" / "0" / "validation")) == {0: {"val_auc": 0.5}}


@pytest.mark.parametrize(
    ("aucs", "epoch"),
    [([0.5, 0.75, 0.75], 1), ([math.nan, 0.5, math.nan], 1), ([math.nan, math.nan], 1), ([0.5], 0)],
)
def test_the_exported_epoch_is_the_first_of_the_best(aucs: list[float], epoch: int) -> None:
    assert exported_epoch({index: {"val_auc": auc} for index, auc in enumerate(aucs)}) == epoch


@pytest.mark.whole
def test_the_logs_of_a_bucket_are_read(tmp_path: pathlib.Path) -> None:
    # TensorFlow's file system in memory stands for a bucket's.
    import tensorflow as tf

    path = write_log(tmp_path, "train", [{"loss": 0.5}])
    tf.io.gfile.makedirs("ram://run/train")
    with tf.io.gfile.GFile("ram://run/train/events.out.tfevents.1", "wb") as file:
        file.write(path.read_bytes())

    assert training_epochs("ram://run") == {0: {"train_loss": 0.5}}


@pytest.mark.parametrize(
    ("values", "tick_format"),
    [
        ((0.65, 0.80), ",.3f"),
        ((0.6512, 0.6519), ",.6f"),
        ((12.0, 4012.0), ",.0f"),
        ((0.5, 0.5), ",.4f"),
        ((math.nan, math.nan), ",.4f"),
    ],
)
def test_ticks_tell_apart_what_a_curve_shows(values: tuple[float, float], tick_format: str) -> None:
    epochs = {epoch: {"val_auc": value} for epoch, value in enumerate(values)}

    figure = curve_figure(epochs, "auc")

    assert figure.layout.yaxis.tickformat == tick_format


def _write_record(folder: pathlib.Path, warm_start: WarmStart | None) -> str:
    record = TrainingRecord(
        hyperparameters={"batch_size": 256, "l2": 0.25},
        train_examples=4_000,
        eval_examples=500,
        steps=1_000,
        cached=True,
        examples_per_second=43_210.9,
        warm_start=warm_start,
    )
    uri = _write_logs(folder)
    (folder / RECORD_FILE).write_text(record.to_json())
    return uri


def test_hyperparameters_and_throughput_come_from_the_record(tmp_path: pathlib.Path) -> None:
    found = tables(training_section(_write_record(tmp_path, None)))["Hyperparameters"]

    assert found.rows == [["batch_size", "256"], ["l2", "0.25"]]
    assert found.note == (
        "Trained on 4,000 examples, kept in memory, for 1,000 steps of training at 43,211 "
        "examples a second."
    )


def test_what_a_warm_start_took_over_is_told(tmp_path: pathlib.Path) -> None:
    section = training_section(
        _write_record(
            tmp_path,
            WarmStart(
                base_model="/old",
                taken=("a", "b"),
                fresh={f"c{HOSTILE}": "shape"},
                terms=10,
                known_terms=7,
            ),
        )
    )

    assert notes(section) == [
        ("info", "Started from /old, with 2 of its weights, and 7 of 10 terms.")
    ]
    ((name, reason),) = tables(section)["Weights that started fresh"].rows
    assert "\u202e" not in str(name)
    assert reason == "shape"


def test_a_warm_start_that_failed_is_a_warning(tmp_path: pathlib.Path) -> None:
    section = training_section(
        _write_record(tmp_path, WarmStart(base_model="/old", problem="no such file"))
    )

    assert notes(section) == [
        ("warning", "Trained from scratch, as /old could not be read: no such file")
    ]


def test_a_record_that_cannot_be_read_is_a_warning_below_the_curves(tmp_path: pathlib.Path) -> None:
    uri = _write_logs(tmp_path)
    (tmp_path / RECORD_FILE).write_text("{")

    section = training_section(uri)

    ((level, text),) = notes(section)
    assert level == "warning"
    assert "training.json is not the record of a training" in text
    assert charts(section)
