"""What secrets, mounts, variables, labels and GPUs of the pods ask of each other."""

import itertools
from typing import TYPE_CHECKING

from pipelines.settings.checks import (
    require,
    require_labels,
    require_one_of,
    require_qualified_name,
    require_secret_name,
)
from pipelines.settings.component_pods import COMPONENT_IDS, DEFAULT_POD, component_key
from pipelines.settings.pod import PodSettings
from pipelines.settings.reserved import (
    AWS_VARIABLES,
    AZURE_VARIABLES,
    GCP_MOUNT_PATH,
    GCP_VARIABLES,
    is_reserved_pod_key,
    is_reserved_variable,
)

if TYPE_CHECKING:
    from pipelines.settings.pipeline import Settings


def check_pods(settings: "Settings") -> None:
    """Refuses what no pod could have together.

    Args:
        settings: The settings, each checked by itself.

    Raises:
        SettingsError: If something is named twice, reserved, or contradicts another setting.
    """
    _check_secrets(settings)
    _check_mounts(settings)
    _check_variables(settings)
    _check_pod_metadata(settings)
    settings.default.check("default")
    settings.default.over(DEFAULT_POD).check("default")
    for component_id, pod in settings.components.items():
        require_one_of("components", component_id, COMPONENT_IDS)
        pod.check(component_key(component_id))
    for component_id in COMPONENT_IDS:
        settings.pod(component_id).check(component_key(component_id))
    _check_gpus(settings)


def _check_secrets(settings: "Settings") -> None:
    for index, secret in enumerate(settings.image_pull_secrets):
        require_secret_name(f"image_pull_secrets.{index}", secret)
        require(
            secret not in settings.image_pull_secrets[:index],
            f"image_pull_secrets.{index}: '{secret}' is given twice; keep one",
        )
    for key in ("aws_secret", "gcp_secret", "azure_secret"):
        if (secret := getattr(settings, key)) is not None:
            require_secret_name(key, secret)


def _check_mounts(settings: "Settings") -> None:
    """Refuses two mounts where the one would hide, or lie within, the other."""
    mounts: dict[str, str] = {}
    if settings.volume is not None:
        mounts["volume.mount_path"] = settings.volume.mount_path
    for index, files in enumerate(settings.secret_files):
        mounts[f"secret_files.{index}.mount_path"] = files.mount_path
    if settings.gcp_secret is not None:
        mounts["gcp_secret"] = GCP_MOUNT_PATH
    for (first, outer), (second, inner) in itertools.combinations(mounts.items(), 2):
        require(
            outer != inner,
            f"{second}: {inner} is mounted twice, the other time by {first}; give each "
            "volume and secret its own path",
        )
        require(
            not (inner.startswith(f"{outer}/") or outer.startswith(f"{inner}/")),
            f"{second}: {inner} and {outer}, which is {first}, lie within each other; give "
            "each volume and secret a path of its own",
        )


def _check_variables(settings: "Settings") -> None:
    """Refuses an environment variable that something else in the pod sets, too."""
    taken: dict[str, str] = {}
    if settings.module_file is not None:
        taken["PYTHONPATH"] = "module_file"
    if settings.aws_secret is not None:
        taken |= dict.fromkeys(AWS_VARIABLES, "aws_secret")
    if settings.gcp_secret is not None:
        taken |= dict.fromkeys(GCP_VARIABLES, "gcp_secret")
    if settings.azure_secret is not None:
        taken |= dict.fromkeys(AZURE_VARIABLES, "azure_secret")
    taken |= dict.fromkeys(settings.storage.variables, "storage")
    for section in ("secret_variables", "secret_files"):
        for index, entry in enumerate(getattr(settings, section)):
            key, variable = f"{section}.{index}.variable", entry.variable
            if variable is None:
                continue
            require(
                not is_reserved_variable(variable),
                f"{key}: '{variable}' is set by Kubeflow or TFX in every pod; use another name",
            )
            require(
                variable not in taken,
                f"{key}: '{variable}' is set twice, the other time by {taken.get(variable)}; "
                "keep one",
            )
            taken[variable] = key


def _check_pod_metadata(settings: "Settings") -> None:
    require_labels("pod_labels", settings.pod_labels)
    for name in settings.pod_annotations:
        require_qualified_name("pod_annotations", name)
    for section in ("pod_labels", "pod_annotations"):
        for name in getattr(settings, section):
            require(
                not is_reserved_pod_key(name),
                f"{section}: '{name}' belongs to TFX or Kubeflow, which set their own; use "
                "another name, as in example.com/team",
            )


def _check_gpus(settings: "Settings") -> None:
    """Refuses a GPU type that would have no effect, or contradicts the node selector."""
    pods = {component_id: settings.pod(component_id) for component_id in COMPONENT_IDS}
    require(
        settings.default.gpu_type is None or any(pod.gpus is not None for pod in pods.values()),
        "default.gpu_type: no component asks for GPUs; set trainer.gpus",
    )
    for component_id, pod in pods.items():
        key = component_key(component_id)
        own = settings.components.get(component_id, PodSettings())
        require(
            own.gpu_type is None or pod.gpus is not None,
            f"{key}.gpu_type: {component_id} asks for no GPU; set {key}.gpus",
        )
        if pod.gpus and pod.gpu_type is not None and pod.gpu_type_label is not None:
            selected = (pod.node_selector or {}).get(pod.gpu_type_label, pod.gpu_type)
            require(
                selected == pod.gpu_type,
                f"{key}.node_selector.{pod.gpu_type_label}: '{selected}' is not "
                f"{key}.gpu_type, '{pod.gpu_type}'; keep one of the two",
            )
