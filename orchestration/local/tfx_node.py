"""The node of a pipeline that a step of a workflow runs."""

import json

from components.execution_outcome import Node
from orchestration.workflow import Step


def node_of(step: Step, run_id: str) -> Node:
    """Returns the node of a TFX step.

    Args:
        step: A step that runs TFX.
        run_id: The run's id.
    """
    return Node(
        pipeline=json.loads(step.argument("--tfx_ir") or "{}")["pipelineInfo"]["id"],
        node_id=step.argument("--node_id") or "",
        run_id=run_id,
    )
