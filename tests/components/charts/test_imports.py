"""What the charts need to be imported."""

import subprocess
import sys

_CHECK = """
import sys
from components import kubeflow_metrics
from components.charts import (
    anomalies, evaluation, model, schema, statistics, training, transform
)

assert not {"tensorflow", "tensorflow_data_validation", "apache_beam", "tfx",
    "tensorflow_model_analysis"} & set(sys.modules)
for read in (
    anomalies.anomalies_section,
    schema.schema_section,
    statistics.statistics_section,
    transform.transform_section,
    training.training_section,
    evaluation.evaluation_section,
    model.model_section,
):
    assert read("no/such/folder").blocks
assert "tensorflow" not in sys.modules
"""


def test_local_artifacts_need_no_tensorflow() -> None:
    ended = subprocess.run([sys.executable, "-c", _CHECK], capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
