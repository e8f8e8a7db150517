"""The canonical form of a compiled workflow: the same bytes for the same meaning.

KFP stamps the time into every compile, and the order of map entries in TFX's JSON differs from
process to process. The canonical text has neither, and TFX's JSON stands in it indented, so
that a change can be read in a review.
"""

import json
from typing import Any

import yaml

_COMPILATION_TIME = "pipelines.kubeflow.org/pipeline_compilation_time"
_JSON_ARGUMENTS = ("--kubeflow_metadata_config", "--tfx_ir")


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a literal block, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def canonical_yaml(workflow: dict[str, Any]) -> str:
    """Returns a compiled workflow as canonical YAML.

    Args:
        workflow: The workflow as KFP compiled it; not changed.

    Returns:
        The text, with sorted keys and without the time of the compile.
    """
    metadata = dict(workflow["metadata"])
    metadata["annotations"] = {
        key: value for key, value in metadata["annotations"].items() if key != _COMPILATION_TIME
    }
    spec = dict(workflow["spec"])
    spec["templates"] = [_canonical_template(template) for template in spec["templates"]]
    return yaml.dump(
        {**workflow, "metadata": metadata, "spec": spec},
        Dumper=_Dumper,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=True,
        width=100,
    )


def _canonical_template(template: dict[str, Any]) -> dict[str, Any]:
    container = template.get("container")
    if not container:
        return template
    container = dict(container)
    if "args" in container:
        container["args"] = _canonical_arguments(container["args"])
    if "env" in container:
        # TFX and KFP both set some variables, and to the same value.
        container["env"] = [
            entry
            for index, entry in enumerate(container["env"])
            if entry not in container["env"][:index]
        ]
    return {**template, "container": container}


def _canonical_arguments(arguments: list[str]) -> list[str]:
    arguments = list(arguments)
    for index, name in enumerate(arguments[:-1]):
        if name in _JSON_ARGUMENTS:
            parsed = json.loads(arguments[index + 1])
            arguments[index + 1] = json.dumps(parsed, indent=1, sort_keys=True)
    return arguments
