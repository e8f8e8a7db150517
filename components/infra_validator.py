"""The component InfraValidator: can the model be served, and does it answer as it was evaluated?

TFX's own starts TensorFlow Serving in Docker or Kubernetes, which a pod may not, and a laptop may
not have. This one loads the model in a fresh process; see ``components.serving_check``.
"""

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from tfx.dsl.components.base import base_component
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact_utils import get_single_instance
from tfx.types.channel import BaseChannel, OutputChannel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import path_utils

from components.charts.evaluation_files import read_evaluation
from components.errors import RunError
from components.serving_check import REPORT_PROPERTY, Request

#: Custom property that Pusher reads (tfx.components.infra_validator).
_BLESSED = "blessed"

_SPLIT = "eval"
_TIMEOUT_SECONDS = 1_800

#: Above it, the examples of the evaluation are not predicted a second time.
_MAX_EVALUATED = 100_000


class InfraValidatorSpec(ComponentSpec):
    """Inputs and outputs of InfraValidator."""

    PARAMETERS = {"code_hash": ExecutionParameter(type=str)}  # noqa: RUF012 (TFX's way)
    INPUTS = {  # noqa: RUF012
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}  # noqa: RUF012


class Executor(BaseExecutor):
    """Checks a blessed model in a fresh process."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks, and leaves a blessing.

        Args:
            input_dict: ``model``, ``examples``, ``model_blessing`` and ``evaluation``.
            output_dict: ``blessing``.
            exec_properties: Nothing that is read.

        Raises:
            RunError: If the model cannot be served, or answers other than it was evaluated.
        """
        del exec_properties
        infra_blessing = get_single_instance(output_dict["blessing"])
        model_blessing = get_single_instance(input_dict["model_blessing"])
        if model_blessing.get_int_custom_property(_BLESSED) != 1:
            print("The model is not blessed: it is not pushed, and not checked.")  # noqa: T201 (log)
            infra_blessing.set_int_custom_property(_BLESSED, 0)
            return
        examples = artifact_utils.get_split_uri(input_dict["examples"], _SPLIT)
        model = get_single_instance(input_dict["model"])
        request = Request(
            model=path_utils.serving_model_path(model.uri),
            examples=sorted(fileio.glob(os.path.join(examples, "*"))),  # noqa: PTH118 (may be a URI)
            mean_prediction=_mean_prediction(get_single_instance(input_dict["evaluation"]).uri),
        )
        report = check_in_fresh_process(request)
        print(f"The model can be served: {report}")  # noqa: T201
        infra_blessing.set_int_custom_property(_BLESSED, 1)
        infra_blessing.set_string_custom_property(REPORT_PROPERTY, report)


def check_in_fresh_process(request: Request, timeout_seconds: float = _TIMEOUT_SECONDS) -> str:
    """Runs the check as a server would load the model: by itself.

    Args:
        request: What is to be checked.
        timeout_seconds: How long it may take.

    Returns:
        JSON of ``serving_check.Report``.

    Raises:
        RunError: If the check fails, ends by a signal, or takes too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "components.serving_check"],
            input=json.dumps(dataclasses.asdict(request)),
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{request.model}: did not answer within {timeout_seconds:g} s") from None
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode == 0 and last:
        return last
    if done.returncode == 1 and last:
        raise RunError(last)
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    raise RunError(f"{request.model}: the process that has loaded it ended by {ended}; see the log")


def _mean_prediction(evaluation: str) -> float | None:
    """Returns the Evaluator's mean prediction, where its examples are few enough to ask again."""
    metrics = read_evaluation(evaluation).of_candidate()
    if metrics.get("example_count", _MAX_EVALUATED + 1) > _MAX_EVALUATED:
        return None
    return metrics.get("mean_prediction")


class InfraValidator(base_component.BaseComponent):
    """Checks that a blessed model can be served before it is pushed."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        examples: BaseChannel,
        model_blessing: BaseChannel,
        evaluation: BaseChannel,
        code_hash: str = "",
    ) -> None:
        """Takes what there is to check.

        Args:
            model: The Trainer's model.
            examples: The raw examples that it was evaluated on.
            model_blessing: The Evaluator's blessing; what is not blessed is not checked.
            evaluation: What the Evaluator has measured.
            code_hash: Hash of the code that checks, for the cache key.
        """
        super().__init__(
            spec=InfraValidatorSpec(
                model=model,
                examples=examples,
                model_blessing=model_blessing,
                evaluation=evaluation,
                code_hash=code_hash,
                blessing=OutputChannel(standard_artifacts.InfraBlessing, self, "blessing"),
            )
        )
