"""Keeps a folder of outputs to one metadata store.

TFX names the folder of an output for the number of its execution, and each store counts from 1: a
second store that writes to the same folder would overwrite what the first one knows.
"""

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Protocol

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from components.errors import RunError
from components.object_storage import location
from orchestration.local.bucket_folder import BucketFolder
from orchestration.local.folders import PathMap
from orchestration.local.plan import Plan
from orchestration.local.storage_access import storage_variables

#: The run parameter that names the folder, as TFX's KubeflowDagRunner calls it.
_PARAMETER = "pipeline-root"

_MARKER = ".metadata-store"
_CONTEXT_TYPE = "complaint_pipeline.outputs"


class _Folder(Protocol):
    """A folder of outputs, on a volume or in a bucket."""

    def read(self, name: str) -> str | None:
        """Returns what a file of the folder holds; ``None`` if there is none."""
        ...

    def create(self, name: str, text: str) -> None:
        """Writes a file of the folder unless it is there; makes the folder where there is none."""
        ...

    def is_empty(self) -> bool:
        """Tells whether there is nothing in the folder."""
        ...


class _LocalFolder:
    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def read(self, name: str) -> str | None:
        with self._errors():
            path = self._path / name
            return path.read_text(encoding="utf-8") if path.is_file() else None

    def create(self, name: str, text: str) -> None:
        with self._errors(), contextlib.suppress(FileExistsError):
            self._path.mkdir(parents=True, exist_ok=True)
            with (self._path / name).open("x", encoding="utf-8") as file:
                file.write(text)

    def is_empty(self) -> bool:
        with self._errors():
            return not self._path.is_dir() or not any(self._path.iterdir())

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self._path}: the outputs' folder cannot be used: {error.strerror}"
            ) from error


def claim_outputs(plan: Plan, store: ml_metadata.MetadataStore) -> None:
    """Marks the folder of a run's outputs as this store's, or finds that it is.

    Args:
        plan: The run.
        store: Its metadata store.

    Raises:
        RunError: If the folder holds outputs that the store does not know, or cannot be reached.
    """
    root = _root(plan)
    place = location(root)
    if place is not None:
        with _variables(storage_variables(plan.workflow, plan.record)):
            _claim(BucketFolder(place), root, plan, store)
    elif pathlib.Path(root).is_absolute():
        _claim(_LocalFolder(pathlib.Path(root)), root, plan, store)


def _claim(folder: _Folder, root: str, plan: Plan, store: ml_metadata.MetadataStore) -> None:
    if folder.read(_MARKER) is None and folder.is_empty():
        name = str(uuid.uuid4())
        type_id = store.put_context_type(metadata_store_pb2.ContextType(name=_CONTEXT_TYPE))
        store.put_contexts([metadata_store_pb2.Context(type_id=type_id, name=name)])
        folder.create(_MARKER, f"{name}\n")
    # Anew: a run that began at the same time may have been faster.
    marker = folder.read(_MARKER)
    if marker is None or store.get_context_by_type_and_name(_CONTEXT_TYPE, marker.strip()) is None:
        raise _foreign(plan, root)


@contextlib.contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of this process for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text


def _root(plan: Plan) -> str:
    """Returns the folder or URI of the outputs; empty for a workflow without one."""
    root = plan.record.parameters.get(_PARAMETER) or ""
    mounts = {mount.path: mount.source for step in plan.workflow.steps for mount in step.mounts}
    folders = plan.record.folders
    paths = PathMap({path: folders[name] for path, name in mounts.items() if name in folders})
    return paths.apply(root)


def _foreign(plan: Plan, root: str) -> RunError:
    return RunError(
        f"{root} holds outputs that the metadata store {plan.target} does not know, and this run "
        "would overwrite them: use the store that knows them (--home, --metadata), another "
        f"folder (--param {_PARAMETER}=...), or remove the folder"
    )
