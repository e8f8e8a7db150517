"""The command that puts files where the pods look."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from orchestration.cluster.commands import JSON
from orchestration.cluster.kubectl import Kubectl
from orchestration.cluster.options import with_kubectl
from orchestration.local_path import LocalPath

# What a command needs is imported when it runs: --help takes no time.
if TYPE_CHECKING:
    from orchestration.cluster.staging.plan import Plan
    from orchestration.cluster.staging.target import Found

_PATH = LocalPath()


@click.command()
@click.argument("package", metavar="FILE", type=_PATH)
@click.option(
    "--data",
    type=_PATH,
    multiple=True,
    metavar="PATH",
    help="CSV file, or folder of CSV files or of spans; can be given several times.",
)
@click.option(
    "--module-file",
    type=_PATH,
    help="Python file with preprocessing_fn and run_fn. On a volume, the modules and packages of "
    "its folder come with it.",
)
@click.option("--schema", "schema_file", type=_PATH, help="Curated schema, as schema.pbtxt.")
@click.option(
    "--data-root",
    metavar="PATH",
    help="Where the run looks for data, if it sets the parameter data-root.  "
    "[default: FILE's value of it]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that differ.")
@click.option("--dry-run", is_flag=True, help="Only list what would go where.")
@with_kubectl
@JSON
def stage(
    package: pathlib.Path,
    data: tuple[pathlib.Path, ...],
    module_file: pathlib.Path | None,
    schema_file: pathlib.Path | None,
    data_root: str | None,
    overwrite: bool,
    dry_run: bool,
    kubectl: Kubectl,
    as_json: bool,
) -> None:
    """Put data, a module file and a schema where the pods look.

    FILE is the compiled workflow: it says which folder of which volume, or which bucket, each of
    them belongs in. A volume is reached through the data-access pod of manifests/, a bucket of
    Google's with its application default credentials, one of S3 with those of AWS's tools and
    AWS_ENDPOINT_URL_S3.

    Nothing is sent if a file is there with other content, unless --overwrite is given. What is
    there already is not sent again. A transfer that broke goes on where it ended on a volume, and
    begins anew in a bucket, of S3 after what it has left there is removed. A file gets its name
    only when it is there as a whole.

    \b
    Examples:
      complaint-pipeline stage argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --data local/volume/data --dry-run
      complaint-pipeline stage pipeline.yaml --data january.csv --data february.csv \\
          --module-file components/module.py --schema schema.pbtxt
    """
    from orchestration.cluster.pipelines import read_valid_package
    from orchestration.cluster.staging import stager

    if not data and module_file is None and schema_file is None:
        raise click.UsageError("nothing to stage; give --data, --module-file or --schema")
    if data_root is not None and not data:
        raise click.UsageError("--data-root needs --data")
    selection = stager.select(
        read_valid_package(package),
        stager.Request(
            data=data, module_file=module_file, schema_file=schema_file, data_root=data_root
        ),
    )
    console = Console(stderr=True)
    with _bytes_shown(console, "comparing", selection.size) as (add, _):
        places = stager.targets(selection, kubectl)
        plan = stager.make_plan(selection, places, overwrite, add)
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)
    try:
        plan.refuse()
    except Exception:
        _print(plan, as_json, is_done=False)
        raise
    if not dry_run:
        size = sum(entry.bytes_to_send for entry in plan.entries)
        with _bytes_shown(console, "sending", size) as (_, progress):
            stager.carry_out(plan, progress)
    _print(plan, as_json, is_done=not dry_run)


def _print(plan: "Plan", as_json: bool, *, is_done: bool) -> None:
    from orchestration.cluster.staging.plan import plan_json, plan_table
    from orchestration.run_view import wide_console

    if as_json:
        click.echo(json.dumps(plan_json(plan, is_done), indent=1, sort_keys=True))
    else:
        wide_console().print(plan_table(plan, is_done))


@contextlib.contextmanager
def _bytes_shown(
    console: Console, what: str, total: int
) -> Iterator[tuple[Callable[[int], None], Callable[["Found", int], None]]]:
    """Shows bytes on a terminal.

    Yields:
        What is told how many more bytes there are, and what is told how many there are of a file.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    shown = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    files: dict[int, int] = {}
    with shown:
        task: Any = shown.add_task(what, total=total)

        def add(count: int) -> None:
            shown.advance(task, count)

        def progress(found: "Found", count: int) -> None:
            files[id(found)] = max(count - found.partial, 0)
            shown.update(
                task,
                completed=sum(files.values()),
                description=f"{what} {found.wanted.source.path.name}",
            )

        yield add, progress
