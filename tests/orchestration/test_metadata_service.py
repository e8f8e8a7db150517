"""Every RPC of ml-metadata's service, answered by our server as the core itself answers it."""

import dataclasses
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import ml_metadata
import pytest
from google.protobuf.message import Message
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as core
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2 as service
from ml_metadata.proto import metadata_store_service_pb2_grpc as service_grpc

from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_target import SqliteTarget

pytestmark = pytest.mark.whole

METHODS = {
    method.name: method
    for method in service.DESCRIPTOR.services_by_name["MetadataStoreService"].methods
}

# What the store of these tests holds. Ids count from 1; those of types begin above ml-metadata's
# own simple types.
DATASET, TRAINER, PIPELINE, RUN = 10, 11, 12, 13
RAW, SPLIT, MODEL = 1, 2, 3
PREPARE, TRAIN = 1, 2
COMPLAINTS, MONDAY, TUESDAY = 1, 2, 3


def seed(path: pathlib.Path) -> None:
    """One pipeline with two runs; the first prepared a split and trained a model from it."""
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    store = ml_metadata.MetadataStore(config)
    dataset = mlmd.ArtifactType(
        name="Dataset", version="2", external_id="type:dataset", properties={"rows": mlmd.INT}
    )
    trainer = mlmd.ExecutionType(
        name="Trainer", external_id="type:trainer", properties={"steps": mlmd.INT}
    )
    pipeline = mlmd.ContextType(name="Pipeline", external_id="type:pipeline")
    types = (
        store.put_artifact_type(dataset),
        store.put_execution_type(trainer),
        store.put_context_type(pipeline),
        store.put_context_type(mlmd.ContextType(name="Run")),
    )
    assert types == (DATASET, TRAINER, PIPELINE, RUN)
    store.put_artifacts(
        [
            mlmd.Artifact(
                type_id=DATASET,
                name=name,
                uri=f"/volume/{name}",
                external_id=f"artifact:{name}",
                state=mlmd.Artifact.LIVE,
                properties={"rows": mlmd.Value(int_value=rows)},
                custom_properties={"note": mlmd.Value(string_value="größe")},
            )
            for name, rows in (("raw", 300), ("split", 200), ("model", 0))
        ]
    )
    store.put_executions(
        [
            mlmd.Execution(
                type_id=TRAINER,
                name=name,
                external_id=f"execution:{name}",
                last_known_state=mlmd.Execution.COMPLETE,
                properties={"steps": mlmd.Value(int_value=50)},
            )
            for name in ("prepare", "train")
        ]
    )
    store.put_contexts(
        [
            mlmd.Context(type_id=type_id, name=name, external_id=f"context:{name}")
            for type_id, name in ((PIPELINE, "complaints"), (RUN, "monday"), (RUN, "tuesday"))
        ]
    )
    store.put_events(
        [
            mlmd.Event(artifact_id=RAW, execution_id=PREPARE, type=mlmd.Event.INPUT),
            mlmd.Event(artifact_id=SPLIT, execution_id=PREPARE, type=mlmd.Event.OUTPUT),
            mlmd.Event(artifact_id=SPLIT, execution_id=TRAIN, type=mlmd.Event.INPUT),
            mlmd.Event(artifact_id=MODEL, execution_id=TRAIN, type=mlmd.Event.OUTPUT),
        ]
    )
    store.put_attributions_and_associations(
        [mlmd.Attribution(artifact_id=i, context_id=MONDAY) for i in (RAW, SPLIT, MODEL)],
        [mlmd.Association(execution_id=i, context_id=MONDAY) for i in (PREPARE, TRAIN)],
    )
    store.put_parent_contexts(
        [mlmd.ParentContext(parent_id=COMPLAINTS, child_id=i) for i in (MONDAY, TUESDAY)]
    )


class Core:
    """ml-metadata's core in this process, on a file."""

    def __init__(self, path: pathlib.Path) -> None:
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        self._store = core.CreateMetadataStore(config.SerializeToString(), b"")

    def call(self, name: str, request: bytes) -> tuple[bytes, str, int]:
        """The answer, the error message and the status code."""
        answer, message, code = getattr(core, name)(self._store, request)
        return answer, message.decode(), code


@dataclasses.dataclass
class Place:
    """A seeded store with our server on it, and the core beside the server."""

    stub: Any
    channel: grpc.Channel
    core: Core

    def ask(self, name: str, fields: dict[str, Any]) -> Any:
        return getattr(self.stub, name)(request_of(name, fields), timeout=30)


def request_of(name: str, fields: dict[str, Any]) -> Message:
    return getattr(service, METHODS[name].input_type.name)(**fields)


def core_answer(store: Core, name: str, fields: dict[str, Any]) -> Message:
    answer, message, code = store.call(name, request_of(name, fields).SerializeToString())
    assert code == 0, message
    return getattr(service, METHODS[name].output_type.name).FromString(answer)


def without_times(message: Message) -> Message:
    """A copy without times, which differ between two stores."""
    copy = type(message)()
    copy.CopyFrom(message)
    _clear_times(copy)
    return copy


def _clear_times(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name.endswith("since_epoch"):
            message.ClearField(field.name)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for part in value if field.label == field.LABEL_REPEATED else [value]:
                _clear_times(part)


def in_order(answer: Any) -> Any:
    """A lineage subgraph sorted, which the core gives in any order; other answers as they are."""
    if not hasattr(answer, "lineage_subgraph"):
        return answer
    return {
        field.name: sorted(str(item) for item in items)
        for field, items in answer.lineage_subgraph.ListFields()
    }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("template") / "seeded.db"
    seed(path)
    return path


def _place(path: pathlib.Path) -> Iterator[Place]:
    with (
        MetadataServer(SqliteTarget(path)) as address,
        grpc.insecure_channel(address.authority) as channel,
    ):
        yield Place(service_grpc.MetadataStoreServiceStub(channel), channel, Core(path))


@pytest.fixture(scope="module")
def shared(template: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """For what only reads."""
    yield from _place(shutil.copy(template, tmp_path_factory.mktemp("shared") / "metadata.db"))


@pytest.fixture
def fresh(template: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Place]:
    """For what writes."""
    yield from _place(shutil.copy(template, tmp_path / "metadata.db"))


View = Callable[[Any], Any]


def of(field: str, part: str = "name") -> View:
    """One field of each of the answer's items."""
    return lambda answer: [getattr(item, part) for item in getattr(answer, field)]


def page_of(field: str) -> View:
    """The names, and whether there are more."""
    return lambda answer: (of(field)(answer), bool(answer.next_page_token))


def nodes(answer: Any) -> Any:
    """The ids in a lineage subgraph."""
    graph = answer.lineage_subgraph
    return (
        sorted(item.id for item in graph.artifacts),
        sorted(item.id for item in graph.executions),
        sorted(item.id for item in graph.contexts),
        sorted((item.artifact_id, item.execution_id) for item in graph.events),
    )


def options(**fields: Any) -> dict[str, mlmd.ListOperationOptions]:
    return {"options": mlmd.ListOperationOptions(**fields)}


NEWEST_FIRST = mlmd.ListOperationOptions.OrderByField(
    field=mlmd.ListOperationOptions.OrderByField.ID, is_asc=False
)


def lineage(start: str, hops: int, direction: Any, **fields: Any) -> dict[str, Any]:
    query = mlmd.LineageSubgraphQueryOptions(
        starting_artifacts={"filter_query": start}, max_num_hops=hops, direction=direction
    )
    return {"lineage_subgraph_query_options": query, **fields}


UPSTREAM = mlmd.LineageSubgraphQueryOptions.UPSTREAM
DOWNSTREAM = mlmd.LineageSubgraphQueryOptions.DOWNSTREAM

#: RPC, request, what of the answer matters, and how that must look.
READS: list[tuple[str, dict[str, Any], View, Any]] = [
    (
        "GetArtifactType",
        {"type_name": "Dataset", "type_version": "2"},
        lambda answer: (answer.artifact_type.id, dict(answer.artifact_type.properties)),
        (DATASET, {"rows": mlmd.INT}),
    ),
    (
        "GetExecutionType",
        {"type_name": "Trainer"},
        lambda answer: (answer.execution_type.id, dict(answer.execution_type.properties)),
        (TRAINER, {"steps": mlmd.INT}),
    ),
    ("GetContextType", {"type_name": "Run"}, lambda answer: answer.context_type.id, RUN),
    ("GetArtifactTypesByID", {"type_ids": [DATASET]}, of("artifact_types"), ["Dataset"]),
    ("GetExecutionTypesByID", {"type_ids": [TRAINER]}, of("execution_types"), ["Trainer"]),
    ("GetContextTypesByID", {"type_ids": [RUN]}, of("context_types"), ["Run"]),
    ("GetArtifactTypes", {}, of("artifact_types"), ["Dataset"]),
    ("GetExecutionTypes", {}, of("execution_types"), ["Trainer"]),
    ("GetContextTypes", {}, of("context_types"), ["Pipeline", "Run"]),
    (
        "GetArtifactTypesByExternalIds",
        {"external_ids": ["type:dataset"]},
        of("artifact_types"),
        ["Dataset"],
    ),
    (
        "GetExecutionTypesByExternalIds",
        {"external_ids": ["type:trainer"]},
        of("execution_types"),
        ["Trainer"],
    ),
    (
        "GetContextTypesByExternalIds",
        {"external_ids": ["type:pipeline"]},
        of("context_types"),
        ["Pipeline"],
    ),
    ("GetArtifacts", {}, page_of("artifacts"), (["raw", "split", "model"], False)),
    (
        "GetArtifacts",
        options(max_result_size=2, order_by_field=NEWEST_FIRST),
        page_of("artifacts"),
        (["model", "split"], True),
    ),
    (
        "GetArtifacts",
        options(filter_query="uri LIKE '/volume/%' AND properties.rows.int_value > 250"),
        page_of("artifacts"),
        (["raw"], False),
    ),
    (
        "GetArtifacts",
        options(filter_query="contexts_a.name = 'tuesday'"),
        page_of("artifacts"),
        ([], False),
    ),
    ("GetExecutions", {}, page_of("executions"), (["prepare", "train"], False)),
    (
        "GetExecutions",
        options(filter_query="last_known_state = COMPLETE AND name = 'train'"),
        page_of("executions"),
        (["train"], False),
    ),
    ("GetContexts", {}, page_of("contexts"), (["complaints", "monday", "tuesday"], False)),
    (
        "GetContexts",
        options(filter_query="parent_contexts_a.name = 'complaints'", max_result_size=1),
        page_of("contexts"),
        (["monday"], True),
    ),
    (
        "GetArtifactsByID",
        {"artifact_ids": [MODEL, RAW, 99]},
        lambda answer: sorted(of("artifacts")(answer)),
        ["model", "raw"],
    ),
    (
        "GetArtifactsByID",
        {"artifact_ids": [RAW], "populate_artifact_types": True},
        of("artifact_types"),
        ["Dataset"],
    ),
    ("GetExecutionsByID", {"execution_ids": [TRAIN]}, of("executions"), ["train"]),
    ("GetContextsByID", {"context_ids": [TUESDAY]}, of("contexts"), ["tuesday"]),
    (
        "GetArtifactsByType",
        {"type_name": "Dataset", "type_version": "2", **options(max_result_size=2)},
        page_of("artifacts"),
        (["raw", "split"], True),
    ),
    (
        "GetExecutionsByType",
        {"type_name": "Trainer"},
        page_of("executions"),
        (["prepare", "train"], False),
    ),
    (
        "GetContextsByType",
        {"type_name": "Run", **options(max_result_size=1)},
        page_of("contexts"),
        (["monday"], True),
    ),
    (
        "GetArtifactByTypeAndName",
        {"type_name": "Dataset", "type_version": "2", "artifact_name": "split"},
        lambda answer: (answer.artifact.id, answer.artifact.custom_properties["note"].string_value),
        (SPLIT, "größe"),
    ),
    (
        "GetArtifactByTypeAndName",
        {"type_name": "Dataset", "type_version": "2", "artifact_name": "absent"},
        lambda answer: answer.HasField("artifact"),
        False,
    ),
    (
        "GetExecutionByTypeAndName",
        {"type_name": "Trainer", "execution_name": "train"},
        lambda answer: answer.execution.id,
        TRAIN,
    ),
    (
        "GetContextByTypeAndName",
        {"type_name": "Run", "context_name": "tuesday"},
        lambda answer: answer.context.id,
        TUESDAY,
    ),
    ("GetArtifactsByURI", {"uris": ["/volume/raw"]}, of("artifacts"), ["raw"]),
    (
        "GetEventsByExecutionIDs",
        {"execution_ids": [TRAIN]},
        lambda answer: [(event.artifact_id, event.type) for event in answer.events],
        [(SPLIT, mlmd.Event.INPUT), (MODEL, mlmd.Event.OUTPUT)],
    ),
    (
        "GetEventsByArtifactIDs",
        {"artifact_ids": [SPLIT]},
        lambda answer: [(event.execution_id, event.type) for event in answer.events],
        [(PREPARE, mlmd.Event.OUTPUT), (TRAIN, mlmd.Event.INPUT)],
    ),
    (
        "GetArtifactsByExternalIds",
        {"external_ids": ["artifact:model"]},
        of("artifacts"),
        ["model"],
    ),
    (
        "GetExecutionsByExternalIds",
        {"external_ids": ["execution:train"]},
        of("executions"),
        ["train"],
    ),
    (
        "GetContextsByExternalIds",
        {"external_ids": ["context:monday"]},
        of("contexts"),
        ["monday"],
    ),
    ("GetContextsByArtifact", {"artifact_id": RAW}, of("contexts"), ["monday"]),
    ("GetContextsByExecution", {"execution_id": TRAIN}, of("contexts"), ["monday"]),
    ("GetParentContextsByContext", {"context_id": MONDAY}, of("contexts"), ["complaints"]),
    ("GetParentContextsByContext", {"context_id": COMPLAINTS}, of("contexts"), []),
    (
        "GetChildrenContextsByContext",
        {"context_id": COMPLAINTS},
        of("contexts"),
        ["monday", "tuesday"],
    ),
    (
        "GetArtifactsByContext",
        {"context_id": MONDAY, **options(max_result_size=2)},
        page_of("artifacts"),
        (["raw", "split"], True),
    ),
    (
        "GetExecutionsByContext",
        {"context_id": MONDAY},
        page_of("executions"),
        (["prepare", "train"], False),
    ),
    (
        "GetLineageSubgraph",
        lineage("name = 'model'", 1, UPSTREAM),
        nodes,
        ([MODEL], [TRAIN], [MONDAY], [(MODEL, TRAIN)]),
    ),
    (
        "GetLineageSubgraph",
        lineage("name = 'raw'", 20, DOWNSTREAM),
        nodes,
        (
            [RAW, SPLIT, MODEL],
            [PREPARE, TRAIN],
            [MONDAY],
            [(RAW, PREPARE), (SPLIT, PREPARE), (SPLIT, TRAIN), (MODEL, TRAIN)],
        ),
    ),
    (
        "GetLineageSubgraph",
        lineage("name = 'model'", 1, UPSTREAM, read_mask={"paths": ["artifacts", "events"]}),
        nodes,
        ([MODEL], [], [], [(MODEL, TRAIN)]),
    ),
]


@pytest.mark.parametrize(
    ("name", "fields", "view", "expected"), READS, ids=[case[0] for case in READS]
)
def test_reads_as_the_core_does(
    shared: Place, name: str, fields: dict[str, Any], view: View, expected: Any
) -> None:
    answer = shared.ask(name, fields)

    assert view(answer) == expected
    assert in_order(answer) == in_order(core_answer(shared.core, name, fields))


#: RPC of which the core lacks the function, request, and names by context id.
BATCHES: list[tuple[str, list[int], dict[int, list[str]]]] = [
    ("GetParentContextsByContexts", [MONDAY], {MONDAY: ["complaints"]}),
    (
        "GetParentContextsByContexts",
        [MONDAY, TUESDAY, COMPLAINTS, MONDAY, 99],
        {MONDAY: ["complaints"], TUESDAY: ["complaints"]},
    ),
    ("GetChildrenContextsByContexts", [COMPLAINTS], {COMPLAINTS: ["monday", "tuesday"]}),
    (
        "GetChildrenContextsByContexts",
        [COMPLAINTS, COMPLAINTS, MONDAY, 99],
        {COMPLAINTS: ["monday", "tuesday"]},
    ),
]


@pytest.mark.parametrize(("name", "context_ids", "expected"), BATCHES)
def test_answers_a_batch_with_the_contexts_of_each(
    shared: Place, name: str, context_ids: list[int], expected: dict[int, list[str]]
) -> None:
    relation = "parent_contexts" if "Parent" in name else "children_contexts"

    answer = shared.ask(name, {"context_ids": context_ids})

    assert {key: of(relation)(item) for key, item in answer.contexts.items()} == expected


RUN_CONTEXT = mlmd.Context(type_id=RUN, name="wednesday")
NEW_ARTIFACT = mlmd.Artifact(type_id=DATASET, name="new", uri="/volume/new")
NEW_EXECUTION = mlmd.Execution(type_id=TRAINER, name="again")

#: RPC, request, the whole answer, then a read that shows what was put.
WRITES: list[tuple[str, dict[str, Any], dict[str, Any], str, dict[str, Any], View, Any]] = [
    (
        "PutArtifactType",
        {
            "artifact_type": mlmd.ArtifactType(
                name="Dataset", version="2", properties={"rows": mlmd.INT, "hash": mlmd.STRING}
            ),
            "can_add_fields": True,
        },
        {"type_id": DATASET},
        "GetArtifactType",
        {"type_name": "Dataset", "type_version": "2"},
        lambda answer: sorted(answer.artifact_type.properties),
        ["hash", "rows"],
    ),
    (
        "PutExecutionType",
        {"execution_type": mlmd.ExecutionType(name="Pusher")},
        {"type_id": 14},
        "GetExecutionTypes",
        {},
        of("execution_types"),
        ["Trainer", "Pusher"],
    ),
    (
        "PutContextType",
        {"context_type": mlmd.ContextType(name="Experiment")},
        {"type_id": 14},
        "GetContextTypes",
        {},
        of("context_types"),
        ["Pipeline", "Run", "Experiment"],
    ),
    (
        "PutTypes",
        {
            "artifact_types": [mlmd.ArtifactType(name="Model")],
            "execution_types": [mlmd.ExecutionType(name="Pusher")],
            "context_types": [mlmd.ContextType(name="Experiment")],
        },
        {"artifact_type_ids": [14], "execution_type_ids": [15], "context_type_ids": [16]},
        "GetArtifactTypes",
        {},
        of("artifact_types"),
        ["Dataset", "Model"],
    ),
    (
        "PutArtifacts",
        {
            "artifacts": [
                NEW_ARTIFACT,
                mlmd.Artifact(id=RAW, type_id=DATASET, uri="/elsewhere", name="ignored"),
            ],
            "update_mask": {"paths": ["uri"]},
        },
        {"artifact_ids": [4, RAW]},
        "GetArtifactsByID",
        {"artifact_ids": [RAW, 4]},
        lambda answer: [(item.name, item.uri) for item in answer.artifacts],
        [("raw", "/elsewhere"), ("new", "/volume/new")],
    ),
    (
        "PutExecutions",
        {"executions": [NEW_EXECUTION]},
        {"execution_ids": [3]},
        "GetExecutions",
        {},
        of("executions"),
        ["prepare", "train", "again"],
    ),
    (
        "PutContexts",
        {"contexts": [RUN_CONTEXT]},
        {"context_ids": [4]},
        "GetContextsByType",
        {"type_name": "Run"},
        of("contexts"),
        ["monday", "tuesday", "wednesday"],
    ),
    (
        "PutEvents",
        {
            "events": [
                mlmd.Event(
                    artifact_id=RAW,
                    execution_id=TRAIN,
                    type=mlmd.Event.INPUT,
                    path={"steps": [{"key": "examples"}, {"index": 0}]},
                )
            ]
        },
        {},
        "GetEventsByArtifactIDs",
        {"artifact_ids": [RAW]},
        lambda answer: [[step.key for step in event.path.steps] for event in answer.events],
        [[], ["examples", ""]],
    ),
    (
        "PutExecution",
        {
            "execution": NEW_EXECUTION,
            "artifact_event_pairs": [
                {"artifact": NEW_ARTIFACT, "event": mlmd.Event(type=mlmd.Event.OUTPUT)},
            ],
            "contexts": [mlmd.Context(type_id=RUN, name="monday"), RUN_CONTEXT],
            "options": {"reuse_context_if_already_exist": True},
        },
        {"execution_id": 3, "artifact_ids": [4], "context_ids": [MONDAY, 4]},
        "GetContextsByExecution",
        {"execution_id": 3},
        lambda answer: sorted(of("contexts")(answer)),
        ["monday", "wednesday"],
    ),
    (
        "PutLineageSubgraph",
        {
            "executions": [NEW_EXECUTION],
            "artifacts": [NEW_ARTIFACT],
            "contexts": [RUN_CONTEXT],
            "event_edges": [
                {
                    "execution_index": 0,
                    "artifact_index": 0,
                    "event": mlmd.Event(type=mlmd.Event.OUTPUT),
                }
            ],
        },
        {"execution_ids": [3], "artifact_ids": [4], "context_ids": [4]},
        "GetArtifactsByContext",
        {"context_id": 4},
        of("artifacts"),
        ["new"],
    ),
    (
        "PutAttributionsAndAssociations",
        {
            "attributions": [mlmd.Attribution(artifact_id=MODEL, context_id=TUESDAY)],
            "associations": [mlmd.Association(execution_id=TRAIN, context_id=TUESDAY)],
        },
        {},
        "GetContextsByArtifact",
        {"artifact_id": MODEL},
        of("contexts"),
        ["monday", "tuesday"],
    ),
    (
        "PutParentContexts",
        {"parent_contexts": [mlmd.ParentContext(parent_id=TUESDAY, child_id=MONDAY)]},
        {},
        "GetParentContextsByContext",
        {"context_id": MONDAY},
        of("contexts"),
        ["complaints", "tuesday"],
    ),
]


@pytest.mark.parametrize(
    ("name", "fields", "expected", "read", "read_fields", "view", "seen"),
    WRITES,
    ids=[case[0] for case in WRITES],
)
def test_writes_as_the_core_does(
    fresh: Place,
    template: pathlib.Path,
    tmp_path: pathlib.Path,
    name: str,
    fields: dict[str, Any],
    expected: dict[str, Any],
    read: str,
    read_fields: dict[str, Any],
    view: View,
    seen: Any,
) -> None:
    twin = Core(shutil.copy(template, tmp_path / "twin.db"))

    answer = fresh.ask(name, fields)

    assert answer == getattr(service, METHODS[name].output_type.name)(**expected)
    assert answer == core_answer(twin, name, fields)
    after = fresh.ask(read, read_fields)
    assert view(after) == seen
    assert without_times(after) == without_times(core_answer(twin, read, read_fields))


HUGE = mlmd.Artifact(type_id=DATASET, name="é" * 60_000)

#: Milliseconds since the epoch, in a message that quotes an SQL statement.
TIME = re.compile(r"\d{13}")

#: RPC, request, and gRPC's status.
FAILURES: list[tuple[str, dict[str, Any], grpc.StatusCode]] = [
    ("GetArtifactType", {"type_name": "Absent"}, grpc.StatusCode.NOT_FOUND),
    ("GetContextsByArtifact", {"artifact_id": 99}, grpc.StatusCode.NOT_FOUND),
    (
        "PutExecutions",
        {"executions": [mlmd.Execution(type_id=99)]},
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PutArtifacts",
        {"artifacts": [mlmd.Artifact(type_id=DATASET, name="raw")]},
        grpc.StatusCode.ALREADY_EXISTS,
    ),
    (
        "PutArtifactType",
        {
            "artifact_type": mlmd.ArtifactType(
                name="Dataset", version="2", properties={"rows": mlmd.STRING}
            )
        },
        grpc.StatusCode.ALREADY_EXISTS,
    ),
    (
        "PutParentContexts",
        {"parent_contexts": [mlmd.ParentContext(parent_id=COMPLAINTS, child_id=MONDAY)]},
        grpc.StatusCode.ALREADY_EXISTS,
    ),
    ("PutExecutions", {"executions": [mlmd.Execution()]}, grpc.StatusCode.INVALID_ARGUMENT),
    (
        "PutArtifacts",
        {
            "artifacts": [
                mlmd.Artifact(type_id=DATASET, properties={"rows": mlmd.Value(string_value="many")})
            ]
        },
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "PutEvents",
        {"events": [mlmd.Event(artifact_id=99, execution_id=TRAIN, type=mlmd.Event.INPUT)]},
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    ("GetArtifacts", options(filter_query="no query"), grpc.StatusCode.INVALID_ARGUMENT),
    ("GetArtifacts", options(next_page_token="none"), grpc.StatusCode.INVALID_ARGUMENT),
    ("GetLineageSubgraph", {}, grpc.StatusCode.INVALID_ARGUMENT),
]


@pytest.mark.parametrize(("name", "fields", "code"), FAILURES)
def test_fails_as_the_core_does(
    fresh: Place, name: str, fields: dict[str, Any], code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        fresh.ask(name, fields)

    _, message, core_code = fresh.core.call(name, request_of(name, fields).SerializeToString())
    assert caught.value.code() == code
    assert core_code == code.value[0]
    assert TIME.sub("", caught.value.details()) == TIME.sub("", message)


@pytest.mark.parametrize("name", ["GetParentContextsByContexts", "GetChildrenContextsByContexts"])
def test_a_batch_of_no_contexts_is_invalid(shared: Place, name: str) -> None:
    with pytest.raises(grpc.RpcError, match=r"Given context_ids is empty\.") as caught:
        shared.ask(name, {})

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_deprecated_lineage_graph_is_unimplemented_and_names_its_successor(
    shared: Place,
) -> None:
    with pytest.raises(grpc.RpcError, match="use GetLineageSubgraph") as caught:
        shared.ask("GetLineageGraph", {})

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"GetLineageGraph"}))
def test_bytes_that_are_no_request_are_an_invalid_argument(shared: Place, name: str) -> None:
    call = shared.channel.unary_unary(f"/ml_metadata.MetadataStoreService/{name}")

    with pytest.raises(grpc.RpcError, match="Could not parse proto") as caught:
        call(b"\xff\xff\xff", timeout=30)

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_quotes_a_huge_artifact_arrives_shortened(fresh: Place) -> None:
    fresh.ask("PutArtifacts", {"artifacts": [HUGE]})

    with pytest.raises(grpc.RpcError) as caught:
        fresh.ask("PutArtifacts", {"artifacts": [HUGE]})

    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert caught.value.details().startswith("Given node already exists")
    assert len(caught.value.details()) == 2000


def test_a_method_of_no_such_name_is_unimplemented(shared: Place) -> None:
    call = shared.channel.unary_unary("/ml_metadata.MetadataStoreService/GetEverything")

    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=30)

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_pages_follow_one_another_to_the_end(shared: Place) -> None:
    names, token, sizes = [], "", []
    while not sizes or token:
        page = shared.ask("GetArtifacts", options(max_result_size=2, next_page_token=token))
        token = page.next_page_token
        names += of("artifacts")(page)
        sizes.append(len(page.artifacts))

    assert names == ["raw", "split", "model"]
    assert sizes == [2, 1]


def test_every_rpc_of_the_service_has_a_case() -> None:
    cases = {case[0] for table in (READS, BATCHES, WRITES) for case in table}

    assert cases | {"GetLineageGraph"} == METHODS.keys()
