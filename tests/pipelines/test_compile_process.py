"""A compile as a process of its own: the same bytes everywhere, and no other trace."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest

from orchestration.package import read_package

pytestmark = pytest.mark.whole

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "pipelines" / "kubeflow_pipelines" / "pipeline_kubeflow.py"
PIPELINE = "consumer_complaint_pipeline_kubeflow"

# Python imports this module by itself: it refuses every connection and look-up, and notes it.
NO_NETWORK = """
import os, socket

def _refuse(*args, **kwargs):
    with open(os.environ["NETWORK_LOG"], "a") as log:
        print(args, file=log)
    raise OSError("no network in this test")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = _refuse
socket.gethostbyname = _refuse
"""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine of its own, as far as a process can tell."""

    folder: pathlib.Path
    environ: dict[str, str]

    @property
    def cwd(self) -> pathlib.Path:
        return self.folder / "cwd"

    @property
    def network_log(self) -> str:
        return pathlib.Path(self.environ["NETWORK_LOG"]).read_text()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.cwd,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def listing(self) -> list[str]:
        """Lists every file and folder in the home, temporary and working folders."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))


def machine(folder: pathlib.Path, **environ: str) -> Machine:
    patches = folder / "patches"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(NO_NETWORK)
    log = folder / "network.log"
    log.touch()
    view = folder / "machine"
    for name in ("home", "tmp", "cwd"):
        (view / name).mkdir(parents=True)
    return Machine(
        view,
        {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(view / "home"),
            "TMPDIR": str(view / "tmp"),
            "PYTHONPATH": os.pathsep.join([str(patches), str(ROOT)]),
            # Bytecode is Python's own, and other tests may be importing at the same time.
            "PYTHONDONTWRITEBYTECODE": "1",
            "NETWORK_LOG": str(log),
            **environ,
        },
    )


@pytest.fixture(scope="module")
def by_script(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the script has compiled into its working folder."""
    here = machine(
        tmp_path_factory.mktemp("script"), PYTHONHASHSEED="1", LC_ALL="C.UTF-8", TZ="UTC"
    )
    result = here.run(str(SCRIPT), "--output-dir", ".")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"wrote {PIPELINE}.yaml\n"
    assert result.stderr == ""
    return here


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine of other habits, on which the command has compiled with its defaults."""
    here = machine(
        tmp_path_factory.mktemp("command"), PYTHONHASHSEED="4711", LC_ALL="C", TZ="Asia/Tokyo"
    )
    result = here.run("-m", "orchestration", "compile")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"wrote {PIPELINE}.tar.gz\n"
    return here


def test_two_processes_write_the_same_bytes(by_script: Machine, by_command: Machine) -> None:
    plain = by_script.cwd / f"{PIPELINE}.yaml"
    packed = by_command.cwd / f"{PIPELINE}.tar.gz"

    assert read_package(packed).text.encode() == plain.read_bytes()


def test_the_script_writes_nothing_but_its_output(by_script: Machine) -> None:
    assert by_script.listing() == ["cwd", f"cwd/{PIPELINE}.yaml", "home", "tmp"]


def test_the_command_writes_nothing_but_its_output(by_command: Machine) -> None:
    assert by_command.listing() == ["cwd", f"cwd/{PIPELINE}.tar.gz", "home", "tmp"]


def test_a_compile_needs_no_network(by_script: Machine, by_command: Machine) -> None:
    assert by_script.network_log == ""
    assert by_command.network_log == ""


def test_a_connection_would_have_been_noticed(tmp_path: pathlib.Path) -> None:
    here = machine(tmp_path)

    result = here.run("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")

    assert "no network in this test" in result.stderr
    assert here.network_log != ""
