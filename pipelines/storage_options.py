"""From the settings of object storage to Beam's flags."""

from components import object_storage
from pipelines.settings import Settings

#: What Beam's workers import before they begin, also on other machines.
WORKER_PLUGIN = "components.object_storage_plugin"


def storage_flags(settings: Settings) -> list[str]:
    """Returns the flags that Beam needs for object storage.

    Args:
        settings: The settings.

    Returns:
        Endpoint and region of S3, and what the workers import for it; nothing where it is not used.
        Credentials are no flags: workers have them in their environment.
    """
    storage = settings.storage
    flags = []
    if storage.s3_endpoint is not None:
        flags.append(f"--s3_endpoint_url={storage.s3_endpoint}")
    if storage.s3_region is not None:
        flags.append(f"--s3_region_name={storage.s3_region}")
    if flags or object_storage.S3 in settings.storage_schemes:
        flags.append(f"--beam_plugin={WORKER_PLUGIN}")
    return flags
