"""Argo's rules on DAGs and steps: what calls what, in which order, with which arguments."""

import graphlib
from collections.abc import Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Call, Template, Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Argo, workflow/validate/validate.go (validateDAG)"

#: Results in a ``depends`` expression; TaskResult in Argo's workflow/common/ancestry.go.
_ITEM_RESULTS = ("AnySucceeded", "AllFailed")
_RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Daemoned", *_ITEM_RESULTS)


@rule("argo-dag-empty", "A DAG has at least one task", _SOURCE)
def dag_empty(workflow: Workflow) -> Iterator[Problem]:
    """A DAG without tasks would end as soon as it starts."""
    for template in workflow.templates:
        if template.node["dag"].exists and not template.tasks:
            yield Problem(template.node["dag"]["tasks"], "the DAG has no tasks", "add one")


@rule("argo-dependency", "A task depends on tasks of the same DAG", _SOURCE)
def dependency(workflow: Workflow) -> Iterator[Problem]:
    """A dependency is the name of a task, not of a template."""
    for template in workflow.templates:
        names = [call.name for call in template.tasks]
        for call in template.tasks:
            nodes = list(call.node["dependencies"].elements())
            if call.node["depends"].text:
                nodes = [call.node["depends"]] * len(call.dependencies)
            for name, node in zip(call.dependencies, nodes, strict=True):
                if name not in names:
                    yield Problem(
                        node,
                        f"the DAG has no task {shown(name)}{suggestion(name, names)}",
                        "name one of its tasks",
                    )


@rule("argo-dag-cycle", "No task waits for itself, directly or through others", _SOURCE)
def dag_cycle(workflow: Workflow) -> Iterator[Problem]:
    """None of the tasks in a cycle could ever start."""
    for template in workflow.templates:
        graph = {call.name: call.dependencies for call in template.tasks}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            # graphlib lists the cycle in running order; a reader follows the dependencies.
            cycle = " -> ".join(reversed(error.args[1]))
            yield Problem(
                template.node["dag"]["tasks"],
                f"tasks wait for each other: {cycle}",
                "remove one of these dependencies",
            )


@rule(
    "argo-depends",
    "A DAG uses depends or dependencies, not both, and Argo's task results",
    f"{_SOURCE}; ValidateTaskResults in workflow/common/ancestry.go",
)
def depends(workflow: Workflow) -> Iterator[Problem]:
    """``depends`` also replaces ``continueOn``."""
    for template in workflow.templates:
        if any(call.node["depends"].text for call in template.tasks):
            yield from _mixed(template)
            for call in template.tasks:
                yield from _results(template, call)


@rule(
    "argo-template-reference",
    "Every task and step calls a template of the workflow",
    "Argo, workflow/validate/validate.go (validateTemplateHolder)",
)
def template_reference(workflow: Workflow) -> Iterator[Problem]:
    """A task names a template, or holds one inline."""
    for template in workflow.templates:
        for call in template.calls:
            node = call.node["template"]
            given = [key for key in ("template", "templateRef", "inline") if call.node[key].exists]
            if len(given) != 1:
                found = " and ".join(given) or "no template"
                yield Problem(node, f"the task calls {found}", "name one template")
            elif node.exists and not node.templated and node.text not in workflow.by_name:
                hint = suggestion(node.text, workflow.by_name)
                yield Problem(
                    node,
                    f"there is no template {shown(node.value)}{hint}",
                    "name one of spec.templates",
                )


@rule(
    "argo-arguments",
    "A template gets every input that has no default",
    "Argo, ProcessArgs in workflow/common/util.go",
)
def arguments(workflow: Workflow) -> Iterator[Problem]:
    """Argo ignores an argument that the template does not take."""
    for template in workflow.templates:
        for call in template.calls:
            called = workflow.called(call)
            yield from _without_value(call.node["arguments"])
            if called is not None:
                yield from _missing(called, call.node["arguments"])
    for key in ("entrypoint", "onExit"):
        started = workflow.by_name.get(workflow.spec[key].text)
        if started is not None:
            yield from _missing(started, workflow.spec["arguments"])


@rule(
    "argo-loop",
    "A task has at most one of withItems, withParam and withSequence",
    "Argo, workflow/validate/validate.go (addItemsToScope)",
)
def loop(workflow: Workflow) -> Iterator[Problem]:
    """Each of them makes a run of the task for each of its items."""
    for template in workflow.templates:
        for call in template.calls:
            keys = ("withItems", "withParam", "withSequence")
            given = [key for key in keys if call.node[key].value]
            if len(given) > 1:
                yield Problem(call.node[given[1]], f"{' and '.join(given)} are given", "keep one")
            sequence = call.node["withSequence"]
            if sequence["count"].exists and sequence["end"].exists:
                yield Problem(sequence["end"], "count and end are given", "keep one")


@rule("argo-dag-target", "A DAG's targets are tasks of it", f"{_SOURCE} (validateDAGTargets)")
def dag_target(workflow: Workflow) -> Iterator[Problem]:
    """Argo runs the targets, and what they depend on."""
    for template in workflow.templates:
        node = template.node["dag"]["target"]
        names = [call.name for call in template.tasks]
        for name in node.text.split():
            if name not in names and "{{" not in name:
                yield Problem(node, f"the DAG has no task {shown(name)}", "name some of its tasks")


RULES = (
    dag_empty,
    dependency,
    dag_cycle,
    depends,
    template_reference,
    arguments,
    loop,
    dag_target,
)


def _mixed(template: Template) -> Iterator[Problem]:
    for call in template.tasks:
        for key in ("dependencies", "continueOn"):
            if call.node[key].value:
                yield Problem(
                    call.node[key],
                    f"the DAG uses both depends and {key}",
                    "write all of it as depends expressions",
                )


def _results(template: Template, call: Call) -> Iterator[Problem]:
    loops = {other.name for other in template.tasks if other.loops}
    node = call.node["depends"]
    for name, result in call.depends_terms:
        if result and result not in _RESULTS:
            yield Problem(
                node,
                f"{shown(result)} is not a task's result{suggestion(result, _RESULTS)}",
                f"use one of {', '.join(_RESULTS)}",
            )
        elif result in _ITEM_RESULTS and name not in loops:
            yield Problem(
                node,
                f"{name}.{result} asks for a loop, and the task {name} is none",
                "use Succeeded or Failed",
            )


def _missing(called: Template, given: Node) -> Iterator[Problem]:
    """Yields the inputs that have neither an argument nor a default."""
    for kind, defaults in (
        ("parameters", ("default", "value", "valueFrom")),
        ("artifacts", ("optional", *_ARTIFACT_LOCATIONS)),
    ):
        names = {element["name"].text for element in given[kind].elements()}
        for element in called.node["inputs"][kind].elements():
            name = element["name"].text
            if name not in names and not any(element[key].exists for key in defaults):
                yield Problem(
                    given[kind],
                    f"template {shown(called.name)} takes {shown(name)}, which is not given"
                    f"{suggestion(name, names)}",
                    f"add it to the arguments, or give it a default in {element.path}",
                )


#: Where an artifact may come from; ArtifactLocation in Argo's workflow_types.go.
_ARTIFACT_LOCATIONS = (
    "artifactory",
    "azure",
    "gcs",
    "git",
    "hdfs",
    "http",
    "oss",
    "plugin",
    "raw",
    "s3",
)


def _without_value(given: Node) -> Iterator[Problem]:
    for parameter in given["parameters"].elements():
        if not parameter["value"].exists and not parameter["valueFrom"].exists:
            yield Problem(parameter, "the argument has no value", "give one")
    sources = ("from", "fromExpression", *_ARTIFACT_LOCATIONS)
    for artifact in given["artifacts"].elements():
        if not any(artifact[key].exists for key in sources):
            yield Problem(artifact, "the artifact comes from nowhere", "give its from")
