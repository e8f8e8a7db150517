"""A metadata store made by hand: reuse by the cache, runs that share data, a failed execution.

run-1 reads two files and pushes version 101. run-2 takes the examples from the cache, fails to
train, trains at a second attempt, is compared with run-1's model, approved by somebody, and pushes
version 102. run-3 has the same data and fails to train. run-4 has other data, and no model is
blessed.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_metadata
from ml_metadata.proto import metadata_store_pb2 as mlmd

PIPELINE = "complaints"
SHA_A, SHA_B, SHA_C = ("a" * 64, "b" * 64, "c" * 64)

_TYPES = {
    "CsvExampleGen": "components.example_gen.CsvExampleGen",
    "Transform": "tfx.components.transform.component.Transform",
    "Trainer": "tfx.components.trainer.component.Trainer",
    "Evaluator": "tfx.components.evaluator.component.Evaluator",
    "Pusher": "tfx.components.pusher.component.Pusher",
    "Resolver": "tfx.dsl.components.common.resolver.Resolver",
    "Approval": "components.approval.Approval",
}

#: What each Trainer says that it ran.
IMAGE = "registry.example/complaints@sha256:" + "d" * 64
CODE_HASH = "e" * 64
PACKAGES = {"tensorflow": "2.15.1", "tfx": "1.15.1"}

#: A name that is markup for rich, HTML, Graphviz and a terminal.
HOSTILE = "<script>alert(1)</script>\n\x1b]0;owned\x07\x1b[31m[red]\"\\N' \u202e}; x [label=y]&amp;"


class StoreWriter:
    """Writes executions as TFX records them."""

    def __init__(self, store: ml_metadata.MetadataStore) -> None:
        self.store = store
        self._contexts: dict[tuple[str, str], mlmd.Context] = {}

    def artifact(self, type_name: str, uri: str, **properties: Any) -> mlmd.Artifact:
        """An artifact that is not in the store yet."""
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=type_name))
        artifact = mlmd.Artifact(type_id=type_id, uri=uri, state=mlmd.Artifact.LIVE)
        _set(artifact, properties)
        return artifact

    def execution(
        self,
        run: str,
        node: str,
        inputs: Sequence[tuple[str, mlmd.Artifact]] = (),
        outputs: Sequence[tuple[str, mlmd.Artifact]] = (),
        state: int = mlmd.Execution.COMPLETE,
        output_type: int = mlmd.Event.OUTPUT,
        **properties: Any,
    ) -> int:
        """Records an execution; gives its artifacts their ids."""
        type_id = self.store.put_execution_type(mlmd.ExecutionType(name=_TYPES.get(node, node)))
        execution = mlmd.Execution(type_id=type_id, last_known_state=state)
        _set(execution, properties)
        contexts = [
            self._context("pipeline", PIPELINE),
            self._context("pipeline_run", run),
            self._context("node", f"{PIPELINE}.{node}"),
        ]
        pairs = [(item, _event(key, mlmd.Event.INPUT)) for key, item in inputs]
        pairs += [(item, _event(key, output_type)) for key, item in outputs]
        execution_id, artifact_ids, _ = self.store.put_execution(
            execution, pairs, contexts, reuse_context_if_already_exist=True
        )
        for (artifact, _), artifact_id in zip(pairs, artifact_ids, strict=True):
            artifact.id = artifact_id
        return execution_id

    def _context(self, type_name: str, name: str) -> mlmd.Context:
        key = (type_name, name)
        if key not in self._contexts:
            type_id = self.store.put_context_type(mlmd.ContextType(name=type_name))
            self._contexts[key] = mlmd.Context(type_id=type_id, name=name)
        return self._contexts[key]


def input_files(*files: Mapping[str, Any], left_out: int = 0) -> str:
    """The property with the raw files, as CsvExampleGen leaves it."""
    return json.dumps(
        {
            "files": files,
            "left_out": left_out,
            "bytes": sum(file["bytes"] for file in files),
            "rows": sum(file["rows"] for file in files),
        }
    )


def sqlite_store(path: pathlib.Path) -> ml_metadata.MetadataStore:
    """A store in a SQLite file, which is made if it is not there."""
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    return ml_metadata.MetadataStore(config)


def write_four_runs(store: ml_metadata.MetadataStore) -> None:
    """Writes the runs into an empty store: ids of artifacts and executions count from 1."""
    write = StoreWriter(store)
    examples = write.artifact(
        "Examples",
        "/out/CsvExampleGen/examples/1",
        input_fingerprint="split:single_split,num_files:2",
        input_files=input_files(
            {"name": "a.csv", "bytes": 1000, "sha256": SHA_A, "rows": 10},
            {"name": "b.csv", "bytes": 2500, "sha256": SHA_B, "rows": 25},
        ),
        tfx_version="1.15.1",
    )
    graph = write.artifact("TransformGraph", "/out/Transform/transform_graph/2")
    code = json.dumps({"code_hash": "c0de" * 16})
    cached = mlmd.Execution.CACHED
    failed = mlmd.Execution.FAILED

    # run-1: executions 1 to 5, artifacts 1 to 5.
    reading = {"input_base": "/data"}
    write.execution("run-1", "CsvExampleGen", (), [("examples", examples)], **reading)
    write.execution(
        "run-1", "Transform", [("examples", examples)], [("transform_graph", graph)],
        custom_config=code,
    )  # fmt: skip
    model, blessing = _model(write, "run-1", graph, 3)
    _evaluate(write, "run-1", examples, model, blessing, auc=0.71)
    _push(write, "run-1", model, blessing, "101")

    # run-2: executions 6 to 13, artifacts 6 to 8.
    write.execution("run-2", "CsvExampleGen", (), [("examples", examples)], cached, **reading)
    write.execution(
        "run-2", "Transform", [("examples", examples)], [("transform_graph", graph)], cached
    )
    write.execution(
        "run-2", "Resolver", (), [("model", model), ("model_blessing", blessing)],
        output_type=mlmd.Event.INTERNAL_OUTPUT,
    )  # fmt: skip
    write.execution("run-2", "Trainer", [("transform_graph", graph)], (), failed)
    second, second_blessing = _model(write, "run-2", graph, 10)
    _evaluate(write, "run-2", examples, second, second_blessing, auc=0.74, baseline=model)
    write.execution(
        "run-2", "Approval", [("model", second)], (),
        approved_by="Ada [bold]<script>", note="looks good",
        decided="2026-11-25T07:00:00+00:00",
    )  # fmt: skip
    _push(write, "run-2", second, second_blessing, "102")

    # run-3: executions 14 and 15.
    write.execution("run-3", "CsvExampleGen", (), [("examples", examples)], cached, **reading)
    write.execution("run-3", "Trainer", [("transform_graph", graph)], (), failed)

    # run-4: executions 16 to 19, artifacts 9 to 12.
    other = write.artifact(
        "Examples",
        "/out/CsvExampleGen/examples/16",
        input_files=input_files({"name": "c.csv", "bytes": 70, "sha256": SHA_C, "rows": 3}),
    )
    own_graph = write.artifact("TransformGraph", "/out/Transform/transform_graph/17")
    write.execution("run-4", "CsvExampleGen", (), [("examples", other)], input_base="/other")
    write.execution("run-4", "Transform", [("examples", other)], [("transform_graph", own_graph)])
    third, third_blessing = _model(write, "run-4", own_graph, 18)
    _evaluate(write, "run-4", other, third, third_blessing, auc=0.5, blessed=0)


def write_hostile_run(store: ml_metadata.MetadataStore) -> None:
    """Writes a run in which every text that a user or a component chooses is hostile.

    Its examples are artifact 1, and what was trained on them is artifact 2.
    """
    write = StoreWriter(store)
    files = input_files({"name": HOSTILE, "bytes": 1, "sha256": SHA_A, "rows": 1})
    examples = write.artifact("Examples", f"/{HOSTILE}", input_files=files, note=HOSTILE)
    model = write.artifact(HOSTILE, f"/model/{HOSTILE}")
    run_id = f"run-{HOSTILE}"
    write.execution(
        run_id, "CsvExampleGen", (), [(HOSTILE, examples)], input_base=f"/{HOSTILE}"
    )  # fmt: skip
    write.execution(
        run_id, HOSTILE, [(HOSTILE, examples)], [("model", model)],
        image=HOSTILE, code_hash=HOSTILE, packages=json.dumps({HOSTILE: HOSTILE}),
        run_parameters=json.dumps({HOSTILE: HOSTILE}), metrics=json.dumps({HOSTILE: 1}),
    )  # fmt: skip
    write.execution(run_id, "Approval", [("model", model)], (), approved_by=HOSTILE)


def _model(
    write: StoreWriter, run: str, graph: mlmd.Artifact, number: int
) -> tuple[mlmd.Artifact, mlmd.Artifact]:
    model = write.artifact("Model", f"/out/Trainer/model/{number}")
    write.execution(
        run, "Trainer", [("transform_graph", graph)], [("model", model)],
        train_args='{"num_steps": 100}',
        image=IMAGE,
        code_hash=CODE_HASH,
        packages=json.dumps(PACKAGES),
        run_parameters=json.dumps({"train-steps": str(100 + number)}),
    )  # fmt: skip
    blessing = write.artifact("ModelBlessing", f"/out/Evaluator/blessing/{number + 1}")
    return model, blessing


def _evaluate(
    write: StoreWriter,
    run: str,
    examples: mlmd.Artifact,
    model: mlmd.Artifact,
    blessing: mlmd.Artifact,
    auc: float,
    baseline: mlmd.Artifact | None = None,
    blessed: int = 1,
) -> None:
    blessing.custom_properties["blessed"].int_value = blessed
    inputs = [("examples", examples), ("model", model)]
    if baseline is not None:
        inputs.append(("baseline_model", baseline))
    write.execution(
        run, "Evaluator", inputs, [("blessing", blessing)], metrics=json.dumps({"auc": auc})
    )


def _push(
    write: StoreWriter, run: str, model: mlmd.Artifact, blessing: mlmd.Artifact, version: str
) -> None:
    pushed = write.artifact(
        "PushedModel",
        f"/out/Pusher/pushed_model/{version}",
        pushed=1,
        pushed_version=version,
        pushed_destination=f"/serving/complaints/{version}",
    )
    write.execution(
        run, "Pusher", [("model", model), ("model_blessing", blessing)], [("pushed_model", pushed)]
    )


def _event(key: str, kind: int) -> mlmd.Event:
    steps = [mlmd.Event.Path.Step(key=key), mlmd.Event.Path.Step(index=0)]
    return mlmd.Event(type=kind, path=mlmd.Event.Path(steps=steps))


def _set(item: mlmd.Artifact | mlmd.Execution, properties: Mapping[str, Any]) -> None:
    for name, value in properties.items():
        if isinstance(value, int):
            item.custom_properties[name].int_value = value
        else:
            item.custom_properties[name].string_value = value
