"""Pipelines and their versions: uploads, without doing so twice."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import re
import tempfile
from typing import Any

from components.errors import WorkflowError
from orchestration.cluster.calls import create_once, name_is, pages
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.package import WorkflowPackage, read_package
from orchestration.validation import validate
from orchestration.validation.refusal import refuse

_DISTRIBUTION = "complaint-pipeline"
_DIGITS = 12
_MAX_NAME_BYTES = 100  # of KFP 1.8
#: What pipeline_kubeflow_gcp.settings.yaml names; a bucket of this name is somebody else's.
_PLACEHOLDERS = ("gs://example-bucket/", "/example-project/")
_SPEC = "pipelines.kubeflow.org/pipeline_spec"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a pipeline on Kubeflow.

    Attributes:
        pipeline_id: The pipeline's id.
        pipeline: Its name.
        id: The version's id.
        name: The version's name; the first one bears the pipeline's.
        is_new: Whether it was uploaded just now.
        url: Its page in the UI.
    """

    pipeline_id: str
    pipeline: str
    id: str
    name: str
    is_new: bool
    url: str


def read_valid_package(path: pathlib.Path) -> WorkflowPackage:
    """Reads a compiled workflow and checks it.

    Raises:
        WorkflowError: If it cannot be read, or has a fault.
    """
    package = read_package(path)
    refuse(path, validate(package))
    return package


def _refuse_placeholders(package: WorkflowPackage) -> None:
    for name in _PLACEHOLDERS:
        if name in package.text:
            raise WorkflowError(
                f"{package.path}: {name} is a placeholder, not yours; compile with settings that "
                "name your own project and bucket (docs/google_cloud.md)"
            )


def pipeline_name(package: WorkflowPackage) -> str:
    """Returns the name that the compiler gave to the pipeline."""
    metadata = package.manifest.get("metadata") or {}
    try:
        spec = json.loads((metadata.get("annotations") or {}).get(_SPEC) or "{}")
        if isinstance(spec, dict) and spec.get("name"):
            return str(spec["name"])
    except ValueError:
        pass
    return str(metadata.get("name") or metadata["generateName"]).rstrip("-")


def version_name(package: WorkflowPackage) -> str:
    """Returns the version's name: that of the Python package, and the YAML's hash."""
    return f"{importlib.metadata.version(_DISTRIBUTION)}-{_digest(package)}"


def upload(
    client: Any, connection: Connection, package: WorkflowPackage, name: str | None = None
) -> Version:
    """Uploads a workflow: a new pipeline, or a new version where the name exists.

    A version with the same content is not uploaded again.

    Args:
        client: A client of ``connect``.
        connection: Its connection.
        package: The workflow, which has been found valid.
        name: The pipeline's name; ``None`` for the compiler's.

    Returns:
        The version that holds this content.

    Raises:
        ClusterError: If the server refuses it, or does not answer.
        WorkflowError: If it names the placeholders of the committed settings for Google Cloud.
    """
    _refuse_placeholders(package)
    name = check_name(name or pipeline_name(package))
    label = version_name(package)

    def found() -> tuple[Any, Any] | None:
        pipeline = find_pipeline(client, name)
        version = None if pipeline is None else _same_content(client, pipeline, package)
        return None if version is None else (pipeline, version)

    def create() -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "pipeline.yaml")
            file.write_text(package.text, encoding="utf-8", newline="")
            pipeline = find_pipeline(client, name)
            if pipeline is None:
                # Kubeflow names the first version after the pipeline; the description keeps
                # what the name cannot.
                pipeline = client.upload_pipeline(str(file), name, description=label)
                return pipeline, pipeline.default_version or newest_version(client, pipeline.id)
            return pipeline, client.upload_pipeline_version(
                str(file), label, pipeline_id=pipeline.id, description=label
            )

    (pipeline, version), is_new = create_once(found, create, connection)
    return Version(
        pipeline_id=pipeline.id,
        pipeline=name,
        id=version.id,
        name=version.name,
        is_new=is_new,
        url=connection.page(f"pipelines/details/{pipeline.id}/version/{version.id}"),
    )


def check_name(name: str) -> str:
    """Refuses a pipeline's name that Kubeflow would refuse.

    Raises:
        ClusterError: If it is empty, too long or has control characters.
    """
    if not name.strip() or len(name.encode()) > _MAX_NAME_BYTES or not name.isprintable():
        raise ClusterError(
            f"'{name}': a pipeline's name must have 1 to {_MAX_NAME_BYTES} bytes and no control "
            "characters"
        )
    return name


def find_pipeline(client: Any, name: str) -> Any | None:
    """Returns a pipeline by its name, or ``None``."""
    found = pages(client.pipelines.list_pipelines, "pipelines", filter=name_is(name))
    return next((pipeline for pipeline in found if pipeline.name == name), None)


def versions(client: Any, pipeline_id: str) -> list[Any]:
    """Returns the versions of a pipeline, the newest first."""
    found = pages(
        client.pipelines.list_pipeline_versions,
        "versions",
        resource_key_type="PIPELINE",
        resource_key_id=pipeline_id,
        sort_by="created_at desc",
    )
    oldest = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
    # KFP 1.8 knows times to the second: sort keeps the server's order where they are equal.
    return sorted(found, key=lambda version: version.created_at or oldest, reverse=True)


def newest_version(client: Any, pipeline_id: str) -> Any:
    """Returns the newest version of a pipeline.

    Raises:
        ClusterError: If it has none.
    """
    found = versions(client, pipeline_id)
    if not found:
        raise ClusterError(f"the pipeline {pipeline_id} has no version; upload one")
    return found[0]


def _same_content(client: Any, pipeline: Any, package: WorkflowPackage) -> Any | None:
    digest = _digest(package)
    is_label = re.compile(rf"\S*-{digest}")
    described = bool(is_label.fullmatch(pipeline.description or ""))
    for version in versions(client, pipeline.id):
        is_first = version.name == pipeline.name
        if is_label.fullmatch(version.name) or (is_first and described):
            return version
    return None


def _digest(package: WorkflowPackage) -> str:
    return hashlib.sha256(package.text.encode()).hexdigest()[:_DIGITS]
