"""Object storage, ``gs`` and ``s3``: what TensorFlow, TFX and Beam need in a process.

TensorFlow has a file system for ``gs``; the one for ``s3`` comes with tensorflow-io, and TFX uses
TensorFlow's. Beam has its own for both. All are configured by what the clouds' own tools read:

    s3   AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_CA_BUNDLE, and AWS's chain of credentials
    gs   Google's default credentials

Nothing here is imported or set where all paths are on a volume.
"""

import ctypes
import dataclasses
import functools
import importlib
import itertools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from components.errors import RunError, WorkflowError

GOOGLE, S3 = "gs", "s3"

#: The schemes that a path may have.
SCHEMES = (GOOGLE, S3)

_URI = re.compile(rf"({'|'.join(SCHEMES)})://([^/\s\"'\\]*)/?([^\s\"'\\]*)")

# What TensorFlow's file system reads, by what AWS's own tools read; the first that is set counts.
# https://github.com/tensorflow/io/blob/v0.36.0/tensorflow_io/core/filesystems/s3/s3_filesystem.cc
_S3_VARIABLES = {
    "S3_ENDPOINT": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "S3_CA_FILE": ("AWS_CA_BUNDLE",),
    # boto3 reads this one only, the AWS SDK for C++ both.
    "AWS_DEFAULT_REGION": ("AWS_REGION",),
}


@dataclasses.dataclass(frozen=True, order=True, kw_only=True)
class Location:
    """A place in object storage.

    Attributes:
        scheme: ``gs`` or ``s3``.
        bucket: The bucket.
        path: The path in it.
    """

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.path}"


def location(uri: str) -> Location | None:
    """Returns where a URI points to; ``None`` for a path or another scheme."""
    match = _URI.fullmatch(uri)
    return None if match is None else _location(match)


def _location(match: re.Match[str]) -> Location:
    return Location(scheme=match[1], bucket=match[2], path=match[3])


def locations_of_step(tfx_arguments: Sequence[str], node_id: str) -> list[Location]:
    """Finds where a step reads and writes in object storage.

    Args:
        tfx_arguments: The command line of TFX's entry point.
        node_id: The node of the pipeline that the step runs.

    Returns:
        Every place that the run's parameters or the node itself name, sorted, each once.
    """
    texts: list[str] = []
    for name, value in itertools.pairwise(tfx_arguments):
        if name == "--runtime_parameter":
            # As TFX's runner writes it: NAME=TYPE:VALUE.
            texts.append(value.partition("=")[2].partition(":")[2])
        elif name == "--tfx_ir":
            nodes = (
                entry.get("pipelineNode") or {} for entry in json.loads(value).get("nodes") or ()
            )
            texts += _strings(
                [node for node in nodes if (node.get("nodeInfo") or {}).get("id") == node_id]
            )
    return sorted({_location(match) for text in texts for match in _URI.finditer(text)})


def _strings(value: Any) -> Iterator[str]:
    """Yields the texts in a node, but for defaults, which the run's parameters replace."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key != "defaultValue":
                yield from _strings(item)


def as_run_error(error: BaseException) -> RunError | None:
    """Returns what TensorFlow means by an object that is gone; ``None`` for any other error."""
    # A 404 of S3 has no body where it answers a HEAD, and names no object.
    if type(error).__name__ == "NotFoundError" and "No response body" in str(error):
        return RunError(
            "an object in S3 that the step reads is not there any more; put it back and retry, or "
            "start a new run"
        )
    return None


def register(schemes: Iterable[str]) -> None:
    """Lets this process read and write object storage by TensorFlow and TFX, and Beam likewise.

    Args:
        schemes: The schemes that are used; only ``s3`` needs anything.

    Raises:
        WorkflowError: If tensorflow-io is missing.
    """
    if S3 in schemes:
        os.environ.update(tensorflow_variables(os.environ))
        _load_tensorflow_io()


def tensorflow_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns what TensorFlow's file system for ``s3`` reads, made from what AWS's tools read.

    Args:
        environment: The variables that are set; what is set for TensorFlow itself stays.
    """
    return {
        name: text
        for name, sources in _S3_VARIABLES.items()
        if not environment.get(name)
        and (text := next((environment[key] for key in sources if environment.get(key)), None))
    }


@functools.cache
def _load_tensorflow_io() -> None:
    try:
        importlib.import_module("tensorflow_io")
    except ImportError as error:
        raise WorkflowError(
            f"s3:// needs the package tensorflow-io, which this Python has not ({error}); install "
            "the project's lock (make setup)"
        ) from error
    _leave_without_destructors()


def _leave_without_destructors() -> None:
    """Lets the process end with its own status once it has used ``s3``.

    A static destructor of the AWS SDK in tensorflow-io logs to a log that is gone by then, which
    aborts the process ("pure virtual method called"). glibc calls what is registered here before
    the destructors of all that has been loaded until now.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.on_exit(libc._exit, None)
