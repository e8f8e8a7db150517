"""What a training did: written by ``run_fn`` next to its logs, and shown in the report.

TensorFlow is not imported here, so that a report can read a record without it.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from components.errors import InputDataError

#: The record's file in the folder of Trainer's artifact ``model_run``.
RECORD_FILE = "training.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmStart:
    """What a training has taken over from another model.

    Attributes:
        base_model: Folder or URI of that model.
        taken: Names of the weights that were taken over.
        fresh: Why a weight, by its name, was not.
        terms: Terms of the vocabulary.
        known_terms: Those whose weights were taken over.
        problem: Why the model could not be read; ``None`` if it could.
    """

    base_model: str
    taken: tuple[str, ...] = ()
    fresh: Mapping[str, str] = dataclasses.field(default_factory=dict)
    terms: int = 0
    known_terms: int = 0
    problem: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What a training did.

    Attributes:
        hyperparameters: All of them by name, as they were used.
        train_examples: Examples of the train split.
        eval_examples: Examples of the eval split.
        steps: Batches that were trained on.
        cached: Whether the train examples were kept in memory.
        examples_per_second: Median over the epochs, without their evaluation.
        warm_start: What was taken over from another model; ``None`` where none was given.
    """

    hyperparameters: Mapping[str, int | float]
    train_examples: int
    eval_examples: int
    steps: int
    cached: bool
    examples_per_second: float
    warm_start: WarmStart | None = None

    def to_json(self) -> str:
        """Returns the record as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "TrainingRecord":
        """Reads what ``to_json`` wrote.

        Args:
            text: JSON text.

        Raises:
            InputDataError: If it is not a record.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            warm_start = values.pop("warm_start")
            if warm_start is not None:
                warm_start = WarmStart(**(warm_start | {"taken": tuple(warm_start["taken"])}))
            return cls(**values, warm_start=warm_start)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputDataError(
                f"{RECORD_FILE} is not the record of a training: {error}; train anew"
            ) from error
