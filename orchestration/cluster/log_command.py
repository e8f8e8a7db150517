"""The command that prints what a step has logged, here or on Kubeflow."""

import contextlib
import dataclasses
import json
import pathlib

import click
from rich.console import Console
from rich.text import Text

from components.errors import RunError
from orchestration.cluster.commands import (
    HOME,
    JSON,
    Side,
    busy,
    look_every,
    patient,
    print_json,
    side_of,
)
from orchestration.cluster.connection import Connection
from orchestration.cluster.options import here_or_on_cluster


@click.command()
@click.argument("step", metavar="STEP")
@click.option("--run", "run_id", metavar="RUN", help="The run.  [default: the newest]")
@click.option("--tail", type=click.IntRange(min=1), help="Only so many lines of its end.")
@click.option(
    "--follow", "-f", "following", is_flag=True, help="Go on printing until the step has ended."
)
@HOME
@here_or_on_cluster
@JSON
def logs(
    step: str,
    run_id: str | None,
    tail: int | None,
    following: bool,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
) -> None:
    """Print what a step has logged.

    With --follow, a step that has not started is waited for, and its retries are followed. The
    exit status is 1 if the step did not succeed in the end. --tail is for what is there at
    first, and --json prints an object a line.

    \b
    Examples:
      complaint-pipeline logs trainer --tail 50
      complaint-pipeline logs trainer --follow
      complaint-pipeline logs trainer --cluster --run 3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90
    """
    from orchestration.local.logs import without_controls

    side = side_of(home, connection)
    if following:
        _follow(side, run_id, step, tail, connection, as_json)
        return
    with busy("asking Kubeflow", connection):
        run_id, text = side.log(run_id, step)
    lines = [without_controls(line) for line in text.splitlines()]
    if tail is not None:
        lines = lines[-tail:]
    if as_json:
        print_json({"run": run_id, "step": step, "lines": lines})
        return
    for line in lines:
        click.echo(line)


def _follow(
    side: Side,
    run_id: str | None,
    step: str,
    tail: int | None,
    connection: Connection | None,
    as_json: bool,
) -> None:
    from orchestration.local import run_record
    from orchestration.log_following import followed_lines

    # Standard output holds nothing but the log.
    console = Console(stderr=True)
    with busy("asking Kubeflow", connection):
        log = side.follow_log(run_id, step)
    look = log.look
    if connection is not None:
        look = patient(look, console, lambda last: dataclasses.replace(last, gained=b""))
    shown = 0
    with contextlib.ExitStack() as waiting:
        waiting.enter_context(busy(f"waiting for what {step} logs"))
        for found, lines in followed_lines(look, every_seconds=look_every(connection), tail=tail):
            if lines:
                waiting.close()
            for line in lines:
                row = {"run": found.run, "step": step, "line": line}
                click.echo(json.dumps(row, sort_keys=True) if as_json else line)
            shown += len(lines)
    has_failed = found.step.state != run_record.SUCCEEDED
    if found.missing and not shown and not has_failed:
        raise RunError(found.missing)
    if found.missing:
        console.print(Text(found.missing, style="yellow"), soft_wrap=True)
    if has_failed:
        reason = f" ({found.step.message})" if found.step.message else ""
        raise RunError(f"step {step} of {found.run}: {found.step.state}{reason}")
