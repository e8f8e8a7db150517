"""The commands of ``schedule``."""

import datetime
import json
import pathlib
from typing import TYPE_CHECKING, Any

import click

from orchestration.cluster.commands import JSON, PIPELINE, busy
from orchestration.cluster.connection import Connection
from orchestration.cluster.options import on_cluster
from orchestration.local_path import LocalPath
from orchestration.name_value import NameValue, unique

# What a command needs is imported when it runs: --help takes no time.
if TYPE_CHECKING:
    from orchestration.cluster.schedules import Schedule, Schedules

#: What Kubeflow takes as the most runs of a schedule at the same time.
_MAX_CONCURRENCY = 10

_SCHEDULE = click.argument("schedule_name", metavar="SCHEDULE")
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


@click.group()
def schedule() -> None:
    """Run a pipeline on Kubeflow again and again.

    \b
    Example:
      complaint-pipeline schedule create \\
          argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --name nightly --cron '0 2 * * *' --host http://localhost:8080
    """


@schedule.command()
@click.argument("package", metavar="FILE", type=LocalPath())
@click.option("--name", help="Name of the schedule.  [default: that of the pipeline]")
@PIPELINE
@click.option(
    "--cron",
    metavar="EXPRESSION",
    help="When to run, in UTC: five fields (minute hour day month weekday), six (second first), "
    "or a shorthand such as @daily.",
)
@click.option("--interval", help="How often to run instead, such as 30m, 6h or 1d.")
@click.option("--start", metavar="TIME", help="When to begin, such as 2026-12-01T06:00+01:00.")
@click.option("--end", metavar="TIME", help="When to end.")
@click.option(
    "--param",
    "parameters",
    type=NameValue(may_be_empty=True),
    multiple=True,
    help="Value of a run parameter.",
)
@click.option("--experiment", default="Default", show_default=True, help="Experiment of the runs.")
@click.option(
    "--max-concurrency",
    type=click.IntRange(1, _MAX_CONCURRENCY),
    default=1,
    show_default=True,
    help="How many of its runs may go on at the same time.",
)
@click.option(
    "--catch-up/--no-catch-up",
    default=False,
    show_default=True,
    help="Make up for times that were missed.",
)
@click.option("--disabled", is_flag=True, help="Create it without starting it.")
@on_cluster
@JSON
def create(
    package: pathlib.Path,
    name: str | None,
    pipeline: str | None,
    cron: str | None,
    interval: str | None,
    start: str | None,
    end: str | None,
    parameters: tuple[tuple[str, str], ...],
    experiment: str,
    max_concurrency: int,
    catch_up: bool,
    disabled: bool,
    connection: Connection,
    as_json: bool,
) -> None:
    """Create a schedule for a compiled workflow, which is uploaded where it is not there yet.

    Kubeflow reads cron in UTC and with six fields, seconds first; five fields are turned into
    six. The next three times are printed. A schedule keeps the version that it was made with:
    see repoint.

    \b
    Examples:
      complaint-pipeline schedule create pipeline.yaml --name nightly --cron '0 2 * * *'
      complaint-pipeline schedule create pipeline.yaml --interval 6h --max-concurrency 2
    """
    from orchestration.cluster import pipelines
    from orchestration.cluster.connection import connect
    from orchestration.cluster.cron import normalise_cron, parse_interval
    from orchestration.cluster.parameters import check_parameters
    from orchestration.cluster.schedules import NewSchedule, Schedules, Trigger, parse_time

    trigger = Trigger(
        cron=None if cron is None else normalise_cron(cron),
        interval_seconds=None if interval is None else parse_interval(interval),
        start=parse_time("--start", start),
        end=parse_time("--end", end),
    )
    trigger.check(_now())
    valid = pipelines.read_valid_package(package)
    pipeline = pipelines.check_name(pipeline or pipelines.pipeline_name(valid))
    new = NewSchedule(
        name=name or pipeline,
        trigger=trigger,
        experiment=experiment,
        parameters=check_parameters(valid.manifest, unique("--param", parameters)),
        max_concurrency=max_concurrency,
        catch_up=catch_up,
        enabled=not disabled,
    )
    with busy("creating the schedule"):
        client = connect(connection)
        schedules = Schedules(client, connection)
        schedules.check_name_is_free(new.name)
        version = pipelines.upload(client, connection, valid, pipeline)
        made = schedules.create(version, new)
    _show(made, as_json, "created")


@schedule.command("list")
@on_cluster
@JSON
def list_schedules(connection: Connection, as_json: bool) -> None:
    """List the schedules; --json has their ids and parameters as well.

    \b
    Example:
      complaint-pipeline schedule list --host http://localhost:8080
    """
    from rich.table import Table

    from orchestration.run_view import wide_console

    with busy("asking Kubeflow"):
        found = _schedules(connection).all()
    if as_json:
        _print_json([_schedule_json(item) for item in found])
        return
    if not found:
        click.echo("no schedules")
        return
    table = Table()
    for column in ("schedule", "when", "next, UTC", "version", "at most"):
        table.add_column(column, overflow="fold")
    for item in found:
        times = _next_times(item)
        table.add_row(
            item.name,
            item.trigger.words() + (", catches up" if item.catch_up else ""),
            (times[0].strftime(_TIME_FORMAT) if times else "never") if item.enabled else "disabled",
            item.version,
            f"{item.max_concurrency} at once",
        )
    wide_console().print(table)


@schedule.command()
@_SCHEDULE
@on_cluster
@JSON
def enable(schedule_name: str, connection: Connection, as_json: bool) -> None:
    """Let a schedule, named by its name or id, fire again.

    \b
    Example:
      complaint-pipeline schedule enable nightly
    """
    with busy("asking Kubeflow"):
        item = _schedules(connection).switch(schedule_name, enabled=True)
    _show(item, as_json, "enabled")


@schedule.command()
@_SCHEDULE
@on_cluster
@JSON
def disable(schedule_name: str, connection: Connection, as_json: bool) -> None:
    """Keep a schedule, named by its name or id, from firing.

    \b
    Example:
      complaint-pipeline schedule disable nightly
    """
    with busy("asking Kubeflow"):
        item = _schedules(connection).switch(schedule_name, enabled=False)
    _show(item, as_json, "disabled")


@schedule.command()
@_SCHEDULE
@on_cluster
@JSON
def delete(schedule_name: str, connection: Connection, as_json: bool) -> None:
    """Delete a schedule, named by its name or id; its runs stay.

    \b
    Example:
      complaint-pipeline schedule delete nightly
    """
    with busy("deleting the schedule"):
        gone = _schedules(connection).delete(schedule_name)
    if as_json:
        _print_json(_schedule_json(gone))
    else:
        click.echo(f"{gone.name}: deleted ({gone.id})")


@schedule.command()
@_SCHEDULE
@on_cluster
@JSON
def repoint(schedule_name: str, connection: Connection, as_json: bool) -> None:
    """Move a schedule to the newest version of its pipeline.

    Kubeflow cannot change a schedule: a new one with the same settings is made, then the old one
    is deleted. Stopped half-way, the same command goes on.

    \b
    Example:
      complaint-pipeline schedule repoint nightly
    """
    with busy("moving the schedule"):
        moved, is_moved = _schedules(connection).repoint(schedule_name)
    _show(moved, as_json, "repointed" if is_moved else "has the newest version already")


def _schedules(connection: Connection) -> "Schedules":
    from orchestration.cluster.connection import connect
    from orchestration.cluster.schedules import Schedules

    return Schedules(connect(connection), connection)


def _show(item: "Schedule", as_json: bool, what: str) -> None:
    if as_json:
        _print_json(_schedule_json(item))
        return
    click.echo(f"{item.name}: {what}; {item.trigger.words()}, version {item.version}")
    if item.enabled:
        for time in _next_times(item):
            local = time.astimezone()
            click.echo(
                f"  next: {time.strftime(_TIME_FORMAT)} UTC = {local.strftime(_TIME_FORMAT)} "
                f"{local.tzname()}"
            )
    click.echo(item.url)


def _next_times(item: "Schedule") -> list[datetime.datetime]:
    return item.trigger.next_times(_now()) if item.enabled else []


def _schedule_json(item: "Schedule") -> dict[str, Any]:
    trigger = item.trigger
    return {
        "id": item.id,
        "name": item.name,
        "enabled": item.enabled,
        "cron": trigger.cron,
        "interval_seconds": trigger.interval_seconds,
        "start": None if trigger.start is None else trigger.start.isoformat(),
        "end": None if trigger.end is None else trigger.end.isoformat(),
        "next": [time.isoformat() for time in _next_times(item)],
        "version": item.version,
        "version_id": item.version_id,
        "max_concurrency": item.max_concurrency,
        "catch_up": item.catch_up,
        "parameters": dict(item.parameters),
        "url": item.url,
    }


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, sort_keys=True))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
