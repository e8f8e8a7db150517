"""Renders manifests as `kubectl kustomize` does."""

import functools
import pathlib
import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

MANIFESTS = pathlib.Path(__file__).parents[2] / "manifests"
#: The oldest and the newest Kubernetes that the validator knows.
KUBERNETES_VERSIONS = [
    kubernetes_validate.utils.all_versions()[0],
    kubernetes_validate.latest_version(),
]

Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="no kubectl on PATH: apt-get install kubernetes-client"
)


@functools.cache
def kubectl_minor() -> int:
    done = subprocess.run(
        ["kubectl", "version", "--client"], capture_output=True, text=True, check=True
    )
    found = re.search(r"v1\.(\d+)\.", done.stdout)
    assert found, done.stdout
    return int(found[1])


def older_kustomize(manifests: pathlib.Path) -> None:
    """Names fields as kubectl before 1.21 knows them; Debian 12 has 1.20.

    It is too old for the clusters of today, which the manifests are for, but can render them.
    """
    for path in manifests.rglob("kustomization.yaml"):
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        resources, patches = text.pop("resources"), text.pop("patches", [])
        text["resources"] = [name for name in resources if name.endswith(".yaml")]
        text["bases"] = [name for name in resources if not name.endswith(".yaml")]
        text["patchesStrategicMerge"] = []
        for number, patch in enumerate(patches):
            name = patch.get("path", f"patch-{number}.yaml")
            if "patch" in patch:
                (path.parent / name).write_text(patch["patch"], encoding="utf-8")
            text["patchesStrategicMerge"].append(name)
        path.write_text(yaml.safe_dump(text), encoding="utf-8")


def render(folder: pathlib.Path) -> list[Object]:
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Nothing that kustomize has deprecated.
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))
