"""Whose a folder of outputs is where two runs begin in it at the same time."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2

from components.errors import RunError
from orchestration.local.output_owner import claim_outputs
from orchestration.local.plan import Plan, RunOptions, make_plan
from orchestration.package import read_package
from tests.google_storage import google_storage_missing, running_google_storage
from tests.s3 import running_s3
from tests.shell_workflow import container, workflow, write

pytestmark = pytest.mark.whole


@dataclasses.dataclass
class Store:
    """A metadata store during whose first write something else happens."""

    store: ml_metadata.MetadataStore
    meanwhile: Callable[[], None]

    def put_contexts(self, contexts: Any) -> Any:
        self.meanwhile()
        return self.store.put_contexts(contexts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def new_store(path: pathlib.Path) -> ml_metadata.MetadataStore:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    return ml_metadata.MetadataStore(config)


@pytest.fixture(params=["volume", "s3", "gs"])
def root(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A folder for outputs, in which there is nothing yet."""
    if request.param == "gs" and (reason := google_storage_missing()):
        pytest.skip(reason)
    (tmp_path / "server").mkdir()
    running: contextlib.AbstractContextManager[Any] = {
        "volume": contextlib.nullcontext(),
        "s3": running_s3("models"),
        "gs": running_google_storage(tmp_path / "server", "models"),
    }[request.param]
    with running as server:
        for name, text in () if server is None else server.variables.items():
            monkeypatch.setenv(name, text)
        yield str(tmp_path / "out") if server is None else f"{request.param}://models/out"


@pytest.fixture
def plan(root: str, tmp_path: pathlib.Path) -> Plan:
    path = write(
        tmp_path, workflow([container("step", "true")], parameters={"pipeline-root": root})
    )
    options = RunOptions(
        package=path, home=tmp_path / "home", folders={}, parameters={}, max_parallel=1
    )
    return make_plan(options, read_package(path))


def test_of_two_stores_that_begin_at_the_same_time_one_is_refused(
    plan: Plan, root: str, tmp_path: pathlib.Path
) -> None:
    fast = new_store(tmp_path / "fast.db")
    slow = Store(new_store(tmp_path / "slow.db"), lambda: claim_outputs(plan, fast))

    with pytest.raises(RunError, match=f"^{root} holds outputs that the metadata store"):
        claim_outputs(plan, slow)

    claim_outputs(plan, fast)


def test_two_runs_of_one_store_may_begin_at_the_same_time(
    plan: Plan, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "one.db"
    one = new_store(path)

    claim_outputs(plan, Store(one, lambda: claim_outputs(plan, new_store(path))))

    claim_outputs(plan, one)
