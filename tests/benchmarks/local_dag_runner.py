"""Runs the same components on the same data with TFX's LocalDagRunner.

python -m tests.benchmarks.local_dag_runner --volume DIR
"""

import argparse
import pathlib

from pipelines.settings import load_settings


def main() -> None:
    """Runs the pipeline once, from nothing to a pushed model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volume", type=pathlib.Path, required=True)
    volume = parser.parse_args().volume.resolve()
    settings = load_settings(overrides=[f"volume.mount_path={volume}"])

    from tfx import v1 as tfx

    from pipelines import base_pipeline
    from pipelines.beam_options import beam_pipeline_args
    from pipelines.kubeflow_pipelines.compiler import init_components

    pipeline = base_pipeline.init_pipeline(
        components=init_components(settings),
        pipeline_name=settings.pipeline_name,
        pipeline_root=settings.pipeline_root,
        beam_pipeline_args=beam_pipeline_args(settings.beam, settings.image),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(volume / "metadata.db")
        ),
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)


if __name__ == "__main__":
    main()
