"""The command that predicts the complaints of a CSV file."""

import contextlib
import csv
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

import click

from orchestration.cluster.commands import HOME
from orchestration.local_path import LocalPath
from orchestration.progress import progress

if TYPE_CHECKING:
    from components.prediction import Model


@click.command()
@click.argument("model", metavar="[MODEL]", required=False)
@click.option(
    "--csv",
    "path",
    metavar="FILE",
    type=LocalPath(dir_okay=False),
    required=True,
    help="Complaints in the form that the pipeline reads; the label may be missing.",
)
@click.option(
    "--out",
    type=LocalPath(dir_okay=False),
    help="CSV file to write.  [default: the standard output]",
)
@click.option("--url", help="A model behind TensorFlow Serving's REST API, in place of MODEL.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, 2**16),
    default=256,
    show_default=True,
    help="Complaints that are predicted at a time.",
)
@HOME
def predict(
    model: str | None,
    path: pathlib.Path,
    out: pathlib.Path | None,
    url: str | None,
    batch_size: int,
    home: pathlib.Path,
) -> None:
    """Predict the complaints of a CSV file.

    MODEL is a SavedModel, a folder of versions, of which the newest is taken, both perhaps in a
    bucket, or a local run that has pushed one. Each line of the output has the complaint's row
    and ID, the probability that the consumer disputes the answer, and 0 or 1 by the model's
    threshold. Where the file has labels, the AUC is shown at the end.

    \b
    Examples:
      complaint-pipeline predict \\
          local/volume/output/serving_model/consumer_complaint_pipeline_kubeflow \\
          --csv complaints.csv --out predicted.csv
      complaint-pipeline predict s3://models/complaints --csv new.csv
      complaint-pipeline predict --url http://localhost:8501/v1/models/complaints --csv new.csv
    """
    from components.errors import InputDataError
    from components.prediction import predictions
    from orchestration.auc import StreamingAuc

    if (model is None) == (url is None):
        raise click.UsageError("name either MODEL or --url")
    if not path.is_file():
        raise InputDataError(f"{path}: there is no such file")
    if out is not None and out.exists() and out.samefile(path):
        raise InputDataError(f"--out {out}: is the file that is read; name another")
    predictor = _model(model, url, home)
    auc = StreamingAuc()
    rows = 0
    with (
        _written(out) as stream,
        progress("predicting", path.stat().st_size, is_bytes=True) as update,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("row", "complaint_id", "probability", "disputed"))
        for batch, done in predictions(path, predictor, batch_size):
            for item in batch:
                rows += 1
                writer.writerow(
                    (rows, item.complaint.complaint_id, f"{item.probability:.6f}", item.disputed)
                )
            auc.add(
                [
                    (item.probability, item.complaint.disputed)
                    for item in batch
                    if item.complaint.disputed is not None
                ]
            )
            update(done)
    summary = f"{rows:,} complaints predicted"
    if auc.value is not None:
        summary += f"; AUC {auc.value:.4f} on the {auc.count:,} that have a label"
    click.echo(summary, err=True)


def _model(model: str | None, url: str | None, home: pathlib.Path) -> "Model":
    from components.prediction import ModelServer, SavedModel, model_folder

    # What TensorFlow says of the machine while it is imported is of no use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if url is not None:
        return ModelServer(url)
    assert model is not None
    if "/" not in model and not pathlib.Path(model).exists() and (home / "runs" / model).is_dir():
        model = _pushed_by(model, home)
    return SavedModel(model_folder(model))


def _pushed_by(run: str, home: pathlib.Path) -> str:
    from components.charts import files
    from components.errors import RunError
    from orchestration.local.observing import LocalRuns

    runs = LocalRuns(home)
    pushed = runs.get(run).result.get("pushed_model")
    if not pushed:
        raise RunError(f"{run}: has pushed no model; see 'complaint-pipeline status {run}'")
    runs.open_storage(run)
    if not files.exists(str(pushed)):
        raise RunError(
            f"{run}: the model that it has pushed is no longer at {pushed}; name another run, or a "
            "model's folder"
        )
    return str(pushed)


@contextlib.contextmanager
def _written(out: pathlib.Path | None) -> Iterator[TextIO]:
    """Lends a file that appears once it is whole, or the standard output."""
    from components.errors import InputDataError

    if out is None:
        yield sys.stdout
        return
    if out.exists() and not out.is_file():
        # Such as /dev/null or a pipe, which nothing must replace.
        with out.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    out = out.resolve()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        partial.replace(out)
    except OSError as error:
        raise InputDataError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
