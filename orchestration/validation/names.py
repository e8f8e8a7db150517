"""Argo's rules on names: what they are made of, and that they are unique."""

import re
from collections.abc import Iterable, Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Template, Workflow
from orchestration.validation.node import Node, shown

_SOURCE = "Argo, validateWorkflowFieldNames in workflow/validate/validate.go"

_FIELD_NAME = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_MAX_FIELD_NAME = 128
_PARAMETER_NAME = re.compile(r"[-a-zA-Z0-9_]+")

#: Argo puts the workflow's name into a label, and a label's value has at most 63 characters.
_MAX_WORKFLOW_NAME = 63


@rule("argo-workflow-name", "The workflow's name has at most 63 characters", _SOURCE)
def workflow_name(workflow: Workflow) -> Iterator[Problem]:
    """A generated name is cut by Kubernetes; a fixed one is refused by Argo."""
    node = workflow.root["metadata"]["name"]
    if len(node.text) > _MAX_WORKFLOW_NAME:
        yield Problem(node, f"the name has {len(node.text)} characters, more than 63", "shorten it")


@rule(
    "argo-template-name",
    "Names of templates are letters, digits and '-', at most 128, and unique",
    _SOURCE,
)
def template_name(workflow: Workflow) -> Iterator[Problem]:
    """Tasks, steps and the entrypoint find a template by its name."""
    return _field_names("template", (template.node for template in workflow.named_templates))


@rule(
    "argo-task-name",
    "Names of tasks and steps are letters, digits and '-', at most 128, and unique",
    _SOURCE,
)
def task_name(workflow: Workflow) -> Iterator[Problem]:
    """Dependencies and tags find a task by its name."""
    for template in workflow.templates:
        yield from _field_names("task", (call.node for call in template.tasks))
        steps = (call.node for group in template.step_groups for call in group)
        yield from _field_names("step", steps)
        yield from _leading_digits(template)


@rule(
    "argo-parameter-name",
    "Names of parameters are letters, digits, '-' and '_', and unique",
    _SOURCE,
)
def parameter_name(workflow: Workflow) -> Iterator[Problem]:
    """Tags find a parameter by its name."""
    for holder in _holders(workflow):
        yield from _parameter_names("parameter", holder["parameters"])


@rule(
    "argo-artifact-name",
    "Names of artifacts are letters, digits, '-' and '_', and unique",
    _SOURCE,
)
def artifact_name(workflow: Workflow) -> Iterator[Problem]:
    """Tags find an artifact by its name."""
    for holder in _holders(workflow):
        yield from _parameter_names("artifact", holder["artifacts"])


RULES = (workflow_name, template_name, task_name, parameter_name, artifact_name)


def _holders(workflow: Workflow) -> Iterator[Node]:
    """Yields everything that holds parameters and artifacts."""
    yield workflow.spec["arguments"]
    for template in workflow.templates:
        yield template.node["inputs"]
        yield template.node["outputs"]
        for call in template.calls:
            yield call.node["arguments"]


def _field_names(kind: str, nodes: Iterable[Node]) -> Iterator[Problem]:
    names = [node["name"] for node in nodes]
    for name in names:
        if not name.text:
            yield Problem(name, f"the {kind} has no name", "name it")
        elif not _FIELD_NAME.fullmatch(name.text) or len(name.text) > _MAX_FIELD_NAME:
            yield Problem(
                name,
                f"{shown(name.text)} is not a {kind}'s name",
                "use at most 128 letters, digits and '-', a letter or digit first",
            )
    yield from _duplicates(kind, names)


def _parameter_names(kind: str, holder: Node) -> Iterator[Problem]:
    names = [element["name"] for element in holder.elements()]
    for name in names:
        if not name.text:
            yield Problem(name, f"the {kind} has no name", "name it")
        elif not _PARAMETER_NAME.fullmatch(name.text):
            yield Problem(
                name,
                f"{shown(name.text)} is not the name of {kind}s",
                "use letters, digits, '-' and '_'",
            )
    yield from _duplicates(kind, names)


def _duplicates(kind: str, names: Iterable[Node]) -> Iterator[Problem]:
    seen: dict[str, Node] = {}
    for name in names:
        first = seen.setdefault(name.text, name)
        if name.text and first is not name:
            yield Problem(
                name, f"the {kind} {shown(name.text)} is also at {first.path}", "rename one of them"
            )


def _leading_digits(template: Template) -> Iterator[Problem]:
    """A digit at the start would be a number in Argo's dependency expressions."""
    uses_depends = any(call.node["depends"].text for call in template.tasks)
    for call in template.tasks:
        if call.name[:1].isdigit() and (uses_depends or call.dependencies):
            yield Problem(
                call.node["name"],
                f"the task {shown(call.name)} has dependencies and begins with a digit",
                "begin its name with a letter",
            )
