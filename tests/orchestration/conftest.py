"""What the tests of the operating side share: a MariaDB server."""

from collections.abc import Iterator

import pytest

from tests.mariadb import MariaDb, mariadb_missing, running_mariadb


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    if reason := mariadb_missing():
        pytest.skip(reason)
    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server
