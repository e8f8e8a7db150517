"""Training: from transformed examples to an exported model."""

import dataclasses
import hashlib
import json
import logging
import math
import posixpath
import statistics
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components import features, input_data, serving, warm_start
from components.errors import InputDataError, RunError, SettingsError
from components.hyperparameters import MONITORED_METRIC, Hyperparameters
from components.model import TextEncoder, build_model
from components.training_record import RECORD_FILE, TrainingRecord, WarmStart

#: How often a training is evaluated, and saved against interruption.
_EVALUATIONS = 10

#: The most batches that an interruption may cost.
_MAX_STEPS_BETWEEN_BACKUPS = 500

#: What KerasTuner keeps of its own among the hyperparameters, such as ``tuner/epochs``.
_TUNER_PREFIX = "tuner/"

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """What the pipeline tells the Trainer in ``custom_config``.

    Attributes:
        hyperparameters: The model's hyperparameters.
        text_encoder: How the narrative is encoded.
        decision_threshold: Probability from which a complaint counts as disputed.
        class_weights: Weigh the classes by their inverse frequency in the loss.
        cache_bytes: The most memory that the train examples may take to be kept there.
    """

    hyperparameters: Hyperparameters
    text_encoder: TextEncoder
    decision_threshold: float
    class_weights: bool
    cache_bytes: int

    @classmethod
    def from_custom_config(
        cls,
        custom_config: Mapping[str, Any],
        tuned_hyperparameters: Mapping[str, Any] | None = None,
    ) -> "TrainerConfig":
        """Reads ``custom_config``; a key that is not there has its default.

        Args:
            custom_config: What the pipeline's settings say.
            tuned_hyperparameters: Hyperparameters by name that come before those of the settings.
        """
        return cls(
            hyperparameters=Hyperparameters.from_overrides(
                {**(custom_config.get("hyperparameters") or {}), **(tuned_hyperparameters or {})}
            ),
            text_encoder=TextEncoder(**(custom_config.get("text_encoder") or {})),
            decision_threshold=float(custom_config.get("decision_threshold", 0.5)),
            class_weights=bool(custom_config.get("class_weights", False)),
            cache_bytes=int(custom_config.get("cache_megabytes", 512)) * 10**6,
        )


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained model.

    Attributes:
        model: The Keras model, with the weights of its best evaluation.
        record: What the training did.
    """

    model: Any
    record: TrainingRecord


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports a model; TFX Trainer calls this.

    A training that was interrupted goes on from its last backup when the step starts again.

    Args:
        fn_args: TFX's arguments: files, steps, folders and ``custom_config``; a ``base_model`` to
            start from, and tuned ``hyperparameters``, where there are any.

    Raises:
        InputDataError: If a split is empty, or training sees only one class.
        RunError: If the loss is not a number.
        SettingsError: If a hyperparameter or the number of steps is not valid.
    """
    config = TrainerConfig.from_custom_config(
        fn_args.custom_config or {}, tuned_hyperparameters(fn_args.hyperparameters)
    )
    backup_folder = _backup_folder(fn_args)
    trained = train(fn_args, config, backup_folder)
    record_path = posixpath.join(fn_args.model_run_dir, RECORD_FILE)
    with tf.io.gfile.GFile(record_path, "w") as file:
        file.write(trained.record.to_json())
    serving.export(
        serving.ServingModel(trained.model, fn_args.transform_output, config.decision_threshold),
        fn_args.serving_model_dir,
    )
    if tf.io.gfile.exists(backup_folder):
        tf.io.gfile.rmtree(backup_folder)


def tuned_hyperparameters(tuner_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what a Tuner found, by the hyperparameters' names.

    Args:
        tuner_config: ``keras_tuner.HyperParameters.get_config()``, which TFX passes on; ``None``
            where there was no Tuner.
    """
    if not tuner_config:
        return {}
    # Imported here, because only a tuned training needs it.
    import keras_tuner

    values = keras_tuner.HyperParameters.from_config(tuner_config).values
    return {name: value for name, value in values.items() if not name.startswith(_TUNER_PREFIX)}


def train(fn_args: FnArgs, config: TrainerConfig, backup_folder: str) -> TrainedModel:
    """Trains a model, and exports nothing.

    The same data, configuration and seed give the same model on the same machine.

    Args:
        fn_args: TFX's arguments: files, steps, folders and a ``base_model`` to start from.
        config: What the pipeline tells the Trainer.
        backup_folder: Where the training is backed up, and goes on from.

    Raises:
        InputDataError: If a split is empty, or training sees only one class.
        RunError: If the loss is not a number.
        SettingsError: If the number of steps is not valid.
    """
    hyperparameters = config.hyperparameters
    for name, steps in (("train-args", fn_args.train_steps), ("eval-args", fn_args.eval_steps)):
        if not steps or steps < 1:
            raise SettingsError(
                f'run parameter {name}: num_steps is {steps or 0}; write {{"num_steps": N}} with '
                "N 1 or more"
            )
    keras.utils.set_random_seed(hyperparameters.seed)
    # Sums over a batch otherwise depend on the order in which threads come to them.
    tf.config.experimental.enable_op_determinism()

    train_split = input_data.summarize(input_data.read_serialized(fn_args.train_files))
    eval_examples = input_data.read_serialized(fn_args.eval_files)
    if not train_split.negative or not train_split.positive:
        raise InputDataError(
            f"the train split has {train_split.negative} undisputed and {train_split.positive} "
            "disputed complaints; add rows so that there are both"
        )
    with _strategy().scope():
        model = build_model(
            hyperparameters,
            config.text_encoder,
            decision_threshold=config.decision_threshold,
            # Weighted classes are balanced ones.
            positive_rate=(
                None if config.class_weights else train_split.positive / train_split.examples
            ),
            train_examples=train_split.examples,
            decay_steps=fn_args.train_steps,
        )
    transform = tft.TFTransformOutput(fn_args.transform_output)
    taken_over = _start_from(model, fn_args.base_model, transform)
    cached = train_split.memory_bytes <= config.cache_bytes
    _logger.info(
        "Training on %d examples, %s.",
        train_split.examples,
        "kept in memory" if cached else "read anew at each pass, too large for cache_megabytes",
    )
    throughput = _fit(
        model,
        _train_batches(fn_args.train_files, train_split, transform, config, cached=cached),
        input_data.batches(
            eval_examples,
            transform.transformed_feature_spec(),
            batch_size=hyperparameters.batch_size,
            cache=cached,
        ),
        fn_args=fn_args,
        backup_folder=backup_folder,
        hyperparameters=hyperparameters,
    )
    _logger.info("Trained on %.0f examples a second.", throughput)
    return TrainedModel(
        model,
        TrainingRecord(
            hyperparameters=dataclasses.asdict(hyperparameters),
            train_examples=train_split.examples,
            eval_examples=input_data.summarize(eval_examples).examples,
            steps=int(model.optimizer.iterations.numpy()),
            cached=cached,
            examples_per_second=throughput,
            warm_start=taken_over,
        ),
    )


def _start_from(model: Any, base_model: str | None, transform: Any) -> WarmStart | None:
    if not base_model:
        return None
    vocabulary = transform.vocabulary_file_by_name(features.CATEGORIES_KEY)
    return warm_start.take_over(model, base_model, warm_start.read_vocabulary(vocabulary))


def _train_batches(
    files: list[str],
    split: input_data.SplitSummary,
    transform: Any,
    config: TrainerConfig,
    *,
    cached: bool,
) -> Any:
    seed = config.hyperparameters.seed
    weights = None
    if config.class_weights:
        weights = (
            split.examples / (2 * split.negative),
            split.examples / (2 * split.positive),
        )
    # What is in memory is shuffled as a whole; of files, their order and a part at a time.
    return input_data.batches(
        input_data.read_serialized(files, shuffle_seed=None if cached else seed),
        transform.transformed_feature_spec(),
        batch_size=config.hyperparameters.batch_size,
        shuffle_seed=seed,
        class_weights=weights,
        cache=cached,
        shuffle_buffer=split.examples if cached else input_data.SHUFFLE_BUFFER,
    )


class Throughput(keras.callbacks.Callback):
    """Adds ``examples_per_second`` to the logs of each epoch, without its evaluation.

    Attributes:
        rates: Examples a second by epoch. The first includes the compilation of the graph.
    """

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size
        self.rates: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()
        self._ended: float | None = None
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts a batch."""
        self._batches += 1

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Stops the clock before the evaluation."""
        self._ended = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the rate to the logs, from which later callbacks read it."""
        took = (self._ended or time.monotonic()) - self._started
        self.rates.append(self._batches * self._batch_size / max(took, 1e-9))
        if logs is not None:
            logs["examples_per_second"] = self.rates[-1]


def _strategy() -> Any:
    """Returns a mirrored strategy for several GPUs, else the default one."""
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _fit(
    model: Any,
    train_batches: Any,
    eval_batches: Any,
    *,
    fn_args: FnArgs,
    backup_folder: str,
    hyperparameters: Hyperparameters,
) -> float:
    """Trains the model; returns the median of the examples a second."""
    # Keras evaluates after an epoch: here a share of the steps, not a pass over the data.
    epochs = min(_EVALUATIONS, fn_args.train_steps)
    steps = fn_args.train_steps // epochs
    early_stopping = keras.callbacks.EarlyStopping(
        MONITORED_METRIC,
        mode="max",
        patience=hyperparameters.patience,
        restore_best_weights=True,
    )
    throughput = Throughput(hyperparameters.batch_size)
    history = model.fit(
        train_batches,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=eval_batches.take(fn_args.eval_steps or -1),
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            early_stopping,
            throughput,
            keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False),
            keras.callbacks.BackupAndRestore(
                backup_folder,
                save_freq="epoch"
                if steps <= _MAX_STEPS_BETWEEN_BACKUPS
                else _MAX_STEPS_BETWEEN_BACKUPS,
            ),
        ],
        verbose=2,
    )
    losses = history.history.get("loss", [])
    if not all(math.isfinite(loss) for loss in losses):
        raise RunError(
            f"the loss was {losses[-1]} after {len(losses)} evaluations; lower hyperparameter "
            "learning_rate"
        )
    # Keras 2 restores them only where it stopped early, not after the last step.
    if early_stopping.best_weights is not None:
        model.set_weights(early_stopping.best_weights)
    return statistics.median(throughput.rates) if throughput.rates else 0.0


def _backup_folder(fn_args: FnArgs) -> str:
    """Returns where this training is backed up.

    TFX gives each attempt a folder of its own, so the backup lies above, next to ``model_run``,
    and is named for everything that the training depends on: another training never takes it.
    """
    inputs = [
        sorted(fn_args.train_files),
        sorted(fn_args.eval_files),
        fn_args.transform_output,
        fn_args.train_steps,
        fn_args.eval_steps,
        fn_args.custom_config,
        fn_args.hyperparameters,
        fn_args.base_model,
    ]
    fingerprint = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    trainer_folder = posixpath.dirname(posixpath.dirname(fn_args.model_run_dir.rstrip("/")))
    return posixpath.join(trainer_folder, "backup", fingerprint)
