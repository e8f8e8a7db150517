"""The command line ``complaint-pipeline``: thin commands, and the one place that prints errors."""

import json
import pathlib
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.text import Text

from components.errors import PipelineError
from orchestration.approve_command import approve
from orchestration.cluster import commands as cluster_commands
from orchestration.cluster.connection import Connection
from orchestration.cluster.doctor_command import doctor
from orchestration.cluster.log_command import logs
from orchestration.cluster.schedule_commands import schedule
from orchestration.cluster.stage_command import stage
from orchestration.data_command import data
from orchestration.lineage.command import lineage
from orchestration.local.logs import without_controls
from orchestration.local_path import LocalPath
from orchestration.name_value import NameValue, unique
from orchestration.predict_command import predict
from orchestration.report.command import report
from orchestration.schema.command import schema
from orchestration.tensorboard_command import tensorboard

_SIGINT_STATUS = 130


class _Commands(click.Group):
    """Takes the compile command from the authoring side, only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "compile"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "compile":
            from pipelines.kubeflow_pipelines.command import compile_command

            return compile_command()
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="complaint-pipeline")
@click.option("--verbose", is_flag=True, help="Show the traceback of an error.")
def cli(verbose: bool) -> None:
    """Compile, check and run the consumer-complaint pipeline.

    \b
    Examples:
      complaint-pipeline compile --output-dir argo_pipeline_files
      complaint-pipeline validate argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml
      complaint-pipeline run argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --mount tfx-pvc=local/volume

    Exit status: 0 success, 1 an error or a failed run, 2 a wrong command line, 130 interrupted.
    """


@cli.command()
@click.argument("package", metavar="FILE", type=LocalPath())
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def validate(package: pathlib.Path, as_json: bool) -> None:
    """Check a compiled workflow without a cluster.

    Finds what Argo, Kubeflow Pipelines or Kubernetes would refuse, or get wrong. FILE is a
    .yaml, .json, .zip or .tar.gz, as for an upload.

    \b
    Example:
      complaint-pipeline validate argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml
    """
    from orchestration.package import read_package
    from orchestration.validation import validate as find

    findings = find(read_package(package))
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "rule": finding.rule,
                        "place": finding.place,
                        "message": finding.message,
                        "mend": finding.mend,
                    }
                    for finding in findings
                ],
                indent=1,
            )
        )
    else:
        for finding in findings:
            click.echo(
                f"{package}: {finding.place}: {finding.message}; {finding.mend} [{finding.rule}]"
            )
        if not findings:
            click.echo(f"{package}: valid")
    if findings:
        sys.exit(1)


@cli.command()
@click.argument("package", metavar="FILE", type=LocalPath())
@click.option(
    "--mount",
    "mounts",
    type=NameValue(),
    multiple=True,
    help="Folder that stands for a persistent volume claim, a secret or a ConfigMap, whose keys "
    "are files.  [NAME=DIR]",
)
@click.option(
    "--param",
    "parameters",
    type=NameValue(may_be_empty=True),
    multiple=True,
    help="Value of a run parameter.",
)
@click.option(
    "--max-parallel",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many steps may run at the same time.",
)
@click.option(
    "--metadata",
    metavar="STORE",
    help="sqlite:PATH, mysql://USER@HOST[:PORT]/DATABASE (password in MYSQL_PWD) or "
    "grpc://HOST:PORT.  [default: sqlite:HOME/metadata.db]",
)
@click.option(
    "--report",
    "page",
    type=LocalPath(dir_okay=False),
    help="HTML file to write the run's report to; see 'complaint-pipeline report'.",
)
@cluster_commands.HOME
@cluster_commands.cluster_run_options
@click.option("--json", "as_json", is_flag=True, help="Print the run's record as JSON at the end.")
def run(
    package: pathlib.Path,
    mounts: tuple[tuple[str, str], ...],
    parameters: tuple[tuple[str, str], ...],
    max_parallel: int,
    metadata: str | None,
    page: pathlib.Path | None,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
    **cluster_options: Any,
) -> None:
    """Run a compiled workflow here, without a cluster; with --cluster, on Kubeflow Pipelines.

    Here, each step gets the command line and environment of its pod, with the pod's paths
    replaced by the mounted folders. On Kubeflow, the workflow is uploaded first where it is not
    there yet.

    \b
    Examples:
      complaint-pipeline run argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --mount tfx-pvc=local/volume --param train-args='{"num_steps": 200}'
      complaint-pipeline run argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml \\
          --cluster --host http://localhost:8080 --wait
    """
    if connection is not None:
        cluster_commands.run_on_cluster(
            connection, package, unique("--param", parameters), as_json=as_json, **cluster_options
        )
        return
    cluster_commands.refuse_given(tuple(cluster_options), "is only for Kubeflow; add --cluster")
    from orchestration.local import runner
    from orchestration.local.plan import RunOptions
    from orchestration.metadata_target import MetadataTarget

    options = RunOptions(
        package=package,
        home=home,
        folders={name: pathlib.Path(folder) for name, folder in unique("--mount", mounts).items()},
        parameters=unique("--param", parameters),
        max_parallel=max_parallel,
        metadata=None if metadata is None else MetadataTarget.parse(metadata),
    )
    runner.run(options, _run_console(as_json), _report(as_json), page)


@cli.command()
@click.argument("run_id", metavar="RUN")
@cluster_commands.HOME
@cluster_commands.wait_options
@click.option("--json", "as_json", is_flag=True, help="Print the run's record as JSON at the end.")
def retry(
    run_id: str,
    home: pathlib.Path,
    connection: Connection | None,
    as_json: bool,
    **cluster_options: Any,
) -> None:
    """Resume a failed or interrupted run.

    Only what had not succeeded runs again.

    On Kubeflow (--cluster), only a failed run can be retried.

    \b
    Examples:
      complaint-pipeline retry consumer-complaint-pipeline-kubeflow-x7k2p
      complaint-pipeline retry --cluster 3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90 --wait
    """
    if connection is not None:
        cluster_commands.retry_on_cluster(connection, run_id, as_json=as_json, **cluster_options)
        return
    cluster_commands.refuse_given(tuple(cluster_options), "is only for Kubeflow; add --cluster")
    from orchestration.local import runner

    runner.resume(run_id, home, _run_console(as_json), _report(as_json))


cluster_commands.add_to(cli)
cli.add_command(logs)
cli.add_command(data)
cli.add_command(predict)
cli.add_command(approve)
cli.add_command(report)
cli.add_command(tensorboard)
cli.add_command(schedule)
cli.add_command(doctor)
cli.add_command(stage)
cli.add_command(lineage)
cli.add_command(schema)


def _run_console(as_json: bool) -> Console:
    # With --json, standard output holds nothing but JSON.
    return Console(stderr=as_json)


def _report(as_json: bool) -> Callable[[Any], None]:
    """Returns what prints a run at its end."""
    from orchestration.local import summary

    def report(record: Any) -> None:
        if as_json:
            click.echo(json.dumps(summary.summary_json(record), indent=1, sort_keys=True))
            return
        if table := summary.metrics_table(record):
            Console().print(table)
        for line in summary.verdict(record):
            click.echo(line)

    return report


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits with its status.

    Args:
        arguments: The command line without the program's name; ``None`` takes the process's.
    """
    run_command(cli, "complaint-pipeline", arguments)


def run_command(command: click.Command, name: str, arguments: list[str] | None = None) -> NoReturn:
    """Runs a command and exits; an error is printed as one line, and its status is never 0.

    Args:
        command: The command.
        name: The program's name, for its help.
        arguments: The command line without the program's name; ``None`` takes the process's.
    """
    given = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in given
    # Google's clients warn of Python 3.10, which TFX 1.15.1 needs, wherever one is imported.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
    try:
        status = command.main(args=given, prog_name=name, standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns the one into the other.
        interrupt = error if isinstance(error, KeyboardInterrupt) else error.__cause__
        _print_error("; ".join(["interrupted", *map(str, interrupt.args if interrupt else ())]))
        sys.exit(_SIGINT_STATUS)
    except PipelineError as error:
        if verbose:
            traceback.print_exc()
        _print_error(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader has gone; what is left cannot be told to anybody.
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 (nothing may end in a traceback without --verbose)
        if verbose:
            traceback.print_exc()
        line = " ".join(str(error).split())
        _print_error(f"unexpected {type(error).__name__}: {line} (--verbose shows the traceback)")
        sys.exit(1)


def _print_error(message: str) -> None:
    console = Console(stderr=True)
    clean = without_controls(message)
    console.print(Text.assemble(("error: ", "bold red"), clean), soft_wrap=True)
