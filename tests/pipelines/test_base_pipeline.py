"""The pipeline's components, by what TFX and TFMA make of them."""

import json
import pathlib
from typing import Any

import pytest

from components import features
from components.errors import SettingsError

pytestmark = pytest.mark.whole

PROJECT = pathlib.Path(__file__).resolve().parents[2]
DATA_ROOT = "/tfx-data/data"


def components(**overrides: Any) -> list[Any]:
    from pipelines.base_pipeline import init_components

    arguments: dict[str, Any] = {
        "data_root": DATA_ROOT,
        "train_steps": 30,
        "eval_steps": 20,
        "auc_lower_bound": 0.6,
        "serving_model_dir": "/tfx-data/serving",
    }
    return init_components(**{**arguments, **overrides})


def by_id(**overrides: Any) -> dict[str, Any]:
    return {component.id: component for component in components(**overrides)}


def test_the_components_are_in_order() -> None:
    assert [component.id for component in components()] == [
        "CsvExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "PreviousStatistics",
        "ExampleValidator",
        "Transform",
        "Resolver",
        "Trainer",
        "Evaluator",
        "InfraValidator",
        "Pusher",
    ]


def test_the_components_are_tfxs_types() -> None:
    from tfx import v1 as tfx

    from components.infra_validator import InfraValidator

    types = [
        tfx.components.CsvExampleGen,
        tfx.components.StatisticsGen,
        tfx.components.ImportSchemaGen,
        tfx.dsl.Resolver,
        tfx.components.ExampleValidator,
        tfx.components.Transform,
        tfx.dsl.Resolver,
        tfx.components.Trainer,
        tfx.components.Evaluator,
        InfraValidator,
        tfx.components.Pusher,
    ]
    for component, kind in zip(components(), types, strict=True):
        assert isinstance(component, kind)


def test_each_call_makes_new_components() -> None:
    first, second = components(), components()

    assert not {id(component) for component in first} & {id(component) for component in second}


@pytest.mark.parametrize(
    ("arguments", "schema_gen"),
    [
        ({}, "ImportSchemaGen"),
        ({"schema_file": "gs://bucket/schema.pbtxt"}, "ImportSchemaGen"),
        ({"infer_schema": True}, "SchemaGen"),
    ],
)
def test_one_schema_is_used_everywhere(arguments: dict[str, Any], schema_gen: str) -> None:
    made = by_id(**arguments)

    assert [name for name in made if name.endswith("SchemaGen")] == [schema_gen]
    for name in ("ExampleValidator", "Transform", "Trainer"):
        assert made[name].inputs["schema"] is made[schema_gen].outputs["schema"]


def test_the_curated_schema_is_known_by_its_content_and_not_by_a_path() -> None:
    import hashlib

    content = (PROJECT / "components/schema.pbtxt").read_bytes()

    assert by_id()["ImportSchemaGen"].exec_properties == {
        "resource": "components/schema.pbtxt",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_a_schema_file_wins_over_the_curated_schema() -> None:
    made = by_id(schema_file="gs://bucket/schema.pbtxt")

    assert made["ImportSchemaGen"].exec_properties == {"schema_file": "gs://bucket/schema.pbtxt"}


@pytest.mark.parametrize(("fail_on_anomalies", "waits"), [(True, True), (False, False)])
def test_transform_waits_for_a_validation_that_may_stop_the_run(
    fail_on_anomalies: bool, waits: bool
) -> None:
    made = by_id(fail_on_anomalies=fail_on_anomalies)

    assert (made["ExampleValidator"] in made["Transform"].upstream_nodes) is waits


def test_what_the_model_was_asked_is_read_only_where_it_is_given() -> None:
    made = by_id(serving_root="/tfx-data/asked")

    assert not {"ServingExampleGen", "ServingStatisticsGen"} & set(by_id())
    root = made["ServingExampleGen"].exec_properties["input_base"]
    assert (root.name, root.default) == ("serving-root", "/tfx-data/asked")
    statistics = made["ServingStatisticsGen"]
    assert statistics.inputs["examples"] is made["ServingExampleGen"].outputs["examples"]
    assert made["ExampleValidator"].inputs["serving_statistics"] is statistics.outputs["statistics"]
    assert made["Transform"].inputs["examples"] is made["CsvExampleGen"].outputs["examples"]


def test_statistics_are_compared_with_previous_ones() -> None:
    made = by_id()

    previous = made["PreviousStatistics"]
    assert previous.raw_inputs["current"] is made["StatisticsGen"].outputs["statistics"]
    assert made["ExampleValidator"].inputs["previous_statistics"] is previous.outputs["statistics"]


def test_one_complaint_in_ten_is_held_out() -> None:
    config = json.loads(by_id()["CsvExampleGen"].exec_properties["output_config"])

    assert config == {
        "split_config": {
            "splits": [{"name": "train", "hash_buckets": 9}, {"name": "eval", "hash_buckets": 1}]
        }
    }


def test_only_an_input_with_spans_has_a_parameter_for_their_range() -> None:
    plain = by_id()["CsvExampleGen"].exec_properties
    spans = by_id(input_pattern="span-{SPAN}/*.csv", span_window=3)["CsvExampleGen"]

    assert plain["range_config"] is None
    parameter = spans.exec_properties["range_config"]
    assert parameter.name == "range-config"
    assert json.loads(parameter.default) == {"rolling_range": {"num_spans": 3}}
    (split,) = json.loads(spans.exec_properties["input_config"])["splits"]
    assert split["pattern"] == "span-{SPAN}/*.csv"


def test_the_driver_that_resolves_spans_is_the_one_that_pods_run() -> None:
    from tfx.dsl.compiler.compiler import Compiler
    from tfx.orchestration.pipeline import Pipeline
    from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

    compiled = Compiler().compile(
        Pipeline(pipeline_name="p", pipeline_root="/r", components=components())
    )

    config = pipeline_pb2.IntermediateDeploymentConfig()
    compiled.deployment_config.Unpack(config)
    driver = executable_spec_pb2.PythonClassExecutableSpec()
    config.custom_driver_specs["CsvExampleGen"].Unpack(driver)
    assert driver.class_path == "components.span_driver.Driver"


@pytest.mark.parametrize(
    ("targets", "given"),
    [
        ({"serving_model_dir": None}, "neither is given"),
        ({"ai_platform_serving_args": {"model_name": "m"}}, "both are given"),
    ],
)
def test_exactly_one_deployment_target(targets: dict[str, Any], given: str) -> None:
    with pytest.raises(SettingsError) as raised:
        components(**targets)

    line = str(raised.value)
    assert "serving_model_dir" in line
    assert "ai_platform_serving_args" in line
    assert given in line


def test_a_model_is_pushed_to_the_folder_when_it_is_blessed() -> None:
    made = by_id()

    destination = json.loads(made["Pusher"].exec_properties["push_destination"])
    assert destination == {"filesystem": {"base_directory": "/tfx-data/serving"}}
    assert made["Pusher"].inputs["model"] is made["Trainer"].outputs["model"]
    assert made["Pusher"].inputs["model_blessing"] is made["Evaluator"].outputs["blessing"]
    assert made["Pusher"].inputs["infra_blessing"] is made["InfraValidator"].outputs["blessing"]


def test_the_baseline_is_the_latest_pushed_model() -> None:
    from tfx.dsl.components.common import resolver

    made = by_id()

    strategy = made["Resolver"].exec_properties[resolver.RESOLVER_STRATEGY_CLASS]
    assert strategy.__name__ == "LatestPushedModelStrategy"
    assert made["Evaluator"].inputs["baseline_model"] is made["Resolver"].outputs["model"]
    assert made["Evaluator"].inputs["model"] is made["Trainer"].outputs["model"]


def test_the_trainer_starts_from_the_baseline_only_where_asked_to() -> None:
    assert "base_model" not in by_id()["Trainer"].inputs

    made = by_id(warm_start=True)

    assert made["Trainer"].inputs["base_model"] is made["Resolver"].outputs["model"]


def test_data_folder_and_steps_are_run_parameters() -> None:
    made = by_id()
    found = {
        parameter.name: parameter.default
        for parameter in (
            made["CsvExampleGen"].exec_properties["input_base"],
            made["Trainer"].exec_properties["train_args"],
            made["Trainer"].exec_properties["eval_args"],
        )
    }

    assert found == {
        "data-root": DATA_ROOT,
        "train-args": '{"num_steps": 30}',
        "eval-args": '{"num_steps": 20}',
    }


def test_code_is_the_installed_packages_by_default() -> None:
    made = by_id()

    assert made["Transform"].exec_properties["preprocessing_fn"] == (
        "components.module.preprocessing_fn"
    )
    assert made["Trainer"].exec_properties["run_fn"] == "components.module.run_fn"
    assert made["Transform"].exec_properties["module_file"] is None


def test_custom_configs_reach_transform_and_trainer() -> None:
    made = by_id(transform_config={"a": 1}, trainer_config={"b": [2]})

    assert json.loads(made["Transform"].exec_properties["custom_config"]) == {"a": 1}
    assert json.loads(made["Trainer"].exec_properties["custom_config"]) == {"b": [2]}


# The gate, by TFMA's own judgement


def blessed(
    candidate: float,
    baseline: float | None = None,
    *,
    tolerance: float = 0.0,
    slice_key: tuple[tuple[str, str], ...] = (),
) -> bool:
    """Asks TFMA whether a model with such an AUC is blessed, with the bound at 0.6."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.evaluators import metrics_validator
    from tensorflow_model_analysis.metrics import metric_specs

    from pipelines.base_pipeline import eval_config

    config = tfma.utils.update_eval_config_with_defaults(
        eval_config(auc_lower_bound=0.6, auc_tolerance=tolerance, decision_threshold=0.25),
        has_baseline=baseline is not None,
        # As TFX's Evaluator does: without a baseline, only the absolute bound holds.
        rubber_stamp=True,
    )
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(
        config.metrics_specs, eval_config=config
    )
    metrics: dict[Any, float] = {}
    for key in thresholds:
        if key.is_diff:
            assert baseline is not None
            metrics[key] = candidate - baseline
            metrics[key.make_baseline_key("baseline")] = baseline
        elif key.model_name != "baseline":
            metrics[key] = candidate
    assert metrics
    return metrics_validator.validate_metrics((slice_key, metrics), config).validation_ok


@pytest.mark.parametrize(("auc", "verdict"), [(0.59, False), (0.6, True), (0.7, True)])
def test_the_first_model_must_reach_the_bound(auc: float, verdict: bool) -> None:
    assert blessed(auc) is verdict


@pytest.mark.parametrize(
    ("auc", "baseline", "verdict"),
    [
        (0.70, 0.71, False),
        (0.71, 0.71, True),
        (0.72, 0.71, True),
        (0.59, 0.50, False),
    ],
)
def test_a_later_model_must_reach_the_bound_and_not_be_worse(
    auc: float, baseline: float, verdict: bool
) -> None:
    assert blessed(auc, baseline) is verdict


@pytest.mark.parametrize(("auc", "verdict"), [(0.69, True), (0.67, False)])
def test_a_tolerance_lets_a_model_be_a_little_worse(auc: float, verdict: bool) -> None:
    assert blessed(auc, 0.7, tolerance=0.02) is verdict


def test_one_products_auc_does_not_decide() -> None:
    assert blessed(0.1, 0.9, slice_key=(("product", "Mortgage"),))


def test_metrics_are_reported_overall_and_by_product() -> None:
    from pipelines.base_pipeline import eval_config

    config = eval_config(auc_lower_bound=0.6, auc_tolerance=0, decision_threshold=0.25)

    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [
        [],
        ["product"],
        ["state"],
        ["company_response"],
    ]
    names = {metric.class_name for spec in config.metrics_specs for metric in spec.metrics}
    assert names >= {"AUC", "BinaryAccuracy", "Precision", "Recall", "Calibration", "ExampleCount"}


def test_tfma_takes_the_label_and_the_prediction_by_name() -> None:
    from pipelines.base_pipeline import eval_config

    (spec,) = eval_config(auc_lower_bound=0.6, auc_tolerance=0, decision_threshold=0.25).model_specs

    assert spec.label_key == features.LABEL_KEY
    assert spec.prediction_key == "probability"


def test_metrics_at_a_threshold_are_at_the_decision_threshold() -> None:
    from pipelines.base_pipeline import eval_config

    config = eval_config(auc_lower_bound=0.6, auc_tolerance=0, decision_threshold=0.31)

    at = {metric.class_name: metric.config for metric in config.metrics_specs[0].metrics}
    assert json.loads(at["BinaryAccuracy"]) == {"threshold": 0.31}
    assert json.loads(at["Precision"]) == {"thresholds": [0.31]}
    assert json.loads(at["Recall"]) == {"thresholds": [0.31]}
