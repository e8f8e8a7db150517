"""Fills in the placeholders of a workflow: Argo's ``{{...}}`` and Kubeflow's ``[[...]]``."""

import datetime
import re
from collections.abc import Mapping

from components.errors import WorkflowError

_TAG = re.compile(r"\{\{\s*(?P<name>[^{}]*?)\s*\}\}")

# Kubeflow replaces these in the values of run parameters:
# https://github.com/kubeflow/pipelines/blob/1.8.5/backend/src/apiserver/common/const.go
_RUN_ID_MACRO = "[[RunUUID]]"
_CURRENT_TIME_MACRO = "[[CurrentTime]]"


def fill_in(text: str, values: Mapping[str, str], place: str) -> str:
    """Fills in Argo's placeholders, once: a value's own braces stay as they are.

    Args:
        text: Text with placeholders such as ``{{inputs.parameters.data-root}}``.
        values: Values by the placeholder's name, such as ``workflow.name``.
        place: Where the text stands, for the message.

    Returns:
        The text without placeholders.

    Raises:
        WorkflowError: If a placeholder has no value.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in values:
            raise WorkflowError(
                f"{place}: no value for {{{{{name}}}}} without a cluster; known here are "
                f"{', '.join(sorted(values))}"
            )
        return values[name]

    return _TAG.sub(value, text)


def fill_in_macros(text: str, run_id: str, now: datetime.datetime) -> str:
    """Fills in Kubeflow's macros in the value of a run parameter.

    Args:
        text: The value.
        run_id: What ``[[RunUUID]]`` stands for.
        now: What ``[[CurrentTime]]`` stands for, in UTC.

    Returns:
        The value without macros.
    """
    return text.replace(_RUN_ID_MACRO, run_id).replace(
        _CURRENT_TIME_MACRO, now.strftime("%Y%m%d%H%M%S")
    )
