"""The command: its forms of output, its errors, and names that want to do harm."""

import contextlib
import html
import io
import json
import pathlib
import re
import unicodedata
from typing import Any, NamedTuple

import pydot
import pytest

from orchestration import cli
from tests.lineage_store import HOSTILE, PACKAGES, SHA_A, sqlite_store


class Printed(NamedTuple):
    """What a command has left."""

    exit_code: int
    stdout: str
    stderr: str


def run(store: pathlib.Path, *arguments: str) -> Printed:
    out, err = io.StringIO(), io.StringIO()
    words = ["lineage", "--metadata", f"sqlite:{store}", *arguments]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main(words)
    return Printed(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def printed(store: pathlib.Path, *arguments: str) -> str:
    result = run(store, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_the_tree_goes_from_the_model_to_the_files(four_runs: pathlib.Path) -> None:
    text = " ".join(printed(four_runs, "102").split())

    assert f"/data/a.csv: 1,000 bytes, 10 rows, sha256 {SHA_A}" in text
    assert "tensorflow 2.15.1, tfx 1.15.1" in text
    assert "train-steps=110" in text
    assert "approved by Ada [bold]<script>, 2026-11-25 07:00:00 UTC: looks good" in text
    assert "taken from the cache by: CsvExampleGen (execution 6) CACHED" in text
    assert "Trainer (execution 9) FAILED" in text
    assert text.index("PushedModel 8") < text.index("Trainer (execution 10)") < text.rindex("a.csv")


def test_the_way_forward_lists_the_models(four_runs: pathlib.Path) -> None:
    text = printed(four_runs, "/data/a.csv")

    assert "2 models from this data, the newest first" in text
    assert "/serving/complaints/101" in text
    assert "run-4" not in text


def test_forward_turns_the_question_round(four_runs: pathlib.Path) -> None:
    found = json.loads(printed(four_runs, "1", "--forward", "--json"))

    assert [model["artifact"] for model in found["models"]] == [6, 3]


def test_json_has_the_whole_answer(four_runs: pathlib.Path) -> None:
    found = json.loads(printed(four_runs, "102", "--json"))

    assert found["query"] == "102"
    assert found["store"] == f"sqlite:{four_runs}"
    assert found["runs"][0]["packages"] == PACKAGES
    assert len(found["links"]) == 17


def test_dot_has_each_artifact_execution_file_and_link(four_runs: pathlib.Path) -> None:
    graph = parsed_dot(printed(four_runs, "102", "--dot"))

    edges = {(edge.get_source(), edge.get_destination()): edge for edge in graph.get_edges()}
    # 17 links, and 2 files that are read once.
    assert len(graph.get_edges()) == 19
    made = edges['"execution-10"', '"artifact-6"']
    assert (made.get_style(), made.get_label()) == ("solid", '"model"')
    compared = edges['"artifact-3"', '"execution-11"']
    assert (compared.get_style(), compared.get_label()) == ("dotted", '"baseline_model, compared"')
    # 6 artifacts, 10 executions, 2 files.
    assert sum(node.get_shape() is not None for node in graph.get_nodes()) == 18


def parsed_dot(text: str) -> Any:
    """The digraph of a text in the language of Graphviz, by a reader of that language."""
    graphs = pydot.graph_from_dot_data(text)
    assert graphs is not None, text
    (graph,) = graphs
    assert (graph.get_type(), graph.get_name()) == ("digraph", "lineage")
    # Every node has been declared with a label, so that a name has not become one.
    names = {node.get_name() for node in graph.get_nodes() if node.get_label() is not None}
    ends = {
        end for edge in graph.get_edges() for end in (edge.get_source(), edge.get_destination())
    }
    assert ends <= names
    return graph


def test_out_writes_a_page_and_says_so(four_runs: pathlib.Path, tmp_path: pathlib.Path) -> None:
    page = tmp_path / "lineage.html"

    assert printed(four_runs, "102", "--out", str(page)) == f"{page}: written\n"
    assert "/serving/complaints/102" in page.read_text(encoding="utf-8")


def test_out_and_json_go_together(four_runs: pathlib.Path, tmp_path: pathlib.Path) -> None:
    page = tmp_path / "lineage.html"

    assert json.loads(printed(four_runs, "102", "--json", "--out", str(page)))["roots"] == [8]
    assert page.exists()


# Names that want to do harm


@pytest.mark.parametrize("arguments", [("2",), ("1",), ("1", "--forward"), ("2", "--dot")])
def test_nothing_in_a_name_reaches_the_terminal_but_as_text(
    hostile: pathlib.Path, arguments: tuple[str, ...]
) -> None:
    text = printed(hostile, *arguments)

    assert "<script>" in text
    assert [letter for letter in text if is_control(letter)] == []


def is_control(letter: str) -> bool:
    return letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf")


def test_rich_reads_no_markup_in_a_name(hostile: pathlib.Path) -> None:
    assert "[red]" in printed(hostile, "2")


@pytest.mark.parametrize("arguments", [("2",), ("1", "--forward")])
def test_a_name_cannot_leave_its_quotes_in_dot(
    hostile: pathlib.Path, arguments: tuple[str, ...]
) -> None:
    parsed_dot(printed(hostile, *arguments, "--dot"))


def test_a_name_is_text_in_the_page(hostile: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lineage.html"
    printed(hostile, f"/model/{HOSTILE}", "--out", str(path))
    page = path.read_text(encoding="utf-8")

    # The page's own script only.
    assert re.findall(r"<script[^>]*>", page) == ["<script>"]
    assert html.escape("<script>alert(1)</script>") in page


def test_a_hostile_query_that_is_not_found_is_one_line(hostile: pathlib.Path) -> None:
    result = run(hostile, f"none-{HOSTILE}")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert not any(map(is_control, result.stderr))


# Errors


@pytest.mark.parametrize(
    ("query", "closest"),
    [
        ("1021", "; the closest are 102, 101"),
        ("run-22", "; the closest are run-2"),
        ("/data/aa.csv", "; the closest are "),
        ("zzzzzz", "; the newest pushed model is 102"),
        ("f" * 64, "; the newest pushed model is 102"),
    ],
)
def test_what_is_not_found_is_one_line_with_what_is_like_it(
    four_runs: pathlib.Path, query: str, closest: str
) -> None:
    result = run(four_runs, query)

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{query}: no model, artifact, run or data file in sqlite:{four_runs}" in result.stderr
    assert closest in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("query", ["", "-", ".", "/", "0", "9" * 30, "..", "\x00", "\udcff", "%"])
def test_a_strange_query_is_an_error_and_no_traceback(four_runs: pathlib.Path, query: str) -> None:
    result = run(four_runs, "--json", "--", query)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "unexpected" not in result.stderr


def test_json_and_dot_together_are_refused(four_runs: pathlib.Path) -> None:
    result = run(four_runs, "102", "--json", "--dot")

    assert result.exit_code == 2
    assert "--json and --dot cannot be given together" in result.stderr


def test_a_store_that_is_not_there_is_named_and_not_made(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "none.db"

    result = run(path, "102")

    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert not path.exists()


def test_a_file_that_is_no_store_is_an_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    path.write_text("no database\n" * 1000)

    result = run(path, "102")

    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_store_says_that_it_has_no_model(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    sqlite_store(path).get_artifacts()

    result = run(path, "102")

    assert result.exit_code == 1
    assert "; it has no pushed model" in result.stderr


def test_a_page_that_cannot_be_written_is_an_error(
    four_runs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    result = run(four_runs, "102", "--out", str(tmp_path / "none" / "lineage.html"))

    assert result.exit_code == 1
    assert "the page cannot be written: No such file or directory" in result.stderr
