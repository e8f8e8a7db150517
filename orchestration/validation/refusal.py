"""Refuses a workflow that is not valid."""

import pathlib
from collections.abc import Sequence

from components.errors import WorkflowError
from orchestration.validation.finding import Finding


def refuse(path: pathlib.Path, findings: Sequence[Finding]) -> None:
    """Raises for the first finding.

    Args:
        path: The workflow's file.
        findings: What ``validate`` has found.

    Raises:
        WorkflowError: If there is a finding.
    """
    if findings:
        more = f" (and {len(findings) - 1} more: complaint-pipeline validate)"
        raise WorkflowError(f"{path}: {findings[0]}{more * (len(findings) > 1)}")
