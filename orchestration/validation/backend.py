"""Rules of the KFP backend, and on the size of a workflow as a whole."""

import json
from collections.abc import Iterator
from typing import Any

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Template, Workflow
from orchestration.validation.node import Node, shown
from orchestration.workflow import TFX_ENTRY_POINTS

API_VERSION = "argoproj.io/v1alpha1"
KIND = "Workflow"

#: Limits of the backend, in backend/src/apiserver/server (size and name; KFP 2.17 takes names
#: of 128 bytes) and backend/src/common/util (parameters).
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_NAME_BYTES = 100
MAX_PARAMETERS_BYTES = 10_000

#: etcd's default --max-request-bytes: https://etcd.io/docs/v3.5/dev-guide/limit/
MAX_ETCD_BYTES = 1536 * 1024

_PIPELINE_SPEC = "pipelines.kubeflow.org/pipeline_spec"
_SDK_TYPE = "pipelines.kubeflow.org/pipeline-sdk-type"


@rule(
    "kfp-api-version",
    f"The apiVersion is {API_VERSION}",
    "KFP, apiserver/template/argo_template.go",
)
def api_version(workflow: Workflow) -> Iterator[Problem]:
    """KFP takes no other version."""
    node = workflow.root["apiVersion"]
    if node.value != API_VERSION:
        found = shown(node.value) if node.exists else "missing"
        yield Problem(node, f"the apiVersion is {found}", f"set it to {API_VERSION}")


@rule("kfp-kind", f"The kind is {KIND}", "KFP, apiserver/template/argo_template.go")
def kind(workflow: Workflow) -> Iterator[Problem]:
    """KFP takes no other kind, such as a CronWorkflow."""
    node = workflow.root["kind"]
    if node.value != KIND:
        found = shown(node.value) if node.exists else "missing"
        yield Problem(node, f"the kind is {found}", f"set it to {KIND}")


@rule("kfp-size", "The file has at most 32 MiB", "KFP, backend/src/apiserver/server")
def file_size(workflow: Workflow) -> Iterator[Problem]:
    """KFP refuses to load a larger file."""
    if workflow.size > MAX_FILE_BYTES:
        yield Problem(
            workflow.root,
            f"the file has {workflow.size:,} bytes, more than KFP's {MAX_FILE_BYTES:,}",
            "take large data out of it",
        )


@rule("etcd-size", "The workflow has at most 1.5 MiB as JSON", "etcd's --max-request-bytes")
def etcd_size(workflow: Workflow) -> Iterator[Problem]:
    """Kubernetes cannot store a larger object."""
    size = _json_size(workflow.root)
    if size > MAX_ETCD_BYTES:
        yield Problem(
            workflow.root,
            f"the workflow has {size:,} bytes as JSON, more than the {MAX_ETCD_BYTES:,} that "
            "etcd stores",
            "take large arguments out of it",
        )


@rule(
    "kfp-pipeline-name",
    "The pipeline's name has at most 100 bytes (128 from KFP 2.17)",
    "KFP, backend/src/apiserver/server",
)
def pipeline_name(workflow: Workflow) -> Iterator[Problem]:
    """The name under which the file is uploaded is the one that it was compiled with."""
    spec, node = _pipeline_spec(workflow)
    name = spec.get("name") if isinstance(spec, dict) else None
    if not isinstance(name, str):
        node = workflow.root["metadata"]["generateName"]
        name = node.text.removesuffix("-")
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_NAME_BYTES:
        yield Problem(
            node,
            f"the pipeline's name {shown(name)} has {size} bytes, more than {MAX_NAME_BYTES}",
            "shorten it",
        )


@rule(
    "kfp-parameters-size",
    "The parameters have at most 10,000 bytes as JSON",
    "KFP, backend/src/common/util",
)
def parameters_size(workflow: Workflow) -> Iterator[Problem]:
    """KFP keeps the parameters in a column of its database."""
    node = workflow.spec["arguments"]["parameters"]
    size = _json_size(node) if node.exists else 0
    if size > MAX_PARAMETERS_BYTES:
        yield Problem(
            node,
            f"the parameters have {size:,} bytes as JSON, more than {MAX_PARAMETERS_BYTES:,}",
            "shorten their defaults",
        )


@rule(
    "kfp-pipeline-spec",
    "The pipeline_spec annotation is JSON and lists the workflow's parameters",
    "the KFP UI, which asks for the run's parameters by it",
)
def pipeline_spec(workflow: Workflow) -> Iterator[Problem]:
    """A parameter that only one of the two has cannot be set from the UI, or has no effect."""
    spec, node = _pipeline_spec(workflow)
    if not node.exists:
        return
    if not isinstance(spec, dict):
        yield Problem(node, "the annotation is not a JSON object", "compile the pipeline again")
        return
    inputs = Node(spec, node.path)["inputs"]
    listed = {element["name"].text for element in inputs.elements()}
    parameters = workflow.spec["arguments"]["parameters"]
    declared = {element["name"].text for element in parameters.elements()}
    for name in sorted(listed - declared):
        mend = f"declare it in {parameters.path}"
        yield Problem(node, f"the workflow has no parameter {shown(name)}", mend)
    for name in sorted(declared - listed):
        mend = "list it in the annotation's inputs"
        yield Problem(node, f"the annotation lacks the parameter {shown(name)}", mend)


@rule(
    "kfp-tfx-label",
    "Steps of TFX have the label that keeps KFP's own step cache away",
    "KFP, cache/server/mutation.go (isTFXPod)",
)
def tfx_label(workflow: Workflow) -> Iterator[Problem]:
    """KFP's cache would skip the pod, and with it TFX's record of the execution."""
    everywhere = workflow.spec["podMetadata"]["labels"][_SDK_TYPE].text
    for template in workflow.templates:
        label = template.node["metadata"]["labels"][_SDK_TYPE]
        # Any value with "tfx" in it will do: TFX's templates write tfx-template.
        if _runs_tfx(template) and "tfx" not in (label.text or everywhere):
            yield Problem(
                label,
                "the step runs TFX without its label, so that KFP's cache may skip it",
                f"add the label {_SDK_TYPE}: tfx",
            )


@rule(
    "kfp-template-ref",
    "Templates are in the file, not in a WorkflowTemplate",
    "KFP, apiserver/template/argo_template.go: lint runs without access to WorkflowTemplates",
)
def template_ref(workflow: Workflow) -> Iterator[Problem]:
    """KFP cannot look a WorkflowTemplate up while it checks the file."""
    nodes = [workflow.spec["workflowTemplateRef"]]
    nodes += [call.node["templateRef"] for item in workflow.templates for call in item.calls]
    for node in nodes:
        if node.exists:
            yield Problem(node, "KFP cannot look up a WorkflowTemplate", "copy the template here")


RULES = (
    api_version,
    kind,
    file_size,
    etcd_size,
    pipeline_name,
    parameters_size,
    pipeline_spec,
    tfx_label,
    template_ref,
)


def _runs_tfx(template: Template) -> bool:
    words = (
        word.text
        for container in template.containers
        for key in ("command", "args")
        for word in container[key].elements()
    )
    return any(module in word for word in words for module in TFX_ENTRY_POINTS)


def _pipeline_spec(workflow: Workflow) -> tuple[Any, Node]:
    node = workflow.root["metadata"]["annotations"][_PIPELINE_SPEC]
    try:
        return json.loads(node.text), node
    except (ValueError, RecursionError):
        return None, node


def _json_size(node: Node) -> int:
    """Returns the bytes of JSON as Go writes it: no spaces, <, > and & as six characters."""
    text = json.dumps(node.value, separators=(",", ":"), ensure_ascii=False, default=str)
    escaped = sum(text.count(character) for character in "<>&")
    return len(text.encode("utf-8", "surrogatepass")) + 5 * escaped
