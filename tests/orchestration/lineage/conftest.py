"""What the tests of lineage share: the store of four runs, in a file."""

import pathlib

import pytest

from orchestration.lineage.reader import Reader
from orchestration.lineage.store import open_reader
from orchestration.metadata_target import SqliteTarget
from tests.lineage_store import sqlite_store, write_four_runs, write_hostile_run


@pytest.fixture(scope="session")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The file of the store; no test writes to it."""
    path = tmp_path_factory.mktemp("four-runs") / "metadata.db"
    write_four_runs(sqlite_store(path))
    return path


@pytest.fixture
def reader(four_runs: pathlib.Path) -> Reader:
    return open_reader(SqliteTarget(four_runs), None)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The file of a store with hostile names."""
    path = tmp_path_factory.mktemp("hostile") / "metadata.db"
    write_hostile_run(sqlite_store(path))
    return path
