"""Settings of a component's pod."""

import dataclasses
from collections.abc import Mapping

from pipelines.settings.checks import (
    require,
    require_label_value,
    require_labels,
    require_not_negative,
    require_one_of,
    require_qualified_name,
)
from pipelines.settings.quantities import check_limit, parse_quantity

_RETRY_POLICIES = ("Always", "OnError", "OnFailure", "OnTransientError")
_TAINT_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint that a pod accepts, with the meaning of Kubernetes' ``tolerations``.

    Attributes:
        key: Key of the taint; ``None`` with operator ``Exists`` matches every taint.
        operator: ``Equal`` or ``Exists``.
        value: Value of the taint, for ``Equal``.
        effect: ``NoSchedule``, ``PreferNoSchedule``, ``NoExecute``, or ``None`` for all.
    """

    key: str | None = None
    operator: str = "Equal"
    value: str | None = None
    effect: str | None = None

    def __post_init__(self) -> None:
        require_one_of("tolerations.operator", self.operator, ("Equal", "Exists"))
        if self.effect is not None:
            require_one_of("tolerations.effect", self.effect, _TAINT_EFFECTS)
        require(
            self.key is not None or self.operator == "Exists",
            "tolerations.key is required unless tolerations.operator is Exists",
        )
        require(
            self.value is None or self.operator == "Equal",
            "tolerations.value: leave it out when tolerations.operator is Exists",
        )
        if self.key is not None:
            require_qualified_name("tolerations.key", self.key)
        if self.value is not None:
            require_label_value("tolerations.value", self.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodSettings:
    """Resources, placement, retries and timeout of a component's pod.

    A field that is ``None`` leaves the default in force: the ``default`` section for a
    component's own section, and Kubernetes' own for the ``default`` section.

    Attributes:
        cpu: Requested cpu, a Kubernetes quantity in cores, such as ``500m`` or ``2``.
        cpu_limit: Most cpu that the pod may use.
        memory: Requested memory, a Kubernetes quantity in bytes, such as ``4Gi`` or ``8G``.
        memory_limit: Memory above which Kubernetes kills the pod.
        ephemeral_storage: Requested scratch disk, a quantity in bytes.
        ephemeral_storage_limit: Scratch disk above which Kubernetes evicts the pod.
        gpus: Number of GPUs; 0 for none. The image needs CUDA for it (docs/google_cloud.md).
        gpu_resource: Extended resource that counts GPUs.
        gpu_type: Value of the node label that names the GPU's type.
        gpu_type_label: That label; GKE's by default.
        node_selector: Labels that the pod's node must have.
        tolerations: Taints that the pod accepts.
        retries: How often Argo starts a failed pod again.
        retry_policy: What Argo counts as worth a retry.
        retry_backoff_seconds: Wait before the first retry.
        retry_backoff_factor: Factor by which the wait grows with each retry.
        timeout_seconds: Time after which Argo ends the pod.
    """

    cpu: str | None = None
    cpu_limit: str | None = None
    memory: str | None = None
    memory_limit: str | None = None
    ephemeral_storage: str | None = None
    ephemeral_storage_limit: str | None = None
    gpus: int | None = None
    gpu_resource: str | None = None
    gpu_type: str | None = None
    gpu_type_label: str | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    retries: int | None = None
    retry_policy: str | None = None
    retry_backoff_seconds: int | None = None
    retry_backoff_factor: int | None = None
    timeout_seconds: int | None = None

    def check(self, section: str) -> None:
        """Checks every field.

        Args:
            section: Where the settings stand, for the message, such as ``trainer``.

        Raises:
            SettingsError: If a field, or a request together with its limit, is not valid.
        """
        for resource in ("cpu", "memory", "ephemeral_storage"):
            check_limit(
                section, resource, getattr(self, resource), getattr(self, f"{resource}_limit")
            )
        for name in (
            "gpus",
            "retries",
            "retry_backoff_seconds",
            "retry_backoff_factor",
            "timeout_seconds",
        ):
            require_not_negative(f"{section}.{name}", getattr(self, name))
        if self.timeout_seconds is not None:
            require(
                self.timeout_seconds > 0,
                f"{section}.timeout_seconds: 0 would end the pod at once; use 1 or more",
            )
        if self.retry_policy is not None:
            require_one_of(f"{section}.retry_policy", self.retry_policy, _RETRY_POLICIES)
        if self.gpu_resource is not None:
            require(
                "/" in self.gpu_resource,
                f"{section}.gpu_resource: '{self.gpu_resource}' is not an extended resource "
                "such as nvidia.com/gpu",
            )
            require_qualified_name(f"{section}.gpu_resource", self.gpu_resource)
        if self.gpu_type is not None:
            require_label_value(f"{section}.gpu_type", self.gpu_type)
        if self.gpu_type_label is not None:
            require_qualified_name(f"{section}.gpu_type_label", self.gpu_type_label)
        require_labels(f"{section}.node_selector", self.node_selector or {})
        for name in ("cpu_limit", "memory_limit", "ephemeral_storage_limit"):
            quantity = getattr(self, name)
            if quantity is not None:
                require(
                    parse_quantity(f"{section}.{name}", quantity) > 0,
                    f"{section}.{name}: a limit of {quantity} would never let the pod run; use "
                    "more than 0",
                )

    def over(self, default: "PodSettings") -> "PodSettings":
        """Returns these settings with ``default`` where a field is ``None``.

        A request above a limit that is only inherited lifts the limit to the request.
        """
        merged = dataclasses.replace(
            default,
            **{
                field.name: value
                for field in dataclasses.fields(self)
                if (value := getattr(self, field.name)) is not None
            },
        )
        for resource in ("cpu", "memory", "ephemeral_storage"):
            request, limit = getattr(self, resource), f"{resource}_limit"
            if request is None or getattr(self, limit) is not None:
                continue
            inherited = getattr(merged, limit)
            if inherited is not None and parse_quantity(resource, request) > parse_quantity(
                limit, inherited
            ):
                merged = dataclasses.replace(merged, **{limit: request})
        return merged
