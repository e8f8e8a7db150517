"""The commands for the curated schema: ``complaint-pipeline schema``."""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.errors import InputDataError, RunError
from orchestration.cluster.commands import HOME, JSON, busy, print_json
from orchestration.local_path import LocalPath

if TYPE_CHECKING:
    from components.charts.schema import SchemaChange

_FILE = LocalPath(dir_okay=False)
_FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
_SCHEMA = click.option(
    "--schema",
    "path",
    type=_FILE,
    help="The schema.  [default: the package's own components/schema.pbtxt]",
)


@click.group()
def schema() -> None:
    """Look after the curated schema: what data must be like.

    \b
    Examples:
      complaint-pipeline schema diff local/volume/data/complaints.csv
      complaint-pipeline schema update local/volume/data/complaints.csv
    """


@schema.command()
@_FILES
@click.option("--out", type=_FILE, help="File to write.  [default: standard output]")
def infer(files: tuple[pathlib.Path, ...], out: pathlib.Path | None) -> None:
    """Infer a schema from CSV files, to begin one anew.

    Types are those that ExampleGen declares; the rest is what TFDV makes of the files: what is
    there is allowed. It knows neither environments nor thresholds for drift.

    \b
    Example:
      complaint-pipeline schema infer local/volume/data/complaints.csv --out inferred.pbtxt
    """
    from orchestration.schema.schema_file import schema_text, write_schema

    if out is not None and out.exists():
        raise InputDataError(f"{out}: is there already; remove it, or name another file")
    statistics = _csv_statistics(files)
    import tensorflow_data_validation as tfdv

    inferred = tfdv.infer_schema(statistics, infer_feature_shape=False)
    if out is None:
        click.echo(schema_text(inferred), nl=False)
    else:
        write_schema(out, inferred)
        click.echo(f"wrote {out}")


@schema.command()
@click.argument("files", metavar="[FILE...]", nargs=-1, type=_FILE)
@click.option("--run", help="Take the statistics of a run here instead of CSV files.")
@_SCHEMA
@HOME
@JSON
def diff(
    files: tuple[pathlib.Path, ...],
    run: str | None,
    path: pathlib.Path | None,
    home: pathlib.Path,
    as_json: bool,
) -> None:
    """Show what the schema would have to allow for data to fit it.

    Of new values it shows all, also the few that are only a warning in a run. Like diff(1), it
    exits with 0 where nothing would change and with 1 where something would.

    \b
    Examples:
      complaint-pipeline schema diff local/volume/data/complaints.csv
      complaint-pipeline schema diff --run consumer-complaint-pipeline-kubeflow-x7k2p
    """
    if bool(files) == (run is not None):
        raise click.UsageError("Name CSV files or a run with --run, one of the two.")
    path = _path(path)
    changes = _needed(path, [_csv_statistics(files)] if run is None else _of_run(home, run))[1]
    if as_json:
        print_json({"schema": str(path), "changes": [dataclasses.asdict(each) for each in changes]})
    elif changes:
        _print(changes)
    else:
        click.echo(f"the data fit {path}")
    sys.exit(1 if changes else 0)


@schema.command()
@_FILES
@_SCHEMA
@JSON
def update(files: tuple[pathlib.Path, ...], path: pathlib.Path | None, as_json: bool) -> None:
    """Widen the schema so that CSV files fit it: new values, and fewer required ones.

    Nothing is narrowed, no type changes, thresholds stay, and so do the comments at the file's
    head. Look at the change with git diff before it is committed, and compile anew.

    \b
    Example:
      complaint-pipeline schema update local/volume/data/complaints.csv
    """
    from orchestration.schema.schema_file import write_schema

    path = _path(path)
    needed, changes = _needed(path, [_csv_statistics(files)])
    if changes:
        write_schema(path, needed)
    if as_json:
        print_json({"schema": str(path), "changes": [dataclasses.asdict(each) for each in changes]})
    elif changes:
        _print(changes)
        click.echo(f"wrote {path}; look at it with git diff, and compile anew")
    else:
        click.echo(f"the data fit {path}; nothing to change")


def _path(path: pathlib.Path | None) -> pathlib.Path:
    from orchestration.schema.schema_file import curated_schema_path

    return path or curated_schema_path()


def _needed(path: pathlib.Path, statistics: Sequence[Any]) -> tuple[Any, Sequence["SchemaChange"]]:
    """Returns a schema that the data fit, and what differs in it."""
    from components.charts.schema import schema_changes
    from orchestration.schema.schema_file import read_schema
    from orchestration.schema.widening import widened

    before = read_schema(path)
    needed = before
    for each in statistics:
        needed = widened(needed, each)
    return needed, schema_changes(before, needed)


def _csv_statistics(files: Sequence[pathlib.Path]) -> Any:
    from orchestration.schema.csv_statistics import csv_statistics

    for path in files:
        if not path.is_file():
            raise InputDataError(f"{path}: there is no such file; name a CSV file")
    with busy("reading the files"):
        return csv_statistics(files)


def _of_run(home: pathlib.Path, run: str) -> list[Any]:
    """Returns the statistics of each split of a run here."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from components.charts.feature_statistics import FILE_NAME
    from components.charts.files import read_message, split_uris
    from orchestration.local.observing import LocalRuns
    from orchestration.metadata_client import connect
    from orchestration.report.run_artifacts import artifacts_of_run

    with busy("reading the run"):
        runs = LocalRuns(home)
        view = runs.get(run)
        with runs.metadata(view.id) as address:
            artifact = artifacts_of_run(connect(address), view).get("ExampleStatistics")
        if artifact is None:
            raise RunError(f"{view.id}: has made no statistics; name another run, or CSV files")
        return [
            read_message(file, statistics_pb2.DatasetFeatureStatisticsList)
            for file in split_uris(artifact.uri, FILE_NAME).values()
        ]


def _print(changes: Sequence["SchemaChange"]) -> None:
    from components.charts.text import short

    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("feature", "change", "before", "needed"):
        table.add_column(column, overflow="fold")
    for each in changes:
        cells = (each.feature, each.change, each.before, each.after)
        table.add_row(*(Text(short(cell, 1_000)) for cell in cells))
    Console().print(table)
