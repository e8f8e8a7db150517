"""Kubernetes resource quantities: ``500m``, ``2``, ``4Gi``, ``8G``."""

import decimal
import re

from kubernetes.utils import quantity as kubernetes_quantity

from components.errors import SettingsError

#: No container starts with less, and a number without a unit was most likely meant in gibibytes.
_LEAST_BYTES = 2**20

_QUANTITY = re.compile(r"-?[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")


def parse_quantity(key: str, text: str) -> decimal.Decimal:
    """Parses a quantity.

    Args:
        key: Where it stands, for the message.
        text: The quantity, in cores or bytes.

    Returns:
        Its value in cores or bytes.

    Raises:
        SettingsError: If it is not a quantity or negative.
    """
    try:
        # The library also takes "NaN", and "K", which the API server refuses.
        if _QUANTITY.fullmatch(text) is None:
            raise ValueError(text)
        value = kubernetes_quantity.parse_quantity(text)
    except ValueError as error:
        raise SettingsError(
            f"{key}: '{text}' is not a Kubernetes quantity: a number, with one of the units "
            "m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or none"
        ) from error
    if value < 0:
        raise SettingsError(f"{key}: {text} is negative; use 0 or more")
    return value


def check_limit(section: str, resource: str, request: str | None, limit: str | None) -> None:
    """Checks a resource's request and limit.

    Args:
        section: Where they stand, for the message.
        resource: ``cpu``, ``memory`` or ``ephemeral_storage``.
        request: The request, or ``None``.
        limit: The limit, or ``None``.

    Raises:
        SettingsError: If one is not a quantity, or the request is above the limit.
    """
    for key, text in ((resource, request), (f"{resource}_limit", limit)):
        if resource != "cpu" and text is not None and text.endswith("m"):
            raise SettingsError(
                f"{section}.{key}: '{text}' is in thousandths of a byte; use M, Mi, G or Gi"
            )
        if (
            resource != "cpu"
            and text is not None
            and 0 < parse_quantity(f"{section}.{key}", text) < _LEAST_BYTES
        ):
            raise SettingsError(
                f"{section}.{key}: '{text}' is less than a mebibyte; use a unit such as Mi or Gi"
            )
    wanted = None if request is None else parse_quantity(f"{section}.{resource}", request)
    most = None if limit is None else parse_quantity(f"{section}.{resource}_limit", limit)
    if wanted is not None and most is not None and wanted > most:
        raise SettingsError(
            f"{section}.{resource}: the request of {request} is above the limit of {limit}; "
            f"raise {section}.{resource}_limit or lower {section}.{resource}"
        )
