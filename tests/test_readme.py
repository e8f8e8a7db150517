"""The table of settings is what their docstrings say; README's commands are there."""

import dataclasses
import inspect
import pathlib
import re
import typing

import pytest

from components.hyperparameters import TUNED_CHOICES, TUNED_RANGES, Hyperparameters
from pipelines.settings import (
    BeamSettings,
    DataflowSettings,
    EvaluationSettings,
    GoogleCloudSettings,
    MetadataSettings,
    NotificationSettings,
    PodSettings,
    SecretFiles,
    SecretVariable,
    SecuritySettings,
    Settings,
    StorageSettings,
    Toleration,
    TrainingSettings,
    TuningSettings,
    ValidationSettings,
    VertexServingSettings,
    VertexTrainingSettings,
    VolumeSettings,
)

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
SETTINGS = README.parent / "docs/settings.md"
SECTIONS = {
    "volume": VolumeSettings,
    "storage": StorageSettings,
    "metadata": MetadataSettings,
    "security": SecuritySettings,
    "beam": BeamSettings,
    "validation": ValidationSettings,
    "training": TrainingSettings,
    "tuning": TuningSettings,
    "evaluation": EvaluationSettings,
}
#: Sections that are not there unless given.
OPTIONAL_SECTIONS = {
    "notification": NotificationSettings,
    "beam.dataflow": DataflowSettings,
    "google_cloud": GoogleCloudSettings,
    "google_cloud.vertex_training": VertexTrainingSettings,
    "google_cloud.vertex_serving": VertexServingSettings,
}
LISTS = {"secret_variables": SecretVariable, "secret_files": SecretFiles}
TABLES = ("settings", "hyperparameters")


def place_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def table(name: str) -> str:
    header, rows = {
        "settings": (("setting", "default", "meaning"), settings_rows),
        "hyperparameters": (
            ("hyperparameter", "default", "meaning", "where a Tuner looks"),
            hyperparameter_rows,
        ),
    }[name]
    lines = ["", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows()]
    return "\n".join([*lines, "", ""])


def hyperparameter_rows() -> list[tuple[str, ...]]:
    about = descriptions(Hyperparameters)
    rows = []
    for field in dataclasses.fields(Hyperparameters):
        tuned = ", ".join(map(str, TUNED_CHOICES.get(field.name, ())))
        if field.name in TUNED_RANGES:
            tuned = "{} to {}".format(*TUNED_RANGES[field.name])
        rows.append((f"`{field.name}`", default(field.default), about[field.name], tuned))
    return rows


def settings_rows() -> list[tuple[str, ...]]:
    settings = Settings()
    rows = []
    for field in dataclasses.fields(Settings):
        about = descriptions(Settings)[field.name]
        if field.name in ("default", "components"):
            continue
        if kind := SECTIONS.get(field.name):
            rows += section_rows(field.name, kind, getattr(settings, field.name))
        elif kind := OPTIONAL_SECTIONS.get(field.name):
            rows += section_rows(field.name, kind, None)
        elif kind := LISTS.get(field.name):
            names = ", ".join(f"`{inner.name}`" for inner in dataclasses.fields(kind))
            rows.append((field.name, (), f"{about} A list of entries with {names}."))
        else:
            rows.append((field.name, getattr(settings, field.name), about))
    pod = settings.pod("CsvExampleGen")
    for field in dataclasses.fields(PodSettings):
        about = descriptions(PodSettings)[field.name]
        if field.name == "tolerations":
            names = ", ".join(f"`{inner.name}`" for inner in dataclasses.fields(Toleration))
            about += f" A list of entries with {names}."
        rows.append((f"COMPONENT.{field.name}", getattr(pod, field.name), about))
    return [(f"`{name}`", default(value), about) for name, value, about in rows]


def section_rows(section: str, kind: type, given: typing.Any) -> list[tuple[str, typing.Any, str]]:
    """A section's settings, and those of the sections in it, which are not there unless given."""
    rows = []
    for field in dataclasses.fields(kind):
        name = f"{section}.{field.name}"
        if inner := OPTIONAL_SECTIONS.get(name):
            rows += section_rows(name, inner, None)
            continue
        value = None if field.default is dataclasses.MISSING else field.default
        if given is not None:
            value = getattr(given, field.name)
        rows.append((name, value, descriptions(kind)[field.name]))
    return rows


def default(value: typing.Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def descriptions(kind: type) -> dict[str, str]:
    """What the class's docstring says of each attribute, in Markdown."""
    _, _, attributes = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    return {
        name: " ".join(text.split()).replace("``", "`").replace("`None`", "`null`")
        for name, text in found
    }


@pytest.mark.golden
@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_settings_are_true(name: str, request: pytest.FixtureRequest) -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    if request.config.getoption("--rewrite-golden"):
        text = place_of(name).sub(lambda _: table(name), text)
        SETTINGS.write_text(text, encoding="utf-8")

    assert place_of(name).search(text)[0] == table(name), "run `make golden`"  # type: ignore[index]


@pytest.mark.parametrize(
    "command", re.findall(r"^\.venv/bin/(complaint-pipeline [a-z]+)", README.read_text(), re.M)
)
def test_the_commands_in_it_exist(command: str) -> None:
    import click

    from orchestration.cli import cli

    assert command.split()[1] in cli.list_commands(click.Context(cli))


def test_the_make_targets_in_it_exist() -> None:
    makefile = (README.parent / "Makefile").read_text()

    for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", README.read_text(), re.M):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
