"""TFX's own command line compiles the script, for those who prefer it."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.whole

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = pathlib.Path("pipelines/kubeflow_pipelines/pipeline_kubeflow.py")
OUTPUT = pathlib.Path("argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml")


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the script and a place for its output; the script writes beside itself."""
    folder = tmp_path / "project"
    for path in (SCRIPT, OUTPUT):
        (folder / path).parent.mkdir(parents=True)
    shutil.copy(ROOT / SCRIPT, folder / SCRIPT)
    return folder


def tfx_pipeline_compile(project: pathlib.Path, **environ: str) -> subprocess.CompletedProcess[str]:
    home = project.parent / "home"
    home.mkdir()
    arguments = ["--engine", "kubeflow", "--pipeline-path", str(SCRIPT)]
    # The console script `tfx`, without the need that it be on PATH.
    command = "import sys; from tfx.tools.cli.cli_main import cli_group; sys.exit(cli_group())"
    return subprocess.run(
        [sys.executable, "-c", command, "pipeline", "compile", *arguments],
        cwd=project,
        env={
            # TFX's command line looks for kfp in what `pip` lists: the environment's own.
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.defpath]),
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_tfx_pipeline_compile_writes_what_the_script_writes(project: pathlib.Path) -> None:
    done = tfx_pipeline_compile(project)

    assert done.returncode == 0, done.stderr
    assert (project / OUTPUT).read_bytes() == (ROOT / OUTPUT).read_bytes()
    # The path that TFX prints is that of the file, and there is no other package.
    assert f"Pipeline package path: {project / OUTPUT}\n" in done.stdout
    files = [path for path in project.rglob("*") if path.is_file()]
    assert sorted(files) == sorted([project / SCRIPT, project / OUTPUT])


def test_tfx_pipeline_compile_fails_where_the_settings_are_refused(project: pathlib.Path) -> None:
    done = tfx_pipeline_compile(project, KUBEFLOW_TFX_IMAGE="not an image")

    assert done.returncode == 1
    assert "image" in done.stderr.splitlines()[-1]
    assert not (project / OUTPUT).exists()
