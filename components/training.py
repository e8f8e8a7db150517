"""Training: from transformed examples to an exported model."""

import dataclasses
import hashlib
import json
import math
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components import input_data, serving
from components.errors import InputDataError, RunError, SettingsError
from components.hyperparameters import MONITORED_METRIC, Hyperparameters
from components.model import TextEncoder, build_model

#: How often a training is evaluated, and saved against interruption.
_EVALUATIONS = 10

#: The most batches that an interruption may cost.
_MAX_STEPS_BETWEEN_BACKUPS = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """What the pipeline tells the Trainer in ``custom_config``.

    Attributes:
        hyperparameters: The model's hyperparameters.
        text_encoder: How the narrative is encoded.
        decision_threshold: Probability from which a complaint counts as disputed.
        class_weights: Weigh the classes by their inverse frequency in the loss.
    """

    hyperparameters: Hyperparameters
    text_encoder: TextEncoder
    decision_threshold: float
    class_weights: bool

    @classmethod
    def from_custom_config(cls, custom_config: Mapping[str, Any]) -> "TrainerConfig":
        """Reads ``custom_config``; a key that is not there has its default."""
        return cls(
            hyperparameters=Hyperparameters.from_overrides(
                custom_config.get("hyperparameters") or {}
            ),
            text_encoder=TextEncoder(**(custom_config.get("text_encoder") or {})),
            decision_threshold=float(custom_config.get("decision_threshold", 0.5)),
            class_weights=bool(custom_config.get("class_weights", False)),
        )


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports a model; TFX Trainer calls this.

    A training that was interrupted goes on from its last backup when the step starts again.

    Args:
        fn_args: TFX's arguments: files, steps, folders and ``custom_config``.

    Raises:
        InputDataError: If a split is empty, or training sees only one class.
        RunError: If the loss is not a number.
        SettingsError: If a hyperparameter or the number of steps is not valid.
    """
    config = TrainerConfig.from_custom_config(fn_args.custom_config or {})
    hyperparameters = config.hyperparameters
    for name, steps in (("train-args", fn_args.train_steps), ("eval-args", fn_args.eval_steps)):
        if not steps or steps < 1:
            raise SettingsError(
                f'run parameter {name}: num_steps is {steps or 0}; write {{"num_steps": N}} with '
                "N 1 or more"
            )
    keras.utils.set_random_seed(hyperparameters.seed)

    train_examples = input_data.read_serialized(fn_args.train_files)
    eval_examples = input_data.read_serialized(fn_args.eval_files)
    negative, positive = input_data.count_labels(train_examples)
    if not negative or not positive:
        raise InputDataError(
            f"the train split has {negative} undisputed and {positive} disputed complaints; "
            "add rows so that there are both"
        )
    total = negative + positive
    weights = (total / (2 * negative), total / (2 * positive)) if config.class_weights else None

    with _strategy().scope():
        model = build_model(
            hyperparameters,
            config.text_encoder,
            decision_threshold=config.decision_threshold,
            # Weighted classes are balanced ones.
            positive_rate=None if config.class_weights else positive / total,
        )
    feature_spec = tft.TFTransformOutput(fn_args.transform_output).transformed_feature_spec()
    backup_folder = _backup_folder(fn_args)
    _fit(
        model,
        input_data.batches(
            train_examples,
            feature_spec,
            batch_size=hyperparameters.batch_size,
            shuffle_seed=hyperparameters.seed,
            class_weights=weights,
        ),
        input_data.batches(eval_examples, feature_spec, batch_size=hyperparameters.batch_size),
        fn_args=fn_args,
        backup_folder=backup_folder,
        patience=hyperparameters.patience,
    )
    serving.export(
        serving.ServingModel(model, fn_args.transform_output, config.decision_threshold),
        fn_args.serving_model_dir,
    )
    if tf.io.gfile.exists(backup_folder):
        tf.io.gfile.rmtree(backup_folder)


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
    patience: int,
) -> None:
    # Keras evaluates after an epoch: here a share of the steps, not a pass over the data.
    epochs = min(_EVALUATIONS, fn_args.train_steps)
    steps = fn_args.train_steps // epochs
    early_stopping = keras.callbacks.EarlyStopping(
        MONITORED_METRIC, mode="max", patience=patience, restore_best_weights=True
    )
    history = model.fit(
        train_batches,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=eval_batches.take(fn_args.eval_steps or -1),
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            early_stopping,
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
    ]
    fingerprint = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    trainer_folder = posixpath.dirname(posixpath.dirname(fn_args.model_run_dir.rstrip("/")))
    return posixpath.join(trainer_folder, "backup", fingerprint)
