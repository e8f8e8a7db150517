"""The command line: help, one-line errors, exit statuses."""

import json
import pathlib
import subprocess
import sys

import pytest

from orchestration.cli import cli
from tests.shell_workflow import container, workflow, write


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestration", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words", [(), *((name,) for name in sorted([*cli.commands, "compile"])), ("data", "generate")]
)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    done = command(*words, "--help")

    assert done.returncode == 0
    assert "complaint-pipeline" in done.stdout
    assert "Example" in done.stdout or words == ("data",)


def test_a_valid_workflow_is_said_to_be_valid(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, workflow([container("a", "true")]))

    done = command("validate", path)

    assert (done.returncode, done.stdout) == (0, f"{path}: valid\n")


def test_each_finding_is_a_line_with_place_mend_and_rule(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("a", "true")])
    manifest["spec"]["entrypoint"] = "mian"
    path = write(tmp_path, manifest)

    done = command("validate", path)

    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{path}: spec.entrypoint: ")
    assert line.endswith("[argo-entrypoint]")


def test_findings_are_json_for_scripts(tmp_path: pathlib.Path) -> None:
    manifest = workflow([container("a", "true")])
    manifest["kind"] = "Pod"

    done = command("validate", write(tmp_path, manifest), "--json")

    assert done.returncode == 1
    assert {"rule", "place", "message", "mend"} == set(json.loads(done.stdout)[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("validate", "{tmp}/none.yaml"), "none.yaml: there is no such file"),
        (("run", "{tmp}/none.yaml"), "none.yaml: there is no such file"),
        (("run", "{tmp}/text.yaml"), "text.yaml"),
        (("run", "{tmp}/workflow.yaml", "--mount", "x={tmp}"), "--mount x: the workflow has no"),
        (("run", "{tmp}/workflow.yaml", "--param", "x=1"), "--param x: the workflow has no"),
        (("run", "{tmp}/workflow.yaml", "--metadata", "redis://x"), "metadata target"),
        (("retry", "none", "--home", "{tmp}"), "none: no such run"),
        (("retry", "../x", "--home", "{tmp}"), "../x: no such run"),
        (("data", "generate", "--rows", "1", "--out", "{tmp}/no/x.csv"), "no/x.csv"),
        (("compile", "--settings", "{tmp}/none.yaml"), "none.yaml"),
        (("compile", "--set", "trianer.memory=8G"), "did you mean 'trainer'?"),
    ],
)
def test_an_error_is_one_line_on_standard_error_and_status_1(
    tmp_path: pathlib.Path, arguments: tuple[str, ...], said: str
) -> None:
    write(tmp_path, workflow([container("a", "true")]))
    (tmp_path / "text.yaml").write_text("just text\n")

    done = command(*(word.format(tmp=tmp_path) for word in arguments))

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("run",),
        ("run", "x.yaml", "--mount", "claim"),
        ("run", "x.yaml", "--mount", "a=b", "--mount", "a=c"),
        ("run", "x.yaml", "--max-parallel", "0"),
        ("data", "generate", "--rows", "0", "--out", "x.csv"),
    ],
)
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)

    assert done.returncode == 2
    assert "Usage: complaint-pipeline" in done.stderr


def test_verbose_adds_the_traceback() -> None:
    done = command("--verbose", "validate", "none.yaml")

    assert done.returncode == 1
    assert "Traceback" in done.stderr
