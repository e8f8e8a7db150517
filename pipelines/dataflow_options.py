"""From the settings of Dataflow to Beam's flags."""

from pipelines.settings import Settings


def dataflow_args(settings: Settings) -> list[str]:
    """Returns the flags of a component that runs on Dataflow.

    They are those of ``apache_beam.options.pipeline_options``: ``GoogleCloudOptions`` and
    ``WorkerOptions``. The image of the workers, ``--sdk_container_image``, is among the flags that
    all components have.

    Args:
        settings: Settings with ``beam.runner`` ``DataflowRunner``.

    Returns:
        The flags, which come after those of all components, and win over them.
    """
    dataflow, cloud = settings.dataflow, settings.google_cloud
    assert dataflow is not None
    assert cloud is not None
    scaling = "THROUGHPUT_BASED" if dataflow.autoscaling else "NONE"
    flags: list[tuple[str, object]] = [
        ("runner", "DataflowRunner"),
        ("project", cloud.project_id),
        ("region", cloud.region_name),
        ("temp_location", dataflow.temp_location),
        ("staging_location", dataflow.staging_location),
        ("experiments", "use_runner_v2"),
        ("autoscaling_algorithm", scaling),
        ("num_workers", dataflow.workers),
        ("max_num_workers", dataflow.max_workers),
        ("machine_type", dataflow.machine_type),
        ("disk_size_gb", dataflow.disk_gb),
        ("service_account_email", dataflow.service_account),
        ("subnetwork", dataflow.subnetwork),
    ]
    args = [f"--{name}={value}" for name, value in flags if value is not None]
    return args if dataflow.public_ips else [*args, "--no_use_public_ips"]
