"""Whole compiled workflows, compared with committed files."""

import pathlib
from collections.abc import Callable

import pytest

from orchestration.validation import validate_text
from pipelines.settings import load_settings

pytestmark = [
    pytest.mark.whole,
    pytest.mark.golden,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

TESTS = pathlib.Path(__file__).parents[1]
PROJECT = TESTS.parent
CASES = [
    "ai_platform",
    "buckets",
    "everything",
    "google_cloud",
    "identity",
    "module_file",
    "mysql",
    "s3",
]


@pytest.mark.parametrize("case", CASES)
def test_settings_compile_to_the_golden_file(
    golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    from components import entrypoint
    from pipelines.kubeflow_pipelines import compiler

    # Otherwise every change of the components would change these files.
    for module in (compiler, entrypoint):
        monkeypatch.setattr(module, "code_hash", lambda *_: "0" * 64)

    text = compiler.compile_workflow(load_settings(TESTS / "golden" / f"{case}.settings.yaml"))

    assert validate_text(text) == []
    golden(f"{case}.yaml", text)


@pytest.mark.parametrize("script", ["pipeline_kubeflow", "pipeline_kubeflow_gcp"])
def test_the_committed_workflow_is_what_the_script_compiles(script: str) -> None:
    from pipelines.kubeflow_pipelines.compiler import compile_workflow

    settings_file = PROJECT / "pipelines/kubeflow_pipelines" / f"{script}.settings.yaml"
    text = compile_workflow(load_settings(settings_file if settings_file.exists() else None))

    assert validate_text(text) == []
    path = PROJECT / "argo_pipeline_files" / f"consumer_complaint_{script}.yaml"
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == committed, f"{path.name} differs: run `make golden`"
