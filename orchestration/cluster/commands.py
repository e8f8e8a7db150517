"""The commands that upload, and those that mean runs here or on Kubeflow."""

import contextlib
import functools
import json
import math
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from rich.console import Console
from rich.text import Text

from components.errors import RunError
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.options import here_or_on_cluster, on_cluster, refuse_given
from orchestration.local_path import LocalPath

# What a command needs is imported when it runs: --help takes no time.
if TYPE_CHECKING:
    from orchestration.log_following import LogLook
    from orchestration.run_view import RunView

_Look = TypeVar("_Look")

HOME = click.option(
    "--home",
    type=LocalPath(file_okay=False),
    default="local",
    envvar="COMPLAINT_PIPELINE_HOME",
    show_default=True,
    show_envvar=True,
    help="Folder that keeps local runs and their metadata store.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
PIPELINE = click.option(
    "--pipeline", help="Name of the pipeline on Kubeflow.  [default: the one in FILE]"
)

_LOOK_EVERY = {"here": 1.0, "cluster": 5.0}

#: How long a server may not answer while a run is watched.
_PATIENCE_SECONDS = 300.0
_FIRST_SERVER_ERROR = 500


class FollowedLog(Protocol):
    """The log of a step, read while it grows."""

    def look(self) -> "LogLook":
        """Reads what has been logged since the last look."""


class Side(Protocol):
    """Runs here or on Kubeflow."""

    def newest(self, limit: int) -> "list[RunView]":
        """Returns the newest runs."""

    def get(self, run: str | None) -> "RunView":
        """Returns a run; without one, the newest."""

    def log(self, run: str | None, step: str) -> tuple[str, str]:
        """Returns the run's id, and what a step has logged."""

    def follow_log(self, run: str | None, step: str) -> FollowedLog:
        """Returns the log of a step, to be read while it grows."""

    def terminate(self, run: str) -> "RunView":
        """Ends a run."""


@click.command()
@click.argument("package", metavar="FILE", type=LocalPath())
@PIPELINE
@on_cluster
@JSON
def upload(
    package: pathlib.Path, pipeline: str | None, connection: Connection, as_json: bool
) -> None:
    """Upload a compiled workflow to Kubeflow Pipelines.

    A new pipeline, or a new version where the name exists. The version's name is the package's
    version and the workflow's hash; what is there already is not uploaded again.

    \b
    Example:
      complaint-pipeline upload argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --host http://localhost:8080
    """
    from orchestration.cluster import pipelines
    from orchestration.cluster.connection import connect

    valid = pipelines.read_valid_package(package)
    pipelines.check_name(pipeline or pipelines.pipeline_name(valid))
    with busy("uploading"):
        version = pipelines.upload(connect(connection), connection, valid, pipeline)
    if as_json:
        print_json({**vars(version)})
        return
    what = "uploaded" if version.is_new else "is there already, nothing uploaded"
    click.echo(f"pipeline {version.pipeline}, version {version.name}: {what}\n{version.url}")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@HOME
@here_or_on_cluster
@JSON
def runs(limit: int, home: pathlib.Path, connection: Connection | None, as_json: bool) -> None:
    """List the newest runs.

    \b
    Examples:
      complaint-pipeline runs
      complaint-pipeline runs --cluster --host http://localhost:8080
    """
    from orchestration.run_view import row_json, runs_table, wide_console

    with busy("asking Kubeflow", connection):
        views = side_of(home, connection).newest(limit)
    if as_json:
        print_json([row_json(view) for view in views])
    elif views:
        console = wide_console()
        console.print(runs_table(views, console.width))
    else:
        click.echo("no runs")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--watch", "watching", is_flag=True, help="Stay until the run has ended.")
@HOME
@here_or_on_cluster
@JSON
def status(
    run_id: str | None,
    watching: bool,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
) -> None:
    """Show a run and its steps; without RUN, the newest.

    With --watch, the exit status is 1 if the run did not succeed.

    \b
    Examples:
      complaint-pipeline status --watch
      complaint-pipeline status --cluster 3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90
    """
    side = side_of(home, connection)
    with busy("asking Kubeflow", connection):
        view = side.get(run_id)
    if watching:
        follow(side, view.id, connection, as_json)
        return
    _print_run(view, as_json)


@click.command()
@click.argument("run_ids", metavar="RUN RUN [RUN ...]", nargs=-1)
@click.option(
    "--all", "all_parameters", is_flag=True, help="Show also the parameters that are the same."
)
@click.option(
    "--out",
    type=LocalPath(dir_okay=False),
    help="Write an HTML file instead; of runs here it has data and schema as well.",
)
@HOME
@here_or_on_cluster
@JSON
def compare(
    run_ids: tuple[str, ...],
    all_parameters: bool,
    out: pathlib.Path | None,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
) -> None:
    """Compare runs: metrics, parameters that differ, states and times.

    Two runs are shown with their difference, more with the best of each metric. On Kubeflow, a
    run is named by its id or name; what only a run here knows is '-' there.

    \b
    Examples:
      complaint-pipeline compare consumer-complaint-pipeline-kubeflow-x7k2p \\
          consumer-complaint-pipeline-kubeflow-b4t9z
      complaint-pipeline compare --cluster nightly-1 nightly-2 nightly-3 --json
    """
    from orchestration import comparison_page, run_comparison
    from orchestration.run_view import wide_console

    if len(run_ids) < 2:
        raise click.UsageError("name two runs or more; 'complaint-pipeline runs' lists them")
    with busy("asking Kubeflow", connection):
        side = side_of(home, connection)
        views = [side.get(run_id) for run_id in run_ids]
    comparison = run_comparison.compare(views, all_parameters=all_parameters)
    if out is not None:
        from orchestration.report.comparison import write_comparison

        with busy("writing the page"):
            write_comparison(comparison, home if connection is None else None, out)
    if as_json:
        print_json(run_comparison.comparison_json(comparison))
        return
    if out is not None:
        click.echo(f"wrote {out}")
        return
    console = wide_console()
    console.print(comparison_page.comparison_page(comparison, console.width))


@click.command()
@click.argument("run_id", metavar="RUN")
@HOME
@here_or_on_cluster
@JSON
def terminate(
    run_id: str, home: pathlib.Path, connection: Connection | None, as_json: bool
) -> None:
    """End a run that goes on.

    \b
    Examples:
      complaint-pipeline terminate consumer-complaint-pipeline-kubeflow-x7k2p
      complaint-pipeline terminate --cluster 3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90
    """
    with busy("ending the run"):
        view = side_of(home, connection).terminate(run_id)
    if as_json:
        _print_run(view, as_json)
    elif view.is_finished:
        click.echo(f"{view.name}: {view.state}")
    else:
        click.echo(f"{view.name}: Kubeflow has been asked to end it; its state is {view.state}")


def wait_options(command: Any) -> Any:
    """Adds ``--cluster``, the options of a connection, and those of waiting."""
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="With --cluster: the longest that --wait waits; the run goes on.",
        ),
        click.option("--wait", is_flag=True, help="With --cluster: stay until the run has ended."),
    ):
        command = option(command)
    return here_or_on_cluster(command)


def cluster_run_options(command: Any) -> Any:
    """Adds the options of ``run`` that are for Kubeflow."""
    for option in (
        click.option("--run-name", help="With --cluster: name of the run.  [default: made up]"),
        click.option(
            "--experiment",
            default="Default",
            show_default=True,
            help="With --cluster: experiment of the run, created where there is none.",
        ),
        click.option(
            "--service-account",
            metavar="NAME",
            help="With --cluster: Kubernetes service account of the pods.  "
            "[default: the one in FILE]",
        ),
        click.option(
            "--pipeline", help="With --cluster: name of the pipeline.  [default: the one in FILE]"
        ),
    ):
        command = option(command)
    return wait_options(command)


def add_to(group: click.Group) -> None:
    """Adds the commands of this module."""
    for command in (upload, runs, status, compare, terminate):
        group.add_command(command)


def run_on_cluster(
    connection: Connection,
    package: pathlib.Path,
    parameters: Mapping[str, str],
    *,
    experiment: str,
    run_name: str | None,
    service_account: str | None,
    pipeline: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Uploads a workflow where it is not there yet, and starts a run of it."""
    from orchestration.cluster import pipelines
    from orchestration.cluster.connection import connect
    from orchestration.cluster.parameters import check_parameters, check_service_account
    from orchestration.cluster.runs import ClusterRuns, NewRun

    refuse_given(("mounts", "max_parallel", "metadata", "page", "home"), "is only for a run here")
    if not wait:
        refuse_given(("timeout",), "needs --wait")
    valid = pipelines.read_valid_package(package)
    pipelines.check_name(pipeline or pipelines.pipeline_name(valid))
    new = NewRun(
        name=run_name,
        experiment=experiment,
        parameters=check_parameters(valid.manifest, parameters),
        service_account=check_service_account(service_account),
    )
    with busy("starting the run"):
        client = connect(connection)
        runs = ClusterRuns(client, connection)
        view = runs.create(pipelines.upload(client, connection, valid, pipeline), new)
    _follow_or_print(runs, view, connection, wait=wait, timeout=timeout, as_json=as_json)


def retry_on_cluster(
    connection: Connection, run_id: str, *, wait: bool, timeout: float | None, as_json: bool
) -> None:
    """Restarts a failed run on Kubeflow."""
    refuse_given(("home",), "is only for a run here")
    if not wait:
        refuse_given(("timeout",), "needs --wait")
    with busy("restarting the run"):
        runs = _cluster_runs(connection)
        view = runs.retry(run_id)
    _follow_or_print(runs, view, connection, wait=wait, timeout=timeout, as_json=as_json)


def follow(
    side: Side,
    run_id: str,
    connection: Connection | None,
    as_json: bool,
    timeout: float | None = None,
) -> None:
    """Shows a run until it has ended.

    Raises:
        RunError: If it did not succeed, with the command that resumes it.
    """
    from orchestration.local import run_record
    from orchestration.run_view import watch

    console = Console(stderr=as_json)
    look = functools.partial(side.get, run_id)
    view = watch(
        look if connection is None else patient(look, console),
        console,
        every_seconds=look_every(connection),
        timeout_seconds=timeout,
    )
    if as_json or not console.is_terminal:
        _print_run(view, as_json)
    if view.state != run_record.SUCCEEDED:
        reason = f" ({view.message})" if view.message else ""
        option = "" if connection is None else "--cluster "
        raise RunError(
            f"run {view.name}: {view.state}{reason}\n"
            f"resume with: complaint-pipeline retry {option}{view.id}"
        )


def look_every(connection: Connection | None) -> float:
    """Returns how many seconds there are between two looks at a run."""
    return _LOOK_EVERY["here" if connection is None else "cluster"]


def patient(
    look: Callable[[], _Look],
    console: Console,
    again: Callable[[_Look], _Look] = lambda last: last,
) -> Callable[[], _Look]:
    """Lets a look at a run fail for some minutes: a port-forward may be started again.

    Args:
        look: Looks at the run.
        console: Told of each failure.
        again: Returns what takes the place of a look that has failed, from the last that has not.

    Returns:
        A look that raises only where the first one fails, or where it is of no use to go on.
    """
    last: list[tuple[float, _Look]] = []

    def patient_look() -> _Look:
        try:
            found = look()
        except ClusterError as error:
            is_passing = error.status == 0 or error.status >= _FIRST_SERVER_ERROR
            if not last or not is_passing or time.monotonic() - last[0][0] > _PATIENCE_SECONDS:
                raise
            console.print(Text(f"{error}; looking again", style="yellow"), soft_wrap=True)
            return again(last[0][1])
        last[:] = [(time.monotonic(), found)]
        return found

    return patient_look


def _follow_or_print(
    runs: Any,
    view: "RunView",
    connection: Connection,
    *,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    if not wait:
        _print_run(view, as_json)
        return
    Console(stderr=True).print(view.url or "", soft_wrap=True, highlight=False)
    follow(runs, view.id, connection, as_json, timeout)


def side_of(home: pathlib.Path, connection: Connection | None) -> Side:
    """Returns the runs here, or those on Kubeflow where there is a connection."""
    if connection is not None:
        refuse_given(("home",), "is only for runs here")
        return _cluster_runs(connection)
    from orchestration.local.observing import LocalRuns

    return LocalRuns(home)


def _cluster_runs(connection: Connection) -> Any:
    from orchestration.cluster.connection import connect
    from orchestration.cluster.runs import ClusterRuns

    return ClusterRuns(connect(connection), connection)


def _print_run(view: "RunView", as_json: bool) -> None:
    from orchestration.run_view import run_json, run_page, wide_console

    if as_json:
        print_json(run_json(view))
    else:
        wide_console().print(run_page(view))


def print_json(value: Any) -> None:
    """Prints a value for scripts; a number that JSON does not have is null."""
    click.echo(json.dumps(_finite(value), indent=1, sort_keys=True, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def busy(what: str, connection: Connection | bool | None = True) -> Any:
    """Shows a sign of life on a terminal while a server is asked; not for local files."""
    console = Console(stderr=True)
    if connection is None or not console.is_terminal:
        return contextlib.nullcontext()
    return console.status(f"{what} ...")
