"""The commands of ``data``: make complaints up, download them, and prepare those at hand."""

import datetime
import json
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.local_path import LocalPath
from orchestration.progress import progress

if TYPE_CHECKING:
    from data.cfpb.preparation import Manifest, Rules

#: The address of the data in place of the Bureau's own, for a mirror.
URL_VARIABLE = "COMPLAINT_PIPELINE_DATA_URL"

_LAYOUTS = ("size", "month", "span")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Bytes(click.ParamType):
    """A size such as ``64Mi``, in the units of Kubernetes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the bytes."""
        if isinstance(value, int):
            return value
        number = value.rstrip("KMGi")
        unit = value[len(number) :]
        if not number.isdecimal() or unit not in _UNITS or int(number) * _UNITS[unit] < 1:
            self.fail(f"'{value}' is not a size such as 64Mi", param, ctx)
        return int(number) * _UNITS[unit]


def _prepared(*, narrative: str) -> Callable[[Any], Any]:
    """Options of what is kept and how it is written."""
    options = [
        click.option(
            "--out",
            type=LocalPath(),
            required=True,
            help="Folder to write; it appears once it is whole.",
        ),
        click.option(
            "--narrative",
            type=click.Choice(["required", "optional"]),
            default=narrative,
            show_default=True,
            help="Drop complaints without a narrative, or keep them.",
        ),
        click.option(
            "--label",
            type=click.Choice(["required", "optional"]),
            default="required",
            show_default=True,
            help="Drop complaints without a Yes or No to the dispute, or keep them for predict.",
        ),
        click.option(
            "--by",
            "layout",
            type=click.Choice(_LAYOUTS),
            default="size",
            show_default=True,
            help="Shards of a size, one a month of receipt, or a folder a month as a span.",
        ),
        _SIZE,
        _OVERWRITE,
        _JSON,
    ]

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_SIZE = click.option(
    "--size",
    "max_bytes",
    type=Bytes(),
    default="64Mi",
    show_default=True,
    help="Largest shard, where they are of a size.",
)
_OVERWRITE = click.option(
    "--overwrite", is_flag=True, help="Replace the data that is in the folder."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
_FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=LocalPath())


@click.group()
def data() -> None:
    """Get, prepare or make up input data."""


@data.command()
@click.option("--rows", type=click.IntRange(min=1), required=True, help="How many complaints.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--out",
    type=LocalPath(dir_okay=False),
    required=True,
    help="CSV file to write.",
)
def generate(rows: int, seed: int, out: pathlib.Path) -> None:
    """Write synthetic complaints.

    The same rows and seed give the same bytes everywhere.

    \b
    Example:
      complaint-pipeline data generate --rows 67000 --seed 7 --out local/volume/data/complaints.csv
    """
    from data.generator import write_complaints

    with progress("complaints", rows) as update:
        write_complaints(out, rows=rows, seed=seed, on_progress=update)
    click.echo(f"{out}: {rows:,} complaints, {out.stat().st_size:,} bytes")


@data.command()
@_FILES
@_prepared(narrative="required")
@click.option("--encoding", default="utf-8-sig", show_default=True, help="Of the files' text.")
def prepare(
    files: tuple[pathlib.Path, ...],
    out: pathlib.Path,
    narrative: str,
    label: str,
    layout: str,
    max_bytes: int,
    overwrite: bool,
    as_json: bool,
    encoding: str,
) -> None:
    """Turn published complaints into data that the pipeline reads.

    FILE is a .csv, .csv.gz or .zip with the Bureau's column names, those of its API, or ours. What
    is dropped is counted by reason, also in manifest.json beside the shards.

    \b
    Examples:
      complaint-pipeline data prepare complaints.csv.zip --out local/volume/data
      complaint-pipeline data prepare complaints.csv --out data --by span
      complaint-pipeline data prepare new.csv --out to-predict --label optional
    """
    from data.cfpb.preparation import prepare as run

    rules = _rules(narrative, label, layout, max_bytes, encoding)
    with progress("reading", _size_of(files), is_bytes=True) as update:
        manifest = run(files, out, rules, overwrite=overwrite, on_progress=update)
    _print(manifest, out, as_json)


@data.command()
@click.option(
    "--source",
    type=click.Choice(["file", "api"]),
    default="file",
    show_default=True,
    help="The published file of all complaints, or the search API.",
)
@click.option(
    "--url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    help="Another address of it.  [default: the Bureau's own]",
)
@click.option(
    "--received-from", type=click.DateTime(["%Y-%m-%d"]), help="First day of receipt, for the API."
)
@click.option(
    "--received-to", type=click.DateTime(["%Y-%m-%d"]), help="Last day of receipt, for the API."
)
@_prepared(narrative="required")
@click.option("--keep", is_flag=True, help="Keep the downloaded file.")
def download(
    source: str,
    url: str | None,
    received_from: datetime.datetime | None,
    received_to: datetime.datetime | None,
    out: pathlib.Path,
    narrative: str,
    label: str,
    layout: str,
    max_bytes: int,
    overwrite: bool,
    as_json: bool,
    keep: bool,
) -> None:
    """Download complaints and prepare them.

    The published file has several gigabytes. What has come lies beside the folder, under a hidden
    name; stopped half-way, the same command goes on. Consumers are no longer asked whether they
    dispute an answer since April 2017, so that later complaints have no label.

    \b
    Examples:
      complaint-pipeline data download --out local/volume/data
      complaint-pipeline data download --source api --received-from 2016-01-01 \\
          --received-to 2016-03-31 --out local/volume/data --by span
    """
    from data.cfpb import download as downloading
    from data.cfpb.preparation import prepare as run
    from data.cfpb.reading import DamagedFileError
    from data.cfpb.shards import check_free

    if source == "file" and (received_from or received_to):
        raise click.UsageError("--received-from and --received-to are only for --source api")
    address = url or downloading.DEFAULT_URL
    if source == "api":
        address = downloading.api_url(
            url or downloading.API_URL,
            received_from=None if received_from is None else received_from.date().isoformat(),
            received_to=None if received_to is None else received_to.date().isoformat(),
        )
    downloading.check_url(address)
    # Before hours of a download.
    check_free(out, overwrite=overwrite)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    archive = out.absolute().with_name(f".{out.absolute().name}.download")
    console = Console(stderr=True)
    with progress("downloading", None, is_bytes=True) as update:
        done = downloading.download(
            address,
            archive,
            on_progress=update,
            on_wait=lambda problem, seconds: console.print(
                Text(f"{problem}; again in {seconds:g} s", style="yellow"), soft_wrap=True
            ),
        )
    origin = {"url": done.url, "modified": done.modified, "retrieved": _today()}
    rules = _rules(narrative, label, layout, max_bytes, "utf-8-sig")
    with progress("preparing", archive.stat().st_size, is_bytes=True) as update:
        try:
            manifest = run(
                [archive], out, rules, overwrite=overwrite, origin=origin, on_progress=update
            )
        except DamagedFileError:
            # The same command would take it for whole.
            downloading.forget(archive)
            raise
    if keep:
        kept = out.absolute().with_name(f"{out.absolute().name}.download")
        archive.replace(kept)
        click.echo(f"{kept}: kept", err=True)
    downloading.forget(archive)
    _print(manifest, out, as_json)


@data.command()
@_FILES
@click.option(
    "--out",
    type=LocalPath(),
    required=True,
    help="Folder to write; it appears once it is whole.",
)
@_SIZE
@_OVERWRITE
@_JSON
def split(
    files: tuple[pathlib.Path, ...],
    out: pathlib.Path,
    max_bytes: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Cut CSV files into shards without breaking a record.

    ExampleGen reads each file by one worker: with several workers, many shards are read at the
    same time.

    \b
    Example:
      complaint-pipeline data split complaints.csv --size 64Mi --out local/volume/data
    """
    import dataclasses

    from data.cfpb.splitting import split as run

    with progress("splitting", _size_of(files), is_bytes=True) as update:
        shards = run(files, out, max_bytes, overwrite=overwrite, on_progress=update)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(shard) for shard in shards], indent=1))
        return
    rows = sum(shard.rows for shard in shards)
    click.echo(f"{out}: {rows:,} rows in {_count(len(shards), 'shard')}")


def _rules(narrative: str, label: str, layout: str, max_bytes: int, encoding: str) -> "Rules":
    import codecs

    from data.cfpb.preparation import Rules

    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise click.UsageError(f"--encoding: '{encoding}' is no encoding of text that Python knows")
    return Rules(
        needs_narrative=narrative == "required",
        needs_label=label == "required",
        layout=layout,
        max_bytes=max_bytes,
        encoding=encoding,
    )


def _size_of(files: tuple[pathlib.Path, ...]) -> int:
    return sum(path.stat().st_size for path in files if path.is_file())


def _print(manifest: "Manifest", out: pathlib.Path, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(manifest.to_json(), indent=1))
        return
    console = Console(width=None if Console().is_terminal else 200)
    shards = _count(len(manifest.shards), "file")
    console.print(
        Text(
            f"{out}: {manifest.rows_out:,} of {manifest.rows_in:,} complaints in {shards}, "
            f"{manifest.disputed:,} disputed"
        ),
        soft_wrap=True,
    )
    labelled = "consumer_disputed" not in (*manifest.absent, *manifest.empty)
    if labelled and manifest.disputed in (0, manifest.rows_out):
        said = "warning: all have the same label; a model needs complaints with either"
        console.print(Text(said, style="yellow"), soft_wrap=True)
    if manifest.dropped:
        table = Table("dropped", "because", "first", box=None, padding=(0, 2, 0, 0))
        table.columns[0].justify = "right"
        for reason, item in sorted(manifest.dropped.items(), key=lambda pair: -pair[1].rows):
            table.add_row(f"{item.rows:,}", Text(reason), Text(item.first))
        console.print(table)
    for names, words in (
        (manifest.absent, "empty, since no file has them"),
        (manifest.empty, "empty in all of them"),
        (manifest.left_out, "left out, since they are no columns of complaints"),
    ):
        if names:
            listed = ", ".join(name.strip() or "(unnamed)" for name in names)
            console.print(Text(f"{words}: {listed}"), soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()
