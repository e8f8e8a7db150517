"""Runners of Beam for tests and benchmarks: real ones on this machine, with their servers."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

PROJECT = pathlib.Path(__file__).resolve().parents[1]

#: Where ``make beam-programs`` puts Beam's Go programs.
_PROGRAMS = PROJECT / ".beam"

FLINK_JAR_VARIABLE = "BEAM_FLINK_JOB_SERVER_JAR"
SPARK_JAR_VARIABLE = "BEAM_SPARK_JOB_SERVER_JAR"

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0

#: Makes settings in a folder for logs; its servers run until it is closed.
_Settings = Callable[[pathlib.Path], contextlib.AbstractContextManager[list[str]]]


@dataclasses.dataclass(frozen=True)
class BeamRunner:
    """A way to run the Beam pipelines.

    Attributes:
        name: Its name.
        settings: Makes ``--set`` values for ``complaint-pipeline compile``, with whatever servers
            they name.
        missing: What it needs and this machine has not, in words; ``None`` where it can run.
    """

    name: str
    settings: _Settings
    missing: Callable[[], str | None] = lambda: None


def _fixed(*settings: str) -> _Settings:
    return lambda _: contextlib.nullcontext([f"beam.{setting}" for setting in settings])


def _prism() -> pathlib.Path | None:
    own = _PROGRAMS / "prism"
    found = str(own) if own.is_file() else shutil.which("prism")
    return None if found is None else pathlib.Path(found)


def _prism_missing() -> str | None:
    return None if _prism() else "Prism is not there; `make beam-programs` builds it, with Go"


def _prism_settings(_: pathlib.Path) -> contextlib.AbstractContextManager[list[str]]:
    return contextlib.nullcontext(["beam.runner=PrismRunner", f"beam.prism_location={_prism()}"])


def _jar_missing(variable: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        if not pathlib.Path(os.environ.get(variable, "")).is_file():
            return f"{variable} names no jar of Beam's job server"
        return None if shutil.which("java") else "java is not there"

    return missing


def _flink_settings(_: pathlib.Path) -> contextlib.AbstractContextManager[list[str]]:
    return contextlib.nullcontext(
        [
            "beam.runner=FlinkRunner",
            "beam.flink_master='[local]'",
            "beam.parallelism=2",
            f"beam.job_server_jar={os.environ[FLINK_JAR_VARIABLE]}",
        ]
    )


def _spark_settings(_: pathlib.Path) -> contextlib.AbstractContextManager[list[str]]:
    return contextlib.nullcontext(
        [
            "beam.runner=SparkRunner",
            "beam.spark_master_url='local[2]'",
            f"beam.job_server_jar={os.environ[SPARK_JAR_VARIABLE]}",
        ]
    )


@contextlib.contextmanager
def _job_server_settings(folder: pathlib.Path) -> Iterator[list[str]]:
    """Serves Beam's own Python job server and a worker pool, as a cluster would."""
    job_port, pool_port = _free_port(), _free_port()
    pool = ["apache_beam.runners.worker.worker_pool_main", "--service_port", str(pool_port)]
    boot = _PROGRAMS / "boot"
    if boot.is_file():
        # As in the image; without it, the workers do not hear of the pipeline's options.
        pool += ["--container_executable", str(boot)]
    server = ["apache_beam.runners.portability.local_job_service_main", "--port", str(job_port)]
    with (
        _module(pool, folder / "worker-pool.txt", pool_port),
        _module(server, folder / "job-server.txt", job_port),
    ):
        yield [
            "beam.runner=PortableRunner",
            f"beam.job_endpoint=localhost:{job_port}",
            "beam.environment_type=EXTERNAL",
            f"beam.environment_config=localhost:{pool_port}",
        ]


@contextlib.contextmanager
def _module(arguments: list[str], log: pathlib.Path, port: int) -> Iterator[None]:
    """Runs a module of Python until the end of the context, once it listens at the port."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=log.parent,
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(process, port, log)
        yield
    finally:
        # Workers that it has started are in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_SECONDS)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: pathlib.Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens at port {port}: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


#: The first is what the others are compared with.
BEAM_RUNNERS = (
    BeamRunner("DirectRunner, in_memory", _fixed()),
    BeamRunner(
        "DirectRunner, multi_processing", _fixed("running_mode=multi_processing", "workers=2")
    ),
    BeamRunner("PrismRunner", _prism_settings, _prism_missing),
    BeamRunner("PortableRunner, worker pool", _job_server_settings),
    BeamRunner("FlinkRunner", _flink_settings, _jar_missing(FLINK_JAR_VARIABLE)),
    BeamRunner("SparkRunner", _spark_settings, _jar_missing(SPARK_JAR_VARIABLE)),
)
