"""Back from a model to the raw files: whole answers against the graph that was written by hand."""

import pathlib
import re
import time
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.approvals import Decision, decide
from components.errors import MetadataError
from orchestration.lineage.answer import ask, to_json
from orchestration.lineage.reader import Reader
from orchestration.lineage.store import open_reader
from orchestration.lineage.summary import summary
from orchestration.lineage.tree import tree, walk
from orchestration.metadata_target import SqliteTarget
from tests.lineage_store import (
    CODE_HASH,
    IMAGE,
    PACKAGES,
    SHA_A,
    SHA_B,
    StoreWriter,
    input_files,
    sqlite_store,
)

FILES_A_AND_B = {
    "artifact": 1,
    "folders": ("/data",),
    "files": (
        {"name": "a.csv", "bytes": 1000, "sha256": SHA_A, "rows": 10},
        {"name": "b.csv", "bytes": 2500, "sha256": SHA_B, "rows": 25},
    ),
    "left_out": 0,
    "bytes": 3500,
    "rows": 35,
    "rows_by": "CsvExampleGen",
    "fingerprint": "split:single_split,num_files:2",
    "spans": None,
}

#: All that version 102 came of, by artifact, execution, kind and role.
LINKS_OF_102 = [
    (1, 1, "output", "examples"),
    (1, 2, "input", "examples"),
    (1, 6, "reused", "examples"),
    (1, 11, "input", "examples"),
    (2, 2, "output", "transform_graph"),
    (2, 7, "reused", "transform_graph"),
    (2, 9, "input", "transform_graph"),
    (2, 10, "input", "transform_graph"),
    (3, 8, "chosen", "model"),
    (3, 11, "compared", "baseline_model"),
    (6, 10, "output", "model"),
    (6, 11, "input", "model"),
    (6, 12, "input", "model"),
    (6, 13, "input", "model"),
    (7, 11, "output", "blessing"),
    (7, 13, "input", "model_blessing"),
    (8, 13, "output", "pushed_model"),
]


def answer(reader: Reader, query: str, home: pathlib.Path | None = None) -> dict[str, Any]:
    return to_json(ask(reader, query, is_forward=False, home=home))


def links(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(link.values()) for link in found["links"]]


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


@pytest.mark.parametrize(
    "query",
    [
        "102",
        "8",
        "run-2",
        "/serving/complaints/102",
        "/serving/complaints/102/",
        "/serving/complaints/102/variables/variables.index",
        "/out/Pusher/pushed_model/102",
    ],
)
def test_each_name_of_a_pushed_model_leads_to_the_same_graph(reader: Reader, query: str) -> None:
    found = answer(reader, query)

    assert (found["direction"], found["roots"]) == ("back", [8])
    assert links(found) == LINKS_OF_102
    assert found["notes"] == []


def test_a_path_on_a_volume_mounted_elsewhere_is_found_and_said(reader: Reader) -> None:
    found = answer(reader, "/mnt/volume/complaints/102")

    assert found["roots"] == [8]
    assert found["notes"] == ["recorded as /serving/complaints/102"]


def test_the_raw_files_have_checksums_and_rows(reader: Reader) -> None:
    assert answer(reader, "102")["data"] == [FILES_A_AND_B]


def test_each_execution_has_its_run_and_state_the_cached_and_the_failed_ones_too(
    reader: Reader,
) -> None:
    executions = answer(reader, "102")["executions"]

    assert [tuple(item[key] for key in ("id", "node", "run", "state")) for item in executions] == [
        (1, "CsvExampleGen", "run-1", "COMPLETE"),
        (2, "Transform", "run-1", "COMPLETE"),
        (6, "CsvExampleGen", "run-2", "CACHED"),
        (7, "Transform", "run-2", "CACHED"),
        (8, "Resolver", "run-2", "COMPLETE"),
        (9, "Trainer", "run-2", "FAILED"),
        (10, "Trainer", "run-2", "COMPLETE"),
        (11, "Evaluator", "run-2", "COMPLETE"),
        (12, "Approval", "run-2", "COMPLETE"),
        (13, "Pusher", "run-2", "COMPLETE"),
    ]
    assert {item["pipeline"] for item in executions} == {"complaints"}
    assert all(item["recorded"] > 1_000_000_000 for item in executions)


def test_each_artifact_has_its_type_and_place(reader: Reader) -> None:
    artifacts = answer(reader, "102")["artifacts"]

    assert [(item["id"], item["type"], item["uri"]) for item in artifacts] == [
        (1, "Examples", "/out/CsvExampleGen/examples/1"),
        (2, "TransformGraph", "/out/Transform/transform_graph/2"),
        (3, "Model", "/out/Trainer/model/3"),
        (6, "Model", "/out/Trainer/model/10"),
        (7, "ModelBlessing", "/out/Evaluator/blessing/11"),
        (8, "PushedModel", "/out/Pusher/pushed_model/102"),
    ]


def test_it_says_who_has_approved_and_with_which_model_it_was_compared(reader: Reader) -> None:
    approvals = answer(reader, "102")["approvals"]

    assert [without(item, "recorded") for item in approvals] == [
        {
            "by": "Approval",
            "type": "Approval",
            "execution": 12,
            "artifact": None,
            "models": (6,),
            "verdict": "",
            "baselines": (),
            "metrics": {},
            "details": {
                "approved_by": "Ada [bold]<script>",
                "decided": "2026-11-25T07:00:00+00:00",
                "note": "looks good",
            },
            "run": "run-2",
        },
        {
            "by": "Evaluator",
            "type": "Evaluator",
            "execution": 11,
            "artifact": 7,
            "models": (6,),
            "verdict": "blessed",
            "baselines": (3,),
            "metrics": {"auc": 0.74},
            "details": {},
            "run": "run-2",
        },
    ]


def test_each_run_says_what_it_ran(reader: Reader) -> None:
    runs = answer(reader, "102")["runs"]

    assert [without(run, "started") for run in runs] == [
        {
            "id": "run-2",
            "pipeline": "complaints",
            "executions": (6, 7, 8, 9, 10, 11, 12, 13),
            "images": (IMAGE,),
            "packages": PACKAGES,
            "code_hash": CODE_HASH,
            "parameters": {"train-steps": "110"},
            "workflow": "",
        },
        {
            "id": "run-1",
            "pipeline": "complaints",
            "executions": (1, 2),
            "images": (),
            "packages": {"tfx": "1.15.1"},
            "code_hash": "",
            "parameters": {},
            "workflow": "",
        },
    ]


def test_the_first_model_has_nothing_of_later_runs(reader: Reader) -> None:
    found = answer(reader, "101")

    assert [run["id"] for run in found["runs"]] == ["run-1"]
    assert [item["id"] for item in found["artifacts"]] == [1, 2, 3, 4, 5]
    assert [item["id"] for item in found["executions"]] == [1, 2, 3, 4, 5]
    assert [item["baselines"] for item in found["approvals"]] == [()]


def test_a_run_without_a_push_leads_to_the_model_that_it_trained(reader: Reader) -> None:
    found = answer(reader, "run-4")

    assert found["roots"] == [11]
    assert found["notes"] == ["this run has pushed no model: this is the one that it trained"]
    assert [item["verdict"] for item in found["approvals"]] == ["not blessed"]
    assert [item["artifact"] for item in found["data"]] == [9]


def test_a_run_without_a_model_says_what_became_of_it(reader: Reader) -> None:
    with pytest.raises(MetadataError) as caught:
        answer(reader, "run-3")

    assert str(caught.value) == (
        "run-3: this run has no model (CsvExampleGen CACHED, Trainer FAILED); "
        "name an artifact or data"
    )


def test_what_is_no_model_has_origins_too(reader: Reader) -> None:
    found = answer(reader, "/out/Transform/transform_graph/2")

    assert found["roots"] == [2]
    assert [item["artifact"] for item in found["data"]] == [1]
    assert found["approvals"] == []


def test_a_number_that_is_a_version_and_an_id_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    pushed = write.artifact("PushedModel", "/out/1", pushed_version="1")
    write.execution("run-1", "Pusher", (), [("pushed_model", pushed)])

    with pytest.raises(MetadataError, match="version of a pushed model as well as the id"):
        answer(open_reader(SqliteTarget(path), None), "1")


def test_what_only_the_cache_still_knows_is_followed(tmp_path: pathlib.Path) -> None:
    # The execution that has made the examples was deleted from the store.
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    recorded = input_files({"name": "a.csv", "bytes": 1, "sha256": SHA_A, "rows": 1})
    examples = write.artifact("Examples", "/out/1", input_files=recorded)
    model = write.artifact("Model", "/out/2")
    write.execution(
        "run-9",
        "CsvExampleGen",
        (),
        [("examples", examples)],
        mlmd.Execution.CACHED,
        input_base="/data",
    )
    write.execution("run-9", "Trainer", [("examples", examples)], [("model", model)])

    found = answer(open_reader(SqliteTarget(path), None), "2")

    assert links(found)[0] == (1, 1, "reused", "examples")
    assert [item["folders"] for item in found["data"]] == [("/data",)]


def test_a_cycle_of_links_ends(tmp_path: pathlib.Path) -> None:
    # Nothing in ML Metadata forbids it.
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    model = write.artifact("Model", "/out/1")
    write.execution("run-1", "Trainer", (), [("model", model)])
    write.execution("run-1", "Tuner", [("model", model)], [("model", model)])

    assert len(answer(open_reader(SqliteTarget(path), None), "1")["links"]) == 3


def test_an_attempt_that_failed_before_it_read_anything_is_there(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    model = write.artifact("Model", "/out/1")
    failed = write.execution("run-1", "Trainer", state=mlmd.Execution.FAILED)
    made = write.execution("run-1", "Trainer", (), [("model", model)])

    assert links(answer(open_reader(SqliteTarget(path), None), "1")) == [
        (1, failed, "attempt", "model"),
        (1, made, "output", "model"),
    ]


def test_a_decision_that_the_cache_repeats_is_told_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    model = write.artifact("Model", "/out/1")
    write.execution("run-1", "Trainer", (), [("model", model)])
    decided = write.execution("run-1", "Approval", [("model", model)], approved_by="Ada")
    write.execution("run-2", "Approval", [("model", model)], state=mlmd.Execution.CACHED)

    approvals = answer(open_reader(SqliteTarget(path), None), "1")["approvals"]

    assert [item["execution"] for item in approvals] == [decided]


def test_all_decisions_on_a_run_are_told_the_rejections_too(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    store = sqlite_store(path)
    write = StoreWriter(store)
    model = write.artifact("Model", "/out/1")
    write.execution("run-1", "Trainer", (), [("model", model)])
    waiting = write.execution("run-1", "Approval", [("model", model)], state=mlmd.Execution.RUNNING)
    decide(store, "run-1", Decision(approved=False, by="Ann", note="calibration"))
    time.sleep(0.01)  # The store counts milliseconds.
    (rejected,) = store.get_executions_by_id([waiting])
    rejected.last_known_state = mlmd.Execution.FAILED
    store.put_executions([rejected])
    decide(store, "run-1", Decision(approved=True, by="Ben"))
    write.execution("run-2", "Approval", (), state=mlmd.Execution.RUNNING)
    decide(store, "run-2", Decision(approved=True, by="Eve"))

    found = ask(open_reader(SqliteTarget(path), None), "1", is_forward=False, home=None)

    assert [(item.approved, item.by, item.note, item.run) for item in found.decisions] == [
        (True, "Ben", "", "run-1"),
        (False, "Ann", "calibration", "run-1"),
    ]
    lines = [text for name, text in summary(found) if name == "decision"]
    assert [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", line) for line in lines] == [
        "approved by Ben, TIME (run run-1)",
        "rejected by Ann, TIME: calibration (run run-1)",
    ]
    branches, _ = tree(found, max_nodes=50, max_children=9)
    titles = [branch.title for branch in walk(branches) if branch.kind == "decision"]
    assert [title.partition(",")[0] for title in titles] == ["rejected by Ann"]


def test_who_made_a_model_comes_first_and_later_judgments_are_called_so(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    model = write.artifact("Model", "/out/1")
    pushes = [write.artifact("PushedModel", f"/out/push/{number}") for number in (1, 2)]
    blessings = [write.artifact("ModelBlessing", f"/out/{number}") for number in (1, 2)]
    write.execution("run-1", "Trainer", (), [("model", model)])
    write.execution("run-1", "Evaluator", [("model", model)], [("blessing", blessings[0])])
    write.execution("run-1", "Pusher", [("model", model)], [("pushed_model", pushes[0])])
    time.sleep(0.01)  # The store counts milliseconds.
    write.execution("run-2", "Trainer", (), [("model", model)], mlmd.Execution.CACHED)
    write.execution("run-2", "Evaluator", [("model", model)], [("blessing", blessings[1])])
    write.execution("run-2", "Pusher", [("model", model)], [("pushed_model", pushes[1])])
    reader = open_reader(SqliteTarget(path), None)

    first, second = (
        [
            (
                name,
                next(
                    run for run in ("run-1", "run-2", "execution 2", "execution 5") if run in text
                ),
            )
            for name, text in summary(ask(reader, str(push.id), is_forward=False, home=None))
            if name.endswith(("run", "blessing"))
        ]
        for push in pushes
    )

    assert first == [
        ("run", "run-1"),
        ("later run", "run-2"),
        ("blessing", "execution 2"),
        ("later blessing", "execution 5"),
    ]
    assert second == [
        ("run", "run-2"),
        ("earlier run", "run-1"),
        ("blessing", "execution 5"),
        ("blessing", "execution 2"),
    ]


@pytest.mark.parametrize(
    ("first", "said"), [(3, "/data: spans 3 to 5"), (5, "/data: span 5"), (None, None)]
)
def test_the_spans_of_the_data_are_said_first(
    tmp_path: pathlib.Path, first: int | None, said: str | None
) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    recorded = input_files({"name": "span-5/a.csv", "bytes": 1, "sha256": SHA_A, "rows": 1})
    # Without spans, TFX records the last one all the same.
    first_span = {} if first is None else {"first_span": first}
    examples = write.artifact("Examples", "/out/1", input_files=recorded, span=5, **first_span)
    write.execution("run-1", "CsvExampleGen", (), [("examples", examples)], input_base="/data")
    model = write.artifact("Model", "/out/2")
    write.execution("run-1", "Trainer", [("examples", examples)], [("model", model)])

    found = ask(open_reader(SqliteTarget(path), None), "run-1", is_forward=False, home=None)

    assert found.data[0].spans == (None if first is None else (first, 5))
    lines = [text for name, text in summary(found) if name == "data"]
    assert (lines[0] if len(lines) > 1 else None) == said
