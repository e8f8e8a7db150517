"""Forward from data to the models that came of it, and to no others."""

import hashlib
import pathlib
from typing import Any

import pytest

from orchestration.lineage.answer import ask, to_json
from orchestration.lineage.reader import Reader
from orchestration.lineage.store import open_reader
from orchestration.metadata_target import SqliteTarget
from tests.lineage_store import SHA_A, SHA_B, SHA_C, StoreWriter, input_files, sqlite_store


def answer(reader: Reader, query: str, *, is_forward: bool = False) -> dict[str, Any]:
    return to_json(ask(reader, query, is_forward=is_forward, home=None))


def models(found: dict[str, Any]) -> list[tuple[int, str]]:
    return [(model["artifact"], model["run"]) for model in found["models"]]


@pytest.mark.parametrize(
    "query", ["/data/a.csv", "/data/b.csv", "/data", "/data/", "a.csv", SHA_A, SHA_B.upper()]
)
def test_each_name_of_data_leads_to_the_models_of_all_its_runs(reader: Reader, query: str) -> None:
    found = answer(reader, query)

    assert (found["direction"], found["roots"]) == ("forward", [1])
    assert models(found) == [(6, "run-2"), (3, "run-1")]


@pytest.mark.parametrize("query", ["/other/c.csv", "/other", SHA_C])
def test_other_data_leads_to_other_models(reader: Reader, query: str) -> None:
    found = answer(reader, query)

    assert models(found) == [(11, "run-4")]
    assert {item["run"] for item in found["executions"]} == {"run-4"}


def test_each_model_says_whether_it_was_blessed_and_where_it_is(reader: Reader) -> None:
    found = [*answer(reader, SHA_A)["models"], *answer(reader, SHA_C)["models"]]

    assert [
        {name: value for name, value in model.items() if name != "recorded"} for model in found
    ] == [
        {
            "artifact": 6,
            "uri": "/out/Trainer/model/10",
            "run": "run-2",
            "blessed": True,
            "metrics": {"auc": 0.74},
            "pushed": ("/serving/complaints/102",),
        },
        {
            "artifact": 3,
            "uri": "/out/Trainer/model/3",
            "run": "run-1",
            "blessed": True,
            "metrics": {"auc": 0.71},
            "pushed": ("/serving/complaints/101",),
        },
        {
            "artifact": 11,
            "uri": "/out/Trainer/model/18",
            "run": "run-4",
            "blessed": False,
            "metrics": {"auc": 0.5},
            "pushed": (),
        },
    ]


def test_runs_that_took_it_from_the_cache_or_failed_are_there(reader: Reader) -> None:
    found = answer(reader, "/data")

    states = {(item["id"], item["run"], item["state"]) for item in found["executions"]}
    assert states >= {
        (1, "run-1", "COMPLETE"),
        (6, "run-2", "CACHED"),
        (9, "run-2", "FAILED"),
        (14, "run-3", "CACHED"),
        (15, "run-3", "FAILED"),
    }
    kinds = {(link["execution"], link["kind"]) for link in found["links"] if link["artifact"] == 1}
    assert kinds >= {(1, "output"), (6, "reused"), (14, "reused"), (2, "input")}


def test_a_baseline_leads_to_no_model_that_was_compared_with_it(reader: Reader) -> None:
    found = answer(reader, "3", is_forward=True)

    assert models(found) == [(3, "run-1")]
    assert {item["run"] for item in found["executions"]} == {"run-1"}


def test_a_file_in_two_data_sets_leads_to_the_models_of_both(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    for run, base in (("run-1", "/monday"), ("run-2", "/tuesday")):
        file = {"name": f"{run}.csv", "bytes": 1, "sha256": SHA_A, "rows": 1}
        examples = write.artifact("Examples", f"/out/{run}", input_files=input_files(file))
        model = write.artifact("Model", f"/out/{run}/model")
        write.execution(run, "CsvExampleGen", (), [("examples", examples)], input_base=base)
        write.execution(run, "Trainer", [("examples", examples)], [("model", model)])
    reader = open_reader(SqliteTarget(path), None)

    assert models(answer(reader, SHA_A)) == [(4, "run-2"), (2, "run-1")]
    assert models(answer(reader, "/monday/run-1.csv")) == [(2, "run-1")]


def store_that_has_read(path: pathlib.Path, contents: bytes, store: pathlib.Path) -> Reader:
    """A store in which a run has read these contents from a path."""
    write = StoreWriter(sqlite_store(store))
    checksum = hashlib.sha256(contents).hexdigest()
    file = {"name": path.name, "bytes": len(contents), "sha256": checksum, "rows": 1}
    examples = write.artifact("Examples", "/out/1", input_files=input_files(file))
    write.execution(
        "run-1", "CsvExampleGen", (), [("examples", examples)], input_base=str(path.parent)
    )
    return open_reader(SqliteTarget(store), None)


def test_a_copy_of_a_file_is_known_by_its_contents(tmp_path: pathlib.Path) -> None:
    reader = store_that_has_read(pathlib.Path("/cluster/a.csv"), b"text\n", tmp_path / "m.db")
    copy = tmp_path / "copy of a.csv"
    copy.write_bytes(b"text\n")

    assert answer(reader, str(copy))["roots"] == [1]


def test_a_file_that_was_changed_since_is_found_with_a_warning(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    reader = store_that_has_read(path, b"before\n", tmp_path / "m.db")
    path.write_bytes(b"after\n")

    found = answer(reader, str(path))

    assert found["roots"] == [1]
    assert found["notes"] == ["its contents are not those that these runs have read"]
    assert found["models"] == []


def test_files_that_no_run_has_listed_are_found_by_their_folder(tmp_path: pathlib.Path) -> None:
    # As versions before this one recorded it.
    write = StoreWriter(sqlite_store(tmp_path / "m.db"))
    examples = write.artifact("Examples", "/out/1", input_fingerprint="split:1")
    write.execution("run-1", "CsvExampleGen", (), [("examples", examples)], input_base="/data")
    reader = open_reader(SqliteTarget(tmp_path / "m.db"), None)

    found = answer(reader, "/data/a.csv")

    assert found["roots"] == [1]
    assert "have not recorded which files" in found["notes"][0]
    assert found["data"][0]["rows"] is None


def test_the_last_verdict_on_a_model_counts(tmp_path: pathlib.Path) -> None:
    write = StoreWriter(sqlite_store(tmp_path / "m.db"))
    model = write.artifact("Model", "/out/1")
    write.execution("run-1", "Trainer", (), [("model", model)])
    for blessed in (1, 0):
        blessing = write.artifact("ModelBlessing", f"/blessing/{blessed}", blessed=blessed)
        write.execution("run-1", "Evaluator", [("model", model)], [("blessing", blessing)])
    reader = open_reader(SqliteTarget(tmp_path / "m.db"), None)

    assert [item["blessed"] for item in answer(reader, "1", is_forward=True)["models"]] == [False]


def test_whether_a_model_can_be_served_is_no_blessing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    write = StoreWriter(sqlite_store(path))
    examples = write.artifact("Examples", "/out/1", input_files=input_files())
    model = write.artifact("Model", "/out/2")
    blessing = write.artifact("ModelBlessing", "/out/3", blessed=1)
    served = write.artifact("InfraBlessing", "/out/4", blessed=0)
    write.execution("run-1", "CsvExampleGen", (), [("examples", examples)])
    write.execution("run-1", "Trainer", [("examples", examples)], [("model", model)])
    write.execution(
        "run-1", "Evaluator", [("model", model)], [("blessing", blessing)], metrics='{"auc": 0.7}'
    )
    write.execution("run-1", "InfraValidator", [("model", model)], [("blessing", served)])
    reader = open_reader(SqliteTarget(path), None)

    (found,) = answer(reader, "1", is_forward=True)["models"]
    verdicts = [item["verdict"] for item in answer(reader, "2")["approvals"]]

    assert (found["blessed"], found["metrics"]) == (True, {"auc": 0.7})
    assert verdicts == ["not found fit to serve", "blessed"]
