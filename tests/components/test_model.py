"""The model with both text encoders."""

import pathlib
from typing import Any

import pytest

from components.features import NARRATIVE_KEY, transformed_name
from components.hyperparameters import Hyperparameters

pytestmark = pytest.mark.whole

NARRATIVE = transformed_name(NARRATIVE_KEY)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SavedModel in TF-Hub's form, from text to its length in characters and in words."""
    import tensorflow as tf

    class Lengths(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable(0.1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, text: Any) -> Any:
            characters = tf.strings.length(text)
            words = tf.strings.split(text).row_lengths()
            lengths = tf.stack([tf.cast(characters, tf.float32), tf.cast(words, tf.float32)], 1)
            return lengths * self.scale

    path = str(tmp_path_factory.mktemp("text_model"))
    tf.saved_model.save(Lengths(), path)
    return path


def inputs(narrative: Any) -> dict[str, Any]:
    """Two examples: the lowest and the highest id of each feature."""
    import tensorflow as tf

    from components.model import ID_FEATURES

    ids = {
        transformed_name(key): tf.constant([[0] * columns, [size - 1] * columns], tf.int64)
        for key, (columns, size) in ID_FEATURES.items()
    }
    return ids | {NARRATIVE: tf.constant(narrative)}


def test_a_model_begins_by_answering_the_positive_rate() -> None:
    from components.model import TextEncoder, build_model

    model = build_model(Hyperparameters(), TextEncoder(), positive_rate=0.2)

    assert model(inputs([[0, 0], [0, 0]])).numpy().ravel() == pytest.approx([0.2, 0.2], abs=0.05)


def test_padding_does_not_change_an_answer_and_no_words_is_not_nan() -> None:
    import numpy as np

    from components.model import TextEncoder, build_model

    model = build_model(Hyperparameters(), TextEncoder())

    short = model(inputs([[0, 0], [5, 7]])).numpy()
    padded = model(inputs([[0, 0, 0, 0], [5, 7, 0, 0]])).numpy()

    assert np.isfinite(short).all()
    assert short == pytest.approx(padded)


@pytest.mark.parametrize(("combiner", "divisor"), [("mean", 2), ("sum", 1)])
def test_hashed_words_are_combined(combiner: str, divisor: float) -> None:
    from components.model import HashedTextEncoder

    encoder = HashedTextEncoder(10, 4, combiner=combiner)

    one, other, both = encoder([[3, 0], [5, 0], [3, 5]]).numpy()

    assert both == pytest.approx((one + other) / divisor)


def test_the_penalty_on_the_linear_part_is_that_of_a_logistic_regression() -> None:
    from components.model import TextEncoder, build_model

    hyperparameters = Hyperparameters(
        l2=0.0, text_l2=4.0, linear_l2=1.0, learning_rate=0.1, linear_learning_rate=0.3
    )
    model = build_model(hyperparameters, TextEncoder(), train_examples=50)
    words = model.get_layer(f"{NARRATIVE_KEY}_linear")
    weights = words.get_weights()[0]
    weights[5] = 2.0
    words.set_weights([weights])

    # The word's weight in the logit is 3 * 2; scikit-learn's objective is C * losses + w**2 / 2.
    assert float(sum(model.losses)) == pytest.approx((3 * 2) ** 2 / 2 * 4.0 / 50)
    answer = model(inputs([[5], [1]])).numpy()[0, 0]
    assert answer == pytest.approx(1 / (1 + 2.718281828 ** -(3 * 2.0)))


def test_a_hub_encoder_is_frozen_and_its_answer_used(text_model: str) -> None:
    from components.model import HubTextEncoder, TextEncoder, build_model

    assert HubTextEncoder(text_model)([["ab cd"]]).numpy().ravel() == pytest.approx([0.5, 0.2])
    model = build_model(Hyperparameters(), TextEncoder(kind="hub", handle=text_model))
    # An untrained model answers the same to all.
    model.get_layer(f"{NARRATIVE_KEY}_linear").kernel.assign([[0.1], [0.1]])

    short, long = (model(inputs([["a"], [text]])).numpy() for text in ("a", "a b c d" * 9))

    assert short[1] != pytest.approx(long[1])
    assert not any("scale" in weight.name for weight in model.trainable_weights)


def test_an_exported_hub_model_no_longer_needs_its_handle(
    text_model: str, transform: Any, tmp_path: pathlib.Path
) -> None:
    import shutil

    import tensorflow as tf

    from components.model import TextEncoder, build_model
    from components.serving import ServingModel, export

    hub = {"kind": "hub", "handle": shutil.copytree(text_model, tmp_path / "copy").as_posix()}
    data = transform(tmp_path, hub)
    model = build_model(Hyperparameters(), TextEncoder(**hub))
    export(ServingModel(model, data.graph, 0.5), str(tmp_path / "exported"))
    for folder in ("copy", "graph"):
        shutil.rmtree(tmp_path / folder)

    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    answer = loaded.signatures["serving_default"](tf.constant(data.raw_eval_examples))

    assert answer["probability"].shape == (100, 1)
