r"""What a pod runs: TFX's entry point, with a look at everything that it needs and leaves.

    python -m components.entrypoint [--mount_path DIR] [--python_path DIR] [--image IMAGE] \
        [--metrics_path FILE] [--metadata_timeout SECONDS] -- TFX-ARGUMENTS

It refuses an image of other versions than the workflow was compiled for, a volume that is not
there, and a metadata service or a Beam runner that does not answer; and it fails where TFX exits
with 0 though its execution did not succeed. Whatever fails, one line says so before the traceback.
"""

import argparse
import contextlib
import importlib.metadata
import itertools
import json
import os
import pathlib
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import grpc
import ml_metadata

import components
from components import (
    beam_runner,
    bucket_check,
    execution_outcome,
    google_cloud_errors,
    kubeflow_metrics,
    kubeflow_ui,
    metadata_client,
    object_storage,
)
from components.code_hash import CACHED_MODULES, code_hash
from components.errors import InputDataError, PipelineError, RunError, WorkflowError

#: Variables that hold what the compiler wrote into the pod's labels.
PACKAGE_VERSION_VARIABLE = "EXPECTED_COMPLAINT_PIPELINE_VERSION"
TFX_VERSION_VARIABLE = "EXPECTED_TFX_VERSION"
CODE_HASH_VARIABLE = "EXPECTED_CODE_HASH"

_PACKAGES = {PACKAGE_VERSION_VARIABLE: "complaint-pipeline", TFX_VERSION_VARIABLE: "tfx"}

#: A label's value holds 63 characters; so many tell a hash from all others.
_CODE_HASH_LENGTH = 32

_UI_OPTION = "--metadata_ui_path"

#: Variable that tells a component how to reach ML Metadata, as TFX's option does.
METADATA_CONFIG_VARIABLE = "KUBEFLOW_METADATA_CONFIG"

#: What the container has left here shows in the pod's status, and so in Kubeflow's UI.
#: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
_TERMINATION_LOG = pathlib.Path("/dev/termination-log")
_TERMINATION_LOG_BYTES = 4096

# What a terminal would obey, and has no place in one line.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

#: Stands before TFX's own arguments.
_SEPARATOR = "--"


def main(arguments: Sequence[str]) -> None:
    """Runs a component of the pipeline.

    Args:
        arguments: The command line without the program.

    Raises:
        SystemExit: With status 1 if the component did not succeed.
    """
    parser = argparse.ArgumentParser(prog="components.entrypoint", allow_abbrev=False)
    parser.add_argument("--mount_path", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--python_path", type=pathlib.Path)
    parser.add_argument("--image", default="")
    parser.add_argument("--metrics_path", type=pathlib.Path)
    parser.add_argument("--metadata_timeout", type=float, default=metadata_client.PATIENCE_SECONDS)
    end = arguments.index(_SEPARATOR) if _SEPARATOR in arguments else len(arguments)
    options, tfx_arguments = parser.parse_args(arguments[:end]), arguments[end + 1 :]
    name = parser.prog
    try:
        name = _value(tfx_arguments, "--node_id")
        check_versions(os.environ)
        for path in options.mount_path:
            check_mount(path)
        _open_storage(tfx_arguments, name)
        _run(options, tfx_arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, a line tells it)
        known = (
            google_cloud_errors.as_run_error(error) or object_storage.as_run_error(error) or error
        )
        _fail(f"{name}: {_line(known)}", with_traceback=not isinstance(known, PipelineError))


def installed_versions() -> dict[str, str]:
    """Returns what is installed here as values that a label can hold, by ``EXPECTED_`` variable."""
    versions = {
        # A local version, 0.1.0+gpu, has a sign that a label has not.
        variable: importlib.metadata.version(package).replace("+", "_")
        for variable, package in _PACKAGES.items()
    }
    digest = code_hash(pathlib.Path(components.__path__[0]), CACHED_MODULES)
    return {**versions, CODE_HASH_VARIABLE: digest[:_CODE_HASH_LENGTH]}


def check_versions(environment: Mapping[str, str]) -> None:
    """Compares what is installed here with what the workflow was compiled for.

    Args:
        environment: The variables that the compiler has set from the pod's labels; one that is
            not set is not compared.

    Raises:
        WorkflowError: If something differs.
    """
    differences = []
    for variable, installed in installed_versions().items():
        expected = environment.get(variable, installed)
        if expected == installed:
            continue
        if not expected:
            # What the API server makes of a label that is not there.
            differences.append(f"the label that {variable} reads is missing from the pod")
        elif variable in _PACKAGES:
            differences.append(f"{_PACKAGES[variable]} {installed} instead of {expected}")
        else:
            differences.append("other code under components/")
    if differences:
        raise WorkflowError(
            f"what runs here does not fit the workflow: {', '.join(differences)}; compile anew "
            "(make compile), or build the image from the commit that the workflow comes from"
        )


def check_mount(path: pathlib.Path) -> None:
    """Checks that a volume is there and can be written to.

    Args:
        path: Where the pod mounts it.

    Raises:
        RunError: If it is not.
    """
    if not path.is_dir():
        raise RunError(f"{path}: no volume is mounted here; check the claim of the pod")
    try:
        with tempfile.TemporaryFile(dir=path, prefix=".probe-"):
            return
    except OSError as error:
        raise RunError(
            f"{path}: the volume cannot be written to by user {os.getuid()}: {error.strerror}; "
            "make its folders writable for this user, or set security.user and security.group"
        ) from error


def _open_storage(tfx_arguments: Sequence[str], node_id: str) -> None:
    """Checks the buckets that the step uses, and lets TensorFlow and Beam use them."""
    for place in object_storage.locations_of_step(tfx_arguments, node_id):
        bucket_check.open_bucket(place)


def _open_storage_of_inputs(store: ml_metadata.MetadataStore, run_id: str) -> None:
    """Does so with the buckets of what the run's Resolvers have found, which earlier runs used."""
    artifacts = execution_outcome.outputs_of_run(store, run_id)
    found = [object_storage.location(artifact.uri) for artifact in artifacts]
    for place in {(place.scheme, place.bucket): place for place in found if place}.values():
        bucket_check.open_bucket(place)


def _run(options: argparse.Namespace, tfx_arguments: Sequence[str]) -> None:
    # Every client that TFX makes is then as patient as ours.
    metadata_client.PatientMetadataStore.patience = options.metadata_timeout
    ml_metadata.MetadataStore = metadata_client.PatientMetadataStore
    config_text = _value(tfx_arguments, "--kubeflow_metadata_config")
    config = metadata_client.connection_config(config_text, os.environ)
    os.environ[METADATA_CONFIG_VARIABLE] = config_text
    store = metadata_client.connect(config, options.metadata_timeout)
    if not metadata_client.is_of_schema_10(config, options.metadata_timeout):
        # TFX falls back to the calls that it knows.
        sys.stderr.write(
            "warning: the metadata service is older than ml-metadata 1.11; upgrade Kubeflow "
            "Pipelines to 2.0 or later\n"
        )
    _open_storage_of_inputs(store, _node(tfx_arguments).run_id)
    flags = beam_runner.flags_of_step(_value(tfx_arguments, "--tfx_ir"))
    beam_runner.check(flags)

    # Imported here: it takes seconds, which a wrong image or a lost service need not wait for.
    from tfx.orchestration.kubeflow import container_entrypoint

    try:
        with user_code_first(options.python_path):
            container_entrypoint.main(list(tfx_arguments))
    except SystemExit as error:
        # User code that leaves with 0 has not finished the step: ML Metadata knows.
        if error.code:
            raise
    except Exception as error:
        known = beam_runner.as_run_error(error, flags)
        if known is None:
            raise
        raise known from error

    # Anew: a database may have closed the other connection in the meantime.
    store = metadata_client.connect(config, options.metadata_timeout)
    outcome = execution_outcome.outcome(store, _node(tfx_arguments))
    if outcome.failure is not None:
        raise RunError(outcome.failure)
    assert outcome.execution is not None
    execution_outcome.record(store, outcome.execution, _origin(options.image, tfx_arguments))
    _add_view(tfx_arguments, outcome)
    if outcome.refusal:
        raise InputDataError(outcome.refusal)
    if options.metrics_path is not None:
        metrics = _metrics(outcome)
        kubeflow_metrics.write_metrics(options.metrics_path, metrics)
        execution_outcome.record_metrics(store, outcome.execution, metrics)


def _node(tfx_arguments: Sequence[str]) -> execution_outcome.Node:
    return execution_outcome.Node(
        pipeline=json.loads(_value(tfx_arguments, "--tfx_ir"))["pipelineInfo"]["id"],
        node_id=_value(tfx_arguments, "--node_id"),
        run_id=os.environ["WORKFLOW_ID"],
    )


@contextlib.contextmanager
def user_code_first(folder: pathlib.Path | None) -> Iterator[None]:
    """Lets a module file's siblings be imported ahead of the image's own code.

    The user's package may be named ``components`` as well; what runs here is the image's all the
    same, before and after.

    Args:
        folder: The folder that holds the user's package, or ``None``.
    """
    if folder is None:
        yield
        return
    own = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] == components.__name__
    }
    before = os.environ.get("PYTHONPATH")
    for name in own:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    # For the processes that Beam starts.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), before)))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "components"]:
            del sys.modules[name]
        sys.modules.update(own)


def _origin(image: str, tfx_arguments: Sequence[str]) -> dict[str, str]:
    """Returns what this execution runs, as properties of it."""
    versions = installed_versions()
    parameters = {}
    for name, value in itertools.pairwise(tfx_arguments):
        if name == "--runtime_parameter":
            # As TFX's runner writes it: NAME=TYPE:VALUE.
            key, _, typed = value.partition("=")
            parameters[key] = typed.partition(":")[2]
    packages = {package: versions[variable] for variable, package in _PACKAGES.items()}
    properties = {
        execution_outcome.IMAGE_PROPERTY: image,
        execution_outcome.PACKAGES_PROPERTY: json.dumps(packages, sort_keys=True),
        execution_outcome.CODE_HASH_PROPERTY: versions[CODE_HASH_VARIABLE],
        execution_outcome.PARAMETERS_PROPERTY: json.dumps(parameters, sort_keys=True),
    }
    return {name: text for name, text in properties.items() if text}


def _add_view(tfx_arguments: Sequence[str], outcome: execution_outcome.Outcome) -> None:
    """Adds to the step's page in Kubeflow; that it cannot is no reason to fail its work."""
    if _UI_OPTION not in tfx_arguments:
        return
    path = pathlib.Path(_value(tfx_arguments, _UI_OPTION))
    try:
        kubeflow_ui.add_view(path, _value(tfx_arguments, "--node_id"), outcome.outputs)
    except Exception as error:  # noqa: BLE001 (readers of many kinds)
        sys.stderr.write(f"warning: the step's page cannot be made: {_line(error)}\n")


def _metrics(outcome: execution_outcome.Outcome) -> dict[str, float]:
    """Returns the step's metrics; that they cannot be read is no reason to fail its work."""
    try:
        return kubeflow_metrics.metrics_of(outcome.outputs)
    except Exception as error:  # noqa: BLE001 (TFMA's and TensorFlow's readers share no base)
        sys.stderr.write(f"warning: the metrics cannot be read: {_line(error)}\n")
        return {}


def _value(arguments: Sequence[str], option: str) -> str:
    for name, value in itertools.pairwise(arguments):
        if name == option:
            return value
    raise WorkflowError(f"{option} is missing from the arguments; compile the workflow anew")


def _line(error: BaseException) -> str:
    is_call = isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call)
    # Their own text has several lines, of which the last is ">".
    said = beam_runner.call_problem(error) if is_call else str(error)
    text = " ".join(_CONTROL.sub(" ", said).split())
    if isinstance(error, PipelineError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _fail(line: str, *, with_traceback: bool) -> NoReturn:
    """Says what has failed: in one line, and with the traceback where that tells more."""
    sys.stdout.flush()
    sys.stderr.write(f"{line}\n")
    if with_traceback:
        traceback.print_exc()
    if os.access(_TERMINATION_LOG, os.W_OK):
        # Kubernetes takes no status with half a character in it.
        text = line.encode(errors="replace")[:_TERMINATION_LOG_BYTES].decode(errors="ignore")
        _TERMINATION_LOG.write_text(text, encoding="utf-8")
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
