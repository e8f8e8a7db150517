"""The pipeline itself: ExampleGen through Pusher, for every runner."""

from collections.abc import Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.pusher.component import Pusher
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from components import features
from components.approval import Approval
from components.errors import SettingsError
from components.example_gen import CsvExampleGen

#: One complaint in ten is held out for evaluation.
_TRAIN_BUCKETS, _EVAL_BUCKETS = 9, 1


def init_components(
    *,
    data_root: str,
    train_steps: int,
    eval_steps: int,
    auc_lower_bound: float,
    auc_tolerance: float = 0.0,
    decision_threshold: float = 0.5,
    serving_model_dir: str | None = None,
    ai_platform_serving_args: dict[str, Any] | None = None,
    module_file: str | None = None,
    schema_file: str | None = None,
    approval_timeout_seconds: int | None = None,
    warm_start: bool = False,
    example_gen_code_hash: str = "",
    transform_config: dict[str, Any] | None = None,
    trainer_config: dict[str, Any] | None = None,
) -> list[BaseNode]:
    """Creates the components, from CSV files to a pushed model.

    Each call makes new components, because a runner changes those that it compiles.

    Args:
        data_root: Folder or URI of the CSV files; the default of run parameter ``data-root``.
        train_steps: Batches to train on; the default of run parameter ``train-args``.
        eval_steps: Batches to evaluate on; the default of run parameter ``eval-args``.
        auc_lower_bound: Least AUC on the eval split, from 0 to 1, for a blessing.
        auc_tolerance: How far below the blessed baseline's AUC the new model may be.
        decision_threshold: Probability from which a complaint counts as disputed, in the
            reported accuracy, precision and recall.
        serving_model_dir: Folder or URI to push a blessed model to.
        ai_platform_serving_args: Google Cloud model to push a blessed model to, instead.
        module_file: Python file with ``preprocessing_fn`` and ``run_fn``; ``None`` takes the
            installed package's own.
        schema_file: Curated schema to import; ``None`` infers the schema from the statistics.
        approval_timeout_seconds: How long a person may take to approve a blessed model before it
            is pushed; ``None`` pushes it without.
        warm_start: Give the Trainer the model that was blessed last, to start from.
        example_gen_code_hash: Hash of the code that reads the CSV files, for the cache key.
        transform_config: What ``preprocessing_fn`` gets as ``custom_config``.
        trainer_config: What ``run_fn`` gets as ``custom_config``.

    Returns:
        CsvExampleGen, StatisticsGen, SchemaGen or ImportSchemaGen, ExampleValidator,
        Transform, Resolver, Trainer, Evaluator, Approval where asked for, and Pusher.

    Raises:
        SettingsError: If both or neither of the deployment targets are given.
    """
    if (serving_model_dir is None) == (ai_platform_serving_args is None):
        given = "neither is" if serving_model_dir is None else "both are"
        raise SettingsError(
            "give exactly one deployment target, serving_model_dir or ai_platform_serving_args: "
            f"{given} given"
        )

    example_gen = CsvExampleGen(
        input_base=RuntimeParameter(name="data-root", ptype=str, default=data_root),
        output_config=example_gen_pb2.Output(
            split_config=example_gen_pb2.SplitConfig(
                splits=[
                    example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=_TRAIN_BUCKETS),
                    example_gen_pb2.SplitConfig.Split(name="eval", hash_buckets=_EVAL_BUCKETS),
                ]
            )
        ),
        code_hash=example_gen_code_hash,
    )
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    if schema_file is None:
        schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    else:
        schema_gen = ImportSchemaGen(schema_file=schema_file)
    schema = schema_gen.outputs["schema"]
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )
    user_code: dict[str, Any] = {"module_file": module_file} if module_file else {}
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema,
        # StatisticsGen has the statistics already, and nothing reads an analyzer cache.
        disable_statistics=True,
        disable_analyzer_cache=True,
        custom_config=transform_config,
        **(user_code or {"preprocessing_fn": "components.module.preprocessing_fn"}),
    )
    resolver = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("Resolver")
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        # Protocol buffers as run parameters are JSON text (tfx.utils.proto_utils).
        train_args=RuntimeParameter(
            name="train-args", ptype=str, default=f'{{"num_steps": {train_steps}}}'
        ),
        eval_args=RuntimeParameter(
            name="eval-args", ptype=str, default=f'{{"num_steps": {eval_steps}}}'
        ),
        base_model=resolver.outputs["model"] if warm_start else None,
        custom_config=trainer_config,
        **(user_code or {"run_fn": "components.module.run_fn"}),
    )
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs["model"],
        eval_config=eval_config(
            auc_lower_bound=auc_lower_bound,
            auc_tolerance=auc_tolerance,
            decision_threshold=decision_threshold,
        ),
    )
    approval = None
    if approval_timeout_seconds is not None:
        approval = Approval(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            timeout_seconds=approval_timeout_seconds,
        )
    return [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        transform,
        resolver,
        trainer,
        evaluator,
        *([] if approval is None else [approval]),
        _pusher(trainer, evaluator, approval, serving_model_dir, ai_platform_serving_args),
    ]


def eval_config(
    *, auc_lower_bound: float, auc_tolerance: float, decision_threshold: float
) -> tfma.EvalConfig:
    """Returns what the Evaluator measures, and what a model must reach.

    AUC is the gate, because accuracy is not: always answering "not disputed" is right for
    four complaints in five.

    Args:
        auc_lower_bound: Least AUC for a blessing.
        auc_tolerance: How far below the baseline's AUC the candidate's may be.
        decision_threshold: Probability from which a complaint counts as disputed.

    Returns:
        Metrics overall and by ``product``; the gate holds for all complaints together.
    """
    at_threshold = f'"thresholds": [{decision_threshold}]'
    auc = tfma.MetricConfig(
        class_name="AUC",
        # A plain threshold would hold for every product, down to those with a handful of
        # complaints, whose AUC is chance.
        per_slice_thresholds=[
            tfma.PerSliceMetricThreshold(
                slicing_specs=[tfma.SlicingSpec()],
                threshold=tfma.MetricThreshold(
                    value_threshold=tfma.GenericValueThreshold(
                        lower_bound={"value": auc_lower_bound}
                    ),
                    change_threshold=tfma.GenericChangeThreshold(
                        direction=tfma.MetricDirection.HIGHER_IS_BETTER,
                        # An equal model is not worse, however the difference is rounded.
                        absolute={"value": -auc_tolerance - 1e-10},
                    ),
                ),
            )
        ],
    )
    metrics = [
        auc,
        tfma.MetricConfig(class_name="AUCPrecisionRecall"),
        tfma.MetricConfig(
            class_name="BinaryAccuracy", config=f'{{"threshold": {decision_threshold}}}'
        ),
        tfma.MetricConfig(class_name="Precision", config=f"{{{at_threshold}}}"),
        tfma.MetricConfig(class_name="Recall", config=f"{{{at_threshold}}}"),
        tfma.MetricConfig(class_name="MeanLabel"),
        tfma.MetricConfig(class_name="MeanPrediction"),
        tfma.MetricConfig(class_name="Calibration"),
        tfma.MetricConfig(class_name="CalibrationPlot", config='{"num_buckets": 20}'),
        # The ROC curve. TFMA derives it from the histogram that AUC needs anyway.
        tfma.MetricConfig(class_name="ConfusionMatrixPlot", config='{"num_thresholds": 100}'),
        tfma.MetricConfig(class_name="ExampleCount"),
    ]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name="serving_default",
                label_key=features.LABEL_KEY,
                prediction_key="probability",
            )
        ],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["product"])],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


def _pusher(
    trainer: Trainer,
    evaluator: Evaluator,
    approval: Approval | None,
    serving_model_dir: str | None,
    ai_platform_serving_args: dict[str, Any] | None,
) -> Pusher:
    blessings = {"model_blessing": evaluator.outputs["blessing"]}
    if approval is not None:
        blessings["infra_blessing"] = approval.outputs["approval"]
    model = trainer.outputs["model"]
    if serving_model_dir is not None:
        return Pusher(
            model=model,
            **blessings,
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=serving_model_dir)
            ),
        )
    # Imported here, because it brings seconds of Google Cloud clients.
    from tfx.extensions.google_cloud_ai_platform.pusher import executor

    return Pusher(
        model=model,
        **blessings,
        custom_executor_spec=ExecutorClassSpec(executor.Executor),
        custom_config={executor.SERVING_ARGS_KEY: ai_platform_serving_args},
    )


def init_pipeline(
    *,
    components: Sequence[BaseNode],
    pipeline_name: str,
    pipeline_root: str,
    beam_pipeline_args: list[str],
    enable_cache: bool = True,
    metadata_connection_config: Any = None,
) -> Pipeline:
    """Makes a pipeline of the components.

    Args:
        components: What ``init_components`` returns.
        pipeline_name: Name of the pipeline and of its metadata context.
        pipeline_root: Folder or URI under which the components write.
        beam_pipeline_args: Flags for Beam.
        enable_cache: Reuse the outputs of an earlier execution with the same inputs.
        metadata_connection_config: Metadata store for runners other than Kubeflow's, which
            configures its own.

    Returns:
        The pipeline, ready for a runner.
    """
    return Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=pipeline_root,
        components=list(components),
        enable_cache=enable_cache,
        metadata_connection_config=metadata_connection_config,
        beam_pipeline_args=beam_pipeline_args,
    )
