"""Runs the project's commands as a user would, for the end-to-end tests."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
WORKFLOW = PROJECT / "argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml"
SAMPLE = PROJECT / "data/complaints_sample.csv"

#: Enough training to see that it trains, for tests that are about something else.
FEW_STEPS = ("--param", 'train-args={"num_steps": 30}', "--param", 'eval-args={"num_steps": 5}')


@dataclasses.dataclass(frozen=True)
class Workplace:
    """A folder with a volume and a home, and the project whose code is used.

    Attributes:
        folder: The folder.
        project: Root of the project's checkout.
    """

    folder: pathlib.Path
    project: pathlib.Path = PROJECT

    @property
    def volume(self) -> pathlib.Path:
        return self.folder / "volume"

    @property
    def home(self) -> pathlib.Path:
        return self.folder / "home"

    def run_command(self, workflow: pathlib.Path, *options: str) -> list[str]:
        return [
            *(sys.executable, "-m", "orchestration", "run", str(workflow), "--json"),
            *("--mount", f"tfx-pvc={self.volume}", "--home", str(self.home), *options),
        ]

    def environment(self, **variables: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.project), **variables}

    def run(
        self, workflow: pathlib.Path, *options: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return self.command(self.run_command(workflow, *options), **variables)

    def command(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def record(self) -> dict[str, Any]:
        """The record of the newest run."""
        paths = self.home.glob("runs/*/run.json")
        return json.loads(max(paths, key=lambda path: path.stat().st_mtime).read_text())


def workplace(folder: pathlib.Path, csv: pathlib.Path = SAMPLE) -> Workplace:
    """A new workplace with one CSV file on its volume."""
    (folder / "volume/data").mkdir(parents=True)
    shutil.copy(csv, folder / "volume/data")
    return Workplace(folder)


def succeeded(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The record that a run has printed; fails with its output if it has failed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def steps(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The steps of a run by name."""
    return {step["name"]: step for step in record["steps"]}


def only_tasks(
    folder: pathlib.Path, *names: str, workflow: pathlib.Path = WORKFLOW
) -> pathlib.Path:
    """A workflow, cut down to some tasks that no longer wait for the others."""
    manifest = yaml.safe_load(workflow.read_text())
    (entry,) = [template for template in manifest["spec"]["templates"] if "dag" in template]
    tasks = [task for task in entry["dag"]["tasks"] if task["name"] in names]
    for task in tasks:
        task["dependencies"] = [name for name in task.get("dependencies", []) if name in names]
        if not task["dependencies"]:
            del task["dependencies"]
    entry["dag"]["tasks"] = tasks
    path = folder / "cut.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path
