"""TFMA's files as values."""

import math
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from components.charts.evaluation_files import (
    ALL,
    Bucket,
    decision_threshold,
    metric_name,
    read_evaluation,
    read_plots,
    read_validation,
    slice_of,
    slice_text,
)
from components.charts.files import ArtifactError
from components.charts.tfma_messages import message_class
from tests.components.charts.artifacts_of_models import (
    METRICS,
    plot_data,
    record_file,
    set_slice,
    write_evaluation,
)

_MORTGAGE = (("product", "Mortgage"),)


def test_metrics_are_by_model_and_slice(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(
        tmp_path,
        {ALL: METRICS, _MORTGAGE: {"auc": math.nan}},
        baseline={ALL: {"auc": 0.5}},
    )

    evaluation = read_evaluation(f"{uri}/")

    assert (evaluation.candidate, evaluation.baseline) == ("candidate", "baseline")
    assert evaluation.of_candidate() == METRICS
    assert evaluation.of_baseline() == {"auc": 0.5}
    assert math.isnan(evaluation.of_candidate(_MORTGAGE)["auc"])
    assert evaluation.of_baseline(_MORTGAGE) == evaluation.of_candidate((("no", "slice"),)) == {}


def test_a_single_model_has_no_name_and_no_baseline(tmp_path: pathlib.Path) -> None:
    evaluation = read_evaluation(write_evaluation(tmp_path, {ALL: METRICS}))

    assert (evaluation.candidate, evaluation.baseline) == ("", None)
    assert evaluation.of_baseline() == {}


def test_slices_with_most_examples_come_first(tmp_path: pathlib.Path) -> None:
    counts = {"a": 5.0, "b": 9.0, "c": math.nan, "d": 5.0}
    slices = {(("product", name),): {"example_count": count} for name, count in counts.items()}
    evaluation = read_evaluation(write_evaluation(tmp_path, {ALL: METRICS, **slices}))

    assert [slice_text(key) for key in evaluation.slices()] == ["b", "a", "d", "c"]


def test_metrics_of_several_files_are_read(tmp_path: pathlib.Path) -> None:
    write_evaluation(tmp_path, {_MORTGAGE: {"auc": 0.25}})
    first = tmp_path / "metrics-00000-of-00001.tfrecord"
    first.rename(tmp_path / "metrics-00001-of-00002.tfrecord")
    write_evaluation(tmp_path, {ALL: METRICS})

    evaluation = read_evaluation(str(tmp_path))

    assert set(evaluation.metrics[""]) == {ALL, _MORTGAGE}


def test_what_is_no_number_of_the_candidate_is_left_out(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(tmp_path, {ALL: {"auc": 0.75}})
    of_slice = message_class("MetricsForSlice")()
    of_slice.slice_key.SetInParent()
    difference = of_slice.metric_keys_and_values.add()
    difference.key.name, difference.key.is_diff = "auc", True
    difference.value.double_value.value = -0.5
    matrix = of_slice.metric_keys_and_values.add()
    matrix.key.name = "confusion"
    matrix.value.confusion_matrix_at_thresholds.matrices.add(threshold=0.5)
    bounded = of_slice.metric_keys_and_values.add()
    bounded.key.name = "bounded"
    bounded.value.bounded_value.value.value = 0.25
    crossed = message_class("MetricsForSlice")()
    crossed.cross_slice_key.SetInParent()
    (tmp_path / "metrics-1.tfrecord").write_bytes(record_file([of_slice, crossed]))

    evaluation = read_evaluation(uri)

    assert evaluation.of_candidate() == {"auc": 0.75, "bounded": 0.25}
    assert evaluation.cross_slices == 1


def test_metrics_of_the_same_name_are_told_apart() -> None:
    key = message_class("MetricKey")(name="precision", output_name="head")
    key.sub_key.class_id.value = 3
    key.example_weighted.value = True

    assert metric_name(key) == "precision (head, class_id 3, weighted)"
    assert metric_name(message_class("MetricKey")(name="auc")) == "auc"


def test_a_slices_values_are_text_whatever_they_are() -> None:
    key = message_class("SliceKey")()
    key.single_slice_keys.add(column="name", bytes_value=b"\xff\xc3\xbc")
    key.single_slice_keys.add(column="year", int64_value=2_015)
    key.single_slice_keys.add(column="share", float_value=0.5)
    key.single_slice_keys.add(column="none", bytes_value=b"")

    assert slice_text(slice_of(key)) == "name: \ufffdü, year: 2015, share: 0.5, none: (empty)"
    assert slice_text((("name", ""),)) == "(empty)"
    assert slice_text(ALL) == "all examples"


def test_plots_are_those_of_the_slice_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    write_evaluation(
        tmp_path,
        {ALL: METRICS},
        plots={"": plot_data([(0, 0, 0), (4, 1, 2)], [(0.5, 1, 2, 3, 4), (0.25, 5, 6, 7, 8)])},
    )
    other = message_class("PlotsForSlice")()
    set_slice(other.slice_key, _MORTGAGE)
    other.plot_keys_and_values.add().value.CopyFrom(plot_data([(1, 1, 1)]))
    (tmp_path / "plots-1.tfrecord").write_bytes(record_file([other]))

    plots = read_plots(str(tmp_path))

    # Empty buckets are left out, and thresholds rise.
    assert plots[""].calibration == [Bucket(4, 1, 2)]
    assert [matrix.threshold for matrix in plots[""].confusion] == [0.25, 0.5]
    assert plots[""].confusion[0].false_negatives == 8
    assert read_plots(str(tmp_path), _MORTGAGE)[""].calibration == [Bucket(1, 1, 1)]
    assert read_plots(str(tmp_path), (("no", "slice"),)) == {}


def test_plots_of_a_model_may_be_in_several_messages(tmp_path: pathlib.Path) -> None:
    write_evaluation(tmp_path, {ALL: METRICS}, plots={"": plot_data([(4, 1, 2)])})
    file = tmp_path / "plots-00000-of-00001.tfrecord"
    other = message_class("PlotsForSlice")()
    other.slice_key.SetInParent()
    other.plot_keys_and_values.add().value.CopyFrom(plot_data([], [(0.5, 1, 2, 3, 4)]))
    file.write_bytes(file.read_bytes() + record_file([other]))

    plots = read_plots(str(tmp_path))[""]

    assert len(plots.calibration) == len(plots.confusion) == 1


def test_without_thresholds_there_is_no_validation(tmp_path: pathlib.Path) -> None:
    assert read_validation(write_evaluation(tmp_path, {ALL: METRICS})) is None

    (tmp_path / "validations.tfrecord").write_bytes(b"")
    assert read_validation(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("config", "threshold"),
    [
        ({"className": "BinaryAccuracy", "config": '{"threshold": 0.25}'}, 0.25),
        ({"className": "Recall", "config": '{"thresholds": [0.5]}'}, 0.5),
        ({"className": "Recall", "config": '{"thresholds": []}'}, None),
        ({"className": "Recall", "config": '{"top_k": 2}'}, None),
        ({"className": "Recall", "config": "not JSON"}, None),
        ({"className": "Recall", "config": "[1]"}, None),
        ({"className": "Recall"}, None),
        ({"className": "AUC", "config": '{"thresholds": [0.5]}'}, None),
    ],
)
def test_the_decision_threshold_is_that_of_the_metrics(
    tmp_path: pathlib.Path, config: dict[str, str], threshold: float | None
) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS}, metrics_specs=[{"metrics": [config]}])

    assert decision_threshold(read_evaluation(uri).config) == threshold


def _cut(folder: pathlib.Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9])


_BROKEN: dict[str, tuple[Callable[[pathlib.Path], Any], str]] = {
    "no configuration": (
        lambda folder: (folder / "eval_config.json").unlink(),
        r"/eval_config\.json cannot be read: No such file or directory$",
    ),
    "no JSON": (
        lambda folder: (folder / "eval_config.json").write_text('{"evalConfig":\n '),
        r"/eval_config\.json is no configuration of an evaluation: [^\n]+$",
    ),
    "not UTF-8": (
        lambda folder: (folder / "eval_config.json").write_bytes(b'{"version": "\xff"}'),
        r"/eval_config\.json is no configuration of an evaluation: [^\n]+$",
    ),
    "no metrics": (
        lambda folder: (folder / "metrics-00000-of-00001.tfrecord").unlink(),
        r" has no metrics-\*\.tfrecord; is it an evaluation of TFMA\?$",
    ),
    "cut off": (
        lambda folder: _cut(folder, "metrics-00000-of-00001.tfrecord"),
        r"\.tfrecord is cut off: the file ends within the record at byte 0$",
    ),
    "something else": (
        lambda folder: (folder / "metrics-1.tfrecord").write_bytes(record_file([b"\xff\xff"])),
        r"/metrics-1\.tfrecord has something else than a MetricsForSlice$",
    ),
}


@pytest.mark.parametrize(("breaks", "message"), _BROKEN.values(), ids=_BROKEN)
def test_a_broken_file_is_named(
    tmp_path: pathlib.Path, breaks: Callable[[pathlib.Path], Any], message: str
) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS})
    breaks(tmp_path)

    with pytest.raises(ArtifactError, match=message):
        read_evaluation(uri)


def test_a_configuration_of_a_later_tfma_is_read(tmp_path: pathlib.Path) -> None:
    uri = write_evaluation(tmp_path, {ALL: METRICS}, metrics_specs=[{"newField": 1}])

    assert read_evaluation(uri).of_candidate() == METRICS
