"""Compiles the pipeline for Kubeflow Pipelines with a persistent volume.

    python pipelines/kubeflow_pipelines/pipeline_kubeflow.py

writes argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml; --help tells more.
"""

import pathlib

from orchestration.cli import run_command
from pipelines.kubeflow_pipelines.command import compile_command

_PROJECT = pathlib.Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    run_command(
        compile_command(output_dir=_PROJECT / "argo_pipeline_files", extension=".yaml"),
        "pipeline_kubeflow.py",
    )
