"""Settings of training and evaluation."""

import dataclasses
from collections.abc import Mapping

from components.errors import SettingsError
from components.hyperparameters import Hyperparameters
from pipelines.settings.checks import is_uri, require, require_not_negative, require_one_of

_MAX_TRIALS = 1_000

#: TFX's TrainArgs hold 32 bits.
_MAX_STEPS = 2**31 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How the model is trained.

    Attributes:
        train_steps: Batches to train on; the default of run parameter ``train-args``.
        eval_steps: Batches to evaluate on; the default of run parameter ``eval-args``.
        text_encoder: ``hashed`` (trained in the graph) or ``hub`` (a TF-Hub model).
        text_encoder_handle: TF-Hub handle or SavedModel path, for ``hub``.
        decision_threshold: Probability from which a complaint counts as disputed.
        class_weights: Weigh the classes by their inverse frequency in the loss.
        warm_start: Begin with the weights of the model that was pushed last.
        cache_megabytes: Memory that the Trainer may use to keep its examples, and twice as much
            while it reads them; more are read anew at each pass.
        hyperparameters: Overrides of the model's hyperparameters, by name.
    """

    train_steps: int = 1000
    eval_steps: int = 100
    text_encoder: str = "hashed"
    text_encoder_handle: str | None = None
    decision_threshold: float = 0.25
    class_weights: bool = False
    warm_start: bool = False
    cache_megabytes: int = 512
    hyperparameters: Mapping[str, int | float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("train_steps", "eval_steps"):
            _require_steps(f"training.{name}", getattr(self, name))
        require_not_negative("training.cache_megabytes", self.cache_megabytes)
        require_one_of("training.text_encoder", self.text_encoder, ("hashed", "hub"))
        require(
            (self.text_encoder == "hub") == (self.text_encoder_handle is not None),
            "training.text_encoder_handle goes with training.text_encoder 'hub': a TF-Hub "
            "handle or the path of a SavedModel",
        )
        handle = self.text_encoder_handle
        require(
            handle is None or handle.startswith("/") or is_uri(handle),
            f"training.text_encoder_handle: '{handle}' is neither a URI such as "
            "https://tfhub.dev/google/universal-sentence-encoder/4 nor an absolute path",
        )
        require(
            0 < self.decision_threshold < 1,
            f"training.decision_threshold: {self.decision_threshold} is not between 0 and 1",
        )
        try:
            Hyperparameters.from_overrides(self.hyperparameters)
        except SettingsError as error:
            raise SettingsError(f"training.hyperparameters: {error}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """A search for hyperparameters before the training.

    Attributes:
        trials: Models that Tuner trains to find better hyperparameters than those of ``training``;
            0 for no Tuner.
        train_steps: Batches that each of them is trained on.
    """

    trials: int = 0
    train_steps: int = 300

    def __post_init__(self) -> None:
        require(
            0 <= self.trials <= _MAX_TRIALS,
            f"tuning.trials: {self.trials} is not 0 to {_MAX_TRIALS}",
        )
        _require_steps("tuning.train_steps", self.train_steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What a model must reach to be blessed.

    Attributes:
        auc_lower_bound: Least area under the ROC curve on the eval split.
        auc_tolerance: How far below the AUC of the baseline, the model that was pushed last, the
            new model may be.
        worst_slice_auc_lower_bound: AUC that no product, state or company response may be below
            for certain, which is by its 95% interval; ``None`` for no such gate.
        min_slice_examples: Slices with fewer examples are not held to that.
    """

    auc_lower_bound: float = 0.6
    auc_tolerance: float = 0.0
    worst_slice_auc_lower_bound: float | None = None
    min_slice_examples: int = 100

    def __post_init__(self) -> None:
        require(
            0 <= self.auc_lower_bound <= 1,
            f"evaluation.auc_lower_bound: {self.auc_lower_bound} is not between 0 and 1",
        )
        require(
            0 <= self.auc_tolerance <= 1,
            f"evaluation.auc_tolerance: {self.auc_tolerance} is not between 0 and 1",
        )
        bound = self.worst_slice_auc_lower_bound
        require(
            bound is None or 0 <= bound <= 1,
            f"evaluation.worst_slice_auc_lower_bound: {bound} is not between 0 and 1",
        )
        require(
            self.min_slice_examples >= 1,
            f"evaluation.min_slice_examples: {self.min_slice_examples} is not 1 or more",
        )


def _require_steps(key: str, steps: int) -> None:
    require(
        1 <= steps <= _MAX_STEPS,
        f"{key}: {steps} is not a number of batches; use 1 to {_MAX_STEPS}",
    )
