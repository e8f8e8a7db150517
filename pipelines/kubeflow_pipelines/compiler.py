"""From settings to Argo YAML, by way of TFX's KubeflowDagRunner.

A compile reads the settings and the code under ``components``, and has no effect but its
result: no file, no folder, no network, no credentials.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from kfp.compiler import Compiler
from kfp.dsl import PipelineConf
from kubernetes import client
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.orchestration.kubeflow import kubeflow_dag_runner
from tfx.orchestration.kubeflow.proto import kubeflow_pb2

import components
from components.code_hash import (
    EXAMPLE_GEN_MODULES,
    EXAMPLE_VALIDATOR_MODULES,
    PREPROCESSING_MODULES,
    SERVING_CHECK_MODULES,
    TRAINING_MODULES,
    TUNING_MODULES,
    code_hash,
)
from components.hyperparameters import Hyperparameters
from pipelines import base_pipeline, google_cloud
from pipelines.beam_options import beam_pipeline_args, component_beam_pipeline_args
from pipelines.kubeflow_pipelines import exit_handler, pods
from pipelines.kubeflow_pipelines.canonical import canonical_yaml
from pipelines.settings import MetadataSettings, Settings
from pipelines.settings.reserved import (
    MYSQL_PASSWORD_VARIABLE,
    MYSQL_USER_VARIABLE,
    SCRATCH_FOLDER,
)
from pipelines.storage_options import storage_flags

#: TFX's default is at "/", where only root may write.
_METADATA_UI_PATH = f"{SCRATCH_FOLDER}/mlpipeline-ui-metadata.json"

#: With this variable, TFX leaves ``module_file`` as it is instead of building a wheel from it
#: into the pipeline root, which the machine that compiles cannot see.
_KEEP_MODULE_FILE = "UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"


class _InMemoryCompiler(Compiler):
    """KFP's compiler, keeping the workflow instead of writing a package."""

    def __init__(self, pipeline_conf: PipelineConf) -> None:
        super().__init__()
        self._pipeline_conf = pipeline_conf
        self.workflow: dict[str, Any] = {}

    def _create_and_write_workflow(
        self,
        pipeline_func: Any,
        pipeline_name: str | None = None,
        pipeline_description: str | None = None,
        params_list: Any = None,
        pipeline_conf: PipelineConf | None = None,
        package_path: str | None = None,
    ) -> None:
        self.workflow = self._create_workflow(
            pipeline_func,
            pipeline_name,
            pipeline_description,
            params_list,
            pipeline_conf or self._pipeline_conf,
        )


class _InMemoryRunner(kubeflow_dag_runner.KubeflowDagRunner):
    """KubeflowDagRunner, compiling into memory.

    It never writes its package, but ``tfx pipeline compile`` asks it for the package's path.
    """

    def __init__(
        self,
        config: kubeflow_dag_runner.KubeflowDagRunnerConfig,
        pipeline_conf: PipelineConf,
        package: pathlib.Path | None,
    ) -> None:
        super().__init__(
            output_dir=str(package.parent) if package else "",
            output_filename=package.name if package else None,
            config=config,
        )
        self._compiler = _InMemoryCompiler(pipeline_conf)

    @property
    def workflow(self) -> dict[str, Any]:
        return self._compiler.workflow


def compile_workflow(settings: Settings, package: pathlib.Path | None = None) -> str:
    """Compiles the pipeline.

    Args:
        settings: The settings.
        package: File to which the caller will write the workflow; TFX's command line names it.

    Returns:
        The Argo workflow as canonical YAML: the same bytes for the same settings and code.
    """
    metadata_config = _metadata_config(settings.metadata)
    config = kubeflow_dag_runner.KubeflowDagRunnerConfig(
        pipeline_operator_funcs=[
            # A list that is passed replaces TFX's own, and with it the metadata ConfigMap.
            *kubeflow_dag_runner.get_default_pipeline_operator_funcs(),
            *pods.pod_op_funcs(settings),
        ],
        tfx_image=settings.image,
        kubeflow_metadata_config=metadata_config,
        metadata_ui_path=_METADATA_UI_PATH,
    )
    with _module_file_as_it_is():
        pipeline = base_pipeline.init_pipeline(
            components=init_components(settings),
            pipeline_name=settings.pipeline_name,
            pipeline_root=settings.pipeline_root,
            beam_pipeline_args=[
                *beam_pipeline_args(settings.beam, settings.image),
                *storage_flags(settings),
            ],
            enable_cache=settings.enable_cache,
        )
        runner = _InMemoryRunner(config, _pipeline_conf(settings), package)
        runner.run(pipeline)
    workflow = runner.workflow
    spec = workflow["spec"]
    spec["serviceAccountName"] = settings.service_account
    if settings.notification is not None:
        template = exit_handler.exit_handler_template(settings, metadata_config)
        spec["templates"].append(template)
        spec["onExit"] = template["name"]
    if settings.security.run_as_non_root:
        spec["securityContext"] = {
            "fsGroup": settings.security.group,
            "runAsNonRoot": True,
            "runAsUser": settings.security.user,
            # The Pod Security Standard "restricted" asks for it.
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    return canonical_yaml(workflow)


def init_components(settings: Settings) -> list[Any]:
    """Creates the pipeline's components from settings.

    Args:
        settings: The settings.

    Returns:
        The components, in the order of ``base_pipeline.init_components``.
    """
    training = settings.training
    package = pathlib.Path(components.__path__[0])
    text_encoder = {"kind": training.text_encoder, "handle": training.text_encoder_handle}
    trainer_config: dict[str, Any] = {
        "cache_megabytes": training.cache_megabytes,
        "class_weights": training.class_weights,
        "code_hash": code_hash(package, TRAINING_MODULES),
        "decision_threshold": training.decision_threshold,
        # All of them, so that ML Metadata has those that a model was trained with.
        "hyperparameters": dataclasses.asdict(
            Hyperparameters.from_overrides(training.hyperparameters)
        ),
        "text_encoder": text_encoder,
    }
    nodes = base_pipeline.init_components(
        data_root=settings.data_root,
        input_pattern=settings.input_pattern,
        span_window=settings.span_window,
        serving_root=settings.serving_root,
        example_gen_code_hash=code_hash(package, EXAMPLE_GEN_MODULES),
        serving_check_code_hash=code_hash(package, SERVING_CHECK_MODULES),
        train_steps=training.train_steps,
        eval_steps=training.eval_steps,
        auc_lower_bound=settings.evaluation.auc_lower_bound,
        worst_slice_auc_lower_bound=settings.evaluation.worst_slice_auc_lower_bound,
        min_slice_examples=settings.evaluation.min_slice_examples,
        auc_tolerance=settings.evaluation.auc_tolerance,
        decision_threshold=training.decision_threshold,
        serving_model_dir=settings.serving_model_dir,
        ai_platform_training_args=google_cloud.training_args(settings),
        ai_platform_serving_args=google_cloud.serving_args(settings),
        vertex_region=google_cloud.vertex_region(settings),
        pusher_config=google_cloud.pusher_config(settings),
        module_file=settings.module_file,
        schema_file=settings.schema_file,
        infer_schema=settings.infer_schema,
        fail_on_anomalies=settings.validation.fail_on_anomalies,
        fail_on_drift=settings.validation.fail_on_drift,
        raise_on_refusal=settings.plain_entrypoint,
        example_validator_code_hash=code_hash(package, EXAMPLE_VALIDATOR_MODULES),
        approval_timeout_seconds=settings.approval_timeout_seconds,
        warm_start=training.warm_start,
        transform_config={
            "code_hash": code_hash(package, PREPROCESSING_MODULES),
            "text_encoder": text_encoder,
        },
        trainer_config=trainer_config,
        tuner_config=(
            {
                **trainer_config,
                "code_hash": code_hash(package, TUNING_MODULES),
                "trials": settings.tuning.trials,
            }
            if settings.tuning.trials
            else None
        ),
        tuning_steps=settings.tuning.train_steps,
    )
    for node in nodes:
        if isinstance(node, BaseBeamComponent):
            node.with_beam_pipeline_args(component_beam_pipeline_args(settings, node.id))
    return nodes


@contextlib.contextmanager
def _module_file_as_it_is() -> Iterator[None]:
    before = os.environ.get(_KEEP_MODULE_FILE)
    os.environ[_KEEP_MODULE_FILE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_KEEP_MODULE_FILE]
        else:
            os.environ[_KEEP_MODULE_FILE] = before


def _pipeline_conf(settings: Settings) -> PipelineConf:
    conf = PipelineConf()
    if settings.image_pull_secrets:
        conf.set_image_pull_secrets(
            [client.V1LocalObjectReference(name=name) for name in settings.image_pull_secrets]
        )
    if settings.ttl_seconds is not None:
        conf.set_ttl_seconds_after_finished(settings.ttl_seconds)
    return conf


def _metadata_config(metadata: MetadataSettings) -> kubeflow_pb2.KubeflowMetadataConfig:
    if metadata.kind == "configmap":
        return kubeflow_dag_runner.get_default_kubeflow_metadata_config()
    config = kubeflow_pb2.KubeflowMetadataConfig()
    if metadata.kind == "grpc":
        config.grpc_config.grpc_service_host.value = metadata.host
        config.grpc_config.grpc_service_port.value = str(metadata.port)
        return config
    config.mysql_db_service_host.value = metadata.host
    config.mysql_db_service_port.value = str(metadata.port)
    config.mysql_db_name.value = metadata.database
    config.mysql_db_user.environment_variable = MYSQL_USER_VARIABLE
    config.mysql_db_password.environment_variable = MYSQL_PASSWORD_VARIABLE
    return config
