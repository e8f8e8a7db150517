"""The command ``doctor``."""

import collections
import dataclasses
import json
import pathlib
import sys

import click

from orchestration.cluster.commands import JSON, busy
from orchestration.cluster.connection import Connection
from orchestration.cluster.kubectl import Kubectl
from orchestration.cluster.options import with_kubectl_and_kubeflow
from orchestration.local_path import LocalPath

_COMPILED = pathlib.Path("argo_pipeline_files", "consumer_complaint_pipeline_kubeflow.yaml")
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": "bright_black"}


@click.command()
@click.argument(
    "package",
    metavar="[FILE]",
    default=_COMPILED,
    type=LocalPath(),
)
@with_kubectl_and_kubeflow
@JSON
def doctor(
    package: pathlib.Path, kubectl: Kubectl, connection: Connection | None, as_json: bool
) -> None:
    """Look whether a cluster is ready for a compiled workflow; nothing there is changed.

    FILE is the committed workflow unless given. The cluster is asked by way of kubectl, and so is
    Kubeflow Pipelines' API without --host. The exit status is 1 if something will go wrong.

    \b
    Examples:
      complaint-pipeline doctor
      complaint-pipeline doctor workflow.yaml --context staging --namespace team-a --json
    """
    from orchestration.cluster.doctor import SUBJECTS, examine
    from orchestration.cluster.doctor.check import FAILURE, LEVELS
    from orchestration.cluster.doctor.cluster_view import ClusterView
    from orchestration.cluster.doctor.examination import Examination
    from orchestration.cluster.doctor.needs import read_needs
    from orchestration.cluster.pipelines import read_valid_package

    examination = Examination(
        cluster=ClusterView(kubectl),
        needs=read_needs(read_valid_package(package).manifest),
        connection=connection,
    )
    found = []
    looks = examine(examination)
    for subject in SUBJECTS:
        with busy(f"looking at {subject.name}"):
            checks = next(looks)
        found += checks
        if not as_json:
            for check in checks:
                text = str(check)
                level = click.style(check.level, fg=_COLOURS[check.level])
                click.echo(level + text.removeprefix(check.level))
    counts = collections.Counter(check.level for check in found)
    if as_json:
        rows = [dataclasses.asdict(check) for check in found]
        click.echo(json.dumps([{"check": row.pop("name"), **row} for row in rows], indent=1))
    else:
        click.echo(", ".join(_counted(level, counts[level]) for level in LEVELS if counts[level]))
    if counts[FAILURE]:
        sys.exit(1)


def _counted(level: str, count: int) -> str:
    return f"{count} {level}{'s' if count > 1 and level in ('warning', 'failure') else ''}"
