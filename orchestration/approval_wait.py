"""What a step that waits for a person's approval says of itself, here and on Kubeflow."""

import itertools
import json
from collections.abc import Sequence

from components.approvals import APPROVAL_TYPE
from orchestration.times import utc


def waiting_note(args: Sequence[str], started: float | None, command: str) -> str | None:
    """Returns what a step waits for.

    Args:
        args: The arguments of the step's container.
        started: When it began to wait, seconds since 1970; ``None`` where that is not known.
        command: The command that approves the run's model.

    Returns:
        The command and the end of the time; ``None`` for a step that waits for nobody.
    """
    timeout = _timeout_seconds(args)
    if timeout is None:
        return None
    until = "" if started is None else f", until {utc(started + timeout)}"
    return f"waits for '{command}' if the model is blessed{until}"


def _timeout_seconds(args: Sequence[str]) -> int | None:
    """Returns how long the approval that the arguments name waits; ``None`` for another node."""
    values = dict(itertools.pairwise(args))
    try:
        nodes = json.loads(values["--tfx_ir"])["nodes"]
        for node in (item.get("pipelineNode") or {} for item in nodes):
            info = node.get("nodeInfo") or {}
            if info.get("id") == values["--node_id"] and info["type"]["name"] == APPROVAL_TYPE:
                value = node["parameters"]["parameters"]["timeout_seconds"]
                return int(value["fieldValue"]["intValue"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return None
