"""Settings of Beam on Google Cloud Dataflow."""

import dataclasses
import types
from collections.abc import Mapping

from pipelines.settings.checks import require, require_not_negative, require_one_of
from pipelines.settings.google_cloud_checks import (
    require_machine_type,
    require_service_account,
    require_subnetwork,
)
from pipelines.settings.uris import require_bucket_uri

#: The components that run Beam pipelines.
BEAM_COMPONENT_IDS = ("CsvExampleGen", "StatisticsGen", "Transform", "Evaluator")

#: Beam's flags that have a setting of Dataflow's, which would win over ``beam.options``.
FLAG_SETTINGS: Mapping[str, str] = types.MappingProxyType(
    {
        "--project": "google_cloud.project",
        "--region": "google_cloud.region",
        "--autoscaling_algorithm": "beam.dataflow.autoscaling",
        "--disk_size_gb": "beam.dataflow.disk_gb",
        "--machine_type": "beam.dataflow.machine_type",
        "--worker_machine_type": "beam.dataflow.machine_type",
        "--max_num_workers": "beam.dataflow.max_workers",
        "--num_workers": "beam.dataflow.workers",
        "--service_account_email": "beam.dataflow.service_account",
        "--staging_location": "beam.dataflow.staging_location",
        "--subnetwork": "beam.dataflow.subnetwork",
        "--temp_location": "beam.dataflow.temp_location",
        "--no_use_public_ips": "beam.dataflow.public_ips",
        "--use_public_ips": "beam.dataflow.public_ips",
    }
)

_MAX_WORKERS = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataflowSettings:
    """Dataflow's jobs, one for each Beam pipeline of the components that run there.

    Attributes:
        components: The components that run on Dataflow; the others stay in their pods.
        temp_location: Bucket folder for temporary files; ``None`` is folder ``dataflow/temp`` of
            ``output_root``.
        staging_location: Bucket folder for what workers load; ``None`` is folder
            ``dataflow/staging`` of ``output_root``.
        machine_type: Workers' machine type; ``None`` is Dataflow's own choice.
        disk_gb: Workers' disk in gigabytes; ``None`` is Dataflow's own choice.
        workers: Workers at the beginning; ``None`` is Dataflow's own choice.
        max_workers: The most workers; ``None`` is Dataflow's own limit.
        autoscaling: Change the number of workers with the work that is left; ``false`` keeps
            ``workers``.
        service_account: E-mail address of the workers' service account; ``None`` is Compute
            Engine's default one.
        public_ips: Give workers public addresses; without, the subnetwork needs Private Google
            Access.
        subnetwork: Workers' subnetwork, as ``regions/REGION/subnetworks/NAME``.
    """

    components: tuple[str, ...] = BEAM_COMPONENT_IDS
    temp_location: str | None = None
    staging_location: str | None = None
    machine_type: str | None = None
    disk_gb: int | None = None
    workers: int | None = None
    max_workers: int | None = None
    autoscaling: bool = True
    service_account: str | None = None
    public_ips: bool = True
    subnetwork: str | None = None

    def __post_init__(self) -> None:
        require(
            len(self.components) > 0,
            "beam.dataflow.components: none is given; name some of "
            f"{', '.join(BEAM_COMPONENT_IDS)}",
        )
        for index, component_id in enumerate(self.components):
            require_one_of(f"beam.dataflow.components.{index}", component_id, BEAM_COMPONENT_IDS)
        for key in ("temp_location", "staging_location"):
            location = getattr(self, key)
            require(
                location is None or location.startswith("gs://"),
                f"beam.dataflow.{key}: '{location}' is not in a bucket; use a URI such as "
                "gs://bucket/dataflow",
            )
            if location is not None:
                require_bucket_uri(f"beam.dataflow.{key}", location)
        if self.machine_type is not None:
            require_machine_type("beam.dataflow.machine_type", self.machine_type)
        require_not_negative("beam.dataflow.disk_gb", self.disk_gb)
        for key in ("workers", "max_workers"):
            number = getattr(self, key)
            require(
                number is None or 1 <= number <= _MAX_WORKERS,
                f"beam.dataflow.{key}: {number} is not 1 to {_MAX_WORKERS}",
            )
        require(
            self.workers is None or self.max_workers is None or self.workers <= self.max_workers,
            f"beam.dataflow.max_workers: {self.max_workers} is less than beam.dataflow.workers, "
            f"{self.workers}",
        )
        require(
            self.autoscaling or self.workers is not None,
            "beam.dataflow.workers: without autoscaling, a number of workers is required",
        )
        require(
            self.autoscaling or self.max_workers is None,
            "beam.dataflow.max_workers: it has no meaning without autoscaling; leave it out",
        )
        require_service_account("beam.dataflow.service_account", self.service_account)
        require_subnetwork("beam.dataflow.subnetwork", self.subnetwork)
