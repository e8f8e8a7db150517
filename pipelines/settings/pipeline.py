"""The settings of a pipeline as a whole."""

import dataclasses
import re
from collections.abc import Mapping

from components import object_storage
from components.errors import SettingsError
from components.spans import InputPattern
from pipelines.settings.beam import BeamSettings
from pipelines.settings.checks import (
    require,
    require_kubernetes_name,
    require_not_negative,
    require_one_of,
)
from pipelines.settings.cluster import (
    MetadataSettings,
    NotificationSettings,
    SecretFiles,
    SecretVariable,
    SecuritySettings,
    VolumeSettings,
)
from pipelines.settings.component_pods import DEFAULT_COMPONENT_PODS, DEFAULT_POD
from pipelines.settings.dataflow import DataflowSettings
from pipelines.settings.google_cloud import GoogleCloudSettings
from pipelines.settings.google_cloud_rules import check_google_cloud
from pipelines.settings.learning import (
    EvaluationSettings,
    TrainingSettings,
    TuningSettings,
)
from pipelines.settings.path_rules import PATHS, check_paths
from pipelines.settings.pod import PodSettings
from pipelines.settings.pod_rules import check_pods
from pipelines.settings.storage import StorageSettings
from pipelines.settings.validation import ValidationSettings

_PIPELINE_NAME = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
# The grammar of image references, from distribution/reference: [HOST[:PORT]/]PATH[:TAG][@DIGEST].
_IMAGE = re.compile(
    r"([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]+)?/)?"
    r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?"
)
# Images of TFX and Python, which hold everything but this package.
_STOCK_IMAGE = re.compile(
    r"(((index\.)?docker\.io/)?((library/)?python|tensorflow/(tfx|tensorflow))"
    r"|gcr\.io/tfx-oss-public/tfx)(:|@|$)"
)
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_MAX_APPROVAL_SECONDS = 30 * 24 * 3600

#: The KFP backend refuses a pipeline's name above 100 bytes (128 from version 2.17 on).
_PIPELINE_NAME_MAX_BYTES = 100

_MAX_SPAN_WINDOW = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that the compiler needs to know.

    Attributes:
        pipeline_name: Name of the pipeline, of its metadata context and of the compiled file.
        image: Container image that holds this package.
        image_pull_policy: ``Always``, ``IfNotPresent``, ``Never``, or ``None`` for the cluster's.
        image_pull_secrets: Secrets for a private registry.
        volume: The persistent volume, or ``None`` when all roots are buckets.
        input_root: Folder or URI of the input CSV files; the default of parameter ``data-root``.
            ``None`` is folder ``data`` of the volume.
        input_pattern: Pattern of the CSV files below ``input_root``. ``{SPAN}``, or ``{YYYY}``,
            ``{MM}`` and ``{DD}``, make folders or files into spans, as in
            ``span-{SPAN}/*.csv``: a run reads the newest.
        span_window: How many spans, up to the newest, to train on; the default of run parameter
            ``range-config``.
        serving_root: Folder or URI of CSV files of what the model was asked, with or without a
            label, to measure skew against; the default of parameter ``serving-root``. ``None``
            measures none.
        output_root: Folder or URI under which the pipeline writes; ``None`` is folder ``output``
            of the volume.
        module_file: Path of a Python file with ``preprocessing_fn`` and ``run_fn`` to use
            instead of the package's own; its folder's parent comes first on the ``PYTHONPATH``
            of Transform and Trainer. TFX's cache knows the path but not what the file holds:
            give a changed file another path, or set ``enable_cache`` to false.
        schema_file: Path of a curated schema; ``None`` takes the one that comes with the package.
        infer_schema: Infer a schema from the data of each run instead.
        storage: Object storage that is not where a cloud has it by default.
        metadata: How pods reach ML Metadata.
        default: Pod settings of all components.
        components: Pod settings by component id, over the default.
        secret_variables: Keys of secrets as environment variables.
        secret_files: Secrets as mounted folders.
        aws_secret: Secret with ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``.
        gcp_secret: Secret with a Google service account's key, under the secret's own name
            and ``.json``: ``user-gcp-sa`` has ``user-gcp-sa.json``.
        azure_secret: Secret with ``AZURE_STORAGE_CONNECTION_STRING``.
        security: User under which the pods run.
        pod_labels: Labels added to every pod.
        pod_annotations: Annotations added to every pod.
        service_account: Kubernetes service account of the workflow.
        ttl_seconds: Time after which Argo deletes a finished workflow; ``None`` for never.
        plain_entrypoint: Run TFX's own entry point in the pods, without the project's checks and
            metrics.
        notification: Tell the end of each run by a webhook; ``None`` does not.
        approval_timeout_seconds: How long a person may take to approve a blessed model before it
            is pushed, with ``complaint-pipeline approve``; ``None`` pushes it without.
        beam: How Beam runs.
        google_cloud: Training and serving on Google Cloud, and the project of Dataflow; ``None``
            keeps all in the cluster.
        validation: What stops a run before anything is trained.
        training: How the model is trained.
        tuning: Whether hyperparameters are searched for before.
        evaluation: What a model must reach.
        enable_cache: Reuse the outputs of an earlier execution with the same inputs.
    """

    pipeline_name: str = "consumer_complaint_pipeline_kubeflow"
    image: str = "complaint-pipeline:0.1.0"
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    volume: VolumeSettings | None = dataclasses.field(default_factory=VolumeSettings)
    input_root: str | None = None
    input_pattern: str = "*.csv"
    span_window: int = 1
    serving_root: str | None = None
    output_root: str | None = None
    module_file: str | None = None
    schema_file: str | None = None
    infer_schema: bool = False
    storage: StorageSettings = dataclasses.field(default_factory=StorageSettings)
    metadata: MetadataSettings = dataclasses.field(default_factory=MetadataSettings)
    default: PodSettings = dataclasses.field(default_factory=PodSettings)
    components: Mapping[str, PodSettings] = dataclasses.field(default_factory=dict)
    secret_variables: tuple[SecretVariable, ...] = ()
    secret_files: tuple[SecretFiles, ...] = ()
    aws_secret: str | None = None
    gcp_secret: str | None = None
    azure_secret: str | None = None
    security: SecuritySettings = dataclasses.field(default_factory=SecuritySettings)
    pod_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pod_annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    service_account: str = "pipeline-runner"
    ttl_seconds: int | None = None
    plain_entrypoint: bool = False
    notification: NotificationSettings | None = None
    approval_timeout_seconds: int | None = None
    beam: BeamSettings = dataclasses.field(default_factory=BeamSettings)
    google_cloud: GoogleCloudSettings | None = None
    validation: ValidationSettings = dataclasses.field(default_factory=ValidationSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    tuning: TuningSettings = dataclasses.field(default_factory=TuningSettings)
    evaluation: EvaluationSettings = dataclasses.field(default_factory=EvaluationSettings)
    enable_cache: bool = True

    def __post_init__(self) -> None:
        self._check_names()
        check_paths(self)
        self._check_spans()
        check_pods(self)
        require_not_negative("ttl_seconds", self.ttl_seconds)
        self._check_approval()
        check_google_cloud(self)

    def _check_approval(self) -> None:
        seconds = self.approval_timeout_seconds
        require(
            seconds is None or 1 <= seconds <= _MAX_APPROVAL_SECONDS,
            f"approval_timeout_seconds: {seconds} is not 1 to {_MAX_APPROVAL_SECONDS}",
        )
        require(
            seconds is None or not self.plain_entrypoint,
            "approval_timeout_seconds: plain_entrypoint does not tell the step how to reach ML "
            "Metadata; leave one of the two out",
        )

    def _check_names(self) -> None:
        require(
            _PIPELINE_NAME.fullmatch(self.pipeline_name) is not None
            and len(self.pipeline_name.encode()) <= _PIPELINE_NAME_MAX_BYTES,
            f"pipeline_name: '{self.pipeline_name}' is not valid: lower-case letters, digits, "
            f"'-' and '_', beginning and ending with a letter or digit, at most "
            f"{_PIPELINE_NAME_MAX_BYTES} characters",
        )
        require(
            _IMAGE.fullmatch(self.image) is not None,
            f"image: '{self.image}' is not a container image; name the one that holds this "
            "package (make image builds it), as in registry.example.com/complaint-pipeline:0.1.0",
        )
        require(
            _STOCK_IMAGE.match(self.image) is None,
            f"image: {self.image} does not hold this package; build one that does with make image",
        )
        if self.image_pull_policy is not None:
            require_one_of("image_pull_policy", self.image_pull_policy, _PULL_POLICIES)
        require_kubernetes_name("service_account", self.service_account)

    def _check_spans(self) -> None:
        try:
            pattern = InputPattern(self.input_pattern)
        except ValueError as error:
            raise SettingsError(f"input_pattern: '{self.input_pattern}' {error}") from error
        require(
            1 <= self.span_window <= _MAX_SPAN_WINDOW,
            f"span_window: {self.span_window} is not 1 to {_MAX_SPAN_WINDOW}",
        )
        require(
            self.span_window == 1 or pattern.has_spans,
            f"span_window: input_pattern '{self.input_pattern}' has no spans; use one such as "
            "span-{SPAN}/*.csv",
        )

    @property
    def storage_schemes(self) -> frozenset[str]:
        """The schemes of object storage that the paths have: ``gs`` and ``s3``."""
        paths = (getattr(self, key) for key in PATHS)
        places = (object_storage.location(path) for path in paths if path is not None)
        return frozenset(place.scheme for place in places if place is not None)

    @property
    def data_root(self) -> str:
        """Folder or URI of the input CSV files."""
        return self.input_root or self._on_volume("data")

    @property
    def pipeline_root(self) -> str:
        """Folder or URI under which the components write their artifacts."""
        return f"{self._output}/{self.pipeline_name}"

    @property
    def serving_model_dir(self) -> str | None:
        """Folder or URI to which the Pusher copies a blessed model; ``None`` if Google serves."""
        if self.google_cloud is not None and self.google_cloud.serves:
            return None
        return f"{self._output}/serving_model/{self.pipeline_name}"

    @property
    def dataflow(self) -> DataflowSettings | None:
        """How Dataflow runs, with its bucket folders; ``None`` where nothing runs there."""
        if self.beam.runner != "DataflowRunner":
            return None
        given = self.beam.dataflow or DataflowSettings()
        return dataclasses.replace(
            given,
            temp_location=given.temp_location or f"{self._output}/dataflow/temp",
            staging_location=given.staging_location or f"{self._output}/dataflow/staging",
        )

    def _works_elsewhere(self, component_id: str) -> bool:
        """Whether a component's pod only waits for a job on Google Cloud."""
        if component_id == "Trainer" and self.google_cloud is not None:
            return self.google_cloud.trains
        return self.dataflow is not None and component_id in self.dataflow.components

    @property
    def _output(self) -> str:
        # A URI may end in a slash, and gs://bucket//name is another place than gs://bucket/name.
        return (self.output_root or self._on_volume("output")).rstrip("/")

    def _on_volume(self, folder: str) -> str:
        assert self.volume is not None  # _check_paths has refused roots without a volume
        return f"{self.volume.mount_path}/{folder}"

    def pod(self, component_id: str) -> PodSettings:
        """Returns the pod settings of a component.

        The component's own section wins over the ``default`` section, and both win over what
        the project ships. How many GPUs comes from the component's own section only, or from
        the ``default`` section for the Trainer: no other component uses one unless asked to.

        Args:
            component_id: Node id of the component, such as ``Trainer``.

        Returns:
            Its settings, with everything inherited filled in.
        """
        default = self.default
        if component_id != "Trainer":
            default = dataclasses.replace(default, gpus=None)
        shipped = DEFAULT_POD
        if not self._works_elsewhere(component_id):
            shipped = DEFAULT_COMPONENT_PODS.get(component_id, PodSettings()).over(DEFAULT_POD)
        return self.components.get(component_id, PodSettings()).over(default.over(shipped))
