"""What the container image starts, and with which Beam."""

import pathlib
import re
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def programs(tmp_path: pathlib.Path) -> pathlib.Path:
    """Stand-ins that tell who was started, and with which arguments."""
    for name in ("boot", "complaint-pipeline"):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "{name}" "$@"\n')
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "started"),
    [
        (["--id=sdk-0-0", "--control_endpoint=localhost:1"], "boot"),
        (["--logging_endpoint=localhost:1", "--id=sdk-0-0"], "boot"),
        (["--worker_pool"], "boot"),
        (["compile", "--help"], "complaint-pipeline"),
        (["--verbose", "runs"], "complaint-pipeline"),
        ([], "complaint-pipeline"),
    ],
)
def test_it_starts_beams_worker_for_beam_and_the_command_for_people(
    programs: pathlib.Path, arguments: list[str], started: str
) -> None:
    done = subprocess.run(
        [PROJECT / "scripts/image_entrypoint.sh", *arguments],
        env={"PATH": f"{programs}:/usr/bin:/bin", "BEAM_BOOT": str(programs / "boot")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [started, *arguments]


def test_its_worker_is_of_the_beam_that_is_locked() -> None:
    image = re.search(r"apache/beam_python3\.10_sdk:(\S+)", (PROJECT / "Dockerfile").read_text())
    locked = re.search(
        r"^apache-beam==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE
    )

    assert image is not None
    assert locked is not None
    assert image[1] == locked[1]
