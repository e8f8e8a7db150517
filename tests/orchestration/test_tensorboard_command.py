"""The command that opens TensorBoard."""

import pathlib
import socket

from click.testing import CliRunner

from components.errors import RunError
from orchestration.cli import cli


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])

        done = CliRunner().invoke(cli, ["tensorboard", "--port", port, "--home", str(tmp_path)])

    assert isinstance(done.exception, RunError)
    assert str(done.exception).startswith(f"127.0.0.1:{port}: is not free")
    assert "choose another --port" in str(done.exception)
