"""The check of an exported model, in a process of its own, on models that are wrong in one way."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from components.errors import RunError
from components.features import TEXT_COLUMNS
from components.infra_validator import check_in_fresh_process
from components.serving_check import Request

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    import tensorflow as tf

    path = str(tmp_path_factory.mktemp("examples") / "part.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number in range(40):
            example = tf.train.Example()
            example.features.feature["product"].bytes_list.value.append(b"x" * number)
            writer.write(example.SerializeToString())
    return path


def save(folder: pathlib.Path, by_example: Callable[[Any], Any], by_column: Any = None) -> str:
    """A SavedModel whose probability is a function of the product."""
    import tensorflow as tf

    by_column = by_column or by_example

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serving_default(self, examples: Any) -> dict[str, Any]:
            spec = {"product": tf.io.FixedLenFeature([], tf.string, default_value="")}
            product = tf.io.parse_example(examples, spec)["product"]
            return {"probability": by_example(product)}

        @tf.function
        def serving_raw(self, columns: dict[str, Any]) -> dict[str, Any]:
            return {"probability": by_column(columns["product"])}

    model = Model()
    columns = {name: tf.TensorSpec([None], tf.string, name=name) for name in TEXT_COLUMNS}
    tf.saved_model.save(
        model,
        str(folder),
        signatures={
            "serving_default": model.serving_default,
            "serving_raw": model.serving_raw.get_concrete_function(columns),
        },
    )
    return str(folder)


def by_length(product: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tf.strings.length(product), tf.float32) / 1000.0


def refusal(model: str, examples: str, **more: Any) -> str:
    with pytest.raises(RunError) as error:
        check_in_fresh_process(Request(model=model, examples=[examples], **more))
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_model_that_can_be_served_is_told_with_what_was_found(
    tmp_path: pathlib.Path, examples: str
) -> None:
    model = save(tmp_path / "model", by_length)

    report = json.loads(
        check_in_fresh_process(
            Request(model=model, examples=[examples], mean_prediction=19.5 / 1000)
        )
    )

    assert report["rows"] == report["evaluated_rows"] == 40
    assert report["largest_difference"] < 1e-6
    assert report["unusual_rows"] >= 7
    assert report["mean_prediction"] == pytest.approx(0.0195, abs=1e-6)


def test_what_is_no_model_is_named(tmp_path: pathlib.Path, examples: str) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"broken")

    assert f"{tmp_path}: cannot be loaded" in refusal(str(tmp_path), examples)


def test_signatures_that_answer_differently_are_refused(
    tmp_path: pathlib.Path, examples: str
) -> None:
    model = save(tmp_path / "model", by_length, lambda product: by_length(product) + 0.001)

    assert "answer the same complaints differently, by up to 0.001" in refusal(model, examples)


def test_other_answers_than_in_the_evaluation_are_refused(
    tmp_path: pathlib.Path, examples: str
) -> None:
    model = save(tmp_path / "model", by_length)

    said = refusal(model, examples, mean_prediction=0.5)

    assert "the mean prediction of 40 examples is 0.019500 here and 0.500000 there" in said


def test_an_answer_that_is_no_probability_is_refused(tmp_path: pathlib.Path, examples: str) -> None:
    model = save(tmp_path / "model", lambda product: by_length(product) * 100)

    assert "which is no probability" in refusal(model, examples)


def test_a_model_that_fails_on_a_missing_column_is_refused(
    tmp_path: pathlib.Path, examples: str
) -> None:
    import tensorflow as tf

    def strict(product: Any) -> Any:
        with tf.control_dependencies(
            [tf.debugging.assert_none_equal(product, "\N{SNOWMAN}".encode())]
        ):
            return by_length(product)

    model = save(tmp_path / "model", strict)

    said = refusal(model, examples)

    assert "a complaint with values that were never seen: the model does not answer" in said


def test_a_check_that_takes_too_long_is_ended(tmp_path: pathlib.Path, examples: str) -> None:
    model = save(tmp_path / "model", by_length)

    with pytest.raises(RunError, match=r"did not answer within 0\.2 s"):
        check_in_fresh_process(Request(model=model, examples=[examples]), timeout_seconds=0.2)


def test_without_examples_there_is_nothing_to_ask(tmp_path: pathlib.Path) -> None:
    model = save(tmp_path / "model", by_length)

    with pytest.raises(RunError, match="no example"):
        check_in_fresh_process(Request(model=model, examples=[]))
