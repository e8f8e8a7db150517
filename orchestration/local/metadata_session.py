"""The metadata service of a run: an embedded server, or one that runs already."""

import contextlib
import json
import os
import pathlib
import selectors
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from components.errors import MetadataError, WorkflowError
from components.metadata_client import wait_until_serving
from orchestration.local.folders import read_key
from orchestration.local.isolation import isolated_command
from orchestration.metadata_target import GrpcTarget, MetadataTarget, MySqlTarget
from orchestration.workflow import Workflow

#: Variable with the password of a MySQL user, as MySQL's own clients read it.
PASSWORD_VARIABLE = "MYSQL_PWD"  # noqa: S105 (a variable's name)

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@contextlib.contextmanager
def serve(target: MetadataTarget, password: str | None, log: pathlib.Path) -> Iterator[GrpcTarget]:
    """Gives access to a metadata store over gRPC for as long as the context lasts.

    Args:
        target: The store; a server that runs already is used as it is.
        password: Password of a MySQL user.
        log: File that gets what the embedded server printed, once it has ended.

    Yields:
        The address of the server.

    Raises:
        MetadataError: If the store cannot be opened or reached.
    """
    if isinstance(target, GrpcTarget):
        wait_until_serving(target.host, target.port)
        yield target
        return
    environment = dict(os.environ)
    if password is not None:
        environment[PASSWORD_VARIABLE] = password
    # Not a pipe, which would stop a server that nobody reads, and not the log, which others write.
    with log.open("ab") as output, tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            isolated_command(
                "orchestration.local.metadata_server",
                "--exit-on-stdin-eof",
                "--store",
                str(target),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            env=environment,
            # Ctrl-C ends the steps first, and their metadata last.
            start_new_session=True,
        )
        try:
            output.write(f"metadata server, process {process.pid}: {target}\n".encode())
            output.flush()
            yield _address(process, target, printed)
        finally:
            status = _stop(process)
            printed.seek(0)
            shutil.copyfileobj(printed, output)
            output.write(f"metadata server, process {process.pid}: ended, {status}\n".encode())


def _stop(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        process.stdout.close()


def _address(
    process: subprocess.Popen[bytes], target: MetadataTarget, printed: IO[bytes]
) -> GrpcTarget:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_SECONDS):
            process.kill()
            raise MetadataError(
                f"metadata store {target}: the server did not start within {_START_SECONDS:g} s"
            )
    line = process.stdout.readline()
    if not line:
        process.wait()
        printed.seek(0)
        message = printed.read().decode("utf-8", "replace").strip().splitlines()
        raise MetadataError(message[-1] if message else f"metadata store {target}: no server")
    address = json.loads(line)
    return GrpcTarget(address["host"], address["port"])


def own_store(
    workflow: Workflow, folders: Mapping[str, str]
) -> tuple[MetadataTarget, str | None] | None:
    """Returns the metadata store that the workflow itself names.

    Args:
        workflow: The workflow.
        folders: Folders by secret.

    Returns:
        The store and its password, or ``None`` where the steps take the address of Kubeflow's
        service from their environment.

    Raises:
        WorkflowError: If the workflow names a store in a way that has no meaning here.
    """
    for step in workflow.steps:
        text = step.argument("--kubeflow_metadata_config")
        if text is None:
            continue
        config = json.loads(text)
        secrets = {
            variable.name: read_key(folders, variable.source, variable.key, f"step {step.name}")
            for variable in step.variables
            if variable.kind == "secret" and variable.name
        }
        if "mysql_db_service_host" in config:
            return _mysql(config, secrets), secrets.get(
                config["mysql_db_password"].get("environment_variable", "")
            )
        host = config.get("grpc_config", {}).get("grpc_service_host", {})
        port = config.get("grpc_config", {}).get("grpc_service_port", {})
        if "value" in host and "value" in port:
            return GrpcTarget(host["value"], int(port["value"])), None
        return None
    return None


def _mysql(config: Mapping[str, Any], secrets: Mapping[str, str | None]) -> MySqlTarget:
    variable = config["mysql_db_user"].get("environment_variable", "")
    user = secrets.get(variable)
    if user is None:
        raise WorkflowError(
            f"no value for the MySQL user, variable {variable}; give the secret's folder with "
            "--mount SECRET=DIR"
        )
    return MySqlTarget(
        user=user,
        host=config["mysql_db_service_host"]["value"],
        port=int(config["mysql_db_service_port"]["value"]),
        database=config["mysql_db_name"]["value"],
    )
