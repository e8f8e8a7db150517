"""The record of a training as a file."""

import pytest

from components.errors import InputDataError
from components.training_record import TrainingRecord, WarmStart


@pytest.mark.parametrize(
    "warm_start",
    [
        None,
        WarmStart(base_model="/m", taken=("a/b",), fresh={"c": "shape"}, terms=3, known_terms=2),
    ],
)
def test_a_record_is_read_as_it_was_written(warm_start: WarmStart | None) -> None:
    record = TrainingRecord(
        hyperparameters={"batch_size": 50, "l2": 0.5},
        train_examples=400,
        eval_examples=100,
        steps=20,
        cached=True,
        examples_per_second=1234.5,
        warm_start=warm_start,
    )

    assert TrainingRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"warm_start": null, "other": 1}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(InputDataError, match=r"training\.json is not the record of a training"):
        TrainingRecord.from_json(text)
