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
        path, problems = write_local_report(home, run_id, out)
    if problems:
        parts = "1 part" if len(problems) == 1 else f"{len(problems)} parts"
        click.echo(f"warning: {parts} of the page could not be made: {problems[0]}", err=True)
    if as_json:
        made = {"report": str(path), "bytes": path.stat().st_size}
        print_json({**made, "problems": problems})
    else:
        click.echo(f"wrote {path}")
