"""The set-up that `make` and the Dockerfile share."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[1]
TOOLS = ("sh", "cat", "cksum", "tr", "dirname", "rm", "touch", "uname", "env", "flock")


@pytest.mark.whole
def test_the_image_steps_install_a_package_that_works_elsewhere(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "src"
    # What the Dockerfile copies.
    for name in ("requirements.txt", "requirements-uv.txt", "setup.py", "README.md"):
        source.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, source)
    for name in ("scripts", "components", "pipelines", "orchestration", "data"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("*.csv"))
    venv = tmp_path / "venv"

    subprocess.run([source / "scripts/install.sh", venv, "requirements.txt"], check=True)

    shutil.rmtree(source)
    done = subprocess.run(
        [venv / "bin/python", "-m", "orchestration", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0.1.0" in done.stdout
    place = subprocess.run(
        [venv / "bin/python", "-c", "import components.features as f; print(f.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert pathlib.Path(place.stdout.strip()).is_relative_to(venv)
    assert list((venv / "lib").glob("python3.10/site-packages/tfx/__pycache__/*.pyc"))


def test_the_dockerfile_copies_what_the_ignore_file_lets_through() -> None:
    allowed = {
        line[1:].split("/")[0]
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        word.split("/")[0]
        for line in (PROJECT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }

    assert copied == allowed


def test_without_python_3_10_there_is_one_clear_line(tmp_path: pathlib.Path) -> None:
    if pathlib.Path("/usr/local/bin/python3.10").exists():
        pytest.skip("Python 3.10 is at a fixed place of this machine")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    # A uv that knows no Python, and cannot get one.
    (tools / "uv").write_text("#!/bin/sh\nexit 2\n")
    (tools / "uv").chmod(0o755)

    done = subprocess.run(
        [PROJECT / "scripts/install.sh", tmp_path / "venv", "requirements.txt"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "install: Python 3.10 not found" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "venv").exists()


def test_a_copied_environment_is_made_anew(tmp_path: pathlib.Path) -> None:
    # The stamp of an environment that was made for another folder.
    venv = tmp_path / ".venv"
    venv.mkdir()
    for stamp in (PROJECT / ".venv").glob(".installed-*"):
        (venv / stamp.name).touch()
    (tmp_path / "uv").write_text("#!/bin/sh\necho uv was asked >&2\nexit 2\n")
    (tmp_path / "uv").chmod(0o755)

    done = subprocess.run(
        [PROJECT / "scripts/install.sh", ".venv", "requirements-dev.txt", "--editable"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "uv was asked" in done.stderr


def test_a_second_set_up_does_nothing() -> None:
    stamps = list((PROJECT / ".venv").glob(".installed-*"))
    if not stamps or pathlib.Path(sys.prefix) != PROJECT / ".venv":
        pytest.skip("the tests do not run from .venv")

    done = subprocess.run(
        [PROJECT / "scripts/install.sh", ".venv", "requirements-dev.txt", "--editable"],
        cwd=PROJECT,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
