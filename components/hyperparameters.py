"""The model's hyperparameters: names, defaults and limits.

TensorFlow is not imported here, so that overrides can be checked when a pipeline is compiled.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from components.errors import SettingsError

#: The metric that stops a training, and chooses the epoch that is exported.
MONITORED_METRIC = "val_auc"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What shapes and trains the model.

    Attributes:
        batch_size: Examples in a training step.
        learning_rate: Adam's step size of the deep part at the beginning; it falls to 0.
        linear_learning_rate: That of the linear part.
        embedding_dim: Dimensions of a categorical value's embedding.
        text_embedding_dim: Dimensions of a word's embedding, for text encoder ``hashed``.
        hidden_units: Units of the first dense layer.
        hidden_layers: Dense layers; each has half the units of the one before.
        dropout: Share of activations that are dropped in training.
        l2: Weight of the L2 penalty on embeddings and dense layers of the deep part.
        linear_l2: L2 penalty on the categories' weights in the linear part over the whole train
            split, which is 1/C of scikit-learn's LogisticRegression: the fewer the examples, the
            more it counts.
        text_l2: The same on the words' weights.
        patience: Evaluations without a better AUC before training stops; ten are made.
        seed: Seed of weights, dropout and shuffling.
    """

    batch_size: int = 256
    learning_rate: float = 0.002
    linear_learning_rate: float = 0.02
    embedding_dim: int = 16
    text_embedding_dim: int = 32
    hidden_units: int = 64
    hidden_layers: int = 2
    dropout: float = 0.3
    l2: float = 3e-4
    linear_l2: float = 5.0
    text_l2: float = 40.0
    patience: int = 6
    seed: int = 20170422

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least, below = _LIMITS[field.name]
            whole = field.type is int
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                kind = "a whole number" if whole else "a number"
                raise SettingsError(f"hyperparameter {field.name}: {value!r} is not {kind}")
            if not least <= value < below:
                raise SettingsError(
                    f"hyperparameter {field.name}: {value} is not in the range from {least} to "
                    f"below {below}"
                )

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, Any]) -> "Hyperparameters":
        """Returns the defaults with some values replaced.

        Args:
            overrides: Values by name.

        Returns:
            The hyperparameters.

        Raises:
            SettingsError: If a name is unknown, or a value is not valid.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in overrides:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                mend = f"did you mean '{close[0]}'?" if close else f"use one of {', '.join(names)}"
                raise SettingsError(f"unknown hyperparameter '{name}'; {mend}")
        return cls(**overrides)


#: Where a Tuner looks for numbers: the least and the largest, on a logarithmic scale.
TUNED_RANGES: Mapping[str, tuple[float, float]] = {
    "learning_rate": (5e-4, 1e-2),
    "linear_learning_rate": (5e-3, 1e-1),
    "l2": (1e-5, 1e-2),
    "linear_l2": (0.3, 30.0),
    "text_l2": (3.0, 300.0),
}

#: What it chooses among for the others.
TUNED_CHOICES: Mapping[str, tuple[int | float, ...]] = {
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "embedding_dim": (4, 8, 16, 32),
    "hidden_units": (16, 32, 64, 128),
}

#: The least value that is valid, and the first above it that is not.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "batch_size": (1, 2**16),
    "learning_rate": (1e-8, 10),
    "linear_learning_rate": (1e-8, 10),
    "embedding_dim": (1, 2**12),
    "text_embedding_dim": (1, 2**12),
    "hidden_units": (1, 2**14),
    "hidden_layers": (1, 17),
    "dropout": (0, 1),
    "l2": (0, 10),
    "linear_l2": (0, 1e6),
    "text_l2": (0, 1e6),
    "patience": (1, 1_000),
    "seed": (0, 2**31),
}
