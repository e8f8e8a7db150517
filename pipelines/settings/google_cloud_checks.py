"""Checks of names and forms that Google Cloud gives; each raises SettingsError with one line."""

import re
import types
from collections.abc import Mapping

from pipelines.settings.checks import require, require_one_of

# https://cloud.google.com/resource-manager/docs/creating-managing-projects: 6 to 30 characters;
# older projects have the domain of their organisation in front.
_PROJECT = re.compile(r"([a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[1-9][0-9]?")
_MACHINE_TYPE = re.compile(r"[a-z][a-z0-9]*[0-9][a-z]*(-[a-z0-9]+){1,3}")
_SERVICE_ACCOUNT = re.compile(r"[^@\s]+@[-a-z0-9.]+\.gserviceaccount\.com")
_NETWORK = re.compile(r"projects/[0-9]+/global/networks/[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBNETWORK = re.compile(
    r"(https://www\.googleapis\.com/compute/v1/projects/[^/\s]+/)?"
    r"regions/[-a-z0-9]+/subnetworks/[a-z]([-a-z0-9]*[a-z0-9])?"
)
_IMAGE_HOST = re.compile(r"[^/]*[.:][^/]*/.+")

#: Vertex AI's accelerators, by the family of machines that they are attached to
#: (https://cloud.google.com/vertex-ai/docs/training/configure-compute#specifying_gpus). The names
#: are those of google.cloud.aiplatform_v1.AcceleratorType. The K80 is no longer offered; TPUs need
#: another image than this project's.
ACCELERATORS: Mapping[str, str] = types.MappingProxyType(
    {
        "NVIDIA_TESLA_P100": "n1",
        "NVIDIA_TESLA_V100": "n1",
        "NVIDIA_TESLA_P4": "n1",
        "NVIDIA_TESLA_T4": "n1",
        "NVIDIA_TESLA_A100": "a2",
        "NVIDIA_A100_80GB": "a2",
        "NVIDIA_L4": "g2",
        "NVIDIA_H100_80GB": "a3",
        "NVIDIA_H100_MEGA_80GB": "a3",
    }
)

_ACCELERATOR_COUNTS = (1, 2, 4, 8, 16)

#: NVIDIA L4 of the machines g2-standard-...; the names of a2 and a3 have the number themselves
#: (https://cloud.google.com/compute/docs/accelerator-optimized-machines).
_L4_OF: Mapping[str, int] = types.MappingProxyType(
    {**dict.fromkeys(("4", "8", "12", "16", "32"), 1), "24": 2, "48": 4, "96": 8}
)


def require_project(key: str, value: str) -> None:
    """Refuses what is not the id of a Google Cloud project."""
    require(
        _PROJECT.fullmatch(value) is not None,
        f"{key}: '{value}' is not a project's id: 6 to 30 lower-case letters, digits and '-', "
        "beginning with a letter",
    )


def require_region(key: str, value: str) -> None:
    """Refuses what does not have a region's form; a zone, such as us-central1-a, has not."""
    require(
        _REGION.fullmatch(value) is not None,
        f"{key}: '{value}' is not a region; use one such as us-central1, without a zone",
    )


def require_machine_type(key: str, value: str) -> None:
    """Refuses what does not have the form of a Compute Engine machine type."""
    require(
        _MACHINE_TYPE.fullmatch(value) is not None,
        f"{key}: '{value}' is not a machine type; use one such as n1-standard-4",
    )


def require_accelerator(
    section: str, machine_type: str, accelerator_type: str | None, accelerator_count: int | None
) -> None:
    """Refuses accelerators that Vertex AI does not have, or not with the machine type.

    Args:
        section: Where the three settings are, for the message.
        machine_type: The machine type.
        accelerator_type: Vertex AI's name of the accelerator, or ``None``.
        accelerator_count: How many a machine has, or ``None``.
    """
    if accelerator_type is None:
        require(
            accelerator_count is None,
            f"{section}.accelerator_count: no accelerator_type is given; use one such as "
            "NVIDIA_TESLA_T4",
        )
        return
    require_one_of(f"{section}.accelerator_type", accelerator_type, ACCELERATORS)
    require(
        accelerator_count in _ACCELERATOR_COUNTS,
        f"{section}.accelerator_count: {accelerator_count} is not one of "
        f"{', '.join(map(str, _ACCELERATOR_COUNTS))}",
    )
    family = ACCELERATORS[accelerator_type]
    require(
        machine_type.startswith(f"{family}-"),
        f"{section}.machine_type: '{machine_type}' cannot have {accelerator_type}, which goes with "
        f"machine types {family}-...",
    )
    most = _accelerators_of(machine_type)
    require(
        most is None or (accelerator_count or 0) <= most,
        f"{section}.accelerator_count: {accelerator_count} is more than {machine_type} has, {most}",
    )


def _accelerators_of(machine_type: str) -> int | None:
    """Returns how many accelerators a machine is built with; ``None`` where they are attached."""
    family, _, size = machine_type.partition("-")
    if family == "g2":
        return _L4_OF.get(size.removeprefix("standard-"))
    found = re.search(r"gpu-([0-9]+)g$", size)
    return None if found is None else int(found[1])


def require_service_account(key: str, value: str | None) -> None:
    """Refuses what is not the e-mail address of a Google service account; ``None`` passes."""
    require(
        value is None or _SERVICE_ACCOUNT.fullmatch(value) is not None,
        f"{key}: '{value}' is not a service account; use its e-mail address, such as "
        "trainer@PROJECT.iam.gserviceaccount.com",
    )


def require_network(key: str, value: str | None) -> None:
    """Refuses what is not a VPC network as Vertex AI names one; ``None`` passes."""
    require(
        value is None or _NETWORK.fullmatch(value) is not None,
        f"{key}: '{value}' is not a network; Vertex AI names it "
        "projects/PROJECT-NUMBER/global/networks/NAME",
    )


def require_subnetwork(key: str, value: str | None) -> None:
    """Refuses what is not a subnetwork as Dataflow names one; ``None`` passes."""
    require(
        value is None or _SUBNETWORK.fullmatch(value) is not None,
        f"{key}: '{value}' is not a subnetwork; Dataflow names it "
        "regions/REGION/subnetworks/NAME, or by its whole URL",
    )


def require_pullable_image(key: str, value: str, by: str) -> None:
    """Refuses an image without a registry, which only a machine that has it could start.

    Args:
        key: The setting, for the message.
        value: The image.
        by: Who is to pull it, for the message.
    """
    require(
        _IMAGE_HOST.fullmatch(value) is not None,
        f"{key}: '{value}' names no registry, and {by} must pull it from one; push it, and use "
        "REGION-docker.pkg.dev/PROJECT/REPOSITORY/complaint-pipeline:0.1.0",
    )
