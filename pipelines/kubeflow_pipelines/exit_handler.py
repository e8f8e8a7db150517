"""The exit handler: a pod that Argo starts at a run's end, however that was."""

from typing import Any

from google.protobuf import json_format
from kfp import dsl
from kfp.compiler._op_to_template import _op_to_template
from kubernetes import client
from tfx.orchestration.kubeflow import kubeflow_dag_runner
from tfx.orchestration.kubeflow.proto import kubeflow_pb2

from pipelines.kubeflow_pipelines import pods
from pipelines.settings import Settings

NAME = "notify"

#: Labels that Argo and Kubeflow give to each pod, by the variable that reads them.
_LABELS = {
    "WORKFLOW_ID": "workflows.argoproj.io/workflow",
    "KFP_RUN_ID": "pipeline/runid",
}


def exit_handler_template(
    settings: Settings, metadata_config: kubeflow_pb2.KubeflowMetadataConfig
) -> dict[str, Any]:
    """Returns the template of the pod that tells of a run's end.

    Args:
        settings: The settings, with ``notification``.
        metadata_config: How the pods reach ML Metadata.

    Returns:
        An Argo template.
    """
    notification = settings.notification
    assert notification is not None
    link = () if notification.ui_host is None else ("--ui_host", notification.ui_host.rstrip("/"))
    with dsl.Pipeline(settings.pipeline_name):
        op = dsl.ContainerOp(
            name=NAME,
            image=settings.image,
            command=["python", "-m", "components.notify"],
            arguments=[
                "--pipeline",
                settings.pipeline_name,
                "--status",
                "{{workflow.status}}",
                "--failures",
                "{{workflow.failures}}",
                "--kubeflow_metadata_config",
                json_format.MessageToJson(metadata_config, preserving_proto_field_name=True),
                *link,
            ],
        )
    for variable, label in _LABELS.items():
        field = client.V1ObjectFieldSelector(field_path=f"metadata.labels['{label}']")
        source = client.V1EnvVarSource(field_ref=field)
        op.container.add_env_variable(client.V1EnvVar(name=variable, value_from=source))
    for label, value in kubeflow_dag_runner.get_default_pod_labels().items():
        op.add_pod_label(label, value)
    for op_func in (
        # They give it the address of the metadata service.
        *kubeflow_dag_runner.get_default_pipeline_operator_funcs(),
        *pods.exit_handler_op_funcs(settings),
    ):
        op_func(op)
    return _op_to_template(op)
