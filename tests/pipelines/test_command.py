"""The command without a compile: help, and errors before TFX is imported."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "pipelines" / "kubeflow_pipelines" / "pipeline_kubeflow.py"

# Runs the command line, and tells on its last line whether TFX or TensorFlow was imported.
CHILD = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        from orchestration.cli import main
        main(sys.argv[1:])
finally:
    print("heavy:", sorted({"tfx", "tensorflow", "apache_beam"} & set(sys.modules)))
"""


def run(*arguments: str, cwd: pathlib.Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [("complaint-pipeline", "compile"), (str(SCRIPT),)], ids=["command", "script"]
)
def test_help_lists_every_option_without_importing_tfx(
    tmp_path: pathlib.Path, command: tuple[str, ...]
) -> None:
    result = run(*command, "--help", cwd=tmp_path)

    assert result.returncode == 0
    for option in (
        "--settings",
        "--set",
        "--output-dir",
        "--output-filename",
        "--plain-entrypoint",
        "--verbose",
    ):
        assert option in result.stdout
    assert "KUBEFLOW_TFX_IMAGE" in result.stdout
    assert result.stdout.endswith("heavy: []\n")


ERRORS = {
    "no settings file": (["--settings", "missing.yaml"], 1, "missing.yaml: cannot read"),
    "broken settings file": (["--settings", "broken.yaml"], 1, "broken.yaml: not valid YAML"),
    "unknown setting": (["--set", "trainer.memry=8G"], 1, "did you mean 'memory'?"),
    "request above limit": (
        ["--set", "trainer.memory=8G", "--set", "trainer.memory_limit=4G"],
        1,
        "trainer.memory: the request of 8G is above the limit of 4G",
    ),
    "malformed setting": (["--set", "trainer.memory"], 1, "write it as NAME=VALUE"),
    "no output folder": (["--output-dir", "none"], 1, "none: there is no such folder"),
    "kind of output": (["--output-filename", "a.txt"], 2, "does not end in .yaml"),
    "unknown option": (["--setting", "a"], 2, "--setting"),
}


@pytest.mark.parametrize(("arguments", "status", "line"), ERRORS.values(), ids=ERRORS.keys())
def test_a_mistake_is_told_without_importing_tfx(
    tmp_path: pathlib.Path, arguments: list[str], status: int, line: str
) -> None:
    (tmp_path / "broken.yaml").write_text("image: [")
    before = sorted(tmp_path.iterdir())

    result = run("complaint-pipeline", "compile", *arguments, cwd=tmp_path)

    assert result.returncode == status
    assert line in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == "heavy: []\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_settings_error_is_one_line(tmp_path: pathlib.Path) -> None:
    result = run("complaint-pipeline", "compile", "--set", "trainer.cpu=x", cwd=tmp_path)

    assert result.stderr.startswith("error: trainer.cpu: 'x' is not a Kubernetes quantity")
    assert len(result.stderr.splitlines()) == 1


def test_verbose_adds_the_traceback(tmp_path: pathlib.Path) -> None:
    result = run(
        "complaint-pipeline", "compile", "--set", "trainer.cpu=x", "--verbose", cwd=tmp_path
    )

    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_wrong_image_in_the_environment_is_told_by_its_variable(tmp_path: pathlib.Path) -> None:
    result = run(
        "complaint-pipeline", "compile", cwd=tmp_path, KUBEFLOW_TFX_IMAGE="tensorflow/tfx:1.15.1"
    )

    assert result.returncode == 1
    assert result.stderr.startswith("error: KUBEFLOW_TFX_IMAGE: image: tensorflow/tfx:1.15.1")
