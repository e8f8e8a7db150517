"""What the tests of the cluster side share: a Kubeflow Pipelines on loopback."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestration import cli
from orchestration.cluster.connection import Connection, connect
from tests.kubeflow_server import KubeflowServer, running_kubeflow


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keeps variables, the kfp context file and proxies of the machine out of the tests."""
    import os

    import kfp

    for name in list(os.environ):
        if name.startswith(("KFP_", "KF_", "COMPLAINT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    context = tmp_path_factory.mktemp("kfp") / "context.json"
    monkeypatch.setattr(kfp.Client, "LOCAL_KFP_CONTEXT", str(context))


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; returns its status, output and errors."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(map(str, words)))
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, shown.out, shown.err

    return run


@pytest.fixture
def kubeflow() -> Iterator[KubeflowServer]:
    with running_kubeflow() as server:
        yield server


@pytest.fixture
def connection(kubeflow: KubeflowServer) -> Connection:
    return Connection(host=kubeflow.url, timeout_seconds=5, backoff_seconds=0.01)


@pytest.fixture
def client(connection: Connection) -> Any:
    return connect(connection)


@pytest.fixture
def package(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Writes a valid workflow of two steps, whose first one runs a script."""
    from tests.shell_workflow import container, workflow, write

    def make(script: str = "true", parameters: dict[str, Any] | None = None) -> pathlib.Path:
        given = {"train-args": "{}", "data-root": "/data"} if parameters is None else parameters
        manifest = workflow(
            [container("first", script), container("second", "true")],
            dependencies={"second": ["first"]},
            parameters=given,
        )
        return write(tmp_path, manifest)

    return make
