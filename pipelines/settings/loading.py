"""Settings from a YAML file, from single overrides and from the environment."""

import dataclasses
import json
import pathlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cattrs
import yaml
from cattrs.errors import ClassValidationError, IterableValidationNote

from components.errors import SettingsError
from pipelines.settings.checks import suggestion
from pipelines.settings.component_pods import COMPONENT_KEYS
from pipelines.settings.pipeline import Settings
from pipelines.settings.pod import PodSettings

#: Environment variable that overrides the image, as in the TFX CLI.
IMAGE_VARIABLE = "KUBEFLOW_TFX_IMAGE"

#: Sections whose names are the user's own; such a name may have dots.
_FREE_NAMES = ("hyperparameters", "node_selector", "pod_annotations", "pod_labels")

#: What is part of the names of all settings of secrets.
_SECRETS = "secret"

_TYPES = typing.get_type_hints(Settings)


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
    try:
        return _structure(tree)
    except SettingsError as error:
        message = str(error)
        if image and tree["image"] == image and message.startswith("image:"):
            raise SettingsError(f"{IMAGE_VARIABLE}: {message}") from error
        raise


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which PyYAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (_Loader is a safe loader)


def _read_file(path: pathlib.Path) -> dict[str, Any]:
    try:
        tree = _parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot read the settings file ({error.strerror}); name a readable file"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: byte {error.start} is not UTF-8; save the settings file as UTF-8"
        ) from error
    except RecursionError as error:
        raise SettingsError(f"{path}: its values are nested too deep") from error
    # PyYAML raises ValueError for a value that looks like a date and is none.
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise SettingsError(f"{path}: not valid YAML: {_yaml_problem(error)}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise SettingsError(f"{path}: settings are a mapping of names to values, as in image: NAME")
    return tree


def _yaml_problem(error: Exception) -> str:
    """Returns what is wrong and where, without the line itself, which may have a secret in it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    pairs = ((error.context, error.context_mark), (error.problem, error.problem_mark))
    told = [
        f"{text} at line {mark.line + 1}, column {mark.column + 1}" if mark else text
        for text, mark in pairs
        if text
    ]
    return " ".join(", ".join(told).split())


def _apply_override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    # Not the value, which may be a secret.
    shown = f"{name}=..." if separator else name
    *sections, key = _split(name)
    if not separator or not all((*sections, key)):
        raise SettingsError(f"--set {shown}: write it as NAME=VALUE, such as trainer.memory=8G")
    try:
        value = _parse(text)
    except (yaml.scanner.ScannerError, yaml.parser.ParserError, yaml.composer.ComposerError):
        # A pattern such as {YYYY}-{MM}-{DD}/*.csv begins like a mapping.
        value = text
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"--set {shown}: the value is not valid YAML; put it in quotes of its own, as in "
            f"--set '{name}=\"VALUE\"'"
        ) from error
    node = tree
    for section in sections:
        child = {} if node.get(section) is None else node[section]
        if not isinstance(child, dict):
            raise SettingsError(f"--set {shown}: '{section}' is not a section of settings")
        # A copy, because an alias (*name) in the file may share the section with another one.
        node[section] = node = dict(child)
    node[key] = value


def _split(name: str) -> list[str]:
    """Splits the name of a setting at its dots, but not a label's name, which has its own."""
    parts = name.split(".")
    for index, part in enumerate(parts[:-1], start=1):
        if part in _FREE_NAMES:
            return [*parts[:index], ".".join(parts[index:])]
    return parts


def _structure(tree: dict[str, Any]) -> Settings:
    valid = [field.name for field in dataclasses.fields(Settings) if field.name != "components"]
    known: dict[str, Any] = {"components": {}}
    for key, value in tree.items():
        if key in COMPONENT_KEYS:
            known["components"][COMPONENT_KEYS[key]] = _shaped(value, PodSettings, key)
        elif key in valid:
            known[key] = _shaped(value, _TYPES[key], key)
        else:
            names = [*valid, *COMPONENT_KEYS]
            mend = suggestion(key, names) or f"; valid are {', '.join(names)}"
            raise SettingsError(f"{key}: unknown setting or component{mend}")
    try:
        return _converter().structure(known, Settings)
    except ClassValidationError as error:
        raise SettingsError(_first_problem(error, "")) from error


def _shaped(value: Any, kind: Any, place: str) -> Any:
    """Refuses unknown settings and what is no section, list or mapping; fills in empty ones.

    Args:
        value: What YAML has read.
        kind: Type of the setting.
        place: Its name, for the message.

    Returns:
        The value, with an empty section, list or mapping instead of ``null``.

    Raises:
        SettingsError: If the value has another shape than its type, or an unknown setting.
    """
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and types.NoneType in options:
        return None
    kind = options[0]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        noun = f"a section of settings; valid in one are {', '.join(hints)}"
        section = _of_shape(value, dict, place, noun)
        for key in section:
            if key not in hints:
                mend = suggestion(str(key), hints) or f"; valid are {', '.join(hints)}"
                raise SettingsError(f"{place}.{key}: unknown setting{mend}")
        return {key: _shaped(entry, hints[key], f"{place}.{key}") for key, entry in section.items()}
    if typing.get_origin(kind) is tuple:
        entries = _of_shape(value, list, place, f"a list; write [{_example(value, place)}]")
        entry_kind = typing.get_args(kind)[0]
        return [_shaped(entry, entry_kind, f"{place}.{i}") for i, entry in enumerate(entries)]
    if typing.get_origin(kind) is Mapping:
        return _of_shape(value, dict, place, "a mapping of names to values")
    return value


def _of_shape(value: Any, shape: type, place: str, noun: str) -> Any:
    if value is None:
        return shape()
    if not isinstance(value, shape):
        raise SettingsError(f"{place}: {_shown(value, place)} is not {noun}")
    return value


def _example(value: Any, place: str) -> str:
    return "NAME" if _SECRETS in place else _shown(value, place)


def _shown(value: Any, place: str) -> str:
    """Returns a value as YAML would have it, and not at all where it may be a secret itself."""
    if _SECRETS in place:
        return "what is given, and not shown here,"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)


class _NotOfTypeError(TypeError):
    """A value that is not of its setting's type, which where it is raised nobody knows."""

    def __init__(self, value: Any, noun: str) -> None:
        super().__init__(noun)
        self.value = value
        self.noun = noun


def _hook(noun: str, *kinds: type) -> Callable[[Any, type], Any]:
    """Returns a structure hook that takes only values of the types; a bool is no number."""

    def structure(value: Any, _: type) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _NotOfTypeError(value, noun)
        return value

    return structure


def _converter() -> cattrs.Converter:
    """Returns a converter that, unlike Python's constructors, never guesses a type."""
    number = _hook("a number", int, float)
    # YAML reads an unquoted quantity such as 2 as a number, and yes as a truth value.
    text = _hook("text; put it in quotes if it is meant so", str, int, float)
    converter = cattrs.Converter()
    converter.register_structure_hook(bool, _hook("true or false", bool))
    converter.register_structure_hook(int, _hook("a whole number", int))
    converter.register_structure_hook(float, lambda value, kind: float(number(value, kind)))
    converter.register_structure_hook(str, lambda value, kind: str(text(value, kind)))
    converter.register_structure_hook(int | float, number)
    return converter


def _first_problem(error: BaseException, where: str) -> str:
    """Returns one line for the first of the errors that cattrs has collected."""
    if isinstance(error, cattrs.BaseValidationError):
        inner = error.exceptions[0]
        return _first_problem(inner, _place(inner, where))
    if isinstance(error, SettingsError):
        return _with_index(str(error), where)
    if isinstance(error, KeyError):
        return f"{where}: this setting is required"
    if isinstance(error, _NotOfTypeError):
        return f"{where}: {_shown(error.value, where)} is not {error.noun}"
    return f"{where}: {error}"


def _with_index(message: str, where: str) -> str:
    """Returns a list entry's message, ``tolerations.key: ...``, with the entry's own place."""
    section, _, index = where.rpartition(".")
    name = section.rpartition(".")[2]
    if index.isdigit() and message.startswith(f"{name}."):
        return where + message.removeprefix(name)
    return message


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
