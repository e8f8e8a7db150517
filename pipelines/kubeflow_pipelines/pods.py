"""From settings to the OpFuncs that set up each component's pod."""

import dataclasses
import posixpath

from components import entrypoint
from components.notify import WEBHOOK_VARIABLE
from components.spans import InputPattern
from pipelines.kubeflow_pipelines import op_funcs
from pipelines.kubeflow_pipelines.op_funcs import OpFunc
from pipelines.settings import (
    COMPONENT_IDS,
    SAME_POD_AS,
    MetadataSettings,
    PodSettings,
    Settings,
)
from pipelines.settings.checks import is_uri
from pipelines.settings.reserved import (
    MYSQL_PASSWORD_VARIABLE,
    MYSQL_USER_VARIABLE,
    SCRATCH_FOLDER,
)

#: The components that import user code.
_USER_CODE = ("Transform", "Tuner", "Trainer")

#: The components that have metrics, and where they leave them for Kubeflow.
_WITH_METRICS = ("Trainer", "Evaluator")
METRICS_PATH = f"{SCRATCH_FOLDER}/mlpipeline-metrics.json"

#: The labels of a pod that say what its image must hold, by the variable that reads them.
_LABELS = {
    entrypoint.PACKAGE_VERSION_VARIABLE: "complaint-pipeline/version",
    entrypoint.TFX_VERSION_VARIABLE: "complaint-pipeline/tfx-version",
    entrypoint.CODE_HASH_VARIABLE: "complaint-pipeline/code-hash",
}

_EXIT_HANDLER_POD = PodSettings(cpu="100m", memory="256Mi", memory_limit="1Gi", timeout_seconds=600)

# It waits, but has TFX imported.
_WAITING_POD = PodSettings(
    cpu="50m",
    memory="1Gi",
    memory_limit="2Gi",
    retries=5,
    retry_policy="OnError",
    retry_backoff_seconds=30,
    retry_backoff_factor=2,
)
_APPROVAL_MARGIN_SECONDS = 600


def pod_op_funcs(settings: Settings) -> list[OpFunc]:
    """Returns the OpFuncs for the settings, in the order in which they apply.

    Args:
        settings: The settings.

    Returns:
        OpFuncs for every step first, then those for single components.
    """
    funcs: list[OpFunc] = []
    if settings.volume is not None:
        volume = settings.volume
        funcs.append(op_funcs.mount_pvc(volume.claim, volume.name, volume.mount_path))
    if not settings.plain_entrypoint:
        funcs += _entry_points(settings)
    funcs += _secrets(settings)
    funcs += _unprivileged(settings)
    python_path = _python_path(settings)
    if settings.plain_entrypoint and python_path is not None:
        variable = op_funcs.environment({"PYTHONPATH": python_path})
        funcs += [op_funcs.only_for(component_id, variable) for component_id in _USER_CODE]
    if settings.approval_timeout_seconds is not None:
        seconds = settings.approval_timeout_seconds + _APPROVAL_MARGIN_SECONDS
        waiting = _placed(dataclasses.replace(_WAITING_POD, timeout_seconds=seconds), settings)
        funcs.append(op_funcs.only_for("Approval", *_component(waiting)))
    for node_id in (*COMPONENT_IDS, *SAME_POD_AS):
        pod = settings.pod(SAME_POD_AS.get(node_id, node_id))
        funcs.append(op_funcs.only_for(node_id, *_component(pod)))
    return funcs


def exit_handler_op_funcs(settings: Settings) -> list[OpFunc]:
    """Returns the OpFuncs for the pod that tells of a run's end."""
    notification = settings.notification
    assert notification is not None
    return [
        op_funcs.secret_variable(notification.secret, notification.key, WEBHOOK_VARIABLE),
        *_mysql_secret(settings.metadata),
        *_unprivileged(settings),
        *_component(_placed(_EXIT_HANDLER_POD, settings)),
    ]


def _placed(pod: PodSettings, settings: Settings) -> PodSettings:
    """Returns the settings of a pod that has no section of its own, on the nodes of ``default``."""
    default = settings.default
    return dataclasses.replace(
        pod, node_selector=default.node_selector, tolerations=default.tolerations
    )


def _python_path(settings: Settings) -> str | None:
    """Where a module file's siblings are imported from as a package, ahead of the image's own."""
    if settings.module_file is None or is_uri(settings.module_file):
        return None
    return posixpath.dirname(posixpath.dirname(settings.module_file))


def _entry_points(settings: Settings) -> list[OpFunc]:
    mounts = [] if settings.volume is None else ["--mount_path", settings.volume.mount_path]
    versions = entrypoint.installed_versions()
    if settings.module_file is not None:
        # The code is the user's, whose folder may be named components as well.
        del versions[entrypoint.CODE_HASH_VARIABLE]
    expected = {variable: (_LABELS[variable], value) for variable, value in versions.items()}
    python_path = _python_path(settings)
    user_code = [] if python_path is None else ["--python_path", python_path]
    with_metrics = set(_WITH_METRICS)
    if InputPattern(settings.input_pattern).has_spans:
        # Which spans it has read.
        with_metrics.add("CsvExampleGen")
    return [
        op_funcs.only_for(
            node_id,
            op_funcs.entry_point(
                [*mounts, *(user_code if node_id in _USER_CODE else ())],
                expected,
                METRICS_PATH if node_id in with_metrics else None,
            ),
        )
        for node_id in (*COMPONENT_IDS, *SAME_POD_AS, "Approval")
    ]


def _unprivileged(settings: Settings) -> list[OpFunc]:
    funcs: list[OpFunc] = []
    if settings.security.run_as_non_root:
        funcs.append(op_funcs.security_context(settings.security.user, settings.security.group))
    if settings.image_pull_policy is not None:
        funcs.append(op_funcs.image_pull_policy(settings.image_pull_policy))
    if settings.pod_labels or settings.pod_annotations:
        funcs.append(op_funcs.pod_metadata(settings.pod_labels, settings.pod_annotations))
    return funcs


def _secrets(settings: Settings) -> list[OpFunc]:
    funcs = [
        op_funcs.secret_variable(entry.secret, entry.key, entry.variable)
        for entry in settings.secret_variables
    ]
    funcs += [
        op_funcs.secret_files(
            entry.secret, entry.mount_path, variable=entry.variable, key=entry.key
        )
        for entry in settings.secret_files
    ]
    if settings.aws_secret is not None:
        funcs.append(op_funcs.use_aws_secret(settings.aws_secret))
    if settings.gcp_secret is not None:
        funcs.append(op_funcs.use_gcp_secret(settings.gcp_secret))
    if settings.azure_secret is not None:
        funcs.append(op_funcs.use_azure_storage_secret(settings.azure_secret))
    if settings.storage.variables:
        funcs.append(op_funcs.environment(settings.storage.variables))
    return funcs + _mysql_secret(settings.metadata)


def _mysql_secret(metadata: MetadataSettings) -> list[OpFunc]:
    if metadata.kind != "mysql" or metadata.secret is None:
        return []
    return [
        op_funcs.secret_variable(metadata.secret, metadata.user_key, MYSQL_USER_VARIABLE),
        op_funcs.secret_variable(metadata.secret, metadata.password_key, MYSQL_PASSWORD_VARIABLE),
    ]


def _component(pod: PodSettings) -> list[OpFunc]:
    funcs: list[OpFunc] = [
        op_funcs.request_resource("cpu", pod.cpu, pod.cpu_limit),
        op_funcs.request_resource("memory", pod.memory, pod.memory_limit),
        op_funcs.request_resource(
            "ephemeral-storage", pod.ephemeral_storage, pod.ephemeral_storage_limit
        ),
    ]
    if pod.gpus:
        funcs.append(
            op_funcs.request_gpu(
                pod.gpus,
                gpu_type=pod.gpu_type,
                **{
                    name: value
                    for name, value in (
                        ("resource", pod.gpu_resource),
                        ("gpu_type_label", pod.gpu_type_label),
                    )
                    if value is not None
                },
            )
        )
    if pod.node_selector:
        funcs.append(op_funcs.node_selector(pod.node_selector))
    funcs += [
        op_funcs.toleration(
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
        )
        for toleration in pod.tolerations or ()
    ]
    if pod.retries:
        funcs.append(
            op_funcs.retry(
                pod.retries,
                policy=pod.retry_policy or "Always",
                backoff_seconds=pod.retry_backoff_seconds,
                backoff_factor=pod.retry_backoff_factor,
            )
        )
    if pod.timeout_seconds is not None:
        funcs.append(op_funcs.timeout(pod.timeout_seconds))
    return funcs
