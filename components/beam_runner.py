"""What a step's Beam runner needs before TFX starts, and what its errors mean.

Beam waits five minutes for a job server without a word, and tells of a Prism that is not there, or
that has ended, in terms of its own processes and calls.
"""

import contextlib
import errno
import json
import pathlib
import re
import socket
import sys
from collections.abc import Mapping

import grpc

from components.errors import RunError

#: How long a job server that is just starting may take.
PATIENCE_SECONDS = 30.0

#: After this a line says what is waited for.
_SILENT_SECONDS = 1.0

_JOB_ENDPOINT, _PRISM_LOCATION = "--job_endpoint", "--prism_location"
_JARS = ("--flink_job_server_jar", "--spark_job_server_jar")

# apache_beam/utils/subprocess_server.py
_ENDED_AT_ONCE = re.compile(r"Service failed to start up with error (-?\d+)")


def flags_of_step(tfx_ir: str) -> dict[str, str]:
    """Returns Beam's flags of the step that TFX's intermediate representation is of.

    Args:
        tfx_ir: It, as JSON, from the command line of TFX's entry point.

    Returns:
        Values by flag, such as ``--runner``; none for a step that does not run Beam.
    """
    specs = (json.loads(tfx_ir).get("deploymentConfig") or {}).get("executorSpecs") or {}
    return {
        name: value
        for spec in specs.values()
        for name, _, value in (flag.partition("=") for flag in spec.get("beamPipelineArgs") or ())
    }


def check(flags: Mapping[str, str], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Looks whether the runner that the flags name is there.

    Args:
        flags: Beam's flags of the step.
        patience_seconds: How long a job server may take to answer.

    Raises:
        RunError: If it is not.
    """
    location = flags.get(_PRISM_LOCATION)
    if location is not None and "://" not in location and not pathlib.Path(location).is_file():
        raise RunError(
            f"{location}: Prism is not there; put its executable into the image, or let "
            "beam.prism_location name it; see docs/beam.md"
        )
    endpoint = flags.get(_JOB_ENDPOINT)
    if endpoint is not None:
        _wait_for(endpoint, patience_seconds)


def as_run_error(error: BaseException, flags: Mapping[str, str]) -> RunError | None:
    """Returns what an error says of the runner; ``None`` for one that is not the runner's.

    Args:
        error: What TFX has raised.
        flags: Beam's flags of the step.
    """
    name = _name(flags)
    if name is None:
        return None
    if isinstance(error, grpc.FutureTimeoutError):
        return RunError(f"{name} does not answer; check that it runs")
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return RunError(
                f"{name} has ended, or cannot be reached any more ({call_problem(error)}); see its "
                "log, and give it more memory where its node has killed it"
            )
        return RunError(f"{name} has refused the job: {call_problem(error)}")
    if isinstance(error, RuntimeError) and (match := _ENDED_AT_ONCE.search(str(error))):
        return RunError(
            f"{name} has ended with status {match[1]} as soon as it was started; name the right "
            "program, of the version of Beam in the image; what it has written is in the step's log"
        )
    location = flags.get(_PRISM_LOCATION)
    if (
        location is not None
        and isinstance(error, OSError)
        and (error.errno == errno.ENOEXEC or str(error.filename) == location)
    ):
        return RunError(
            f"{name} cannot be run: {error.strerror}; it must be Prism's executable for the "
            "image's machine"
        )
    return None


def call_problem(error: grpc.Call) -> str:
    """Returns the status and the details of a call that failed, in one line."""
    details = " ".join(str(error.details() or "").split())
    return f"{error.code().name}: {details}" if details else error.code().name


def _name(flags: Mapping[str, str]) -> str | None:
    """Returns the words for the process that runs the step's pipeline; ``None`` for its own."""
    if endpoint := flags.get(_JOB_ENDPOINT):
        return f"Beam's job server at {endpoint} (beam.job_endpoint)"
    if location := flags.get(_PRISM_LOCATION):
        return f"Prism, {location} (beam.prism_location),"
    if jar := next((flags[name] for name in _JARS if name in flags), None):
        return f"Beam's job server {jar} (beam.job_server_jar)"
    return None


def _wait_for(endpoint: str, patience_seconds: float) -> None:
    # As Beam does, which has no TLS for it.
    with grpc.insecure_channel(endpoint) as channel:
        ready = grpc.channel_ready_future(channel)
        try:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(timeout=min(_SILENT_SECONDS, patience_seconds))
                return
            sys.stderr.write(
                f"waiting up to {patience_seconds:g} s for Beam's job server at {endpoint}\n"
            )
            sys.stderr.flush()
            ready.result(timeout=max(patience_seconds - _SILENT_SECONDS, 0))
        except grpc.FutureTimeoutError as error:
            raise RunError(
                f"Beam's job server at {endpoint} does not answer ({_reason(endpoint)}); check "
                "that it runs, and that the setting beam.job_endpoint names it"
            ) from error
        finally:
            ready.cancel()


def _reason(endpoint: str) -> str:
    """Returns why there is no connection, as far as the network tells."""
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return "it takes connections, and says nothing"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
