"""Where the pods of a compiled workflow look for what they read."""

import dataclasses
import itertools
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.errors import WorkflowError
from components.spans import InputPattern
from orchestration.package import WorkflowPackage

DATA = "data-root"
MODULE_FILE = "module_file"
SCHEMA_FILE = "schema_file"

#: What TFX's IR calls them among a node's parameters.
_PARAMETERS = {DATA: "input_base", MODULE_FILE: "module_file", SCHEMA_FILE: "schema_file"}

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)/*(.*)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A folder or file that a step reads.

    Attributes:
        path: An absolute path in the step's pod, or a URI, without a slash at its end.
        scheme: The URI's scheme, such as ``gs``; empty for a path.
        store: The URI's bucket, or the claim of the volume that the path is on.
        inner: The path from the root of that bucket or volume.
        is_cached: Whether TFX may reuse what the step made of it before.
    """

    path: str
    scheme: str
    store: str
    inner: str
    is_cached: bool

    def file(self, name: str) -> "Place":
        """Returns the place of a file in this folder."""
        return self._with(f"{self.path}/{name}", posixpath.join(self.inner, name))

    @property
    def folder(self) -> "Place":
        """The folder that this file is in."""
        return self._with(posixpath.dirname(self.path), posixpath.dirname(self.inner))

    def _with(self, path: str, inner: str) -> "Place":
        return dataclasses.replace(self, path=path, inner=inner)


def find_place(package: WorkflowPackage, what: str, data_root: str | None = None) -> Place | None:
    """Finds where the steps of a workflow look.

    Args:
        package: The compiled workflow, without faults.
        what: ``DATA``, ``MODULE_FILE`` or ``SCHEMA_FILE``.
        data_root: Value that the run gives to its parameter ``data-root``; ``None`` for the
            workflow's default.

    Returns:
        The place, or ``None`` if no step reads such a thing.

    Raises:
        WorkflowError: If the steps look in several places, in one that is on no persistent
            volume, or in one that only the run names.
    """
    spec = package.manifest["spec"]
    places = []
    for template, node in _nodes(package):
        value = _value(node, _PARAMETERS[what], spec)
        if value is None:
            continue
        if what == DATA and data_root is not None:
            value = data_root
        if not value:
            raise WorkflowError(
                f"{package.path}: {what} has no default; say with --data-root what the run gets"
            )
        if not value.isprintable():
            raise WorkflowError(f"{what} {value!a}: holds a line break or the like; rename it")
        caching = (node.get("executionOptions") or {}).get("cachingOptions") or {}
        store = _store(value, what, template, spec.get("volumes") or [])
        places.append(Place(**store, is_cached=bool(caching.get("enableCache"))))
    paths = sorted({place.path for place in places})
    if len(paths) > 1:
        raise WorkflowError(
            f"{package.path}: its steps look for {what} in {' and in '.join(paths)}; give them one"
        )
    return places[0] if places else None


def input_pattern(package: WorkflowPackage) -> InputPattern:
    """Returns the pattern of the files that ExampleGen reads; ``*.csv`` where it names none.

    Args:
        package: The compiled workflow, without faults.

    Raises:
        WorkflowError: If the pattern is not valid.
    """
    for _, node in _nodes(package):
        text = _value(node, "input_config", package.manifest["spec"])
        try:
            patterns = [split["pattern"] for split in json.loads(text or "{}").get("splits", ())]
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise WorkflowError(
                f"{package.path}: input_config of its ExampleGen is no JSON of TFX's Input; "
                "compile it anew"
            ) from error
        if len(patterns) == 1:
            try:
                return InputPattern(patterns[0])
            except ValueError as error:
                raise WorkflowError(
                    f"{package.path}: input_pattern '{patterns[0]}' {error}"
                ) from error
    return InputPattern("*.csv")


def _nodes(
    package: WorkflowPackage,
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yields the templates of TFX steps, each with its node of TFX's IR."""
    for template in package.manifest["spec"]["templates"]:
        args = (template.get("container") or {}).get("args") or []
        for option, value in itertools.pairwise(args):
            if option != "--tfx_ir":
                continue
            try:
                nodes = json.loads(value).get("nodes") or []
            except (ValueError, AttributeError) as error:
                raise WorkflowError(
                    f"{package.path}: template {template['name']}: --tfx_ir is no JSON object; "
                    "compile it anew"
                ) from error
            for entry in nodes:
                yield template, entry.get("pipelineNode") or {}


def _value(node: Mapping[str, Any], name: str, spec: Mapping[str, Any]) -> str | None:
    """Returns a parameter's value, empty where only a run has one; ``None`` without it."""
    parameter = ((node.get("parameters") or {}).get("parameters") or {}).get(name)
    if not parameter:
        return None
    if "fieldValue" in parameter:
        return parameter["fieldValue"].get("stringValue") or None
    runtime = parameter.get("runtimeParameter") or {}
    if name == _PARAMETERS[DATA] and runtime.get("name") not in (None, DATA):
        # Complaints that a model was asked about, in a folder of their own.
        return None
    for argument in (spec.get("arguments") or {}).get("parameters") or []:
        if argument["name"] == runtime.get("name") and argument.get("value") is not None:
            return str(argument["value"])
    return str((runtime.get("defaultValue") or {}).get("stringValue") or "")


def _store(
    value: str, what: str, template: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    if match := _URI.fullmatch(value):
        scheme, bucket, inner = match[1].lower(), match[2], match[3].rstrip("/")
        if not bucket:
            raise WorkflowError(f"{what} {value}: names no bucket; give one as in gs://BUCKET/data")
        path = f"{scheme}://{bucket}" + (f"/{inner}" if inner else "")
        return {"path": path, "scheme": scheme, "store": bucket, "inner": inner}
    path = posixpath.normpath(value)
    if not path.startswith("/"):
        raise WorkflowError(f"{what} {value}: is neither an absolute path nor a URI")
    claim, inner = _on_volume(path, what, template, volumes)
    return {"path": path, "scheme": "", "store": claim, "inner": inner}


def _on_volume(
    path: str, what: str, template: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """Returns the claim that a step's path is on, and the path from the volume's root."""
    mounts = template["container"].get("volumeMounts") or []
    for mount in sorted(mounts, key=lambda mount: len(mount["mountPath"]), reverse=True):
        inner = below(path, mount["mountPath"])
        if inner is None:
            continue
        known = [*(template.get("volumes") or []), *volumes]
        volume = next(item for item in known if item["name"] == mount["name"])
        if claim := volume.get("persistentVolumeClaim"):
            return claim["claimName"], posixpath.join(mount.get("subPath") or "", inner)
        break
    raise WorkflowError(
        f"{what} {path}: is on no persistent volume of step {template['name']}; compile with a "
        "path under the setting volume.mount_path, or with a URI such as gs://BUCKET/FOLDER"
    )


def below(path: str, folder: str) -> str | None:
    """Returns the path from a folder, empty for the folder itself; ``None`` if it is elsewhere."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    if path == folder or folder == ".":
        return "" if path == folder else path
    start = folder.rstrip("/") + "/"
    return path[len(start) :] if path.startswith(start) else None
