"""The pipeline itself: ExampleGen through Pusher, for every runner."""

from collections.abc import Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.components.evaluator.component import Evaluator
from tfx.components.pusher.component import Pusher
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.components.tuner.component import Tuner
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import features
from components.approval import Approval
from components.baseline_model import LatestPushedModelStrategy
from components.errors import SettingsError
from components.example_gen import CsvExampleGen, ServingExampleGen
from components.example_validator import ExampleValidator
from components.google_cloud_keys import (
    ENABLE_VERTEX_KEY,
    SERVING_ARGS_KEY,
    TRAINING_ARGS_KEY,
    VERTEX_REGION_KEY,
)
from components.import_schema_gen import ImportSchemaFileGen
from components.import_schema_gen import ImportSchemaGen as ImportCuratedSchemaGen
from components.infra_validator import InfraValidator
from components.previous_statistics import PreviousStatisticsStrategy
from components.slice_metrics import AucUpperBound
from components.spans import InputPattern

#: One complaint in ten is held out for evaluation.
_TRAIN_BUCKETS, _EVAL_BUCKETS = 9, 1


def init_components(
    *,
    data_root: str,
    serving_root: str | None = None,
    train_steps: int,
    eval_steps: int,
    auc_lower_bound: float,
    auc_tolerance: float = 0.0,
    worst_slice_auc_lower_bound: float | None = None,
    min_slice_examples: int = 100,
    decision_threshold: float = 0.5,
    serving_model_dir: str | None = None,
    ai_platform_training_args: dict[str, Any] | None = None,
    ai_platform_serving_args: dict[str, Any] | None = None,
    vertex_region: str | None = None,
    module_file: str | None = None,
    schema_file: str | None = None,
    infer_schema: bool = False,
    fail_on_anomalies: bool = True,
    fail_on_drift: bool = False,
    raise_on_refusal: bool = True,
    approval_timeout_seconds: int | None = None,
    input_pattern: str = "*.csv",
    span_window: int = 1,
    warm_start: bool = False,
    example_gen_code_hash: str = "",
    serving_check_code_hash: str = "",
    example_validator_code_hash: str = "",
    transform_config: dict[str, Any] | None = None,
    trainer_config: dict[str, Any] | None = None,
    pusher_config: dict[str, Any] | None = None,
    tuner_config: dict[str, Any] | None = None,
    tuning_steps: int = 300,
) -> list[BaseNode]:
    """Creates the components, from CSV files to a pushed model.

    Each call makes new components, because a runner changes those that it compiles.

    Args:
        data_root: Folder or URI of the CSV files; the default of run parameter ``data-root``.
        serving_root: Folder or URI of CSV files of what the model was asked, to measure skew
            against; the default of run parameter ``serving-root``. ``None`` measures none.
        train_steps: Batches to train on; the default of run parameter ``train-args``.
        eval_steps: Batches to evaluate on; the default of run parameter ``eval-args``.
        auc_lower_bound: Least AUC on the eval split, from 0 to 1, for a blessing.
        auc_tolerance: How far below the AUC of the baseline, the model that was pushed last, the
            new model may be.
        worst_slice_auc_lower_bound: AUC that no slice may be below for certain; ``None`` for no
            such gate.
        min_slice_examples: Slices with fewer examples are not held to that.
        decision_threshold: Probability from which a complaint counts as disputed, in the
            reported accuracy, precision and recall.
        serving_model_dir: Folder or URI to push a blessed model to.
        ai_platform_training_args: Google Cloud job to train by, instead of in the Trainer's own
            process: a CustomJob of Vertex AI, or the TrainingInput of AI Platform, and a
            ``project``.
        ai_platform_serving_args: Google Cloud model to push a blessed model to, instead: what
            Vertex AI's ``Model.deploy`` takes, or a version of AI Platform's model.
        vertex_region: Region of Vertex AI, for both; ``None`` is the legacy AI Platform.
        module_file: Python file with ``preprocessing_fn`` and ``run_fn``; ``None`` takes the
            installed package's own.
        schema_file: Curated schema to import; ``None`` takes the package's own.
        infer_schema: Whether to infer the schema from the statistics instead.
        fail_on_anomalies: Whether data that do not fit the schema stop the run before Transform.
        fail_on_drift: Whether drift and skew do so as well.
        raise_on_refusal: Whether ExampleValidator's execution then fails; otherwise its step does,
            by ``components.entrypoint``, and the anomalies stay.
        approval_timeout_seconds: How long a person may take to approve a blessed model before it
            is pushed; ``None`` pushes it without.
        input_pattern: Pattern of the files below ``data_root``, perhaps with spans.
        span_window: How many spans up to the newest to train on; the default of run parameter
            ``range-config``, which only an ``input_pattern`` with spans has.
        warm_start: Give the Trainer the model that was pushed last, to start from.
        example_gen_code_hash: Hash of the code that reads the CSV files, for the cache key.
        serving_check_code_hash: Hash of the code that checks the exported model.
        example_validator_code_hash: Hash of the code that validates, likewise.
        transform_config: What ``preprocessing_fn`` gets as ``custom_config``.
        trainer_config: What ``run_fn`` gets as ``custom_config``.
        pusher_config: More of the Pusher's ``custom_config``, where Google Cloud serves.
        tuner_config: What ``tuner_fn`` gets as ``custom_config``; ``None`` for no Tuner.
        tuning_steps: Batches that each of Tuner's models is trained on.

    Returns:
        CsvExampleGen, StatisticsGen, SchemaGen or ImportSchemaGen, the Resolver
        PreviousStatistics, ServingExampleGen and ServingStatisticsGen where asked for,
        ExampleValidator, Transform, Resolver, Tuner where asked for, Trainer, Evaluator,
        InfraValidator, Approval where asked for, and Pusher, in this order.

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
        input_pattern=input_pattern,
        range_config=_range_config(span_window) if InputPattern(input_pattern).has_spans else None,
        code_hash=example_gen_code_hash,
    )
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = _schema_gen(statistics_gen, schema_file, infer_schema)
    schema = schema_gen.outputs["schema"]
    serving = [] if serving_root is None else _serving(serving_root, example_gen_code_hash)
    previous_statistics = Resolver(
        strategy_class=PreviousStatisticsStrategy,
        current=statistics_gen.outputs["statistics"],
        # With the producer's id, TFX 1.15.1 would take it for the same channel as the other one.
        statistics=Channel(type=standard_artifacts.ExampleStatistics),
    ).with_id("PreviousStatistics")
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema,
        previous_statistics=previous_statistics.outputs["statistics"],
        serving_statistics=serving[-1].outputs["statistics"] if serving else None,
        fail_on_anomalies=fail_on_anomalies,
        fail_on_drift=fail_on_drift,
        raise_on_refusal=raise_on_refusal,
        code_hash=example_validator_code_hash,
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
    if fail_on_anomalies:
        transform.add_upstream_node(example_validator)
    resolver = Resolver(
        strategy_class=LatestPushedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("Resolver")
    tuner = None
    if tuner_config is not None:
        tuner = Tuner(
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            train_args=trainer_pb2.TrainArgs(num_steps=tuning_steps),
            eval_args=trainer_pb2.EvalArgs(num_steps=eval_steps),
            custom_config=tuner_config,
            **(user_code or {"tuner_fn": "components.tuning.tuner_fn"}),
        )
    trainer_class = Trainer
    if ai_platform_training_args is not None:
        # Imported here, because it brings seconds of Google Cloud clients.
        from components.google_cloud_trainer import Trainer as GoogleCloudTrainer

        trainer_class = GoogleCloudTrainer
        trainer_config = {
            **(trainer_config or {}),
            **_vertex_config(vertex_region),
            TRAINING_ARGS_KEY: ai_platform_training_args,
        }
    trainer = trainer_class(
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
        hyperparameters=None if tuner is None else tuner.outputs["best_hyperparameters"],
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
            worst_slice_auc_lower_bound=worst_slice_auc_lower_bound,
            min_slice_examples=min_slice_examples,
            decision_threshold=decision_threshold,
        ),
    )
    infra_validator = InfraValidator(
        model=trainer.outputs["model"],
        examples=example_gen.outputs["examples"],
        model_blessing=evaluator.outputs["blessing"],
        evaluation=evaluator.outputs["evaluation"],
        code_hash=serving_check_code_hash,
    )
    approval = None
    if approval_timeout_seconds is not None:
        approval = Approval(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            infra_blessing=infra_validator.outputs["blessing"],
            timeout_seconds=approval_timeout_seconds,
        )
    return [
        example_gen,
        statistics_gen,
        schema_gen,
        previous_statistics,
        *serving,
        example_validator,
        transform,
        resolver,
        *([] if tuner is None else [tuner]),
        trainer,
        evaluator,
        infra_validator,
        *([] if approval is None else [approval]),
        _pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            infra_blessing=(
                infra_validator.outputs["blessing"]
                if approval is None
                else approval.outputs["approval"]
            ),
            serving_model_dir=serving_model_dir,
            ai_platform_config=(
                None
                if ai_platform_serving_args is None
                else {
                    **(pusher_config or {}),
                    **_vertex_config(vertex_region),
                    SERVING_ARGS_KEY: ai_platform_serving_args,
                }
            ),
        ),
    ]


def _vertex_config(region: str | None) -> dict[str, Any]:
    return {} if region is None else {ENABLE_VERTEX_KEY: True, VERTEX_REGION_KEY: region}


def _range_config(span_window: int) -> RuntimeParameter:
    return RuntimeParameter(
        name="range-config",
        ptype=str,
        default=f'{{"rolling_range": {{"num_spans": {span_window}}}}}',
    )


def _schema_gen(
    statistics_gen: StatisticsGen, schema_file: str | None, infer_schema: bool
) -> BaseComponent:
    if infer_schema:
        return SchemaGen(statistics=statistics_gen.outputs["statistics"])
    if schema_file is not None:
        return ImportSchemaFileGen(schema_file=schema_file).with_id("ImportSchemaGen")
    return ImportCuratedSchemaGen()


def _serving(serving_root: str, code_hash: str) -> list[BaseComponent]:
    """Returns what makes statistics of what the model was asked."""
    example_gen = ServingExampleGen(
        input_base=RuntimeParameter(name="serving-root", ptype=str, default=serving_root),
        output_config=example_gen_pb2.Output(
            split_config=example_gen_pb2.SplitConfig(
                splits=[
                    example_gen_pb2.SplitConfig.Split(name=features.SERVING_SPLIT, hash_buckets=1)
                ]
            )
        ),
        code_hash=code_hash,
    )
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    return [example_gen, statistics_gen.with_id("ServingStatisticsGen")]


def eval_config(
    *,
    auc_lower_bound: float,
    auc_tolerance: float,
    decision_threshold: float,
    worst_slice_auc_lower_bound: float | None = None,
    min_slice_examples: int = 100,
) -> tfma.EvalConfig:
    """Returns what the Evaluator measures, and what a model must reach.

    AUC is the gate, because accuracy is not: always answering "not disputed" is right for
    four complaints in five.

    Args:
        auc_lower_bound: Least AUC for a blessing.
        auc_tolerance: How far below the baseline's AUC the candidate's may be.
        decision_threshold: Probability from which a complaint counts as disputed.
        worst_slice_auc_lower_bound: AUC that no slice may be below for certain, or ``None``.
        min_slice_examples: Slices with fewer examples are not held to that.

    Returns:
        Metrics overall, and by product, state and company response; the gate holds for all
        complaints together, and where asked for also for each slice.
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
    slices = [tfma.SlicingSpec(feature_keys=[key]) for key in features.SLICE_KEYS]
    if worst_slice_auc_lower_bound is not None:
        metrics.append(
            tfma.MetricConfig(
                class_name=AucUpperBound.__name__,
                module=AucUpperBound.__module__,
                config=f'{{"minimum_examples": {min_slice_examples}}}',
                per_slice_thresholds=[
                    tfma.PerSliceMetricThreshold(
                        slicing_specs=slices,
                        threshold=tfma.MetricThreshold(
                            value_threshold=tfma.GenericValueThreshold(
                                lower_bound={"value": worst_slice_auc_lower_bound}
                            )
                        ),
                    )
                ],
            )
        )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name="serving_default",
                label_key=features.LABEL_KEY,
                prediction_key="probability",
            )
        ],
        slicing_specs=[tfma.SlicingSpec(), *slices],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


def _pusher(
    *,
    model: BaseChannel,
    model_blessing: BaseChannel,
    infra_blessing: BaseChannel,
    serving_model_dir: str | None,
    ai_platform_config: dict[str, Any] | None,
) -> Pusher:
    blessings = {"model_blessing": model_blessing, "infra_blessing": infra_blessing}
    if serving_model_dir is not None:
        return Pusher(
            model=model,
            **blessings,
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=serving_model_dir)
            ),
        )
    # Imported here, because it brings seconds of Google Cloud clients.
    from components.google_cloud_pusher import Pusher as GoogleCloudPusher

    return GoogleCloudPusher(model=model, **blessings, custom_config=ai_platform_config)


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
