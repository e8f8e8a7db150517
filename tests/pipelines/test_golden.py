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
COMMITTED = TESTS.parent / "argo_pipeline_files" / "consumer_complaint_pipeline_kubeflow.yaml"
CASES = ["buckets", "everything", "identity", "s3", "module_file", "mysql"]


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


def test_the_committed_workflow_is_what_the_default_settings_compile_to() -> None:
    from pipelines.kubeflow_pipelines.compiler import compile_workflow

    text = compile_workflow(load_settings())

    assert validate_text(text) == []
    committed = COMMITTED.read_text(encoding="utf-8") if COMMITTED.exists() else ""
    assert text == committed, f"{COMMITTED.name} differs: run `make golden`"
