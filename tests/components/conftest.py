"""What the tests that train share.

TensorFlow is imported only where it is used, so that collecting the quick tests stays quick.
"""

import dataclasses
import os
import pathlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from components.complaints_csv import Complaint
from components.features import NARRATIVE_KEY, TEXT_COLUMNS
from tests import transformed_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_HASHED = {"kind": "hashed", "handle": None}

#: A narrative that begins with one of these decides the label of the made complaints.
_DISPUTED, _UNDISPUTED = "They refused {$12.00} and lied on XX/XX/2015", "Thank you, all is fine"


def _made_complaint(rng: random.Random) -> Complaint:
    """A complaint that can be learned, with every column but the product missing at times."""
    disputed = int(rng.random() < 0.4)
    row = dict.fromkeys(TEXT_COLUMNS, "")
    row["product"] = rng.choice(["Mortgage", "Credit card", "Student loan"])
    row[NARRATIVE_KEY] = (_DISPUTED if disputed else _UNDISPUTED) if rng.random() < 0.9 else ""
    if rng.random() < 0.8:
        row |= {"company": f"Bank {rng.randrange(9)}", "zip_code": "335XX", "state": "FL"}
    return Complaint(tuple(row[column].encode() for column in TEXT_COLUMNS), disputed)


@dataclasses.dataclass(frozen=True)
class Transformed:
    """What Transform leaves for the Trainer."""

    graph: str
    train_files: list[str]
    eval_files: list[str]
    raw_eval_examples: list[bytes]
    disputed_narrative: str = _DISPUTED
    undisputed_narrative: str = _UNDISPUTED


def _transform(folder: pathlib.Path, text_encoder: dict[str, Any]) -> Transformed:
    rng = random.Random(7)
    splits = {
        split: [_made_complaint(rng) for _ in range(rows)]
        for split, rows in (("train", 400), ("eval", 100))
    }
    data = transformed_data.transform(folder, splits, text_encoder)
    return Transformed(
        graph=data.graph,
        train_files=data.files["train"],
        eval_files=data.files["eval"],
        raw_eval_examples=data.raw_examples["eval"],
    )


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Complaints that Transform has seen, for text encoder ``hashed``."""
    return _transform(tmp_path_factory.mktemp("transformed"), _HASHED)


@pytest.fixture(scope="session")
def transform() -> Callable[[pathlib.Path, dict[str, Any]], Transformed]:
    """Transforms the same complaints for another text encoder, into a folder."""
    return _transform


@pytest.fixture
def make_fn_args(transformed: Transformed, tmp_path: pathlib.Path) -> Callable[..., Any]:
    """Makes the Trainer's arguments; each attempt has folders of its own, as TFX gives them."""
    from tfx.components.trainer.fn_args_utils import FnArgs

    def make(attempt: int = 1, data: Transformed = transformed, **changes: Any) -> Any:
        config = {"text_encoder": _HASHED, "decision_threshold": 0.25, "class_weights": False}
        config["hyperparameters"] = {"batch_size": 50, "learning_rate": 0.02}
        config |= changes.pop("custom_config", {})
        arguments: dict[str, Any] = {
            "train_files": data.train_files,
            "eval_files": data.eval_files,
            "train_steps": 20,
            "eval_steps": 2,
            "transform_output": data.graph,
            "serving_model_dir": str(tmp_path / f"Trainer/model/{attempt}/Format-Serving"),
            "model_run_dir": str(tmp_path / f"Trainer/model_run/{attempt}"),
            "custom_config": config,
        }
        return FnArgs(**(arguments | changes))

    return make
