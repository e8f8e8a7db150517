"""The command that approves the model of a run, or rejects it."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestration.cluster.commands import HOME, JSON, busy, print_json
from orchestration.cluster.connection import Connection
from orchestration.cluster.options import here_or_on_cluster, refuse_given

if TYPE_CHECKING:
    from orchestration.metadata_target import GrpcTarget

#: Both stand in lines of the lineage, and in the step's message.
_LONGEST_NAME, _LONGEST_NOTE = 200, 2_000

_METADATA_SERVICE = "metadata-grpc-service"
_METADATA_PORT = 8080
_DEFAULT_NAMESPACE = "kubeflow"


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--by", "name", required=True, help="Who has decided; it is recorded.")
@click.option("--note", default="", help="Why; it is recorded.")
@click.option("--reject", is_flag=True, help="The model must not be pushed: the run fails.")
@click.option(
    "--metadata-host",
    metavar="HOST:PORT",
    help="With --cluster: the metadata service.  [default: kubectl port-forward]",
)
@click.option("--context", help="With --cluster: context of the kubeconfig.")
@HOME
@here_or_on_cluster
@JSON
def approve(
    run_id: str,
    name: str,
    note: str,
    reject: bool,
    metadata_host: str | None,
    context: str | None,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
) -> None:
    """Approve the model of a run that waits for it, so that it is pushed.

    A pipeline waits where it was compiled with the setting approval_timeout_seconds. Who has
    decided, when and why is kept in ML Metadata, and shows in the model's lineage.

    \b
    Examples:
      complaint-pipeline approve consumer-complaint-pipeline-kubeflow-x7k2p --by "Ann Lee" \\
          --note "calibration looked at"
      complaint-pipeline approve --cluster 3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90 --by Ann --reject
    """
    from components.approvals import Decision, decide
    from components.charts.text import short
    from components.errors import RunError
    from orchestration.metadata_client import connect

    decision = Decision(approved=not reject, by=name.strip(), note=note.strip())
    if not decision.by:
        raise RunError("--by: names nobody; say who has decided")
    for option, text, most in (
        ("--by", decision.by, _LONGEST_NAME),
        ("--note", decision.note, _LONGEST_NOTE),
    ):
        if len(text) > most:
            raise RunError(f"{option}: has {len(text):,} characters; the most are {most:,}")
    with busy("recording the decision"):
        if connection is None:
            refuse_given(("metadata_host", "context"), "is only for Kubeflow; add --cluster")
            from orchestration.local.observing import LocalRuns

            decide(connect(LocalRuns(home).metadata_address(run_id)), run_id, decision)
        else:
            refuse_given(("home",), "is only for runs here")
            from orchestration.cluster.connection import connect as client_of
            from orchestration.cluster.runs import ClusterRuns

            workflow = ClusterRuns(client_of(connection), connection).workflow_name(run_id)
            with _metadata_service(metadata_host, context) as target:
                decide(connect(target), workflow, decision)
    if as_json:
        values = {"approved": decision.approved, "by": decision.by, "note": decision.note}
        print_json({"run": run_id, **values})
    else:
        click.echo(f"{run_id}: {'rejected' if reject else 'approved'} by {short(decision.by)}")


@contextlib.contextmanager
def _metadata_service(address: str | None, context: str | None) -> "Iterator[GrpcTarget]":
    from orchestration.cluster.doctor.tunnel import PortForward
    from orchestration.cluster.kubectl import Kubectl
    from orchestration.metadata_target import GrpcTarget, MetadataTarget

    if address is not None:
        target = MetadataTarget.parse(f"grpc://{address}")
        assert isinstance(target, GrpcTarget)
        yield target
        return
    kubectl = Kubectl(namespace=_DEFAULT_NAMESPACE, context=context)
    with PortForward(kubectl, _METADATA_SERVICE, _METADATA_PORT) as (host, port):
        yield GrpcTarget(host, port)
