"""Where a model comes from and what has come of data, in a graph made by hand."""

import json
import pathlib
import re
import shutil
from typing import Any

import ml_metadata
import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from orchestration.cli import cli
from orchestration.lineage.answer import Answer, ask, to_json
from orchestration.lineage.store import open_reader
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_target import SqliteTarget
from tests.lineage_store import SHA_A, SHA_B, write_four_runs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> SqliteTarget:
    path = tmp_path_factory.mktemp("store") / "metadata.db"
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    write_four_runs(ml_metadata.MetadataStore(config))
    return SqliteTarget(path)


def answer(target: SqliteTarget, query: str, *, forward: bool = False) -> Answer:
    return ask(open_reader(target, None), query, is_forward=forward, home=None)


def told(found: Answer) -> Any:
    """What a program is told."""
    return json.loads(json.dumps(to_json(found)))


def run(target: SqliteTarget, *words: str) -> Any:
    return CliRunner().invoke(
        cli, ["lineage", *words, "--metadata", str(target)], catch_exceptions=True
    )


@pytest.mark.parametrize("query", ["102", "/serving/complaints/102", "8", "run-2"])
def test_a_pushed_model_is_traced_to_its_files_whatever_it_is_called(
    target: SqliteTarget, query: str
) -> None:
    found = told(answer(target, query))

    assert found["roots"] == [8]
    assert [(file["name"], file["sha256"], file["rows"]) for file in found["data"][0]["files"]] == [
        ("a.csv", SHA_A, 10),
        ("b.csv", SHA_B, 25),
    ]
    assert found["data"][0]["folders"] == ["/data"]


def test_what_was_taken_from_the_cache_has_both_executions(target: SqliteTarget) -> None:
    found = told(answer(target, "102"))

    executions = {item["id"]: item for item in found["executions"]}
    # Made in run-1, and taken from the cache in run-2.
    assert {1, 2, 6, 7} <= executions.keys()
    assert executions[6]["state"] == "CACHED"
    assert {run["id"] for run in found["runs"]} == {"run-1", "run-2"}


def test_a_failed_attempt_is_part_of_the_story(target: SqliteTarget) -> None:
    found = told(answer(target, "102"))

    states = {item["id"]: item["state"] for item in found["executions"]}
    assert states[9] == "FAILED"
    # That of another run is not.
    assert 15 not in states


def test_who_has_judged_the_model_is_told(target: SqliteTarget) -> None:
    human, evaluator = told(answer(target, "102"))["approvals"]

    assert human["by"] == "Approval"
    assert human["details"]["approved_by"] == "Ada [bold]<script>"
    assert human["details"]["note"] == "looks good"
    assert (evaluator["verdict"], evaluator["metrics"]) == ("blessed", {"auc": 0.74})
    # Model 3 is run-1's, which was the best until then.
    assert evaluator["baselines"] == [3]


@pytest.mark.parametrize("query", ["a.csv", "/data/b.csv", "/data", SHA_A])
def test_the_models_of_shared_data_are_found_and_no_others(
    target: SqliteTarget, query: str
) -> None:
    models = told(answer(target, query, forward=True))["models"]

    assert [(model["run"], model["blessed"], model["pushed"]) for model in models] == [
        ("run-2", True, ["/serving/complaints/102"]),
        ("run-1", True, ["/serving/complaints/101"]),
    ]


def test_a_model_that_was_not_blessed_is_said_not_to_be(target: SqliteTarget) -> None:
    (model,) = told(answer(target, "c.csv", forward=True))["models"]

    assert (model["run"], model["blessed"], model["pushed"]) == ("run-4", False, [])


def test_what_is_not_there_is_one_line_with_what_is(target: SqliteTarget) -> None:
    with pytest.raises(MetadataError, match=r"103: no model.*102"):
        answer(target, "103")

    done = run(target, "103")
    assert done.exit_code != 0


@pytest.mark.whole
def test_a_server_gives_the_same_answer_as_the_file(
    target: SqliteTarget, tmp_path: pathlib.Path
) -> None:
    copy = tmp_path / "metadata.db"
    shutil.copy(target.path, copy)

    with MetadataServer(SqliteTarget(copy)) as address:
        served = told(ask(open_reader(address, None), "102", is_forward=False, home=None))

    own = told(answer(target, "102"))
    assert {**served, "store": ""} == {**own, "store": ""}


def test_a_question_leaves_the_store_as_it_is(target: SqliteTarget) -> None:
    before = target.path.read_bytes()

    answer(target, "102")

    assert target.path.read_bytes() == before


def test_the_tree_shows_hostile_names_as_they_are(target: SqliteTarget) -> None:
    done = run(target, "102")

    assert done.exit_code == 0, done.output
    assert "Ada [bold]<script>" in done.stdout
    assert "PushedModel 8" in done.stdout


def test_json_and_dot_are_for_programs(target: SqliteTarget) -> None:
    found = json.loads(run(target, "102", "--json").stdout)
    dot = run(target, "102", "--dot").stdout

    assert found["roots"] == [8]
    assert dot.startswith("digraph lineage {")
    assert dot.rstrip().endswith("}")
    # Every edge leads from and to a node of the graph.
    nodes = set(re.findall(r'^  ("[^"]+") \[', dot, re.MULTILINE))
    edges = re.findall(r'^  ("[^"]+") -> ("[^"]+")', dot, re.MULTILINE)
    assert edges
    assert {end for edge in edges for end in edge} <= nodes


def test_json_and_dot_exclude_each_other(target: SqliteTarget) -> None:
    assert run(target, "102", "--json", "--dot").exit_code == 2


@pytest.mark.whole
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_without_a_network_and_obeys_no_name(
    target: SqliteTarget, tmp_path: pathlib.Path, width: int
) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    path = tmp_path / "lineage.html"
    assert run(target, "102", "--out", str(path)).exit_code == 0
    problems: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        text = page.inner_text("body")
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()

    assert problems == []
    assert requests == [path.as_uri()]
    assert "Ada [bold]<script>" in text
    assert "PushedModel 8" in text
    assert wide <= width
