"""Hyperparameters and their overrides."""

from typing import Any

import pytest

from components.errors import SettingsError
from components.hyperparameters import Hyperparameters


def test_overrides_replace_defaults_by_name() -> None:
    changed = Hyperparameters.from_overrides({"batch_size": 64, "dropout": 0})

    assert (changed.batch_size, changed.dropout) == (64, 0)
    assert changed.learning_rate == Hyperparameters().learning_rate


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rat": 0.1}, "unknown hyperparameter 'learning_rat'; did you mean 'learning_r"),
        ({"xyz": 1}, "unknown hyperparameter 'xyz'; use one of batch_size, learning_rate"),
        ({"batch_size": 0}, "hyperparameter batch_size: 0 is not in the range from 1"),
        ({"batch_size": 2.5}, "hyperparameter batch_size: 2.5 is not a whole number"),
        ({"dropout": 1.0}, "hyperparameter dropout: 1.0 is not in the range from 0 to below 1"),
        ({"dropout": True}, "hyperparameter dropout: True is not a number"),
        ({"learning_rate": "0.1"}, "hyperparameter learning_rate: '0.1' is not a number"),
        ({"learning_rate": float("nan")}, "hyperparameter learning_rate: nan is not in the range"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Hyperparameters.from_overrides(overrides)

    assert str(caught.value).startswith(message)
