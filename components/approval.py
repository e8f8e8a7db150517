"""The component Approval: between Evaluator and Pusher, it waits for a person's decision.

A workflow of Argo could suspend instead, but KFP's v1 compiler has no template of that kind, and
ML Metadata would not know who has approved. The pod polls ML Metadata.
"""

import datetime
import os
import time
from typing import Any

from tfx.dsl.components.base import base_component
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import get_single_instance
from tfx.types.channel import BaseChannel, OutputChannel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import approvals, metadata_client
from components.entrypoint import METADATA_CONFIG_VARIABLE
from components.errors import RunError
from components.serving_check import REPORT_PROPERTY

_POLL_SECONDS = 2.0
_REMIND_SECONDS = 600.0

#: Custom property that Pusher reads (tfx.components.infra_validator).
_BLESSED = "blessed"


class ApprovalSpec(ComponentSpec):
    """Inputs and outputs of Approval."""

    PARAMETERS = {"timeout_seconds": ExecutionParameter(type=int)}  # noqa: RUF012 (TFX's way)
    INPUTS = {  # noqa: RUF012
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    # What Pusher takes besides the Evaluator's blessing.
    OUTPUTS = {"approval": ChannelParameter(type=standard_artifacts.InfraBlessing)}  # noqa: RUF012


class Executor(BaseExecutor):
    """Waits for a decision on the run's model."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Waits, and leaves an approval.

        Args:
            input_dict: ``model``, ``model_blessing`` and ``infra_blessing``.
            output_dict: ``approval``.
            exec_properties: ``timeout_seconds``.

        Raises:
            RunError: If somebody has rejected the model, or nobody has decided in time.
        """
        approval = get_single_instance(output_dict["approval"])
        blessings = [
            get_single_instance(input_dict[name]) for name in ("model_blessing", "infra_blessing")
        ]
        if any(blessing.get_int_custom_property(_BLESSED) != 1 for blessing in blessings):
            print("The model is not blessed: there is nothing to approve.")  # noqa: T201 (its log)
            approval.set_int_custom_property(_BLESSED, 0)
            return
        decision = _wait(os.environ["WORKFLOW_ID"], exec_properties["timeout_seconds"])
        approval.set_int_custom_property(_BLESSED, 1)
        approval.set_string_custom_property(approvals.APPROVED_BY, decision.by)
        approval.set_string_custom_property(approvals.NOTE, decision.note)
        # Text, since MySQL keeps whole numbers of 32 bits only.
        decided = datetime.datetime.fromtimestamp(
            decision.milliseconds // 1000, datetime.timezone.utc
        )
        approval.set_string_custom_property(approvals.DECIDED, decided.isoformat())
        # What was checked belongs to what is approved.
        checked = get_single_instance(input_dict["infra_blessing"])
        approval.set_string_custom_property(
            REPORT_PROPERTY, checked.get_string_custom_property(REPORT_PROPERTY)
        )


def _wait(run_id: str, timeout_seconds: int) -> approvals.Decision:
    config = metadata_client.connection_config(os.environ[METADATA_CONFIG_VARIABLE], os.environ)
    store = metadata_client.connect(config)
    execution = approvals.open_execution(store, run_id)
    assert execution is not None  # TFX has registered it before it calls the executor.
    started = time.time()
    reminded = 0.0
    while True:
        decision = approvals.standing_decision(store, run_id, execution)
        if decision is not None:
            if decision.approved:
                return decision
            reason = f": {decision.note}" if decision.note else ""
            raise RunError(f"rejected by {decision.by}{reason}")
        waited = time.time() - started
        if waited >= timeout_seconds:
            raise RunError(
                f"nobody has approved the model within {timeout_seconds} s; retry the run, and "
                "approve it while this step runs"
            )
        if waited - reminded >= _REMIND_SECONDS or not reminded:
            reminded = max(waited, 0.001)
            print(  # noqa: T201 (the step's log)
                f"Waiting for: complaint-pipeline approve {run_id} --by NAME --note TEXT",
                flush=True,
            )
        time.sleep(min(_POLL_SECONDS, max(0.0, timeout_seconds - waited)))


class Approval(base_component.BaseComponent):
    """Holds a blessed model back until somebody has approved it."""

    SPEC_CLASS = ApprovalSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        model_blessing: BaseChannel,
        infra_blessing: BaseChannel,
        timeout_seconds: int,
    ) -> None:
        """Takes what there is to approve.

        Args:
            model: The Trainer's model.
            model_blessing: The Evaluator's blessing; what is not blessed needs no approval.
            infra_blessing: InfraValidator's blessing.
            timeout_seconds: How long to wait for a decision.
        """
        super().__init__(
            spec=ApprovalSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                timeout_seconds=timeout_seconds,
                approval=OutputChannel(standard_artifacts.InfraBlessing, self, "approval"),
            )
        )
