"""Placeholders are filled in once, and an unknown one is an error."""

import datetime

import pytest

from components.errors import WorkflowError
from orchestration.local.placeholders import fill_in, fill_in_macros

VALUES = {"workflow.name": "run-1", "inputs.parameters.data-root": "{{workflow.name}}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{workflow.name}}", "run-1"),
        ("a {{ workflow.name }} b {{workflow.name}}", "a run-1 b run-1"),
        # A value that looks like a placeholder is data.
        ("{{inputs.parameters.data-root}}", "{{workflow.name}}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ],
)
def test_a_text_is_filled_in_once(text: str, expected: str) -> None:
    assert fill_in(text, VALUES, "step a") == expected


def test_an_unknown_placeholder_names_the_place_and_what_is_known() -> None:
    with pytest.raises(
        WorkflowError, match=r"step a: no value for \{\{retries\}\}.*workflow\.name"
    ):
        fill_in("{{retries}}", VALUES, "step a")


def test_kubeflows_macros_are_filled_in() -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)

    assert fill_in_macros("out/[[RunUUID]]/[[CurrentTime]]", "42", now) == "out/42/20260102030405"
