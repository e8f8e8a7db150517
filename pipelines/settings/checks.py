"""Checks that several settings share; each raises SettingsError with one line."""

import difflib
import posixpath
import re
from collections.abc import Iterable, Mapping

from components.errors import SettingsError

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+(/\S*)?")


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Returns `` (did you mean 'x'?)`` for the closest valid name, or an empty string."""
    matches = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""


def require(condition: bool, message: str) -> None:
    """Raises SettingsError with ``message`` unless the condition holds."""
    if not condition:
        raise SettingsError(message)


def require_one_of(key: str, value: str, valid: Iterable[str]) -> None:
    """Refuses a value that is not in ``valid``, naming the closest one."""
    valid = tuple(valid)
    require(
        value in valid,
        f"{key}: '{value}' is not one of {', '.join(valid)}{suggestion(value, valid)}",
    )


def require_kubernetes_name(key: str, value: str) -> None:
    """Refuses what is not the name of a Kubernetes object (RFC 1123 subdomain)."""
    require(
        len(value) <= 253 and _DNS_SUBDOMAIN.fullmatch(value) is not None,
        f"{key}: '{value}' is not a Kubernetes name: lower-case letters, digits, '-' and '.', "
        "at most 253 characters",
    )


def require_secret_name(key: str, value: str) -> None:
    """Refuses what is not the name of a secret, and does not show it: it may be the secret."""
    require(
        len(value) <= 253 and _DNS_SUBDOMAIN.fullmatch(value) is not None,
        f"{key}: what is given, and not shown here, is not the name of a Kubernetes secret: "
        "lower-case letters, digits, '-' and '.', at most 253 characters; what is secret stays out "
        "of settings",
    )


def require_not_negative(key: str, value: int | float | None) -> None:
    """Refuses a number below 0; ``None`` passes."""
    require(value is None or value >= 0, f"{key}: {value} is negative; use 0 or more")


def require_mount_path(key: str, value: str) -> None:
    """Refuses what is not an absolute, normalised path."""
    require(
        value.startswith("/")
        and not value.startswith("//")
        and value != "/"
        and ":" not in value
        and posixpath.normpath(value) == value,
        f"{key}: '{value}' is not a mount path; use an absolute path such as /tfx-data, "
        "without '..', ':' or a '/' at its end",
    )


def require_data_key(key: str, value: str) -> None:
    """Refuses what cannot be a key of a Kubernetes secret."""
    require(
        len(value) <= 253 and _DATA_KEY.fullmatch(value) is not None and value not in (".", ".."),
        f"{key}: '{value}' is not the key of a secret: letters, digits, '-', '_' and '.', "
        "at most 253 characters",
    )


def require_environment_variable(key: str, value: str) -> None:
    """Refuses what is not the name of an environment variable."""
    require(
        _ENVIRONMENT_VARIABLE.fullmatch(value) is not None,
        f"{key}: '{value}' is not the name of an environment variable: letters, digits and '_', "
        "not beginning with a digit",
    )


def require_qualified_name(key: str, name: str) -> None:
    """Refuses what is not the key of a label, an annotation, a taint or a resource."""
    domain, slash, rest = name.rpartition("/")
    fits = len(rest) <= 63 and _QUALIFIED_NAME.fullmatch(rest) is not None
    if slash:
        fits = fits and len(domain) <= 253 and _DNS_SUBDOMAIN.fullmatch(domain) is not None
    require(
        fits,
        f"{key}: '{name}' is not a valid name: at most 63 letters, digits, '-', '_' and '.', "
        "after a domain and '/' if any, as in example.com/team",
    )


def require_label_value(key: str, value: str) -> None:
    """Refuses what is not the value of a label or of a node selector."""
    require(
        value == "" or (len(value) <= 63 and _QUALIFIED_NAME.fullmatch(value) is not None),
        f"{key}: '{value}' is not the value of a label: at most 63 letters, digits, '-', '_' and "
        "'.', beginning and ending with a letter or digit",
    )


def require_labels(key: str, labels: Mapping[str, str]) -> None:
    """Refuses labels, or a node selector, with a key or a value that is not valid."""
    for name, value in labels.items():
        require_qualified_name(key, name)
        require_label_value(f"{key}.{name}", value)


def is_uri(path: str) -> bool:
    """Tells whether a path is a URI with a scheme, such as ``gs://bucket/folder``."""
    return _URI.fullmatch(path) is not None
