"""A workflow as the rules see it: templates, and the tasks and steps that call them."""

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping

from orchestration.validation.node import Node

#: The template types of Argo (validateTemplateType in workflow/validate/validate.go).
POD_TYPES = ("container", "containerSet", "script", "resource", "data")
LEAF_TYPES = (*POD_TYPES, "suspend", "http", "plugin")
TEMPLATE_TYPES = (*LEAF_TYPES, "steps", "dag")

#: A task in a ``depends`` expression, with or without its result; taskNameRegex in Argo's
#: workflow/common/ancestry.go.
_DEPENDS_TERM = re.compile(
    r"(?P<task>[a-zA-Z0-9][-a-zA-Z0-9]*?)\.(?P<result>[A-Z][a-zA-Z]+)"
    r"|(?P<alone>[a-zA-Z0-9][-a-zA-Z0-9]*)"
)


@dataclasses.dataclass(frozen=True)
class Call:
    """A task of a DAG or a step: a template's use.

    Attributes:
        node: The task or step.
    """

    node: Node

    @property
    def name(self) -> str:
        """Its name, empty if it has none."""
        return self.node["name"].text

    @property
    def loops(self) -> bool:
        """Whether it runs once for each item of something."""
        return any(self.node[key].value for key in ("withItems", "withParam", "withSequence"))

    @property
    def depends_terms(self) -> tuple[tuple[str, str], ...]:
        """Tasks in its ``depends`` expression, each with its result or an empty text."""
        return tuple(
            (match["task"] or match["alone"], match["result"] or "")
            for match in _DEPENDS_TERM.finditer(self.node["depends"].text)
        )

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the tasks that it waits for, as Argo reads them."""
        if self.node["depends"].text:
            return tuple(dict.fromkeys(task for task, _ in self.depends_terms))
        return tuple(element.text for element in self.node["dependencies"].elements())


@dataclasses.dataclass(frozen=True)
class Template:
    """A template, from ``spec.templates`` or inline.

    Attributes:
        node: The template.
    """

    node: Node

    @property
    def name(self) -> str:
        """Its name, empty if it has none."""
        return self.node["name"].text

    @functools.cached_property
    def types(self) -> tuple[str, ...]:
        """Its types; a valid template has exactly one."""
        return tuple(key for key in TEMPLATE_TYPES if self.node[key].exists)

    @property
    def is_leaf(self) -> bool:
        """Whether it calls no other templates."""
        return any(key in LEAF_TYPES for key in self.types)

    @property
    def is_pod(self) -> bool:
        """Whether it runs as a pod."""
        return any(key in POD_TYPES for key in self.types)

    @functools.cached_property
    def containers(self) -> tuple[Node, ...]:
        """Everything in it that Kubernetes runs as a container, the main one first."""
        single = (self.node["container"], self.node["script"])
        several = (self.node["containerSet"]["containers"], self.node["initContainers"])
        return tuple(
            [node for node in single if node.exists]
            + [node for nodes in (*several, self.node["sidecars"]) for node in nodes.elements()]
        )

    @functools.cached_property
    def tasks(self) -> tuple[Call, ...]:
        """Tasks of its DAG."""
        return tuple(Call(node) for node in self.node["dag"]["tasks"].elements())

    @functools.cached_property
    def step_groups(self) -> tuple[tuple[Call, ...], ...]:
        """Its steps; those of a group run at the same time."""
        groups = self.node["steps"].elements()
        return tuple(tuple(Call(node) for node in group.elements()) for group in groups)

    @functools.cached_property
    def calls(self) -> tuple[Call, ...]:
        """Its tasks and steps."""
        return self.tasks + tuple(call for group in self.step_groups for call in group)

    def ancestors(self, task: str) -> tuple[str, ...]:
        """Returns the tasks of the DAG that have ended when a task starts."""
        graph = {call.name: call.dependencies for call in self.tasks}
        found: dict[str, None] = {}
        waiting = list(graph.get(task, ()))
        while waiting:
            name = waiting.pop()
            if name in graph and name not in found:
                found[name] = None
                waiting.extend(graph[name])
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Workflow:
    """A workflow.

    Attributes:
        root: The whole of it.
        size: Bytes of the YAML file, or 0 where there is none.
    """

    root: Node
    size: int = 0

    @property
    def spec(self) -> Node:
        """Its ``spec``."""
        return self.root["spec"]

    @functools.cached_property
    def named_templates(self) -> tuple[Template, ...]:
        """``spec.templates``."""
        return tuple(Template(node) for node in self.spec["templates"].elements())

    @functools.cached_property
    def templates(self) -> tuple[Template, ...]:
        """``spec.templates`` and the templates that stand inline in tasks and steps."""
        return tuple(_with_inline(self.named_templates))

    @functools.cached_property
    def by_name(self) -> Mapping[str, Template]:
        """``spec.templates`` by name."""
        return {template.name: template for template in self.named_templates}

    def called(self, call: Call) -> Template | None:
        """Returns the template that a task or step uses, ``None`` if it is not there."""
        inline = call.node["inline"]
        return Template(inline) if inline.exists else self.by_name.get(call.node["template"].text)

    def containers(self) -> Iterator[Node]:
        """Yields the containers of all templates."""
        for template in self.templates:
            yield from template.containers


def _with_inline(templates: tuple[Template, ...]) -> Iterator[Template]:
    for template in templates:
        yield template
        inline = (call.node["inline"] for call in template.calls)
        yield from _with_inline(tuple(Template(node) for node in inline if node.exists))
