"""The gate on the worst slice, as TFMA measures it."""

import pathlib
import random

import pytest

pytestmark = pytest.mark.whole


def examples(path: pathlib.Path) -> str:
    """Complaints that a model ranks well, but for those of one state, and a tiny one."""
    import tensorflow as tf

    random.seed(1)
    rows = []
    for state, count, is_ranked in (("NJ", 400, True), ("TX", 400, False), ("GU", 40, False)):
        for index in range(count):
            label = index % 2
            score = random.random() * 0.5 + (0.4 * label if is_ranked else 0.0)
            if state == "GU":
                score = min(1.0, random.random() * 0.6 + 0.4 * (1 - label))
            rows.append((state, label, score))
    file = str(path / "examples.tfrecord")
    with tf.io.TFRecordWriter(file) as writer:
        for state, label, score in rows:
            example = tf.train.Example()
            feature = example.features.feature
            feature["state"].bytes_list.value.append(state.encode())
            feature["label"].float_list.value.append(label)
            feature["prediction"].float_list.value.append(score)
            writer.write(example.SerializeToString())
    return file


@pytest.mark.parametrize(
    ("bound", "minimum", "missed"),
    [(0.6, 100, {"TX"}), (0.6, 1, {"TX", "GU"}), (0.4, 100, set())],
)
def test_a_slice_that_is_worse_for_certain_misses_the_bound(
    tmp_path: pathlib.Path, bound: float, minimum: int, missed: set[str]
) -> None:
    import tensorflow_model_analysis as tfma

    from components.slice_metrics import AUC_UPPER_BOUND

    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key="label", prediction_key="prediction")],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["state"])],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        class_name="AucUpperBound",
                        module="components.slice_metrics",
                        config=f'{{"minimum_examples": {minimum}}}',
                        per_slice_thresholds=[
                            tfma.PerSliceMetricThreshold(
                                slicing_specs=[tfma.SlicingSpec(feature_keys=["state"])],
                                threshold=tfma.MetricThreshold(
                                    value_threshold=tfma.GenericValueThreshold(
                                        lower_bound={"value": bound}
                                    )
                                ),
                            )
                        ],
                    )
                ]
            )
        ],
    )
    out = str(tmp_path / "out")

    tfma.run_model_analysis(
        eval_config=config,
        data_location=examples(tmp_path),
        file_format="tfrecords",
        output_path=out,
    )

    validation = tfma.load_validation_result(out)
    failed = {
        single.bytes_value.decode()
        for of_slice in validation.metric_validations_per_slice
        for single in of_slice.slice_key.single_slice_keys
    }
    assert failed == missed
    assert validation.validation_ok is (not missed)
    metrics = tfma.load_eval_result(out).get_metrics_for_slice((("state", "GU"),))
    assert (metrics[AUC_UPPER_BOUND]["doubleValue"] == 1.0) is (minimum > 40)
