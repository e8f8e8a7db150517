"""Workflows of shell steps, for tests that need no TFX."""

import json
import pathlib
from typing import Any

import yaml


def container(name: str, script: str, **extra: Any) -> dict[str, Any]:
    """A container template that runs a shell script; ``extra`` goes into the template."""
    inside = extra.pop("container", {})
    return {
        "name": name,
        "container": {"image": "busybox:1", "command": ["sh", "-c"], "args": [script], **inside},
        **extra,
    }


def workflow(
    templates: list[dict[str, Any]],
    dependencies: dict[str, list[str]] | None = None,
    parameters: dict[str, str | None] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A workflow whose DAG has a task for each template, except exit handlers."""
    dependencies = dependencies or {}
    names = [template["name"] for template in templates if template["name"] != spec.get("onExit")]
    given = [
        {"name": name} if value is None else {"name": name, "value": value}
        for name, value in (parameters or {}).items()
    ]
    tasks = []
    for name in names:
        task: dict[str, Any] = {"name": name, "template": name}
        if dependencies.get(name):
            task["dependencies"] = dependencies[name]
        tasks.append(task)
    pipeline_spec = {"name": "shell", "inputs": [{"name": name} for name in parameters or {}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "generateName": "shell-",
            "annotations": {"pipelines.kubeflow.org/pipeline_spec": json.dumps(pipeline_spec)},
        },
        "spec": {
            "entrypoint": "main",
            "arguments": {"parameters": given},
            "templates": [{"name": "main", "dag": {"tasks": tasks}}, *templates],
            **spec,
        },
    }


def write(folder: pathlib.Path, manifest: dict[str, Any]) -> pathlib.Path:
    """Writes a workflow to a file in the folder."""
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return path
