"""Executions in a metadata store, recorded as TFX records them."""

from collections.abc import Mapping, Sequence

import ml_metadata
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.execution_outcome import Node

TRAINER = "tfx.components.trainer.component.Trainer"
RESOLVER = "tfx.dsl.components.common.resolver.Resolver"


def memory_store() -> ml_metadata.MetadataStore:
    """A store in this process's memory."""
    config = mlmd.ConnectionConfig()
    config.sqlite.SetInParent()
    return ml_metadata.MetadataStore(config)


def put_execution(
    store: ml_metadata.MetadataStore,
    node: Node,
    *,
    kind: str = TRAINER,
    state: int = mlmd.Execution.COMPLETE,
    outputs: Mapping[str, Sequence[mlmd.Artifact]] | None = None,
    inputs: Mapping[str, Sequence[mlmd.Artifact]] | None = None,
) -> int:
    """Records an execution of a node in its run.

    Args:
        store: The store.
        node: The node.
        kind: Name of the execution's type.
        state: How it ended.
        outputs: Its output artifacts by the output's name, whose ``type`` is a type's name.
        inputs: Its input artifacts by the input's name.

    Returns:
        The execution's id.
    """
    pairs = []
    for event_type, by_key in (
        (mlmd.Event.INPUT, inputs or {}),
        (mlmd.Event.OUTPUT, outputs or {}),
    ):
        for key, artifacts in by_key.items():
            for index, artifact in enumerate(artifacts):
                event = mlmd.Event(type=event_type)
                event.path.steps.add().key = key
                event.path.steps.add().index = index
                pairs.append((_typed(store, artifact), event))
    names = {"pipeline_run": node.run_id, "node": f"{node.pipeline}.{node.node_id}"}
    contexts = [
        mlmd.Context(type_id=store.put_context_type(mlmd.ContextType(name=of)), name=name)
        for of, name in names.items()
    ]
    type_id = store.put_execution_type(mlmd.ExecutionType(name=kind))
    return store.put_execution(
        mlmd.Execution(type_id=type_id, last_known_state=state),
        pairs,
        contexts,
        reuse_context_if_already_exist=True,
    )[0]


def _typed(store: ml_metadata.MetadataStore, artifact: mlmd.Artifact) -> mlmd.Artifact:
    typed = mlmd.Artifact()
    typed.CopyFrom(artifact)
    # The type may have properties already.
    typed.type_id = store.put_artifact_type(
        mlmd.ArtifactType(name=typed.type), can_omit_fields=True
    )
    return typed
