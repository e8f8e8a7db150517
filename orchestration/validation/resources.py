"""Kubernetes' rules on the resources that containers request."""

import decimal
import re
from collections.abc import Iterator

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Workflow
from orchestration.validation.node import Node, shown

_QUANTITY_SOURCE = "Kubernetes, apimachinery/pkg/api/resource/quantity.go"
_SOURCE = "Kubernetes, pkg/apis/core/validation/validation.go (ValidateResourceRequirements)"

_QUANTITY = re.compile(
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
)


@rule("kubernetes-quantity", "Amounts of resources are quantities from 0", _QUANTITY_SOURCE)
def quantity(workflow: Workflow) -> Iterator[Problem]:
    """Such as ``500m`` cores or ``4Gi`` bytes."""
    for container in workflow.containers():
        for kind in ("requests", "limits"):
            for _, node in container["resources"][kind].items():
                value = _parse(node)
                if value is None:
                    yield Problem(
                        node,
                        f"{shown(node.value)} is not a quantity",
                        "use a number with m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or no unit",
                    )
                elif value < 0:
                    yield Problem(node, f"{shown(node.value)} is negative", "use 0 or more")


@rule("kubernetes-request", "A request is not above its limit", _SOURCE)
def request(workflow: Workflow) -> Iterator[Problem]:
    """Kubernetes refuses such a pod."""
    for container in workflow.containers():
        resources = container["resources"]
        for name, node in resources["requests"].items():
            wanted, most = _parse(node), _parse(resources["limits"][name])
            if wanted is not None and most is not None and wanted > most and not is_extended(name):
                yield Problem(
                    node,
                    f"the request of {node.value} {name} is above the limit of "
                    f"{resources['limits'][name].value}",
                    "raise the limit or lower the request",
                )


@rule(
    "kubernetes-extended-resource",
    "GPUs and the like are limited to a whole number, which is also the request",
    _SOURCE,
)
def extended_resource(workflow: Workflow) -> Iterator[Problem]:
    """Kubernetes gives such a device to one container as a whole."""
    for container in workflow.containers():
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        for name in _extended_names(requests, limits):
            wanted, most = _parse(requests[name]), _parse(limits[name])
            for node, value in ((requests[name], wanted), (limits[name], most)):
                if value is not None and value != value.to_integral_value():
                    yield Problem(
                        node, f"{shown(node.value)} {name} is no whole number", "round it"
                    )
            if most is None and not limits[name].exists:
                yield Problem(limits[name], f"{name} has a request but no limit", "add the limit")
            elif wanted is not None and most is not None and wanted != most:
                yield Problem(
                    requests[name],
                    f"the request of {requests[name].value} {name} is not the limit of "
                    f"{limits[name].value}",
                    "remove the request",
                )


RULES = (quantity, request, extended_resource)


def _extended_names(requests: Node, limits: Node) -> list[str]:
    names = dict.fromkeys(name for node in (requests, limits) for name, _ in node.items())
    return [name for name in names if is_extended(name)]


def is_extended(name: str) -> bool:
    """Tells whether a resource is counted by a device plugin (IsExtendedResourceName)."""
    return "/" in name and "kubernetes.io/" not in name


def quantity_value(value: object) -> decimal.Decimal | None:
    """Returns the value of a quantity such as ``500m`` or ``4Gi``.

    Args:
        value: What stands in YAML.

    Returns:
        Cores, bytes or devices; ``None`` if it is not a quantity.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    if _QUANTITY.fullmatch(text) is None:
        return None
    # Imported here, because it takes a quarter of a second.
    from kubernetes.utils import quantity as kubernetes_quantity

    return decimal.Decimal(kubernetes_quantity.parse_quantity(text))


def _parse(node: Node) -> decimal.Decimal | None:
    """Returns a quantity's value, ``None`` if it is not one or not there."""
    return quantity_value(node.value)
