"""Argo's rules on time: deadlines, timeouts and retries."""

import re
from collections.abc import Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Argo, workflow/validate/validate.go"
_RETRY_SOURCE = "Argo, processNodeRetries in workflow/controller/operator.go"

RETRY_POLICIES = ("Always", "OnError", "OnFailure", "OnTransientError")

#: What Go's time.ParseDuration takes, without the sign.
_DURATION = re.compile(r"0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


@rule(
    "argo-deadline",
    "activeDeadlineSeconds is 1 or more, and not on DAG or steps templates",
    f"{_SOURCE} (validateLeaf, validateNonLeaf) and Kubernetes, ValidatePodSpec",
)
def deadline(workflow: Workflow) -> Iterator[Problem]:
    """Argo's lint lets 0 pass, but Kubernetes refuses the pod."""
    nodes = [workflow.spec["activeDeadlineSeconds"]]
    for template in workflow.templates:
        node = template.node["activeDeadlineSeconds"]
        if node.exists and template.types and not template.is_leaf:
            yield Problem(
                node,
                f"a {template.types[0]} template takes no deadline",
                "set it on the templates that it calls",
            )
        else:
            nodes.append(node)
    for node in nodes:
        if node.exists and not _is_tag(node) and not _is_count(node, least=1):
            yield Problem(
                node, f"{shown(node.value)} is not a number of seconds", "use a number from 1"
            )


@rule(
    "argo-timeout",
    "A timeout is a duration with its unit, and not on DAG or steps templates",
    f"{_SOURCE} (validateTemplate)",
)
def timeout(workflow: Workflow) -> Iterator[Problem]:
    """Here, unlike in a retry's back-off, Argo refuses bare seconds."""
    for template in workflow.templates:
        node = template.node["timeout"]
        if not node.text or node.templated:
            continue
        if not template.is_leaf:
            yield Problem(
                node, "a DAG or steps template takes no timeout", "set it on the templates called"
            )
        elif node.text == "0" or not _DURATION.fullmatch(node.text):
            yield Problem(
                node, f"{shown(node.text)} is not a duration", "write it as 30s, 5m or 2h"
            )


@rule(
    "argo-retry-policy",
    f"A retryPolicy is one of {', '.join(RETRY_POLICIES)}",
    f"{_SOURCE} (validateTemplateHolder)",
)
def retry_policy(workflow: Workflow) -> Iterator[Problem]:
    """Argo compares it with upper and lower case."""
    for strategy in _retry_strategies(workflow):
        node = strategy["retryPolicy"]
        if node.text and node.text not in RETRY_POLICIES:
            hint = suggestion(node.text, RETRY_POLICIES)
            yield Problem(
                node,
                f"{shown(node.text)} is not a retry policy{hint}",
                f"use one of {', '.join(RETRY_POLICIES)}",
            )


@rule(
    "argo-retry-limit",
    "A retry's limit is a number from 0",
    _RETRY_SOURCE,
)
def retry_limit(workflow: Workflow) -> Iterator[Problem]:
    """Argo reads it when the step has failed: a bad limit costs the run its error message."""
    for strategy in _retry_strategies(workflow):
        node = strategy["limit"]
        if node.exists and not node.templated and not _is_count(node, least=0):
            yield Problem(
                node, f"{shown(node.value)} is not a number of retries", "use a number from 0"
            )


@rule(
    "argo-retry-backoff",
    "A retry's back-off has durations such as 30 or 2m, and a factor from 0",
    _RETRY_SOURCE,
)
def retry_backoff(workflow: Workflow) -> Iterator[Problem]:
    """Argo takes bare numbers as seconds; it needs a duration as soon as there is a back-off."""
    for strategy in _retry_strategies(workflow):
        backoff = strategy["backoff"]
        if backoff.exists and not backoff["duration"].text:
            yield Problem(backoff["duration"], "the back-off has no duration", "give one, as 30s")
        for key in ("duration", "maxDuration", "cap"):
            node = backoff[key]
            if node.text and not node.templated and not _is_duration(node.text):
                yield Problem(
                    node, f"{shown(node.text)} is not a duration", "write it as 30, 30s, 5m or 2h"
                )
        factor = backoff["factor"]
        if factor.exists and not factor.templated and not _is_count(factor, least=0):
            yield Problem(
                factor, f"{shown(factor.value)} is not a factor", "use a whole number from 0"
            )


RULES = (deadline, timeout, retry_policy, retry_limit, retry_backoff)


def _retry_strategies(workflow: Workflow) -> Iterator[Node]:
    yield workflow.spec["retryStrategy"]
    yield workflow.spec["templateDefaults"]["retryStrategy"]
    for template in workflow.templates:
        yield template.node["retryStrategy"]


def _is_tag(node: Node) -> bool:
    return node.text.startswith("{{") and node.text.endswith("}}")


def _is_count(node: Node, least: int) -> bool:
    """Tells whether a number, or a text as Kubernetes' IntOrString, is large enough."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value >= least
    return _WHOLE_NUMBER.fullmatch(node.text) is not None and int(node.text) >= least


def _is_duration(text: str) -> bool:
    return text.isdecimal() or _DURATION.fullmatch(text) is not None
