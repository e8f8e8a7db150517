"""Rules on the form of a workflow: its fields and their types.

The fields and types are those of Hera's models, which are generated from the API
specification that Argo publishes with each release. The models themselves would not do: they
ignore fields that they do not know, and turn a number into text where Argo's JSON decoder
refuses it.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from components.errors import WorkflowError
from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Argo's API specification, as in hera.workflows.models"

#: Fields that Hera has as plain text or numbers while Go decodes them from more:
#: ``AnyString`` in Argo's workflow_types.go, ``IntOrString`` and ``Quantity`` in Kubernetes.
_ANY_SCALAR = {
    ("Parameter", "default"),
    ("Parameter", "enum"),
    ("Parameter", "value"),
    ("ValueFrom", "default"),
    ("HTTPGetAction", "port"),
    ("Quantity", "__root__"),
}

#: Required fields whose lack another rule reports, with more to say.
_REQUIRED_ELSEWHERE = {
    ("Artifact", "name"),
    ("Container", "image"),
    ("DAGTask", "name"),
    ("DAGTemplate", "tasks"),
    ("EnvVar", "name"),
    ("Parameter", "name"),
    ("ScriptTemplate", "image"),
    ("UserContainer", "name"),
    ("Volume", "name"),
}

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime.datetime: "a time",
}

# Kind of a problem, so that one walk serves three rules.
_FIELD, _TYPE, _REQUIRED = "field", "type", "required"
_Found = tuple[str, Problem]


@rule("schema-field", "Every field is one that Argo or Kubernetes knows", _SOURCE)
def unknown_field(workflow: Workflow) -> Iterator[Problem]:
    """KFP and the API server drop a field that they do not know without a word."""
    return _of_kind(_FIELD, workflow)


@rule("schema-type", "Every value is of its field's type", _SOURCE)
def wrong_type(workflow: Workflow) -> Iterator[Problem]:
    """Go's JSON decoder refuses a workflow with a value of another type."""
    return _of_kind(_TYPE, workflow)


@rule("schema-required", "Every field that must be there is there", _SOURCE)
def missing_field(workflow: Workflow) -> Iterator[Problem]:
    """Argo or the API server refuses an object without such a field."""
    return _of_kind(_REQUIRED, workflow)


RULES = (unknown_field, wrong_type, missing_field)


def _of_kind(kind: str, workflow: Workflow) -> Iterator[Problem]:
    return (problem for found, problem in _check_model(workflow.root, _model()) if found == kind)


def _model() -> Any:
    try:
        # Imported here, because it takes half a second.
        from hera.workflows.models import Workflow as HeraWorkflow
    except ImportError as error:
        raise WorkflowError(
            f"cannot validate: hera, which knows Argo's fields, does not import ({error}); "
            "run 'pip install hera'"
        ) from error
    return HeraWorkflow


def _check_model(node: Node, model: Any) -> Iterator[_Found]:
    fields = {field.alias: field for field in model.__fields__.values()}
    if "__root__" in fields:
        yield from _check_field(node, model.__name__, fields["__root__"])
        return
    if not isinstance(node.value, dict):
        yield _wrong_type(node, "a mapping")
        return
    yield from _check_keys(node)
    for key, child in node.items():
        if key in fields:
            yield from _check_field(child, model.__name__, fields[key])
        elif fields:  # a model without fields, such as Plugin, may hold anything
            hint = suggestion(key, fields)
            yield (
                _FIELD,
                Problem(child, f"{model.__name__} has no field {shown(key)}", f"rename it{hint}")
                if hint
                else Problem(child, f"{model.__name__} has no field {shown(key)}", "remove it"),
            )
    for name, field in fields.items():
        known_elsewhere = (model.__name__, name) in _REQUIRED_ELSEWHERE
        if field.required and not known_elsewhere and not node[name].exists:
            yield _REQUIRED, Problem(node, f"'{name}' is missing", f"add '{name}'")


def _check_field(node: Node, model: str, field: Any) -> Iterator[_Found]:
    """Checks a value against a field of pydantic's version 1."""
    if not node.exists:
        return
    from pydantic.v1 import fields

    any_scalar = (model, field.alias) in _ANY_SCALAR
    if field.shape == fields.SHAPE_LIST:
        if not isinstance(node.value, list):
            yield _wrong_type(node, "a list")
        for element in node.elements():
            yield from _check_value(element, field, any_scalar)
    elif field.shape in fields.MAPPING_LIKE_SHAPES:
        if not isinstance(node.value, dict):
            yield _wrong_type(node, "a mapping")
        yield from _check_keys(node)
        for _, child in node.items():
            yield from _check_value(child, field, any_scalar)
    else:
        yield from _check_value(node, field, any_scalar)


def _check_value(node: Node, field: Any, any_scalar: bool) -> Iterator[_Found]:
    kinds = [sub.type_ for sub in field.sub_fields or ()] or [field.type_]
    if hasattr(kinds[0], "__fields__"):
        yield from _check_model(node, kinds[0])
    elif any_scalar:
        if not isinstance(node.value, str | int | float):
            yield _wrong_type(node, "text or a number")
    elif not any(_fits(node.value, kind) for kind in kinds):
        names = [_TYPE_NAMES.get(kind, str(kind)) for kind in kinds]
        yield _wrong_type(node, " or ".join(names))


def _fits(value: object, kind: Any) -> bool:
    if kind is Any:
        return True
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if kind is datetime.datetime:
        return isinstance(value, str)
    return isinstance(value, kind)


def _check_keys(node: Node) -> Iterator[_Found]:
    for key in node.value if isinstance(node.value, dict) else ():
        if not isinstance(key, str):
            yield _TYPE, Problem(node, f"the key {shown(key)} is not text", "put it in quotes")


def _wrong_type(node: Node, wanted: str) -> _Found:
    scalar = isinstance(node.value, bool | int | float)
    quote = wanted == "text" and scalar
    mend = "put it in quotes" if quote else f"give {wanted}"
    return _TYPE, Problem(node, f"{shown(node.value)} is not {wanted}", mend)
