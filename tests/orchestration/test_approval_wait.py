"""What a step says that waits for an approval."""

import json

import pytest

from components.approvals import APPROVAL_TYPE
from orchestration.approval_wait import waiting_note


def args(node_id: str, timeout: object = "3600") -> list[str]:
    def node(name: str, kind: str, **parameters: object) -> dict[str, object]:
        values = {key: {"fieldValue": {"intValue": value}} for key, value in parameters.items()}
        info = {"id": name, "type": {"name": kind}}
        return {"pipelineNode": {"nodeInfo": info, "parameters": {"parameters": values}}}

    nodes = [
        node("Trainer", "tfx.components.trainer.component.Trainer"),
        node("Approval", APPROVAL_TYPE, timeout_seconds=timeout),
    ]
    return ["--x", "y", "--tfx_ir", json.dumps({"nodes": nodes}), "--node_id", node_id]


def test_it_names_the_command_and_the_end_of_the_time() -> None:
    note = waiting_note(args("Approval"), 1_795_590_000.0, "approve RUN --by NAME")

    assert note == (
        "waits for 'approve RUN --by NAME' if the model is blessed, until 2026-11-25 08:00:00 UTC"
    )


def test_without_a_start_there_is_no_end() -> None:
    assert waiting_note(args("Approval"), None, "c") == "waits for 'c' if the model is blessed"


@pytest.mark.parametrize(
    "arguments",
    [
        args("Trainer"),
        args("Approval", "soon"),
        [],
        ["--tfx_ir", "{", "--node_id", "Approval"],
        ["--tfx_ir", "[]", "--node_id", "Approval"],
    ],
)
def test_another_step_waits_for_nobody(arguments: list[str]) -> None:
    assert waiting_note(arguments, 0.0, "c") is None
