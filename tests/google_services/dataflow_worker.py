"""Runs the pipeline of a Dataflow job, as its workers would, but in this one process.

python -m tests.google_services.dataflow_worker gs://BUCKET/.../pipeline.pb
"""

import sys


def main(uri: str) -> None:
    """Runs a staged pipeline."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_runner_api_pb2
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    with FileSystems.open(uri) as stream:
        pipeline = beam_runner_api_pb2.Pipeline.FromString(stream.read())
    for environment in pipeline.components.environments.values():
        # In the place of the container.
        environment.urn = python_urns.EMBEDDED_PYTHON
        environment.payload = b""
        del environment.dependencies[:]
    result = FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([]))
    result.wait_until_finish()


if __name__ == "__main__":
    main(sys.argv[1])
