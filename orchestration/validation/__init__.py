"""Offline validation of a compiled workflow: what Argo, KFP and Kubernetes would refuse.

``validate`` applies every rule of ``RULES`` and returns what it finds. It needs no cluster and
no network. Argo stops at its first error; this does not.
"""

from collections.abc import Mapping
from typing import Any

from orchestration.package import WorkflowPackage, parse_manifest
from orchestration.validation import (
    backend,
    dags,
    names,
    pods,
    resources,
    schema,
    tags,
    templates,
    timing,
)
from orchestration.validation.finding import Finding, Rule
from orchestration.validation.model import Workflow
from orchestration.validation.node import Node

__all__ = ["RULES", "Finding", "Rule", "validate", "validate_text"]

#: All rules, in the order in which their findings are reported.
RULES: tuple[Rule, ...] = (
    *backend.RULES,
    *schema.RULES,
    *names.RULES,
    *templates.RULES,
    *timing.RULES,
    *dags.RULES,
    *tags.RULES,
    *pods.RULES,
    *resources.RULES,
)


def validate(workflow: WorkflowPackage | Mapping[str, Any]) -> list[Finding]:
    """Checks a compiled workflow against every rule.

    Args:
        workflow: What ``read_package`` returns, or a workflow as a mapping.

    Returns:
        What breaks a rule, in the order of ``RULES``; empty for a valid workflow.

    Raises:
        WorkflowError: If a library that knows the rules is missing.
    """
    if isinstance(workflow, WorkflowPackage):
        return _validate(workflow.manifest, len(workflow.text.encode()))
    return _validate(workflow, size=0)


def validate_text(text: str) -> list[Finding]:
    """Checks a compiled workflow that is not in a file yet.

    Args:
        text: The workflow as YAML or JSON.

    Returns:
        What breaks a rule, as of ``validate``.

    Raises:
        WorkflowError: If the text is not YAML, or a library that knows the rules is missing.
    """
    return _validate(parse_manifest(text, "the workflow"), len(text.encode()))


def _validate(manifest: Mapping[str, Any], size: int) -> list[Finding]:
    view = Workflow(Node(dict(manifest)), size)
    return [finding for rule in RULES for finding in rule.findings(view)]
