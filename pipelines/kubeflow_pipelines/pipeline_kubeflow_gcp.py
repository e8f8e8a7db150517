"""Compiles the pipeline for Kubeflow Pipelines with Google Cloud's buckets, Vertex AI and Dataflow.

    python pipelines/kubeflow_pipelines/pipeline_kubeflow_gcp.py

writes argo_pipeline_files/consumer_complaint_pipeline_kubeflow_gcp.yaml; --help tells more. It is
pipeline_kubeflow.py with the settings of pipeline_kubeflow_gcp.settings.yaml.
"""

import pathlib

from orchestration.cli import run_command
from pipelines.kubeflow_pipelines.command import compile_command

_SCRIPT = pathlib.Path(__file__).resolve()

if __name__ == "__main__":
    run_command(
        compile_command(
            output_dir=_SCRIPT.parents[2] / "argo_pipeline_files",
            extension=".yaml",
            settings_file=_SCRIPT.with_suffix(".settings.yaml"),
        ),
        _SCRIPT.name,
    )
