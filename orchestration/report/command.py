"""The command that writes the report of a run."""

import pathlib

import click

from orchestration.cluster.commands import HOME, JSON, busy, print_json
from orchestration.local_path import LocalPath


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option(
    "--out",
    type=LocalPath(dir_okay=False),
    help="HTML file to write.  [default: report.html in the run's folder]",
)
@HOME
@JSON
def report(run_id: str | None, out: pathlib.Path | None, home: pathlib.Path, as_json: bool) -> None:
    """Write the report of a run here as one HTML file; without RUN, of the newest.

    The file needs nothing but itself: it opens without a network, can be printed and sent. It has
    the steps over time, the data, the schema, anomalies, the training, the evaluation against
    every threshold, the pushed model, and where that comes from.

    \b
    Example:
      complaint-pipeline report --out report.html
    """
    from orchestration.report.build import write_local_report

    with busy("writing the report"):
        path = write_local_report(home, run_id, out)
    if as_json:
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        click.echo(f"wrote {path}")
