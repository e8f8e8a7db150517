"""Argo's rules on ``{{...}}`` tags: each is closed, and names something that is there.

Argo looks for tags in every text of a template, so also in the JSON of TFX's ``--tfx_ir``. A
tag of another root than Argo's own stays as it is, and goes to the container as plain text.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Call, Template, Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Argo, resolveAllVariables in workflow/validate/validate.go"

#: GlobalVarValidWorkflowVariablePrefix in Argo's workflow/common/common.go.
_ROOTS = ("item", "steps", "inputs", "outputs", "pod", "workflow", "tasks")

#: Tags that Argo leaves to the run. ``outputs.`` is a template's own, for metrics.
_ALWAYS = (
    "outputs.",
    "workflow.creationTimestamp",
    "workflow.duration",
    "workflow.scheduledTime",
    "tasks.name",
    "steps.name",
)

_DOTTED = re.compile(r"[A-Za-z]+(\.[-A-Za-z0-9_]+)+")

#: How like one of the roots a word must be to be taken for a slip: ``input`` is, ``node`` not.
_SLIP = 0.75


@dataclasses.dataclass(frozen=True)
class _Scope:
    """What tags may name at a place.

    Attributes:
        names: Full names, such as ``inputs.parameters.pipeline-root``.
        any_item: Whether the items of a loop, and so their fields, are known only at the run.
    """

    names: frozenset[str]
    any_item: bool = False

    def plus(self, names: Iterator[str] | set[str], any_item: bool = False) -> "_Scope":
        """Returns the scope with more names."""
        return _Scope(self.names | frozenset(names), self.any_item or any_item)

    def resolves(self, tag: str) -> bool:
        """Tells whether a tag has a value here."""
        if tag in self.names or tag.startswith(_ALWAYS):
            return True
        return self.any_item and tag.split(".")[0] == "item"


@rule("argo-tag", "Every {{...}} tag names something that is there", _SOURCE)
def tag_resolves(workflow: Workflow) -> Iterator[Problem]:
    """Tags are checked in the scope that Argo gives them when the step runs."""
    for node, scope in _texts(workflow):
        for tag in _split(node.text)[0]:
            yield from _check(node, tag, scope)


@rule("argo-tag-unclosed", "Every {{ has its }}", "fasttemplate, as Argo uses it")
def tag_closed(workflow: Workflow) -> Iterator[Problem]:
    """Argo would refuse the template, or take the text up to the next ``}}`` for a tag."""
    for node, _ in _texts(workflow):
        rest = _split(node.text)[1]
        if rest is not None:
            yield Problem(
                node,
                f"{shown(rest[:40])} opens a tag that is not closed",
                "close it with }}, or write the braces apart",
            )


RULES = (tag_resolves, tag_closed)


def _split(text: str) -> tuple[list[str], str | None]:
    """Returns the tags in a text, and the rest that an unclosed one opens."""
    tags: list[str] = []
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            return tags, text[start:]
        tags.append(text[start + 2 : end])
        start = text.find("{{", end + 2)
    return tags, None


def _check(node: Node, tag: str, scope: _Scope) -> Iterator[Problem]:
    name = tag.strip()
    root = name.split(".")[0]
    if tag.startswith("="):  # an expression, which Argo evaluates only at the run
        return
    if name == "item" or (root in _ROOTS and name != root):
        if not scope.resolves(name):
            hint = suggestion(name, scope.names)
            yield Problem(
                node, f"{{{{{_short(tag)}}}}} names nothing that is known here{hint}", "correct it"
            )
    elif _DOTTED.fullmatch(name):
        slip = difflib.get_close_matches(root, _ROOTS, n=1, cutoff=_SLIP)
        if slip and root not in _ROOTS:
            yield Problem(
                node,
                f"Argo would leave {{{{{_short(tag)}}}}} as it is (did you mean '{slip[0]}'?)",
                "correct it",
            )


def _short(tag: str) -> str:
    return shown(tag)[1:-1]


def _texts(workflow: Workflow) -> Iterator[tuple[Node, _Scope]]:
    """Yields all texts that Argo searches for tags, each with its scope."""
    everywhere = _Scope(frozenset(_globals(workflow)))
    for key, node in workflow.spec.items():
        if key not in ("templates", "templateDefaults"):
            ends = key in ("onExit", "hooks")
            for text in node.texts():
                yield text, everywhere.plus(_AT_EXIT if ends else set())
    at_exit = _reachable(workflow, workflow.spec["onExit"].text)
    for template in workflow.named_templates:
        ends = template.name in at_exit
        yield from _template(workflow, template, everywhere.plus(_AT_EXIT if ends else set()))


def _template(
    workflow: Workflow, template: Template, outer: _Scope
) -> Iterator[tuple[Node, _Scope]]:
    scope = outer.plus(_own(template))
    done: set[str] = set()
    for call in template.tasks:
        ancestors = template.ancestors(call.name)
        calls = [other for other in template.tasks if other.name in ancestors]
        known = {name for other in calls for name in _results("tasks", workflow, other)}
        done.update(_results("tasks", workflow, call))
        yield from _call(workflow, "tasks", call, scope.plus(known))
    for group in template.step_groups:
        before = scope.plus(done)
        for call in group:
            yield from _call(workflow, "steps", call, before)
            done.update(_results("steps", workflow, call))
    ended = scope.plus(done)
    for key, node in template.node.items():
        if key not in ("steps", "dag"):
            yield from ((text, ended) for text in node.texts())
        elif key == "dag":
            yield from ((text, ended) for text in node.texts(skip="tasks"))


def _call(
    workflow: Workflow, root: str, call: Call, scope: _Scope
) -> Iterator[tuple[Node, _Scope]]:
    names = _items(call)
    if call.node["hooks"].exists:
        names |= _results(root, workflow, call)
    inner = scope.plus(names, any_item=bool(call.node["withParam"].text))
    yield from ((text, inner) for text in call.node.texts(skip="inline"))
    inline = call.node["inline"]
    if inline.exists:
        yield from _template(workflow, Template(inline), inner)


#: What only the exit handler knows. Newer Argo takes workflow.status everywhere, the one of
#: KFP 1.8.5 does not, and before the end it says nothing of use.
_AT_EXIT = {"workflow.status", "workflow.failures"}


def _globals(workflow: Workflow) -> Iterator[str]:
    for name in ("name", "namespace", "uid", "serviceAccountName", "mainEntrypoint"):
        yield f"workflow.{name}"
    if workflow.spec["priority"].exists:
        yield "workflow.priority"
    for parameter in workflow.spec["arguments"]["parameters"].elements():
        yield from ("workflow.parameters", "workflow.parameters.json")
        yield f"workflow.parameters.{parameter['name'].text}"
    metadata, more = workflow.root["metadata"], workflow.spec["workflowMetadata"]
    for kind, nodes in (
        ("annotations", (metadata["annotations"], more["annotations"])),
        ("labels", (metadata["labels"], more["labels"], more["labelsFrom"])),
    ):
        yield from (f"workflow.{kind}", f"workflow.{kind}.json")
        for node in nodes:
            yield from (f"workflow.{kind}.{key}" for key, _ in node.items())
    for template in workflow.templates:
        for kind in ("parameters", "artifacts"):
            for element in template.node["outputs"][kind].elements():
                if element["globalName"].text:
                    yield f"workflow.outputs.{kind}.{element['globalName'].text}"


def _own(template: Template) -> Iterator[str]:
    """Yields what a template knows by itself."""
    if template.is_pod:
        yield "pod.name"
    for parameter in template.node["inputs"]["parameters"].elements():
        yield from ("inputs.parameters", f"inputs.parameters.{parameter['name'].text}")
    for artifact in template.node["inputs"]["artifacts"].elements():
        name = f"inputs.artifacts.{artifact['name'].text}"
        yield name
        if template.is_leaf:
            yield f"{name}.path"


def _results(root: str, workflow: Workflow, call: Call) -> set[str]:
    """Returns what is known of a task or step once it has ended (addOutputsToScope)."""
    prefix = f"{root}.{call.name}"
    names = {f"{prefix}.{key}" for key in ("id", "startedAt", "finishedAt", "hostNodeName")}
    names |= {f"{prefix}.status"}
    called = workflow.called(call)
    if called is None:
        return names
    if called.node["daemon"].value is True:
        names.add(f"{prefix}.ip")
    if called.is_pod or called.node["http"].exists:
        names |= {f"{prefix}.exitCode", f"{prefix}.outputs.result"}
    if call.loops:
        names |= {f"{prefix}.outputs.parameters", f"{prefix}.outputs.result"}
    for kind in ("parameters", "artifacts"):
        for element in called.node["outputs"][kind].elements():
            names.add(f"{prefix}.outputs.{kind}.{element['name'].text}")
    return names


def _items(call: Call) -> set[str]:
    """Returns what a loop's tags may name (addItemsToScope)."""
    names = {"item"} if call.node["withParam"].text or call.node["withSequence"].exists else set()
    for item in call.node["withItems"].elements():
        if isinstance(item.value, dict):
            names |= {f"item.{key}" for key, _ in item.items()}
        elif isinstance(item.value, list):
            names |= {f"item.[{index}]" for index in range(len(item.value))}
        else:
            names.add("item")
    return names


def _reachable(workflow: Workflow, start: str) -> set[str]:
    """Returns the templates that one template calls, itself included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        template = workflow.by_name.get(waiting.pop())
        if template is not None and template.name not in found:
            found.add(template.name)
            waiting.extend(call.node["template"].text for call in template.calls)
    return found
