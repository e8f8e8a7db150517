"""The same answer from a file, a server and a database; also while another process writes."""

import itertools
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from orchestration.lineage.answer import ask, to_json
from orchestration.lineage.store import open_reader
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_client import connect
from orchestration.metadata_target import MetadataTarget, SqliteTarget
from tests.lineage_store import write_four_runs
from tests.mariadb import MariaDb

pytestmark = pytest.mark.whole

_PROJECT = pathlib.Path(__file__).resolve().parents[3]

#: Writes the four runs, then one run after another, and says so, until its standard input ends.
_WRITER = """
import pathlib, select, sys
from tests.lineage_store import StoreWriter, sqlite_store, write_four_runs
store = sqlite_store(pathlib.Path(sys.argv[1]))
write_four_runs(store)
write = StoreWriter(store)
number = 4
while not select.select([sys.stdin], [], [], 0.05)[0]:
    number += 1
    model = write.artifact("Model", f"/out/{number}")
    write.execution(f"run-{number}", "Trainer", (), [("model", model)])
    print("written", flush=True)
"""


def answer(target: MetadataTarget, query: str, password: str | None = None) -> dict[str, Any]:
    """The answer but for what differs between stores: name, and times of writing."""
    found = to_json(ask(open_reader(target, password), query, is_forward=False, home=None))
    del found["store"]
    for name in ("runs", "approvals", "models", "artifacts", "executions"):
        found[name] = [
            {key: value for key, value in item.items() if key not in _TIMES} for item in found[name]
        ]
    return found


_TIMES = ("started", "recorded", "created")

QUERIES = ["102", "run-4", "/data/a.csv", "/out/Transform/transform_graph/2"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_server_gives_the_answer_of_its_file(four_runs: pathlib.Path, query: str) -> None:
    with MetadataServer(SqliteTarget(four_runs)) as address:
        served = answer(address, query)

    assert served == answer(SqliteTarget(four_runs), query)


def test_a_database_gives_the_answer_of_a_file(four_runs: pathlib.Path, mariadb: MariaDb) -> None:
    target = MetadataTarget.parse(mariadb.target_of(mariadb.user, "lineage"))
    with MetadataServer(target, mariadb.password) as address:
        write_four_runs(connect(address))
        served = [answer(address, query) for query in QUERIES]

    from_database = [answer(target, query, mariadb.password) for query in QUERIES]
    assert from_database == [answer(SqliteTarget(four_runs), query) for query in QUERIES]
    assert served == from_database


def test_a_file_is_read_while_another_process_writes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.db"
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(
        command,
        cwd=_PROJECT,
        env={**os.environ, "PYTHONPATH": str(_PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"

        # Artifact 8 is the second pushed model that was written first.
        answers = [answer(SqliteTarget(path), "8") for _ in range(10)]

        is_writing = writer.poll() is None
        writer.stdin.close()
        later = writer.stdout.read().count("written")
    assert is_writing
    assert later > 1
    assert all(found["data"] == answers[0]["data"] for found in answers)
    assert all(own["links"] == first["links"] for own, first in itertools.pairwise(answers))
