"""Reads a workflow's manifest for running it on one machine.

What a machine without a cluster cannot honour is refused here, before any step starts. Fields
that only place or pull a pod (image, node selector, service account ...) mean nothing on one
machine and are passed over; every other unknown field is an error.
"""

import dataclasses
import decimal
import graphlib
import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from components.errors import WorkflowError
from orchestration.workflow import Mount, Resources, Retry, Step, Variable, Workflow

# Not "." or "..", which are no files.
_KEY = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]+")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, None: 1, "m": 60, "h": 3600, "d": 86400}

# Argo's default where a retryStrategy names no policy.
_DEFAULT_RETRY_POLICY = "OnFailure"

# Placement and pulling of pods, and what the API server adds: no meaning on one machine.
_PASSED_OVER_IN_SPEC = frozenset(
    {
        "affinity",
        "imagePullSecrets",
        "nodeSelector",
        "podGC",
        "podPriorityClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "ttlStrategy",
    }
)
_PASSED_OVER_IN_TEMPLATE = frozenset(
    {
        "affinity",
        "nodeSelector",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
    }
)
#: Fields whose ``false`` is not the default.
_MEANT_IF_FALSE = frozenset({"failFast"})

_PASSED_OVER_IN_CONTAINER = frozenset({"image", "imagePullPolicy", "name", "securityContext"})


def parse_workflow(manifest: Mapping[str, Any]) -> Workflow:
    """Reads a workflow for running it here.

    Args:
        manifest: The workflow; one that ``orchestration.validation`` found no fault with.

    Returns:
        The workflow.

    Raises:
        WorkflowError: If it holds something that cannot be honoured on one machine.
    """
    metadata = manifest.get("metadata") or {}
    spec = manifest.get("spec") or {}
    _refuse_others(
        spec,
        "spec",
        {"arguments", "entrypoint", "onExit", "templates", "volumes", *_PASSED_OVER_IN_SPEC},
    )
    templates = {template["name"]: template for template in spec["templates"]}
    volumes = spec.get("volumes") or []
    steps = _entry_steps(spec["entrypoint"], templates, volumes)
    exit_step = None
    if "onExit" in spec:
        name = spec["onExit"]
        if any(step.name == name for step in steps):
            raise WorkflowError(f"spec.onExit: {name} is also a task; give one another name")
        exit_step = _step({"name": name, "template": name}, templates[name], volumes)
    arguments = spec.get("arguments") or {}
    _refuse_others(arguments, "spec.arguments", {"parameters"})
    return Workflow(
        generate_name=metadata.get("generateName") or f"{metadata.get('name', 'workflow')}-",
        parameters={
            parameter["name"]: _text(parameter.get("value", parameter.get("default")))
            for parameter in arguments.get("parameters") or []
        },
        steps=_in_order(steps),
        exit_step=exit_step,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _refuse_others(mapping: Mapping[str, Any], place: str, known: Iterable[str]) -> None:
    """Refuses a field that is set and not among the known ones."""
    known = set(known)
    for key, value in mapping.items():
        if key not in known and (value or key in _MEANT_IF_FALSE) and value is not None:
            raise WorkflowError(
                f"{place}.{key}: cannot be honoured without a cluster; run this workflow on "
                "Kubeflow Pipelines, or leave the field out"
            )


def _entry_steps(
    name: str, templates: Mapping[str, Any], volumes: list[dict[str, Any]]
) -> list[Step]:
    template = templates[name]
    if "dag" not in template:
        return [_step({"name": name, "template": name}, template, volumes)]
    place = f"template {name}"
    _refuse_others(template, place, {"name", "dag", "inputs", "metadata"})
    fails_fast = {"failFast"} if template["dag"].get("failFast") else set()
    _refuse_others(template["dag"], f"{place}.dag", {"tasks", *fails_fast})
    outer = [item["name"] for item in (template.get("inputs") or {}).get("parameters") or []]
    steps = []
    for task in template["dag"]["tasks"]:
        _refuse_others(
            task, f"task {task['name']}", {"name", "template", "arguments", "dependencies"}
        )
        step = _step(task, templates[task["template"]], volumes)
        steps.append(
            dataclasses.replace(
                step,
                arguments={
                    key: _from_workflow(value, outer) for key, value in step.arguments.items()
                },
            )
        )
    return steps


def _from_workflow(value: str, parameters: Iterable[str]) -> str:
    """Points a task's argument past the entry template: its inputs are the workflow's own."""
    for name in parameters:
        value = value.replace(
            f"{{{{inputs.parameters.{name}}}}}", f"{{{{workflow.parameters.{name}}}}}"
        )
    return value


def _in_order(steps: list[Step]) -> tuple[Step, ...]:
    """Sorts steps topologically; those that could run side by side keep the file's order."""
    by_name = {step.name: step for step in steps}
    sorter = graphlib.TopologicalSorter({step.name: step.dependencies for step in steps})
    try:
        return tuple(by_name[name] for name in sorter.static_order())
    except graphlib.CycleError as error:
        raise WorkflowError(f"tasks depend on each other: {' -> '.join(error.args[1])}") from error


def _step(
    task: Mapping[str, Any], template: Mapping[str, Any], volumes: list[dict[str, Any]]
) -> Step:
    place = f"template {template['name']}"
    _refuse_others(
        template,
        place,
        {
            "name",
            "container",
            "inputs",
            "outputs",
            "metadata",
            "volumes",
            "retryStrategy",
            "activeDeadlineSeconds",
            *_PASSED_OVER_IN_TEMPLATE,
        },
    )
    container = template.get("container")
    if not container:
        raise WorkflowError(f"{place}: only container templates run without a cluster")
    _refuse_others(
        container,
        f"{place}.container",
        {
            "command",
            "args",
            "env",
            "envFrom",
            "resources",
            "volumeMounts",
            "workingDir",
            *_PASSED_OVER_IN_CONTAINER,
        },
    )
    if not container.get("command"):
        raise WorkflowError(
            f"{place}.container.command: without it only the image knows what to run; name the "
            "command"
        )
    inputs = template.get("inputs") or {}
    outputs = template.get("outputs") or {}
    _refuse_others(inputs, f"{place}.inputs", {"parameters"})
    _refuse_others(outputs, f"{place}.outputs", {"artifacts"})
    metadata = template.get("metadata") or {}
    return Step(
        name=task["name"],
        dependencies=tuple(task.get("dependencies") or ()),
        arguments=_arguments(task, inputs),
        command=tuple(str(word) for word in container["command"]),
        args=tuple(str(word) for word in container.get("args") or ()),
        working_dir=container.get("workingDir"),
        variables=_variables(container, f"{place}.container"),
        mounts=_mounts(container, [*volumes, *(template.get("volumes") or [])], place),
        optional_artifacts=frozenset(
            artifact["name"]
            for artifact in outputs.get("artifacts") or []
            if artifact.get("optional")
        ),
        artifact_paths={
            artifact["name"]: artifact["path"] for artifact in outputs.get("artifacts") or []
        },
        resources=read_resources(container.get("resources") or {}),
        retry=_retry(template.get("retryStrategy"), place),
        timeout_seconds=_timeout(template.get("activeDeadlineSeconds"), place),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def _arguments(task: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, str]:
    given = {
        item["name"]: str(item["value"])
        for item in (task.get("arguments") or {}).get("parameters") or []
    }
    defaults = {
        item["name"]: str(item.get("value", item.get("default")))
        for item in inputs.get("parameters") or []
        if item.get("value", item.get("default")) is not None
    }
    return defaults | given


def _variables(container: Mapping[str, Any], place: str) -> tuple[Variable, ...]:
    variables = []
    for source in container.get("envFrom") or []:
        if len([key for key in ("configMapRef", "secretRef") if source.get(key)]) != 1:
            raise WorkflowError(
                f"{place}.envFrom: name one configMapRef or secretRef in each entry"
            )
        kind, reference = (
            ("config_map", source["configMapRef"])
            if source.get("configMapRef")
            else ("secret", source["secretRef"])
        )
        variables.append(
            Variable(
                name="",
                kind=kind,
                source=reference["name"],
                prefix=source.get("prefix") or "",
                optional=bool(reference.get("optional")),
            )
        )
    variables += [_variable(entry, place) for entry in container.get("env") or []]
    return tuple(variables)


def _variable(entry: Mapping[str, Any], place: str) -> Variable:
    name = entry["name"]
    value_from = entry.get("valueFrom")
    if not value_from:
        return Variable(name=name, kind="value", source=str(entry.get("value") or ""))
    if field := value_from.get("fieldRef"):
        return Variable(name=name, kind="field", source=field["fieldPath"])
    for kind, key in (("secret", "secretKeyRef"), ("config_map", "configMapKeyRef")):
        if reference := value_from.get(key):
            if _KEY.fullmatch(reference["key"]) is None:
                raise WorkflowError(
                    f"{place}.env {name}: '{reference['key']}' is not a key; use letters, digits, "
                    "'-', '_' and '.'"
                )
            return Variable(
                name=name,
                kind=kind,
                source=reference["name"],
                key=reference["key"],
                optional=bool(reference.get("optional")),
            )
    raise WorkflowError(
        f"{place}.env {name}: {', '.join(value_from)} cannot be honoured without a cluster; use a "
        "value, a fieldRef, a secretKeyRef or a configMapKeyRef"
    )


def _mounts(
    container: Mapping[str, Any], volumes: list[dict[str, Any]], place: str
) -> tuple[Mount, ...]:
    by_name = {volume["name"]: volume for volume in volumes}
    mounts = []
    for mount in container.get("volumeMounts") or []:
        where = f"{place}.container.volumeMounts {mount['name']}"
        kind, source = _volume_source(by_name[mount["name"]], place)
        # That a pod may only read a claim cannot be enforced here; the others are read anyway.
        read_only = {"readOnly"} if kind in ("secret", "config_map") else set()
        _refuse_others(mount, where, {"name", "mountPath", "subPath", *read_only})
        path = posixpath.normpath(mount["mountPath"])
        if not path.startswith("/") or path == "/":
            raise WorkflowError(f"{where}: the mountPath must be absolute, and not / itself")
        sub_path = mount.get("subPath") or ""
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise WorkflowError(f"{where}: the subPath must be relative and without '..'")
        mounts.append(Mount(path=path, kind=kind, source=source, sub_path=sub_path))
    return tuple(mounts)


def _volume_source(volume: Mapping[str, Any], place: str) -> tuple[str, str]:
    name = volume["name"]
    where = f"{place}: volume {name}"
    if claim := volume.get("persistentVolumeClaim"):
        _refuse_others(claim, where, {"claimName"})
        return "claim", claim["claimName"]
    if secret := volume.get("secret"):
        _refuse_others(secret, where, {"secretName", "defaultMode"})
        return "secret", secret["secretName"]
    if config_map := volume.get("configMap"):
        _refuse_others(config_map, where, {"name", "defaultMode"})
        return "config_map", config_map["name"]
    if "emptyDir" in volume:
        return "empty_dir", name
    kinds = ", ".join(key for key in volume if key != "name")
    raise WorkflowError(
        f"{place}: volume {name} is a {kinds}, which cannot be honoured without a cluster; use a "
        "persistentVolumeClaim, secret, configMap or emptyDir"
    )


def read_resources(resources: Mapping[str, Any]) -> Resources:
    """Reads a container's ``resources``."""
    # Imported here, because the package takes longer to import than all the rest.
    from kubernetes.utils.quantity import parse_quantity

    def quantity(section: str, resource: str) -> decimal.Decimal | None:
        value = (resources.get(section) or {}).get(resource)
        return None if value is None else parse_quantity(value)

    def cores(section: str) -> float | None:
        value = quantity(section, "cpu")
        return None if value is None else float(value)

    def size(section: str) -> int | None:
        value = quantity(section, "memory")
        return None if value is None else int(value)

    return Resources(
        cpu_request=cores("requests"),
        cpu_limit=cores("limits"),
        memory_request=size("requests"),
        memory_limit=size("limits"),
    )


def _retry(strategy: Mapping[str, Any] | None, place: str) -> Retry | None:
    if not strategy:
        return None
    where = f"{place}.retryStrategy"
    _refuse_others(strategy, where, {"limit", "retryPolicy", "backoff"})
    backoff = strategy.get("backoff") or {}
    _refuse_others(backoff, f"{where}.backoff", {"duration", "factor", "cap"})
    limit = strategy.get("limit")
    cap = backoff.get("cap")
    return Retry(
        limit=None if limit is None else _number(limit, f"{where}.limit"),
        policy=strategy.get("retryPolicy") or _DEFAULT_RETRY_POLICY,
        backoff_seconds=_seconds(backoff.get("duration", 0), f"{where}.backoff.duration"),
        factor=_number(backoff.get("factor") or 1, f"{where}.backoff.factor"),
        cap_seconds=None if cap is None else _seconds(cap, f"{where}.backoff.cap"),
    )


def _timeout(value: Any, place: str) -> int | None:
    return None if value is None else _number(value, f"{place}.activeDeadlineSeconds")


def _number(value: Any, place: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise WorkflowError(f"{place}: '{value}' is not a whole number") from error


def _seconds(value: Any, place: str) -> float:
    match = _DURATION.fullmatch(str(value))
    if match is None:
        raise WorkflowError(f"{place}: '{value}' is not a duration such as 30s or 2m")
    return float(match[1]) * _SECONDS[match[2]]
