"""Argo's rules on templates: their type, images and files, and those that start first and last."""

from collections.abc import Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import TEMPLATE_TYPES, Template, Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Argo, workflow/validate/validate.go"

_RESOURCE_ACTIONS = ("get", "create", "apply", "delete", "replace", "patch")
_POD_GC = ("OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess")


@rule("argo-template-type", "Every template has exactly one type", f"{_SOURCE} (TemplateType)")
def template_type(workflow: Workflow) -> Iterator[Problem]:
    """The type says what the template does."""
    for template in workflow.templates:
        if len(template.types) != 1:
            found = " and ".join(template.types) or "none"
            yield Problem(
                template.node,
                f"the template's type is {found}",
                f"give it exactly one of {', '.join(TEMPLATE_TYPES)}",
            )


@rule("argo-image", "Every container names its image", f"{_SOURCE} (validateLeaf)")
def image(workflow: Workflow) -> Iterator[Problem]:
    """``templateDefaults`` may name the image of all containers or scripts."""
    defaults = workflow.spec["templateDefaults"]
    given = [key for key in ("container", "script") if defaults[key]["image"].text]
    for template in workflow.templates:
        defaulted = [template.node[key] for key in given]
        for container in template.containers:
            node = container["image"]
            if not node.text.strip() and container not in defaulted:
                yield Problem(node, "the container has no image", "name one")


@rule(
    "argo-init-container",
    "Every init container and sidecar has a name",
    f"{_SOURCE} (validateInitContainers)",
)
def init_container(workflow: Workflow) -> Iterator[Problem]:
    """The main container is named by Argo, the others are not."""
    for template in workflow.templates:
        for key in ("initContainers", "sidecars"):
            for container in template.node[key].elements():
                if not container["name"].text:
                    yield Problem(container["name"], "the container has no name", "name it")


@rule(
    "argo-mount-path",
    "A container mounts one thing at a path",
    f"{_SOURCE} (validateLeaf) and Kubernetes, ValidateVolumeMounts",
)
def mount_path(workflow: Workflow) -> Iterator[Problem]:
    """Argo mounts input artifacts into the main container, next to its volumes."""
    for template in workflow.templates:
        for index, container in enumerate(template.containers):
            paths = [mount["mountPath"] for mount in container["volumeMounts"].elements()]
            if index == 0:
                artifacts = template.node["inputs"]["artifacts"]
                paths += [artifact["path"] for artifact in artifacts.elements()]
            seen: dict[str, Node] = {}
            for path in paths:
                first = seen.setdefault(path.text, path)
                if path.text and first is not path:
                    yield Problem(
                        path,
                        f"{shown(path.text)} is also mounted by {first.path}",
                        "mount it somewhere else",
                    )


@rule(
    "argo-artifact-path",
    "Artifacts of leaf templates have a path, others have none",
    f"{_SOURCE} (validateInputs, validateOutputs)",
)
def artifact_path(workflow: Workflow) -> Iterator[Problem]:
    """Only a container has a file system to put an artifact into."""
    for template in workflow.templates:
        for key in ("inputs", "outputs"):
            for artifact in template.node[key]["artifacts"].elements():
                path = artifact["path"]
                if not template.is_leaf:
                    if path.text:
                        yield Problem(path, "a DAG or steps template has no files", "remove it")
                elif not path.text:
                    yield Problem(path, "the artifact has no path", "give the file's path")


@rule(
    "argo-parallelism",
    "parallelism stands on DAG and steps templates only",
    f"{_SOURCE} (validateLeaf)",
)
def parallelism(workflow: Workflow) -> Iterator[Problem]:
    """A leaf template has nothing to run in parallel."""
    for template in workflow.templates:
        node = template.node["parallelism"]
        if node.exists and template.is_leaf:
            yield Problem(node, "a leaf template takes no parallelism", "set it on the DAG")


@rule(
    "argo-resource",
    "A resource template has a known action, and a manifest where it needs one",
    f"{_SOURCE} (validateLeaf)",
)
def resource(workflow: Workflow) -> Iterator[Problem]:
    """Such a template creates, changes or deletes a Kubernetes object."""
    for template in workflow.templates:
        node = template.node["resource"]
        action = node["action"]
        if not node.exists or action.templated:
            continue
        if action.text not in _RESOURCE_ACTIONS:
            yield Problem(
                action,
                f"{shown(action.value)} is not an action",
                f"use one of {', '.join(_RESOURCE_ACTIONS)}",
            )
        elif action.text not in ("get", "delete"):
            given = sum(bool(node[key].value) for key in ("manifest", "manifestFrom"))
            if given != 1:
                yield Problem(
                    node["manifest"],
                    f"{'both' if given else 'neither'} of manifest and manifestFrom are given",
                    "give one of them",
                )


@rule(
    "argo-output",
    "An output parameter says where its value comes from",
    f"{_SOURCE} (validateOutputParameter)",
)
def output_parameter(workflow: Workflow) -> Iterator[Problem]:
    """A pod's output is a file's content, a DAG's is a task's output."""
    for template in workflow.templates:
        for parameter in template.node["outputs"]["parameters"].elements():
            value, source = parameter["value"], parameter["valueFrom"]
            if value.exists == source.exists:
                found = "both" if value.exists else "neither"
                yield Problem(
                    parameter, f"{found} of value and valueFrom are given", "give one of them"
                )
            elif source.exists and not any(source[key].exists for key in _sources(template)):
                keys = " or ".join(_sources(template))
                yield Problem(source, "it does not say where the value comes from", f"give {keys}")


@rule("argo-entrypoint", "The entrypoint is a template", f"{_SOURCE} (ValidateWorkflow)")
def entrypoint(workflow: Workflow) -> Iterator[Problem]:
    """KFP does not check it at the upload; Argo does when the run starts."""
    node = workflow.spec["entrypoint"]
    if not node.text:
        yield Problem(node, "the workflow has no entrypoint", "name a template")
    else:
        yield from _must_be_template(workflow, node)


@rule("argo-on-exit", "The exit handler is a template", f"{_SOURCE} (ValidateWorkflow)")
def on_exit(workflow: Workflow) -> Iterator[Problem]:
    """The exit handler runs at the end, whether the workflow succeeds or fails."""
    node = workflow.spec["onExit"]
    if node.text:
        yield from _must_be_template(workflow, node)
    for name, hook in _hooks(workflow):
        template = hook["template"]
        if template.text:
            yield from _must_be_template(workflow, template)
        if name != "exit" and not hook["expression"].text:
            yield Problem(hook, "the hook has no expression", "say when it runs")


@rule("argo-pod-gc", "podGC has a strategy of Argo's", f"{_SOURCE} (ValidateWorkflow)")
def pod_gc(workflow: Workflow) -> Iterator[Problem]:
    """It says when Argo deletes the pods."""
    node = workflow.spec["podGC"]["strategy"]
    if node.text and node.text not in _POD_GC:
        hint = suggestion(node.text, _POD_GC)
        yield Problem(
            node, f"{shown(node.text)} is not a strategy{hint}", f"use one of {', '.join(_POD_GC)}"
        )


RULES = (
    template_type,
    image,
    init_container,
    mount_path,
    artifact_path,
    parallelism,
    resource,
    output_parameter,
    entrypoint,
    on_exit,
    pod_gc,
)


def _hooks(workflow: Workflow) -> Iterator[tuple[str, Node]]:
    yield from workflow.spec["hooks"].items()
    for template in workflow.templates:
        for call in template.calls:
            yield from call.node["hooks"].items()


def _sources(template: Template) -> tuple[str, ...]:
    if template.node["resource"].exists:
        return ("jsonPath", "jqFilter")
    if template.is_pod:
        return ("path",)
    return ("supplied",) if template.is_leaf else ("parameter", "expression")


def _must_be_template(workflow: Workflow, node: Node) -> Iterator[Problem]:
    if node.text not in workflow.by_name:
        hint = suggestion(node.text, workflow.by_name)
        yield Problem(
            node, f"there is no template {shown(node.text)}{hint}", "name one of spec.templates"
        )
