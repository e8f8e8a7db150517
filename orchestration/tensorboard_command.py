"""The command that opens TensorBoard on the logs of runs."""

import pathlib
import sys

import click

from orchestration.cluster.commands import HOME, JSON, busy, print_json

_LOGS = "ModelRun"


@click.command()
@click.argument("run_ids", metavar="[RUN ...]", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=6006, show_default=True)
@click.option("--host", "bind", default="127.0.0.1", show_default=True, help="Address to serve on.")
@HOME
@JSON
def tensorboard(
    run_ids: tuple[str, ...], port: int, bind: str, home: pathlib.Path, as_json: bool
) -> None:
    """Open TensorBoard on the training logs of runs here; without RUN, of the newest.

    It serves until Ctrl-C. With --json it only prints where the logs are.

    \b
    Examples:
      complaint-pipeline tensorboard
      complaint-pipeline tensorboard consumer-complaint-pipeline-kubeflow-x7k2p \\
          consumer-complaint-pipeline-kubeflow-b4t9z --port 6007
    """
    if not as_json:
        _require_free(bind, port)
    with busy("looking for the logs"):
        folders = _log_folders(home, run_ids)
    if as_json:
        print_json(folders)
        return
    import os

    # Of TensorFlow's start-up.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    spec = ",".join(f"{run}:{uri}" for run, uri in folders.items())
    where = f"http://{bind}:{port}" if port else f"a free port of {bind}"
    click.echo(f"TensorBoard on {where} for {', '.join(folders)}; Ctrl-C ends it")
    # In place of this process, so that Ctrl-C and its exit status are TensorBoard's own.
    os.execv(  # noqa: S606 (no shell)
        sys.executable,
        [
            *(sys.executable, "-m", "tensorboard.main"),
            *("--logdir_spec", spec, "--host", bind, "--port", str(port)),
        ],
    )


def _require_free(bind: str, port: int) -> None:
    import socket

    from components.errors import RunError

    try:
        family = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((bind, port), family=family):
            return
    except OSError as error:
        raise RunError(
            f"{bind}:{port}: is not free ({error.strerror}); choose another --port, or --host"
        ) from error


def _log_folders(home: pathlib.Path, run_ids: tuple[str, ...]) -> dict[str, str]:
    """Returns the folder of the training logs by run.

    Raises:
        PipelineError: If there is no such run, or it has not trained.
    """
    from components.errors import RunError
    from orchestration.local.observing import LocalRuns
    from orchestration.metadata_client import connect
    from orchestration.report.run_artifacts import artifacts_of_run

    runs = LocalRuns(home)
    found = {}
    for run in run_ids or (None,):
        view = runs.get(run)
        with runs.metadata(view.id) as address:
            logs = artifacts_of_run(connect(address), view).get(_LOGS)
        if logs is None:
            raise RunError(f"{view.id}: has not trained; there are no logs")
        found[view.id] = logs.uri
    return found
