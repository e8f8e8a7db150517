"""The command that approves or rejects: what it refuses before it looks for the run."""

import pathlib

import pytest
from click.testing import CliRunner

from components.errors import RunError
from orchestration.cli import cli


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--by", "  "], "--by: names nobody"),
        (["--by", "A" * 201], "--by: has 201 characters; the most are 200"),
        (
            ["--by", "Ann", "--note", "n" * 2001],
            "--note: has 2,001 characters; the most are 2,000",
        ),
    ],
)
def test_who_and_why_are_named_in_few_words(
    tmp_path: pathlib.Path, options: list[str], problem: str
) -> None:
    done = CliRunner().invoke(cli, ["approve", "run-1", *options, "--home", str(tmp_path)])

    assert isinstance(done.exception, RunError)
    assert problem in str(done.exception)
