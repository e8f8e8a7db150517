"""Settings from a YAML file, from single overrides and from the environment."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cattrs
import yaml
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationNote

from components.errors import SettingsError
from pipelines.settings.checks import suggestion
from pipelines.settings.pipeline import COMPONENT_KEYS, Settings

#: Environment variable that overrides the image, as in the TFX CLI.
IMAGE_VARIABLE = "KUBEFLOW_TFX_IMAGE"


def load_settings(
    path: pathlib.Path | None = None,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Makes settings; what comes later wins: defaults, file, environment, overrides.

    Args:
        path: YAML file of settings, or ``None``.
        overrides: Single settings, such as ``trainer.memory=8G``; the value is read as YAML.
        environ: The environment; ``KUBEFLOW_TFX_IMAGE`` names the image.

    Returns:
        The validated settings.

    Raises:
        SettingsError: If the file cannot be read, or a key or value is not valid.
    """
    tree = _read_file(path) if path is not None else {}
    image = (environ or {}).get(IMAGE_VARIABLE)
    if image:
        tree["image"] = image
    for override in overrides:
        _apply_override(tree, override)
    return _structure(tree)


def _read_file(path: pathlib.Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot read the settings file: {error}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise SettingsError(f"{path}: settings are a mapping of names to values")
    return tree


def _apply_override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name:
        raise SettingsError(f"--set {override}: write it as NAME=VALUE, such as trainer.memory=8G")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {override}: the value is not valid YAML") from error
    *sections, key = name.split(".")
    node = tree
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise SettingsError(f"--set {override}: '{section}' is not a section of settings")
    node[key] = value


def _structure(tree: dict[str, Any]) -> Settings:
    valid = [field.name for field in dataclasses.fields(Settings) if field.name != "components"]
    known: dict[str, Any] = {"components": {}}
    for key, value in tree.items():
        if key in COMPONENT_KEYS:
            if not isinstance(value, dict):
                raise SettingsError(
                    f"{key}: a component's settings are a mapping, as in memory: 8G"
                )
            known["components"][COMPONENT_KEYS[key]] = value
        elif key in valid:
            known[key] = value
        else:
            raise SettingsError(
                f"{key}: unknown setting or component{suggestion(key, [*valid, *COMPONENT_KEYS])}; "
                f"valid are {', '.join([*valid, *COMPONENT_KEYS])}"
            )
    try:
        return _converter().structure(known, Settings)
    except ClassValidationError as error:
        raise SettingsError(_first_problem(error, "")) from error


def _hook(noun: str, *types: type) -> Callable[[Any, type], Any]:
    """Returns a structure hook that takes only values of the types; a bool is no number."""

    def structure(value: Any, _: type) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"{value!r} is not {noun}")
        return value

    return structure


def _converter() -> cattrs.Converter:
    """Returns a converter that, unlike Python's constructors, never guesses a type."""
    number = _hook("a number", int, float)
    # YAML reads an unquoted quantity such as 2 as a number.
    text = _hook("text", str, int, float)
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(bool, _hook("true or false", bool))
    converter.register_structure_hook(int, _hook("a whole number", int))
    converter.register_structure_hook(float, lambda value, kind: float(number(value, kind)))
    converter.register_structure_hook(str, lambda value, kind: str(text(value, kind)))
    converter.register_structure_hook(int | float, number)
    return converter


def _first_problem(error: BaseException, where: str) -> str:
    """Returns one line for the first of the errors that cattrs has collected."""
    if isinstance(error, ForbiddenExtraKeysError):
        key = sorted(error.extra_fields)[0]
        names = [field.name for field in dataclasses.fields(error.cl)]
        prefix = f"{where}." if where else ""
        return (
            f"{prefix}{key}: unknown setting{suggestion(key, names)}; valid are {', '.join(names)}"
        )
    if isinstance(error, cattrs.BaseValidationError):
        inner = error.exceptions[0]
        return _first_problem(inner, _place(inner, where))
    if isinstance(error, SettingsError):
        return str(error)
    if isinstance(error, KeyError):
        return f"{where}: this setting is required"
    return f"{where}: {error}"


def _place(error: BaseException, where: str) -> str:
    names = [str(name) for name in (where,) if name]
    for note in getattr(error, "__notes__", []):
        if isinstance(note, IterableValidationNote):
            names.append(str(note.index))
        elif hasattr(note, "name"):
            names.append(str(note.name))
    place = ".".join(names)
    for key, component_id in COMPONENT_KEYS.items():
        place = place.replace(f"components.{component_id}", key)
    return place
