"""The settings of a pipeline as a whole."""

import dataclasses
import posixpath
import re
import types
from collections.abc import Mapping

from components.errors import SettingsError
from pipelines.settings.checks import (
    is_uri,
    require,
    require_kubernetes_name,
    require_not_negative,
    require_one_of,
)
from pipelines.settings.cluster import (
    MetadataSettings,
    SecretFiles,
    SecretVariable,
    SecuritySettings,
    VolumeSettings,
)
from pipelines.settings.learning import BeamSettings, EvaluationSettings, TrainingSettings
from pipelines.settings.pod import PodSettings

#: Node ids of the pipeline's components, in order. A curated schema makes the third one
#: ``ImportSchemaGen`` instead; its pod is set up by the same settings.
COMPONENT_IDS: tuple[str, ...] = (
    "CsvExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Resolver",
    "Evaluator",
    "Pusher",
)

_PIPELINE_NAME = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
# Images of TFX and Python, which hold everything but this package.
_STOCK_IMAGE = re.compile(
    r"(((index\.)?docker\.io/)?((library/)?python|tensorflow/(tfx|tensorflow))"
    r"|gcr\.io/tfx-oss-public/tfx)(:|@|$)"
)
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

#: The KFP backend refuses a pipeline's name above 100 bytes (128 from version 2.17 on).
_PIPELINE_NAME_MAX_BYTES = 100


def component_key(component_id: str) -> str:
    """Returns the settings key of a component: ``CsvExampleGen`` is ``csv_example_gen``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", component_id).lower()


COMPONENT_KEYS: Mapping[str, str] = types.MappingProxyType(
    {component_key(component_id): component_id for component_id in COMPONENT_IDS}
)


_DEFAULT_POD = PodSettings(
    cpu="500m",
    memory="2Gi",
    memory_limit="4Gi",
    retries=2,
    # Lost nodes and evictions pass; a container that fails on its data fails again.
    retry_policy="OnError",
    retry_backoff_seconds=30,
    retry_backoff_factor=2,
    timeout_seconds=6 * 3600,
)

_DEFAULT_COMPONENT_PODS = types.MappingProxyType(
    {
        "Transform": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
        "Trainer": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
        "Evaluator": PodSettings(cpu="1", memory="4Gi", memory_limit="8Gi"),
    }
)


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
        output_root: Folder or URI under which the pipeline writes; ``None`` is folder ``output``
            of the volume.
        module_file: Path of a Python file with ``preprocessing_fn`` and ``run_fn`` to use
            instead of the package's own; its folder's parent comes first on ``PYTHONPATH``.
        schema_file: Path of a curated schema; ``None`` infers one.
        metadata: How pods reach ML Metadata.
        default: Pod settings of all components.
        components: Pod settings by component id, over the default.
        secret_variables: Keys of secrets as environment variables.
        secret_files: Secrets as mounted folders.
        aws_secret: Secret with ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``.
        gcp_secret: Secret with a Google service account's ``user-gcp-sa.json``.
        security: User under which the pods run.
        pod_labels: Labels added to every pod.
        pod_annotations: Annotations added to every pod.
        service_account: Kubernetes service account of the workflow.
        ttl_seconds: Time after which Argo deletes a finished workflow; ``None`` for never.
        beam: How Beam runs.
        training: How the model is trained.
        evaluation: What a model must reach.
        enable_cache: Reuse the outputs of an earlier execution with the same inputs.
    """

    pipeline_name: str = "consumer_complaint_pipeline_kubeflow"
    image: str = "complaint-pipeline:0.1.0"
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    volume: VolumeSettings | None = dataclasses.field(default_factory=VolumeSettings)
    input_root: str | None = None
    output_root: str | None = None
    module_file: str | None = None
    schema_file: str | None = None
    metadata: MetadataSettings = dataclasses.field(default_factory=MetadataSettings)
    default: PodSettings = dataclasses.field(default_factory=PodSettings)
    components: Mapping[str, PodSettings] = dataclasses.field(default_factory=dict)
    secret_variables: tuple[SecretVariable, ...] = ()
    secret_files: tuple[SecretFiles, ...] = ()
    aws_secret: str | None = None
    gcp_secret: str | None = None
    security: SecuritySettings = dataclasses.field(default_factory=SecuritySettings)
    pod_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pod_annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    service_account: str = "pipeline-runner"
    ttl_seconds: int | None = None
    beam: BeamSettings = dataclasses.field(default_factory=BeamSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = dataclasses.field(default_factory=EvaluationSettings)
    enable_cache: bool = True

    def __post_init__(self) -> None:
        self._check_names()
        self._check_paths()
        self._check_secrets()
        self.default.check("default")
        for component_id, pod in self.components.items():
            require_one_of("components", component_id, COMPONENT_IDS)
            pod.check(component_key(component_id))
        for component_id in COMPONENT_IDS:
            self.pod(component_id).check(component_key(component_id))
        require_not_negative("ttl_seconds", self.ttl_seconds)

    def _check_names(self) -> None:
        require(
            _PIPELINE_NAME.fullmatch(self.pipeline_name) is not None
            and len(self.pipeline_name.encode()) <= _PIPELINE_NAME_MAX_BYTES,
            f"pipeline_name: '{self.pipeline_name}' is not valid: lower-case letters, digits, "
            f"'-' and '_', beginning and ending with a letter or digit, at most "
            f"{_PIPELINE_NAME_MAX_BYTES} characters",
        )
        require(
            re.fullmatch(r"\S+", self.image) is not None,
            "image: name the container image that holds this package (make image builds it)",
        )
        require(
            _STOCK_IMAGE.match(self.image) is None,
            f"image: {self.image} does not hold this package; build one that does with make image",
        )
        if self.image_pull_policy is not None:
            require_one_of("image_pull_policy", self.image_pull_policy, _PULL_POLICIES)
        require_kubernetes_name("service_account", self.service_account)

    def _check_paths(self) -> None:
        for key in ("input_root", "output_root", "module_file", "schema_file"):
            path = getattr(self, key)
            if path is None:
                require(
                    self.volume is not None or not key.endswith("_root"),
                    f"{key}: name a URI such as gs://bucket/folder, because volume is null",
                )
                continue
            if is_uri(path):
                continue
            require(
                path.startswith("/") and posixpath.normpath(path) == path,
                f"{key}: '{path}' is neither an absolute path without '..' nor a URI such as "
                "gs://bucket/folder",
            )
            if self.volume is None:
                raise SettingsError(
                    f"{key}: '{path}' needs a volume, and volume is null: set volume.claim, or "
                    "use a URI"
                )
            mount_path = self.volume.mount_path
            require(
                path == mount_path or path.startswith(mount_path + "/"),
                f"{key}: '{path}' is not on the volume, which is mounted at {mount_path}",
            )
        if self.module_file is not None:
            require(
                self.module_file.endswith(".py"),
                f"module_file: '{self.module_file}' is not a Python file",
            )

    def _check_secrets(self) -> None:
        for secret in (*self.image_pull_secrets, self.aws_secret, self.gcp_secret):
            if secret is not None:
                require_kubernetes_name("secret", secret)
        mounts = [files.mount_path for files in self.secret_files]
        if self.volume is not None:
            mounts.append(self.volume.mount_path)
        for mount in mounts:
            require(
                mounts.count(mount) == 1,
                f"mount_path: {mount} is mounted twice; give each volume and secret its own path",
            )
        variables = [entry.variable for entry in self.secret_variables]
        for variable in variables:
            require(
                variables.count(variable) == 1,
                f"secret_variables: {variable} is set twice; keep one",
            )

    @property
    def data_root(self) -> str:
        """Folder or URI of the input CSV files."""
        return self.input_root or self._on_volume("data")

    @property
    def pipeline_root(self) -> str:
        """Folder or URI under which the components write their artifacts."""
        return f"{self.output_root or self._on_volume('output')}/{self.pipeline_name}"

    @property
    def serving_model_dir(self) -> str:
        """Folder or URI to which the Pusher copies a blessed model."""
        root = self.output_root or self._on_volume("output")
        return f"{root}/serving_model/{self.pipeline_name}"

    def _on_volume(self, folder: str) -> str:
        assert self.volume is not None  # _check_paths has refused roots without a volume
        return f"{self.volume.mount_path}/{folder}"

    def pod(self, component_id: str) -> PodSettings:
        """Returns the pod settings of a component.

        The component's own section wins over the ``default`` section, and both win over what
        the project ships. GPUs come from the component's own section only, or from the
        ``default`` section for the Trainer: no other component uses one unless asked to.

        Args:
            component_id: Node id of the component, such as ``Trainer``.

        Returns:
            Its settings, with everything inherited filled in.
        """
        default = self.default
        if component_id != "Trainer":
            default = dataclasses.replace(default, gpus=None, gpu_type=None)
        shipped = _DEFAULT_COMPONENT_PODS.get(component_id, PodSettings()).over(_DEFAULT_POD)
        return self.components.get(component_id, PodSettings()).over(default.over(shipped))
