"""Paths on the command line: a bucket's URI is told as such, and makes no folder here."""

import pathlib
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from orchestration.cli import cli
from orchestration.local_path import LocalPath

URI = "s3://complaints/data.csv"


def parameters(command: click.Command, context: click.Context) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from parameters(inner, context)


def test_every_path_of_every_command_refuses_a_uri() -> None:
    paths = [
        item for item in parameters(cli, click.Context(cli)) if isinstance(item.type, click.Path)
    ]

    assert len(paths) > 20
    assert [item.name for item in paths if not isinstance(item.type, LocalPath)] == []


@pytest.mark.parametrize(
    "words",
    [
        ("data", "split", "here.csv", "--out", URI),
        ("data", "split", URI, "--out", "there"),
        ("data", "prepare", "here.csv", "--out", "gs://complaints/data"),
        ("data", "generate", "--rows", "3", "--out", URI),
        ("data", "download", "--out", "az://complaints/data"),
        ("predict", "model", "--csv", URI),
        ("predict", "model", "--csv", "here.csv", "--out", URI),
        ("report", "run", "--out", "s3://complaints/page.html"),
        ("compare", "a", "b", "--out", "s3://complaints/page.html"),
        ("lineage", "run", "--out", "s3://complaints/page.html"),
        ("compile", "--output-filename", "s3://complaints/pipeline.yaml"),
        ("compile", "--output-dir", "s3://complaints"),
        ("stage", "pipeline.yaml", "--data", URI),
    ],
)
def test_a_uri_is_told_with_the_mend_and_makes_no_folder(
    words: tuple[str, ...], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").write_text("product\nMortgage\n")
    uri = next(word for word in words if "://" in word)

    done = CliRunner().invoke(cli, words)

    assert done.exit_code == 2
    assert f"'{uri}' is not on this machine: use a path here; 'complaint-pipeline stage'" in (
        done.output
    )
    assert [path.name for path in tmp_path.iterdir()] == ["here.csv"]
