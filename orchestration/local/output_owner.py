"""Keeps a folder of outputs to one metadata store.

TFX names the folder of an output for the number of its execution, and each store counts from 1: a
second store that writes to the same folder would overwrite what the first one knows.
"""

import pathlib
import uuid

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from components.errors import RunError
from orchestration.local.folders import PathMap
from orchestration.local.plan import Plan

#: The run parameter that names the folder, as TFX's KubeflowDagRunner calls it.
_PARAMETER = "pipeline-root"

_MARKER = ".metadata-store"
_CONTEXT_TYPE = "complaint_pipeline.outputs"


def claim_outputs(plan: Plan, store: ml_metadata.MetadataStore) -> None:
    """Marks the folder of a run's outputs as this store's, or finds that it is.

    Args:
        plan: The run.
        store: Its metadata store.

    Raises:
        RunError: If the folder holds outputs that the store does not know.
    """
    root = _folder(plan)
    if root is None:
        return
    marker = root / _MARKER
    try:
        if marker.is_file():
            known = store.get_context_by_type_and_name(_CONTEXT_TYPE, marker.read_text().strip())
            if known is None:
                raise _foreign(plan, root)
            return
        if root.is_dir() and any(root.iterdir()):
            raise _foreign(plan, root)
        name = str(uuid.uuid4())
        type_id = store.put_context_type(metadata_store_pb2.ContextType(name=_CONTEXT_TYPE))
        store.put_contexts([metadata_store_pb2.Context(type_id=type_id, name=name)])
        root.mkdir(parents=True, exist_ok=True)
        marker.write_text(f"{name}\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{root}: the outputs' folder cannot be used: {error.strerror}") from error


def _folder(plan: Plan) -> pathlib.Path | None:
    """Returns the folder of the outputs, or ``None`` for a bucket or a workflow without one."""
    root = plan.record.parameters.get(_PARAMETER)
    if root is None:
        return None
    mounts = {mount.path: mount.source for step in plan.workflow.steps for mount in step.mounts}
    folders = plan.record.folders
    paths = PathMap({path: folders[name] for path, name in mounts.items() if name in folders})
    path = pathlib.Path(paths.apply(root))
    return path if path.is_absolute() else None


def _foreign(plan: Plan, root: pathlib.Path) -> RunError:
    return RunError(
        f"{root} holds outputs that the metadata store {plan.target} does not know, and this run "
        "would overwrite them: use the store that knows them (--home, --metadata), another "
        f"folder (--param {_PARAMETER}=...), or remove the folder"
    )
