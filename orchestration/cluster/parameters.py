"""Run parameters and the service account, checked before any call."""

import json
from collections.abc import Mapping
from typing import Any

from orchestration.cluster.errors import ClusterError
from orchestration.suggestion import did_you_mean
from orchestration.validation.pods import is_object_name

#: What Kubeflow Pipelines has room for (10,000 bytes in its database).
_MAX_BYTES = 10_000


def check_parameters(manifest: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Checks the parameters of a run against those of its workflow.

    Args:
        manifest: The workflow.
        given: Values by name.

    Returns:
        The values given; the server takes the others from the workflow.

    Raises:
        ClusterError: If a name is unknown, a value is missing, or they are too large.
    """
    arguments = (manifest.get("spec") or {}).get("arguments") or {}
    defaults = {
        item["name"]: item.get("value", item.get("default"))
        for item in arguments.get("parameters") or []
    }
    check_names(given, defaults)
    for name, default in defaults.items():
        if default is None and name not in given:
            raise ClusterError(f"the parameter {name} has no default: give --param {name}=VALUE")
    size = len(json.dumps([{"name": key, "value": value} for key, value in given.items()]).encode())
    if size > _MAX_BYTES:
        raise ClusterError(
            f"the parameters have {size:,} bytes; Kubeflow Pipelines takes {_MAX_BYTES:,}"
        )
    return dict(given)


def check_service_account(name: str | None) -> str | None:
    """Refuses what cannot be a service account: Kubeflow would find out only when a pod starts.

    Raises:
        ClusterError: If Kubernetes has no object of this name.
    """
    if name is not None and not is_object_name(name):
        raise ClusterError(
            f"--service-account {name!r}: not the name of a Kubernetes object; use lower-case "
            "letters, digits, '-' and '.'"
        )
    return name


def check_names(given: Mapping[str, str], known: Mapping[str, Any] | list[str]) -> None:
    """Refuses an unknown parameter.

    Raises:
        ClusterError: With the name that was probably meant.
    """
    for name in given:
        if name not in known:
            raise ClusterError(
                f"--param {name}: the workflow has no such parameter{did_you_mean(name, known)}"
            )
