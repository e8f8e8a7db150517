"""The command that tells where a model comes from, and what has come of data."""

import json
import os
import pathlib

import click

from orchestration.cluster.commands import HOME, JSON, busy
from orchestration.local_path import LocalPath


@click.command()
@click.argument("query", metavar="MODEL_OR_ARTIFACT")
@HOME
@click.option(
    "--metadata",
    metavar="STORE",
    help="sqlite:PATH, mysql://USER@HOST[:PORT]/DATABASE (password in MYSQL_PWD) or "
    "grpc://HOST:PORT.  [default: sqlite:HOME/metadata.db]",
)
@click.option("--forward", "is_forward", is_flag=True, help="What has come of it.")
@JSON
@click.option("--dot", "as_dot", is_flag=True, help="Print the graph for Graphviz.")
@click.option(
    "--out",
    type=LocalPath(dir_okay=False),
    help="Write a page with a picture to this HTML file.",
)
def lineage(
    query: str,
    home: pathlib.Path,
    metadata: str | None,
    is_forward: bool,
    as_json: bool,
    as_dot: bool,
    out: pathlib.Path | None,
) -> None:
    """Show where a model comes from, or which models came from data.

    MODEL_OR_ARTIFACT is the path or the version of a pushed model, the id or URI of an artifact,
    or the id of a run: back from there to the raw files, by way of all executions. Or it is a
    data file, its folder or its SHA-256: forward from there to the models.

    \b
    Examples:
      complaint-pipeline lineage 1795579980
      complaint-pipeline lineage local/volume/data/complaints_sample.csv
      complaint-pipeline lineage 14 --metadata grpc://localhost:8080 --out lineage.html
    """
    from orchestration.lineage.answer import ask, to_json
    from orchestration.lineage.store import open_reader
    from orchestration.metadata_target import MetadataTarget, SqliteTarget

    if as_json and as_dot:
        raise click.UsageError("--json and --dot cannot be given together")
    target = (
        SqliteTarget(home.absolute() / "metadata.db")
        if metadata is None
        else MetadataTarget.parse(metadata)
    )
    is_here = isinstance(target, SqliteTarget)
    with busy("asking the metadata store", None if is_here else True):
        reader = open_reader(target, os.environ.get("MYSQL_PWD"))
        answer = ask(reader, query, is_forward=is_forward, home=home)
    if out is not None:
        from orchestration.lineage.page import write_page

        write_page(answer, out)
    if as_json:
        click.echo(json.dumps(to_json(answer), indent=1))
    elif as_dot:
        from orchestration.lineage.dot import dot

        click.echo(dot(answer), nl=False)
    elif out is not None:
        click.echo(f"{out}: written")
    else:
        from orchestration.lineage.text import answer_text
        from orchestration.run_view import wide_console

        wide_console().print(answer_text(answer))
