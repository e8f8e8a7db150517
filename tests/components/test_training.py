"""Training, its interruptions and its failures, and the exported model."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from components.errors import InputDataError, RunError, SettingsError
from components.features import LABEL_KEY, NARRATIVE_KEY, TEXT_COLUMNS

pytestmark = pytest.mark.whole

MakeFnArgs = Callable[..., Any]


@pytest.fixture(scope="module")
def exported(transformed: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A trained model, exported and loaded again without any of our classes."""
    import tensorflow as tf
    from tfx.components.trainer.fn_args_utils import FnArgs

    from components.module import run_fn

    folder = tmp_path_factory.mktemp("exported")
    run_fn(
        FnArgs(
            train_files=transformed.train_files,
            eval_files=transformed.eval_files,
            train_steps=40,
            eval_steps=2,
            transform_output=transformed.graph,
            serving_model_dir=str(folder / "model" / "1" / "Format-Serving"),
            model_run_dir=str(folder / "model_run" / "1"),
            custom_config={
                "class_weights": True,
                "code_hash": "abc",
                "decision_threshold": 0.25,
                "hyperparameters": {"batch_size": 50, "learning_rate": 0.02, "patience": 10},
                "text_encoder": {"kind": "hashed", "handle": None},
            },
        )
    )
    assert list((folder / "model_run" / "1").rglob("events.out.tfevents*"))
    return tf.saved_model.load(str(folder / "model" / "1" / "Format-Serving"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collects the trained models instead of exporting them, which takes seconds."""
    from components import training

    models: list[Any] = []
    monkeypatch.setattr(
        training.serving, "ServingModel", lambda model, *_rest: models.append(model)
    )
    monkeypatch.setattr(training.serving, "export", lambda *_arguments: None)
    return models


def test_serialized_examples_with_their_label_are_predicted(
    exported: Any, transformed: Any
) -> None:
    import numpy as np
    import tensorflow as tf

    examples = transformed.raw_eval_examples
    signature = exported.signatures["serving_default"]
    assert set(signature.structured_input_signature[1]) == {"examples"}

    answer = signature(examples=tf.constant(examples))

    probability = answer["probability"].numpy()
    assert probability.shape == (100, 1)
    assert probability.dtype == np.float32
    assert (answer["disputed"].numpy() == (probability >= 0.25)).all()
    labels = [
        tf.train.Example.FromString(example).features.feature[LABEL_KEY].int64_list.value[0]
        for example in examples
    ]
    auc = tf.keras.metrics.AUC()
    auc.update_state(labels, probability)
    assert auc.result() > 0.85


def test_examples_without_a_label_and_without_any_value_are_predicted(exported: Any) -> None:
    import numpy as np
    import tensorflow as tf

    answer = exported.signatures["serving_default"](tf.constant([b""]))

    assert np.isfinite(answer["probability"].numpy()).all()


def test_raw_columns_are_predicted_as_examples_are(exported: Any, transformed: Any) -> None:
    import tensorflow as tf

    columns = {column: ["", "", ""] for column in TEXT_COLUMNS}
    columns["product"] = ["Mortgage", "Mortgage", ""]
    columns[NARRATIVE_KEY] = [transformed.disputed_narrative, transformed.undisputed_narrative, ""]
    examples = []
    for row in zip(*columns.values(), strict=True):
        example = tf.train.Example()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                example.features.feature[column].bytes_list.value.append(cell.encode())
        examples.append(example.SerializeToString())

    raw = exported.signatures["serving_raw"](
        **{column: tf.constant(cells) for column, cells in columns.items()}
    )
    serialized = exported.signatures["serving_default"](tf.constant(examples))

    assert raw["probability"].numpy() == pytest.approx(serialized["probability"].numpy())
    disputed, undisputed, _ = raw["probability"].numpy().ravel()
    assert disputed > undisputed


def test_the_same_data_settings_and_seed_give_the_same_metrics(
    make_fn_args: MakeFnArgs, trained: list[Any]
) -> None:
    from components.training import run_fn

    hyperparameters = {"batch_size": 50, "learning_rate": 0.02, "l2": 0.0, "patience": 10}
    other_seed = hyperparameters | {"seed": 1}

    for attempt, values in enumerate((hyperparameters, hyperparameters, other_seed)):
        run_fn(make_fn_args(attempt, custom_config={"hyperparameters": values}))

    one, same, other = (model.history.history for model in trained)
    for name in ("loss", "auc", "val_loss", "val_auc"):
        assert one[name] == pytest.approx(same[name], abs=1e-6)
    assert one["loss"] != pytest.approx(other["loss"], abs=1e-6)
    weights, same_weights, _ = (model.get_weights() for model in trained)
    for weight, same_weight in zip(weights, same_weights, strict=True):
        assert weight == pytest.approx(same_weight, abs=1e-6)


@pytest.mark.parametrize(("cache_megabytes", "cached"), [(512, True), (0, False)])
def test_a_record_tells_what_the_training_did(
    make_fn_args: MakeFnArgs, trained: list[Any], cache_megabytes: int, cached: bool
) -> None:
    from components.hyperparameters import Hyperparameters
    from components.training import run_fn
    from components.training_record import RECORD_FILE, TrainingRecord

    fn_args = make_fn_args(
        custom_config={
            "cache_megabytes": cache_megabytes,
            "hyperparameters": {"batch_size": 50, "patience": 10},
        }
    )
    run_fn(fn_args)

    record = TrainingRecord.from_json(
        (pathlib.Path(fn_args.model_run_dir) / RECORD_FILE).read_text()
    )
    assert record.hyperparameters == dataclasses.asdict(Hyperparameters(batch_size=50, patience=10))
    assert (record.train_examples, record.eval_examples, record.steps) == (400, 100, 20)
    assert record.cached == cached
    assert record.examples_per_second > 0
    assert record.warm_start is None


def test_examples_a_second_are_logged_with_the_metrics(
    make_fn_args: MakeFnArgs, trained: list[Any]
) -> None:
    from components.kubeflow_metrics import training_metrics
    from components.training import run_fn

    fn_args = make_fn_args()
    run_fn(fn_args)

    assert training_metrics(fn_args.model_run_dir)["train_examples_per_second"] > 0


def test_examples_that_are_not_cached_train_a_model_as_well(
    make_fn_args: MakeFnArgs, trained: list[Any]
) -> None:
    from components.training import run_fn

    run_fn(make_fn_args(train_steps=40, custom_config={"cache_megabytes": 0}))

    assert max(trained[0].history.history["val_auc"]) > 0.85


def test_what_a_tuner_found_comes_before_the_settings(
    make_fn_args: MakeFnArgs, trained: list[Any]
) -> None:
    import keras_tuner

    from components.training import run_fn
    from components.training_record import RECORD_FILE, TrainingRecord

    tuned = keras_tuner.HyperParameters()
    tuned.Fixed("embedding_dim", 3)
    tuned.Fixed("learning_rate", 0.5)
    tuned.values["tuner/epochs"] = 4
    fn_args = make_fn_args(hyperparameters=tuned.get_config())

    run_fn(fn_args)

    record = TrainingRecord.from_json(
        (pathlib.Path(fn_args.model_run_dir) / RECORD_FILE).read_text()
    )
    assert record.hyperparameters["embedding_dim"] == 3
    assert record.hyperparameters["learning_rate"] == 0.5
    assert record.hyperparameters["batch_size"] == 50  # as the settings say
    assert trained[0].get_layer("categories_embedding").output_dim == 3


def test_the_weights_of_the_best_evaluation_are_kept(
    make_fn_args: MakeFnArgs, trained: list[Any]
) -> None:
    import tensorflow_transform as tft

    from components.input_data import batches, read_serialized
    from components.training import run_fn

    # Steps this wide make the later evaluations worse, within the patience.
    wild = {"hyperparameters": {"learning_rate": 5.0, "patience": 100, "batch_size": 50}}
    fn_args = make_fn_args(custom_config=wild)
    run_fn(fn_args)

    (model,) = trained
    val_auc = model.history.history["val_auc"]
    spec = tft.TFTransformOutput(fn_args.transform_output).transformed_feature_spec()
    evaluated = batches(read_serialized(fn_args.eval_files), spec, batch_size=50)
    auc = model.evaluate(evaluated, return_dict=True, verbose=0)["auc"]
    assert auc == pytest.approx(max(val_auc), abs=1e-4)
    assert auc > val_auc[-1]


@pytest.mark.parametrize(
    ("steps_between_backups", "place"),
    [pytest.param(500, (2, 0), id="by epoch"), pytest.param(2, (2, 2), id="within an epoch")],
)
def test_an_interrupted_training_goes_on_where_it_was(
    make_fn_args: MakeFnArgs,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    trained: list[Any],
    steps_between_backups: int,
    place: tuple[int, int],
) -> None:
    from components import training

    seen: list[tuple[int, int]] = []
    kill_at: tuple[int, int] | None = (2, 3)

    class Killer(training.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append((self.epoch, batch))
            if seen[-1] == kill_at:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, "_MAX_STEPS_BETWEEN_BACKUPS", steps_between_backups)
    monkeypatch.setattr(training.keras.callbacks, "TerminateOnNaN", Killer)
    backups = tmp_path / "Trainer" / "backup"
    arguments = {"train_steps": 40, "custom_config": {"hyperparameters": {"patience": 20}}}
    with pytest.raises(KeyboardInterrupt):
        training.run_fn(make_fn_args(1, **arguments))
    assert list(backups.iterdir())

    seen.clear()
    kill_at = None
    training.run_fn(make_fn_args(2, **arguments))

    assert seen[0] == place
    assert seen[-1] == (9, 3)
    assert not list(backups.iterdir())


def test_another_training_does_not_take_the_backup(make_fn_args: MakeFnArgs) -> None:
    from components.training import _backup_folder

    folder = _backup_folder(make_fn_args(1))

    assert folder == _backup_folder(make_fn_args(2))
    assert folder != _backup_folder(make_fn_args(1, train_steps=21))
    assert folder != _backup_folder(make_fn_args(1, custom_config={"code_hash": "new"}))
    gs = make_fn_args(1, model_run_dir="gs://bucket/root/Trainer/model_run/5")
    assert _backup_folder(gs).startswith("gs://bucket/root/Trainer/backup/")


def test_training_stops_early(make_fn_args: MakeFnArgs, trained: list[Any]) -> None:
    from components.training import run_fn

    slow = {"learning_rate": 1e-8, "linear_learning_rate": 1e-8, "patience": 2, "batch_size": 50}

    run_fn(make_fn_args(custom_config={"hyperparameters": slow}))

    assert len(trained[0].history.history["val_auc"]) == 3


def test_an_empty_split_is_refused(make_fn_args: MakeFnArgs, tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    from components.training import run_fn

    with pytest.raises(InputDataError, match=r"no transformed example in .*none"):
        run_fn(make_fn_args(train_files=[str(tmp_path / "none" / "*")]))
    with tf.io.TFRecordWriter(str(tmp_path / "empty"), "GZIP"):
        pass
    with pytest.raises(InputDataError, match=r"no transformed example in .*empty"):
        run_fn(make_fn_args(eval_files=[str(tmp_path / "empty")]))


def test_a_train_split_of_one_class_is_refused(
    make_fn_args: MakeFnArgs, transformed: Any, tmp_path: pathlib.Path
) -> None:
    import tensorflow as tf

    from components.features import transformed_name
    from components.input_data import read_serialized
    from components.training import run_fn

    example = next(iter(read_serialized(transformed.train_files))).numpy()
    message = tf.train.Example.FromString(example)
    message.features.feature[transformed_name(LABEL_KEY)].int64_list.value[:] = [0]
    with tf.io.TFRecordWriter(str(tmp_path / "one"), "GZIP") as writer:
        writer.write(message.SerializeToString())

    with pytest.raises(InputDataError, match="has 1 undisputed and 0 disputed complaints"):
        run_fn(make_fn_args(train_files=[str(tmp_path / "one")]))


def test_a_loss_that_is_not_a_number_fails_and_leaves_no_backup(
    make_fn_args: MakeFnArgs, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    from components import training

    original = training.build_model

    def broken(*args: Any, **kwargs: Any) -> Any:
        model = original(*args, **kwargs)
        model.compile(loss=lambda label, probability: probability * float("nan"))
        return model

    monkeypatch.setattr(training, "build_model", broken)

    with pytest.raises(RunError, match=r"the loss was nan .* lower hyperparameter learning_rate"):
        training.run_fn(make_fn_args())
    assert not (tmp_path / "Trainer" / "model").exists()
    assert not [*(tmp_path / "Trainer" / "backup").rglob("*.index")]


def test_steps_and_hyperparameters_are_checked(make_fn_args: MakeFnArgs) -> None:
    from components.training import run_fn

    for steps in ({"train_steps": None}, {"train_steps": -5}, {"eval_steps": -1}):
        with pytest.raises(SettingsError, match='"num_steps": N} with N 1 or more'):
            run_fn(make_fn_args(**steps))
    with pytest.raises(SettingsError, match="did you mean 'dropout'"):
        run_fn(make_fn_args(custom_config={"hyperparameters": {"drop_out": 0.1}}))


def test_the_module_works_as_a_file_on_a_volume(
    tmp_path: pathlib.Path, make_fn_args: MakeFnArgs
) -> None:
    import shutil
    import subprocess
    import sys

    import components

    volume = tmp_path / "tfx-data"
    shutil.copytree(pathlib.Path(components.__file__).parent, volume / "components")
    code = (
        "import components, json, sys\n"
        "from tfx.utils import import_utils\n"
        "path = sys.argv[1]\n"
        "run_fn = import_utils.import_func_from_source(path, 'run_fn')\n"
        "import_utils.import_func_from_source(path, 'preprocessing_fn')\n"
        "print(json.dumps(sys.modules[run_fn.__module__].__file__))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(volume / "components" / "module.py")],
        env={"PYTHONPATH": str(volume), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(found.stdout.splitlines()[-1]) == str(volume / "components" / "training.py")
