"""TFMA's messages without TFMA."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from components.charts import tfma_messages
from components.charts.files import ArtifactError
from components.charts.tfma_messages import message_class


@pytest.fixture
def fresh() -> Iterator[None]:
    """Lets a test read the definitions anew."""
    tfma_messages._factory.cache_clear()
    yield
    tfma_messages._factory.cache_clear()


def test_a_message_can_be_written_and_read() -> None:
    kind = message_class("MetricsForSlice")
    made = kind()
    made.metric_keys_and_values.add().value.double_value.value = 0.5

    read = kind.FromString(made.SerializeToString())

    assert read.metric_keys_and_values[0].value.double_value.value == 0.5
    assert message_class("MetricsForSlice") is kind


def test_an_unknown_message_is_named() -> None:
    with pytest.raises(ArtifactError, match="tensorflow_model_analysis has no message Nothing"):
        message_class("Nothing")


@pytest.mark.usefixtures("fresh")
def test_without_tfma_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ArtifactError, match="tensorflow_model_analysis is not installed"):
        message_class("EvalRun")


@pytest.mark.usefixtures("fresh")
def test_another_version_of_tfma_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "config_pb2.py").write_text("x = f(b'')\n")
    spec = importlib.util.spec_from_loader("tensorflow_model_analysis", None, is_package=True)
    assert spec is not None
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)

    with pytest.raises(ArtifactError, match=r"config_pb2\.py registers no protocol buffers"):
        message_class("EvalRun")


_BOTH = """
from components.charts.tfma_messages import message_class
light = message_class("ValidationResult").DESCRIPTOR
import tensorflow_model_analysis
from tensorflow_model_analysis.proto import validation_result_pb2
own = validation_result_pb2.ValidationResult.DESCRIPTOR
assert own.file.serialized_pb == light.file.serialized_pb
assert own.file.pool is not light.file.pool
"""


@pytest.mark.whole
def test_tfma_can_be_imported_besides() -> None:
    ended = subprocess.run([sys.executable, "-c", _BOTH], capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
