"""The search for hyperparameters; TFX Tuner calls ``tuner_fn``."""

import dataclasses
import posixpath
from typing import Any

import attr
import keras_tuner
import tensorflow_transform as tft
from keras_tuner.engine.trial import TrialStatus
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components import input_data
from components.errors import RunError
from components.hyperparameters import (
    MONITORED_METRIC,
    TUNED_CHOICES,
    TUNED_RANGES,
    Hyperparameters,
)
from components.training import TrainerConfig, train


class Search(keras_tuner.Tuner):
    """Trains a model a trial, as the Trainer would."""

    def run_trial(self, trial: Any, fn_args: FnArgs, config: TrainerConfig) -> dict[str, float]:
        """Trains and measures one model.

        Args:
            trial: KerasTuner's trial, with hyperparameters.
            fn_args: TFX's arguments.
            config: What the pipeline tells the Trainer; the trial's values come before.

        Returns:
            The AUC on the eval split, as ``val_auc``.

        Raises:
            keras_tuner.errors.FailedTrialError: If the loss was not a number.
            keras_tuner.errors.FatalError: If the training failed for any other reason.
        """
        values = {**dataclasses.asdict(config.hyperparameters), **trial.hyperparameters.values}
        hyperparameters = Hyperparameters.from_overrides(values)
        folder = self.get_trial_dir(trial.trial_id)
        try:
            model = train(
                attr.evolve(fn_args, model_run_dir=posixpath.join(folder, "logs")),
                dataclasses.replace(config, hyperparameters=hyperparameters),
                posixpath.join(folder, "backup"),
            ).model
        except RunError as error:
            # Such hyperparameters are of no use, but others may be.
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            # KerasTuner would take any other for one of the trial, and go on.
            raise keras_tuner.errors.FatalError(f"{type(error).__name__}: {error}") from error
        batches = input_data.batches(
            input_data.read_serialized(fn_args.eval_files),
            tft.TFTransformOutput(fn_args.transform_output).transformed_feature_spec(),
            batch_size=hyperparameters.batch_size,
        )
        measured = model.evaluate(
            batches.take(fn_args.eval_steps or -1), verbose=0, return_dict=True
        )
        return {MONITORED_METRIC: float(measured[MONITORED_METRIC.removeprefix("val_")])}

    def on_search_end(self) -> None:
        """Refuses a search without a result; TFX would take the defaults for the best.

        Raises:
            RunError: If no trial has succeeded.
        """
        super().on_search_end()
        if not any(trial.status == TrialStatus.COMPLETED for trial in self.oracle.trials.values()):
            raise RunError(
                "no trial of the search succeeded: each loss was no number; lower learning_rate in "
                "training.hyperparameters, or look at the data"
            )


def search_space(settings: Hyperparameters) -> keras_tuner.HyperParameters:
    """Returns what is searched, around what the settings say.

    Args:
        settings: The settings' hyperparameters, which are the defaults.
    """
    space = keras_tuner.HyperParameters()
    for name, (least, most) in TUNED_RANGES.items():
        default = min(max(getattr(settings, name), least), most)
        space.Float(name, least, most, sampling="log", default=default)
    for name, choices in TUNED_CHOICES.items():
        default = getattr(settings, name)
        # KerasTuner takes the first where the settings' own is not among them.
        space.Choice(name, list(choices), default=default if default in choices else None)
    return space


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Prepares the search; TFX Tuner calls this.

    Args:
        fn_args: TFX's arguments: files, steps, folders and ``custom_config``, whose ``trials`` is
            how many models are trained.

    Returns:
        The tuner, and what its search is given.
    """
    custom_config = fn_args.custom_config or {}
    # Here TFX calls it otherwise than for the Trainer.
    fn_args = attr.evolve(fn_args, transform_output=fn_args.transform_graph_path)
    config = TrainerConfig.from_custom_config(custom_config)
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective(MONITORED_METRIC, "max"),
        max_trials=int(custom_config["trials"]),
        hyperparameters=search_space(config.hyperparameters),
        tune_new_entries=False,
        seed=config.hyperparameters.seed,
    )
    search = Search(oracle=oracle, directory=fn_args.working_dir, project_name="trials")
    return TunerFnResult(tuner=search, fit_kwargs={"fn_args": fn_args, "config": config})
