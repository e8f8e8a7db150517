"""What a training takes over from an exported model."""

import pathlib
from typing import Any

import pytest

from components import features
from components.hyperparameters import Hyperparameters

pytestmark = pytest.mark.whole

SMALL = {"embedding_dim": 2, "text_embedding_dim": 2, "hidden_units": 2, "hidden_layers": 1}


def build(**changes: Any) -> Any:
    from components.model import TextEncoder, build_model

    return build_model(Hyperparameters(**(SMALL | changes)), TextEncoder())


def weights(model: Any) -> dict[str, Any]:
    return {weight.name.partition(":")[0]: weight.numpy() for weight in model.trainable_weights}


@pytest.fixture(scope="module")
def old_model() -> Any:
    """A model in which every weight differs."""
    import numpy as np

    model = build()
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def base_model(old_model: Any, transformed: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    from components.serving import ServingModel, export

    folder = str(tmp_path_factory.mktemp("base_model"))
    export(ServingModel(old_model, transformed.graph, 0.5), folder)
    return folder


@pytest.fixture
def vocabulary(transformed: Any) -> list[bytes]:
    import tensorflow_transform as tft

    path = tft.TFTransformOutput(transformed.graph).vocabulary_file_by_name(features.CATEGORIES_KEY)
    return pathlib.Path(path.decode() if isinstance(path, bytes) else path).read_bytes().split()


@pytest.fixture
def old_vocabulary(base_model: str) -> list[bytes]:
    from components.warm_start import read_vocabulary

    return read_vocabulary(f"{base_model}/assets/{features.CATEGORIES_KEY}")


def test_all_weights_are_taken_over_for_the_same_vocabulary(
    old_model: Any, base_model: str, old_vocabulary: list[bytes]
) -> None:
    from components.warm_start import take_over

    model = build(seed=5)
    taken_over = take_over(model, base_model, old_vocabulary)

    old = weights(old_model)
    assert set(taken_over.taken) == set(old)
    assert not taken_over.fresh
    assert taken_over.problem is None
    used = len(old_vocabulary) + features.OUT_OF_VOCABULARY_BUCKETS
    for name, weight in weights(model).items():
        rows = used if name.startswith(features.CATEGORIES_KEY) else None
        assert weight[:rows] == pytest.approx(old[name][:rows]), name


def test_rows_of_categories_go_over_by_term(
    old_model: Any, base_model: str, old_vocabulary: list[bytes]
) -> None:
    from components.warm_start import take_over

    first, *_, last = old_vocabulary
    model = build()
    fresh = weights(model)["categories_embedding/embeddings"].copy()
    taken_over = take_over(model, base_model, [b"company=new", last, first])

    old = weights(old_model)["categories_embedding/embeddings"]
    new = weights(model)["categories_embedding/embeddings"]
    assert new[0] == pytest.approx(fresh[0])
    assert new[1] == pytest.approx(old[len(old_vocabulary) - 1])
    assert new[2] == pytest.approx(old[0])
    # The hash buckets come after the terms, and the missing value after all.
    assert new[3] == pytest.approx(old[len(old_vocabulary)])
    assert new[10] == pytest.approx(old[len(old_vocabulary) + 7])
    missing = features.MISSING_CATEGORY_ID
    assert new[missing] == pytest.approx(old[missing])
    assert (taken_over.terms, taken_over.known_terms) == (3, 2)


def test_another_learning_rate_does_not_change_what_is_answered(
    old_model: Any, base_model: str, old_vocabulary: list[bytes]
) -> None:
    import tensorflow as tf

    from components.model import ID_FEATURES
    from components.warm_start import take_over

    model = build(learning_rate=0.01, linear_learning_rate=0.01)
    take_over(model, base_model, old_vocabulary)

    inputs = {
        features.transformed_name(key): tf.zeros([1, columns], tf.int64)
        for key, (columns, _) in ID_FEATURES.items()
    }
    inputs[features.transformed_name(features.NARRATIVE_KEY)] = tf.constant([[4, 9]], tf.int64)
    assert model(inputs).numpy() == pytest.approx(old_model(inputs).numpy(), abs=1e-5)


def test_weights_of_another_shape_start_fresh(
    base_model: str, old_vocabulary: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    from components.warm_start import take_over

    # The second layer has half of the three units, one; the old model had two in its only one.
    model = build(hidden_units=3, hidden_layers=2)
    before = weights(model)
    taken_over = take_over(model, base_model, old_vocabulary)

    assert set(taken_over.fresh) == {
        "hidden_0/kernel",
        "hidden_0/bias",
        "hidden_1/kernel",
        "hidden_1/bias",
        "deep_logit/kernel",
    }
    assert "categories_embedding/embeddings" in taken_over.taken
    assert weights(model)["hidden_0/kernel"] == pytest.approx(before["hidden_0/kernel"])
    assert "hidden_0/kernel starts fresh" in caplog.text


@pytest.mark.parametrize(
    "kind", ["missing", "not a SavedModel", "not ours", "no vocabulary", "cut off"]
)
def test_a_model_that_cannot_be_read_leaves_all_fresh_with_a_warning(
    kind: str, base_model: str, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    import tensorflow as tf

    from components.warm_start import take_over

    path = tmp_path / "model"
    if kind == "not a SavedModel":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"\xffnonsense")
    elif kind == "not ours":
        tf.saved_model.save(tf.Module(), str(path))
    elif kind == "cut off":
        shutil.copytree(base_model, path)
        (variables,) = path.glob("variables/*.data-*")
        variables.write_bytes(variables.read_bytes()[:100])
    elif kind == "no vocabulary":
        shutil.copytree(base_model, path)
        (path / "assets" / features.CATEGORIES_KEY).unlink()
    model = build()
    before = weights(model)

    taken_over = take_over(model, str(path), [b"state=nj"])

    assert taken_over.problem
    assert not taken_over.taken
    for name, weight in weights(model).items():
        assert (weight == before[name]).all()
    assert "Cannot read the model to start from" in caplog.text


def test_a_training_starts_from_its_base_model_and_records_it(
    base_model: str, make_fn_args: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components import training
    from components.training_record import RECORD_FILE, TrainingRecord

    monkeypatch.setattr(training.serving, "export", lambda *_arguments: None)
    fn_args = make_fn_args(
        base_model=base_model, custom_config={"hyperparameters": SMALL | {"batch_size": 50}}
    )

    training.run_fn(fn_args)

    record = TrainingRecord.from_json(
        (pathlib.Path(fn_args.model_run_dir) / RECORD_FILE).read_text()
    )
    assert record.warm_start is not None
    assert record.warm_start.base_model == base_model
    assert record.warm_start.known_terms == record.warm_start.terms > 0
    assert "deep_logit/bias" in record.warm_start.taken
