"""What is asked of a step's Beam runner, and what is made of its errors."""

import contextlib
import pathlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from components import beam_runner
from components.errors import RunError

SECONDS = 2.0


@contextlib.contextmanager
def job_server(port: int = 0) -> Iterator[tuple[grpc.Server, str]]:
    """A gRPC server without any service, and its address."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_insecure_port(f"localhost:{port}")
    server.start()
    try:
        yield server, f"localhost:{port}"
    finally:
        server.stop(None).wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def refusal(flags: dict[str, str]) -> str:
    with pytest.raises(RunError) as raised:
        beam_runner.check(flags, SECONDS)
    return str(raised.value)


def test_the_flags_are_those_of_the_step() -> None:
    ir = """{"deploymentConfig": {"executorSpecs": {"CsvExampleGen": {"beamPipelineArgs":
        ["--runner=PortableRunner", "--job_endpoint=a:1", "--job_endpoint=b:2"]}}}}"""

    assert beam_runner.flags_of_step(ir) == {
        "--runner": "PortableRunner",
        "--job_endpoint": "b:2",
    }
    assert beam_runner.flags_of_step('{"pipelineInfo": {"id": "p"}}') == {}


def test_a_job_server_that_answers_is_let_pass_without_a_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with job_server() as (_, endpoint):
        beam_runner.check({"--job_endpoint": endpoint})

    assert capsys.readouterr().err == ""


def test_a_job_server_that_starts_late_is_waited_for_with_a_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    leave = threading.Event()

    def serve() -> None:
        time.sleep(2)
        with job_server(port):
            leave.wait(30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        beam_runner.check({"--job_endpoint": f"localhost:{port}"})
    finally:
        leave.set()
        thread.join()

    assert capsys.readouterr().err == (
        f"waiting up to 30 s for Beam's job server at localhost:{port}\n"
    )


def test_a_job_server_that_refuses_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = f"localhost:{free_port()}"

    assert refusal({"--job_endpoint": endpoint}) == (
        f"Beam's job server at {endpoint} does not answer (Connection refused); check that it "
        "runs, and that the setting beam.job_endpoint names it"
    )
    assert f"for Beam's job server at {endpoint}" in capsys.readouterr().err


def test_a_job_server_that_is_silent_is_told() -> None:
    with socket.create_server(("localhost", 0)) as silent:
        endpoint = f"localhost:{silent.getsockname()[1]}"

        line = refusal({"--job_endpoint": endpoint})

    assert "does not answer (it takes connections, and says nothing)" in line


def test_a_prism_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    location = str(tmp_path / "prism")

    assert refusal({"--prism_location": location}) == (
        f"{location}: Prism is not there; put its executable into the image, or let "
        "beam.prism_location name it; see docs/beam.md"
    )


def test_a_prism_on_the_web_is_left_to_beam() -> None:
    beam_runner.check({"--prism_location": "https://example.com/prism.zip"})


@pytest.mark.whole
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("#!/bin/sh\nexit 3\n", "has ended with status 3 as soon as it was started"),
        ("text", "cannot be run: Exec format error; it must be Prism's executable"),
    ],
    ids=["ends at once", "no program"],
)
def test_what_beam_makes_of_a_wrong_prism_is_told(
    content: str, told: str, tmp_path: pathlib.Path
) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.prism_runner import PrismJobServer

    path = tmp_path / "prism"
    path.write_text(content)
    path.chmod(0o755)
    flags = {"--prism_location": str(path)}
    server = PrismJobServer(PipelineOptions([f"--prism_location={path}"]))
    beam_runner.check(flags)

    with pytest.raises((RuntimeError, OSError)) as raised:
        server.start()

    line = str(beam_runner.as_run_error(raised.value, flags))
    assert line.startswith(f"Prism, {path} (beam.prism_location), {told}")


def test_a_runner_that_ends_in_the_middle_is_told() -> None:
    with job_server() as (server, endpoint), grpc.insecure_channel(endpoint) as channel:
        grpc.channel_ready_future(channel).result(10)
        server.stop(None).wait()
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/jobs/Run")(b"", timeout=10)

    line = str(beam_runner.as_run_error(raised.value, {"--prism_location": "/bin/prism"}))
    assert line.startswith(
        "Prism, /bin/prism (beam.prism_location), has ended, or cannot be reached any more "
        "(UNAVAILABLE: "
    )
    assert "\n" not in line


def test_what_a_job_server_refuses_is_told() -> None:
    with job_server() as (_, endpoint), grpc.insecure_channel(endpoint) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/jobs/Run")(b"", timeout=10)

        line = str(beam_runner.as_run_error(raised.value, {"--job_endpoint": endpoint}))

    assert line == (
        f"Beam's job server at {endpoint} (beam.job_endpoint) has refused the job: UNIMPLEMENTED: "
        "Method not found!"
    )


def test_the_components_own_errors_are_left() -> None:
    error = RuntimeError("no such column")

    assert beam_runner.as_run_error(error, {"--prism_location": "/bin/prism"}) is None
    assert beam_runner.as_run_error(grpc.FutureTimeoutError(), {"--runner": "DirectRunner"}) is None
