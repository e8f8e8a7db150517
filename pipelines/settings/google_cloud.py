"""Settings of training and serving on Google Cloud."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from pipelines.settings import ai_platform
from pipelines.settings.checks import require
from pipelines.settings.google_cloud_checks import (
    require_accelerator,
    require_machine_type,
    require_network,
    require_project,
    require_pullable_image,
    require_region,
    require_service_account,
)

#: Vertex AI's own images that serve a SavedModel of TensorFlow 2.15
#: (https://cloud.google.com/vertex-ai/docs/predictions/pre-built-containers).
_SERVING_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-{device}.2-15:latest"

#: Vertex AI takes no larger model (https://cloud.google.com/vertex-ai/docs/general/import-model).
MAX_MODEL_MEGABYTES = 10_000

_MAX_REPLICAS = 1_000
_MAX_DISPLAY_NAME = 128
# What would have to be escaped in the filter by which TFX looks for the endpoint.
_ENDPOINT = re.compile(r'[^"\\\x00-\x1f\x7f]+')


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexTrainingSettings:
    """The machines of a Vertex AI CustomJob that trains.

    Attributes:
        machine_type: Compute Engine's name of the machine type.
        accelerator_type: Vertex AI's name of the GPUs, such as ``NVIDIA_TESLA_T4``.
        accelerator_count: GPUs of each machine; 1 where only the type is given.
        replicas: Machines; more than one needs a ``module_file`` whose ``run_fn`` trains on
            several, by ``TF_CONFIG``.
        image: Container image that trains; ``None`` is the pipeline's.
        service_account: E-mail address of the service account that trains; ``None`` is Vertex
            AI's own.
        network: VPC network, as ``projects/NUMBER/global/networks/NAME``.
    """

    machine_type: str = "n1-standard-4"
    accelerator_type: str | None = None
    accelerator_count: int | None = None
    replicas: int = 1
    image: str | None = None
    service_account: str | None = None
    network: str | None = None

    def __post_init__(self) -> None:
        section = "google_cloud.vertex_training"
        require_machine_type(f"{section}.machine_type", self.machine_type)
        require_accelerator(section, self.machine_type, self.accelerator_type, self.accelerators)
        require(
            1 <= self.replicas <= _MAX_REPLICAS,
            f"{section}.replicas: {self.replicas} is not 1 to {_MAX_REPLICAS}",
        )
        if self.image is not None:
            require_pullable_image(f"{section}.image", self.image, "Vertex AI")
        require_service_account(f"{section}.service_account", self.service_account)
        require_network(f"{section}.network", self.network)

    @property
    def accelerators(self) -> int | None:
        """GPUs of each machine, or ``None``."""
        if self.accelerator_type is not None and self.accelerator_count is None:
            return 1
        return self.accelerator_count


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexServingSettings:
    """The Vertex AI endpoint to which a blessed model is pushed, instead of to a folder.

    Attributes:
        endpoint: Display name of the endpoint, which is made where there is none; ``None`` is the
            pipeline's name.
        machine_type: Compute Engine's name of the machine type.
        accelerator_type: Vertex AI's name of the GPUs, such as ``NVIDIA_TESLA_T4``.
        accelerator_count: GPUs of each machine; 1 where only the type is given.
        min_replicas: Machines that always run, and cost, for each deployed model.
        max_replicas: Machines under load; ``None`` is ``min_replicas``.
        traffic_percentage: Share of the requests for the new model; what is left goes to the
            models that had them before. The first model of an endpoint gets all.
        undeploy_previous: Take models off the endpoint that get no requests once the new one is
            there; otherwise they stay, and cost.
        image: Container image that serves; ``None`` is Vertex AI's own for TensorFlow 2.15.
        service_account: E-mail address of the service account that serves.
        max_model_megabytes: A larger model is not pushed; Vertex AI takes 10 GB.
    """

    endpoint: str | None = None
    machine_type: str = "n1-standard-2"
    accelerator_type: str | None = None
    accelerator_count: int | None = None
    min_replicas: int = 1
    max_replicas: int | None = None
    traffic_percentage: int = 100
    undeploy_previous: bool = False
    image: str | None = None
    service_account: str | None = None
    max_model_megabytes: int = MAX_MODEL_MEGABYTES

    def __post_init__(self) -> None:
        section = "google_cloud.vertex_serving"
        require(
            self.endpoint is None
            or (
                len(self.endpoint.encode()) <= _MAX_DISPLAY_NAME
                and _ENDPOINT.fullmatch(self.endpoint) is not None
            ),
            f"{section}.endpoint: '{self.endpoint}' is not an endpoint's display name: 1 to "
            f"{_MAX_DISPLAY_NAME} bytes in one line, without '\"' and '\\'",
        )
        require_machine_type(f"{section}.machine_type", self.machine_type)
        require_accelerator(section, self.machine_type, self.accelerator_type, self.accelerators)
        require(
            1 <= self.min_replicas <= _MAX_REPLICAS,
            f"{section}.min_replicas: {self.min_replicas} is not 1 to {_MAX_REPLICAS}",
        )
        require(
            self.min_replicas <= self.most_replicas <= _MAX_REPLICAS,
            f"{section}.max_replicas: {self.most_replicas} is not min_replicas, "
            f"{self.min_replicas}, to {_MAX_REPLICAS}",
        )
        require(
            0 <= self.traffic_percentage <= 100,
            f"{section}.traffic_percentage: {self.traffic_percentage} is not 0 to 100",
        )
        if self.image is not None:
            require_pullable_image(f"{section}.image", self.image, "Vertex AI")
        require_service_account(f"{section}.service_account", self.service_account)
        require(
            1 <= self.max_model_megabytes <= MAX_MODEL_MEGABYTES,
            f"{section}.max_model_megabytes: {self.max_model_megabytes} is not 1 to "
            f"{MAX_MODEL_MEGABYTES}, the largest model that Vertex AI takes",
        )

    @property
    def accelerators(self) -> int | None:
        """GPUs of each machine, or ``None``."""
        if self.accelerator_type is not None and self.accelerator_count is None:
            return 1
        return self.accelerator_count

    @property
    def most_replicas(self) -> int:
        """Machines under load."""
        return self.min_replicas if self.max_replicas is None else self.max_replicas

    @property
    def serving_image(self) -> str:
        """The container image that serves."""
        device = "cpu" if self.accelerator_type is None else "gpu"
        return self.image or _SERVING_IMAGE.format(device=device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoogleCloudSettings:
    """Training and serving on Google Cloud.

    Attributes:
        project: Id of the project that trains, serves and runs Dataflow's jobs.
        region: Region of the same, such as ``us-central1``.
        vertex_training: Train on Vertex AI instead of in the Trainer's pod.
        vertex_serving: Push to a Vertex AI endpoint instead of to a folder.
        ai_platform_training_args: Arguments of AI Platform Training as the book gives them, such as
            ``scaleTier`` and ``masterConfig``; they are translated to ``vertex_training``.
        ai_platform_serving_args: Arguments of AI Platform Prediction as the book gives them,
            ``model_name``, ``project_id`` and ``regions``; they are translated to
            ``vertex_serving``.
        legacy_ai_platform: Compile the two for AI Platform itself, which Google has shut down.
    """

    project: str | None = None
    region: str | None = None
    vertex_training: VertexTrainingSettings | None = None
    vertex_serving: VertexServingSettings | None = None
    ai_platform_training_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ai_platform_serving_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    legacy_ai_platform: bool = False

    def __post_init__(self) -> None:
        for name in ("training", "serving"):
            vertex, legacy = f"vertex_{name}", f"ai_platform_{name}_args"
            require(
                getattr(self, vertex) is None or not getattr(self, legacy),
                f"google_cloud.{legacy}: google_cloud.{vertex} is given as well; keep one",
            )
        require(
            not self.legacy_ai_platform
            or bool(self.ai_platform_training_args or self.ai_platform_serving_args),
            "google_cloud.legacy_ai_platform: neither ai_platform_training_args nor "
            "ai_platform_serving_args is given; leave it out",
        )
        ai_platform.check_training_args(self.ai_platform_training_args)
        ai_platform.check_serving_args(self.ai_platform_serving_args)
        _require_one(self._projects, "google_cloud.project", "the id of your project")
        _require_one(self._regions, "google_cloud.region", "one such as us-central1")
        require_project("google_cloud.project", self.project_id)
        require_region("google_cloud.region", self.region_name)
        # Makes them, which checks them.
        _ = self.training, self.serving

    @property
    def _projects(self) -> dict[str, str]:
        given = {
            "google_cloud.project": self.project,
            "google_cloud.ai_platform_training_args.project": self.ai_platform_training_args.get(
                "project"
            ),
            "google_cloud.ai_platform_serving_args.project_id": self.ai_platform_serving_args.get(
                "project_id"
            ),
        }
        return {key: value for key, value in given.items() if value is not None}

    @property
    def _regions(self) -> dict[str, str]:
        regions = self.ai_platform_serving_args.get("regions") or [None]
        given = {
            "google_cloud.region": self.region,
            "google_cloud.ai_platform_training_args.region": self.ai_platform_training_args.get(
                "region"
            ),
            "google_cloud.ai_platform_serving_args.regions": regions[0],
        }
        return {key: value for key, value in given.items() if value is not None}

    @property
    def project_id(self) -> str:
        """Id of the project, which the book's arguments may give as well."""
        return next(iter(self._projects.values()))

    @property
    def region_name(self) -> str:
        """The region, which the book's arguments may give as well."""
        return next(iter(self._regions.values()))

    @property
    def training(self) -> VertexTrainingSettings | None:
        """How to train on Vertex AI, or ``None`` if not there."""
        if self.ai_platform_training_args and not self.legacy_ai_platform:
            values = ai_platform.vertex_training(self.ai_platform_training_args)
            return VertexTrainingSettings(**values)
        return self.vertex_training

    @property
    def serving(self) -> VertexServingSettings | None:
        """How to serve on Vertex AI, or ``None`` if not there."""
        if self.ai_platform_serving_args and not self.legacy_ai_platform:
            values = ai_platform.vertex_serving(self.ai_platform_serving_args)
            return VertexServingSettings(**values)
        return self.vertex_serving

    @property
    def trains(self) -> bool:
        """Whether Google Cloud trains, on Vertex AI or AI Platform."""
        return self.training is not None or bool(self.ai_platform_training_args)

    @property
    def serves(self) -> bool:
        """Whether Google Cloud serves, on Vertex AI or AI Platform."""
        return self.serving is not None or bool(self.ai_platform_serving_args)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is to know of these settings, a line each."""
        lines = []
        for kind, given, name in (
            ("Training", self.ai_platform_training_args, "training"),
            ("Prediction", self.ai_platform_serving_args, "serving"),
        ):
            if not given:
                continue
            key = f"google_cloud.ai_platform_{name}_args"
            gone = f"AI Platform {kind} was shut down on {ai_platform.SHUTDOWN}"
            if self.legacy_ai_platform:
                lines.append(
                    f"{key}: {gone}: this workflow cannot succeed there; without "
                    "google_cloud.legacy_ai_platform it is compiled for Vertex AI"
                )
                continue
            values = getattr(ai_platform, f"vertex_{name}")(given)
            as_text = ", ".join(f"{field}: {value}" for field, value in values.items())
            lines.append(
                f"{key}: {gone}; compiled for Vertex AI as google_cloud.vertex_{name} {{{as_text}}}"
            )
        training = self.training
        if training is not None and training.accelerator_type is not None and not training.image:
            lines.append(
                "google_cloud.vertex_training.accelerator_type: the pipeline's image has no CUDA "
                "unless you have built it in, and trains without it on the CPU; "
                "google_cloud.vertex_training.image names another one, which must hold this "
                "package too (docs/google_cloud.md)"
            )
        return tuple(lines)


def _require_one(given: Mapping[str, str], key: str, mend: str) -> None:
    """Refuses a value that is nowhere given, or differently in two places."""
    require(len(given) > 0, f"{key}: it is required; use {mend}")
    require(
        len(set(given.values())) == 1,
        f"{key}: it must be the same everywhere, and is "
        + ", ".join(f"'{value}' in {place}" for place, value in given.items()),
    )
