"""The command that compiles: one code for the scripts and for ``complaint-pipeline compile``."""

import os
import pathlib
import warnings

import click

from components.errors import SettingsError, WorkflowError
from orchestration.local_path import LocalPath
from orchestration.package import write_package
from orchestration.validation import validate_text
from pipelines.settings import Settings, load_settings

_EXTENSIONS = (".yaml", ".yml", ".tar.gz", ".tgz", ".zip")


def _package_name(_: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Refuses a file name of an unknown kind now rather than after the compile."""
    if name is not None and not name.endswith(_EXTENSIONS):
        raise click.BadParameter(f"'{name}' does not end in {', '.join(_EXTENSIONS)}", param=option)
    return name


def _require_own_name(settings: Settings, own_file: pathlib.Path) -> None:
    """Refuses to write other settings over the workflow of the script's own."""
    own = load_settings(own_file, (), os.environ)
    if settings.pipeline_name == own.pipeline_name and settings != own:
        raise SettingsError(
            f"pipeline_name: '{own.pipeline_name}' is that of {own_file.name}, whose committed "
            "workflow would be overwritten; choose another name in your settings, or give "
            "--output-filename"
        )


def compile_command(
    *,
    output_dir: pathlib.Path | None = None,
    extension: str = ".tar.gz",
    settings_file: pathlib.Path | None = None,
) -> click.Command:
    """Returns the command.

    Args:
        settings_file: File of settings when none is given; ``None`` for the defaults. Other
            settings are then not written over its workflow.
        output_dir: Folder to write to when none is given; ``None`` is the working folder.
        extension: What follows the pipeline's name when no file name is given.

    Returns:
        A click command named ``compile``.
    """
    own_file, own_dir = settings_file, output_dir

    @click.command("compile", context_settings={"help_option_names": ["-h", "--help"]})
    @click.option(
        "--settings",
        "settings_file",
        type=LocalPath(),
        default=settings_file,
        help="YAML file of settings."
        + (f"  [default: {settings_file.name}, beside the script]" if settings_file else ""),
    )
    @click.option(
        "--set",
        "overrides",
        metavar="NAME=VALUE",
        multiple=True,
        help="A single setting, such as trainer.memory=8G.",
    )
    @click.option(
        "--output-dir",
        type=LocalPath(),
        default=output_dir,
        help=f"Folder to write to.  [default: {output_dir.name if output_dir else 'this folder'}]",
    )
    @click.option(
        "--output-filename",
        type=LocalPath(path_type=str),
        callback=_package_name,
        help=f"Name ending in .yaml, .tar.gz or .zip.  [default: PIPELINE{extension}]",
    )
    @click.option(
        "--plain-entrypoint",
        is_flag=True,
        help="Run TFX's own entry point in the pods; the same as --set plain_entrypoint=true.",
    )
    @click.option("--verbose", is_flag=True, help="Show the traceback of an error.")
    def command(
        settings_file: pathlib.Path | None,
        overrides: tuple[str, ...],
        output_dir: pathlib.Path | None,
        output_filename: str | None,
        plain_entrypoint: bool,
        verbose: bool,
    ) -> None:
        """Compile the pipeline to Argo YAML for Kubeflow Pipelines.

        The environment variable KUBEFLOW_TFX_IMAGE overrides the setting image.

        \b
        Examples:
          complaint-pipeline compile --output-filename pipeline.yaml
          complaint-pipeline compile --settings staging.yaml --set trainer.memory=8G
        """
        if plain_entrypoint:
            overrides = (*overrides, "plain_entrypoint=true")
        settings = load_settings(settings_file, overrides, os.environ)
        if own_file is not None and output_filename is None and output_dir == own_dir:
            _require_own_name(settings, own_file)
        name = output_filename or f"{settings.pipeline_name}{extension}"
        path = (output_dir or pathlib.Path()) / name
        if not path.parent.is_dir():
            raise WorkflowError(
                f"{path.parent}: there is no such folder to write {path.name} to; create it, or "
                "name another one with --output-dir"
            )
        # TensorFlow's start-up notes are about training, and hide what the user is to read.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Keras would write its settings into the user's home when it is imported.
        os.environ.setdefault("KERAS_HOME", os.devnull)
        with warnings.catch_warnings():
            # Google's clients warn of Python 3.10, which TFX 1.15.1 needs; KFP of ContainerOp.
            warnings.simplefilter("ignore", FutureWarning)
            # Imported here: TFX takes seconds, and --help and bad settings need none of it.
            from pipelines.kubeflow_pipelines.compiler import compile_workflow

            text = compile_workflow(settings, path)
        for finding in validate_text(text):
            raise WorkflowError(
                f"these settings compile to a workflow that would be refused: {finding.place}: "
                f"{finding.message}; {finding.mend} [{finding.rule}]"
            )
        for note in () if settings.google_cloud is None else settings.google_cloud.notes:
            click.echo(f"note: {note}", err=True)
        write_package(path, text)
        click.echo(f"wrote {path}")

    return command
