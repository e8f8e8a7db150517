"""The arguments of AI Platform Training and Prediction, and what they are on Vertex AI.

Both were shut down; books and older pipelines still give their arguments:
https://cloud.google.com/ai-platform/training/docs/deprecations and
https://cloud.google.com/ai-platform/prediction/docs/deprecations.
"""

import re
import types
from collections.abc import Iterable, Mapping
from typing import Any

from components.errors import SettingsError
from pipelines.settings.checks import require, require_one_of, suggestion
from pipelines.settings.google_cloud_checks import (
    require_machine_type,
    require_project,
    require_region,
    require_service_account,
)

SHUTDOWN = "31 January 2025"

_TRAINING = "google_cloud.ai_platform_training_args"
_SERVING = "google_cloud.ai_platform_serving_args"

#: https://cloud.google.com/ai-platform/training/docs/reference/rest/v1/projects.jobs#TrainingInput
_TRAINING_KEYS = (
    *("project", "region", "scaleTier", "masterType", "masterConfig", "serviceAccount", "network"),
    *("scheduling", "workerType", "workerCount", "workerConfig", "parameterServerType"),
    *("parameterServerCount", "parameterServerConfig", "evaluatorType", "evaluatorCount"),
    *("evaluatorConfig", "jobDir", "labels", "encryptionConfig", "enableWebAccess"),
)
#: What Vertex AI has a field for in these settings.
_TRANSLATED_TRAINING_KEYS = (
    *("project", "region", "scaleTier", "masterType", "masterConfig", "serviceAccount", "network"),
)
_SERVING_KEYS = (
    *("model_name", "project_id", "regions", "machineType", "machine_type", "acceleratorConfig"),
    *("autoScaling", "manualScaling", "serviceAccount", "runtimeVersion", "runtime_version"),
    *("pythonVersion", "python_version", "framework", "labels", "description"),
)
_TRANSLATED_SERVING_KEYS = (
    *("model_name", "project_id", "regions", "machineType", "machine_type", "acceleratorConfig"),
    *("autoScaling", "manualScaling", "serviceAccount"),
    # The image of the server has these.
    *("runtimeVersion", "runtime_version", "pythonVersion", "python_version", "framework"),
)

_SCALE_TIERS = ("BASIC", "STANDARD_1", "PREMIUM_1", "BASIC_GPU", "BASIC_TPU", "CUSTOM")
_ONE_MACHINE_TIERS = ("BASIC", "BASIC_GPU", "CUSTOM")

_T4 = "NVIDIA_TESLA_T4"
_P100 = "NVIDIA_TESLA_P100"
_V100 = "NVIDIA_TESLA_V100"

#: Machine, GPU and number of GPUs of scale tiers and AI Platform's own machine types
#: (https://cloud.google.com/ai-platform/training/docs/machine-types). K80s are no longer offered:
#: the T4 takes their place.
_MACHINES: Mapping[str, tuple[str, str | None, int]] = types.MappingProxyType(
    {
        "BASIC": ("n1-standard-4", None, 0),
        "BASIC_GPU": ("n1-standard-8", _T4, 1),
        "standard": ("n1-standard-4", None, 0),
        "large_model": ("n1-highmem-8", None, 0),
        "complex_model_s": ("n1-highcpu-8", None, 0),
        "complex_model_m": ("n1-highcpu-16", None, 0),
        "complex_model_l": ("n1-highcpu-32", None, 0),
        "standard_gpu": ("n1-standard-8", _T4, 1),
        "complex_model_m_gpu": ("n1-standard-16", _T4, 4),
        "standard_p100": ("n1-standard-8", _P100, 1),
        "complex_model_m_p100": ("n1-standard-16", _P100, 4),
        "standard_v100": ("n1-standard-8", _V100, 1),
        "large_model_v100": ("n1-highmem-8", _V100, 1),
        "complex_model_m_v100": ("n1-standard-16", _V100, 4),
        "complex_model_l_v100": ("n1-standard-32", _V100, 8),
        # Of Prediction.
        "mls1-c1-m2": ("n1-standard-2", None, 0),
        "mls1-c4-m2": ("n1-standard-4", None, 0),
    }
)
_DEFAULT_SERVING_MACHINE = "mls1-c1-m2"

#: The largest model in megabytes that AI Platform Prediction took on its own machine types, and on
#: those of Compute Engine (https://cloud.google.com/ai-platform/prediction/docs/quotas).
MAX_MODEL_MEGABYTES = 500
MAX_MODEL_MEGABYTES_COMPUTE_ENGINE = 10_000

_MODEL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,127}")
_REPLACED_ACCELERATORS = {"NVIDIA_TESLA_K80": _T4}


def check_training_args(args: Mapping[str, Any]) -> None:
    """Refuses what AI Platform Training would not have taken; empty passes."""
    if not args:
        return
    _require_known(_TRAINING, args, _TRAINING_KEYS)
    for key in ("project", "region"):
        _require_text(_TRAINING, args, key, is_required=key == "project")
    require_project(f"{_TRAINING}.project", args["project"])
    if "region" in args:
        require_region(f"{_TRAINING}.region", args["region"])
    tier = args.get("scaleTier", "BASIC")
    require_one_of(f"{_TRAINING}.scaleTier", str(tier), _SCALE_TIERS)
    require(
        (tier == "CUSTOM") == ("masterType" in args),
        f"{_TRAINING}.masterType: it goes with scaleTier CUSTOM, and with no other",
    )
    config = args.get("masterConfig", {})
    require(
        isinstance(config, dict) and isinstance(config.get("imageUri", ""), str),
        f"{_TRAINING}.masterConfig: write {{imageUri: IMAGE}}, with this project's image",
    )
    require_service_account(f"{_TRAINING}.serviceAccount", args.get("serviceAccount"))


def check_serving_args(args: Mapping[str, Any]) -> None:
    """Refuses what AI Platform Prediction would not have taken; empty passes."""
    if not args:
        return
    _require_known(_SERVING, args, _SERVING_KEYS)
    for key in ("model_name", "project_id"):
        _require_text(_SERVING, args, key, is_required=True)
    require(
        _MODEL_NAME.fullmatch(args["model_name"]) is not None,
        f"{_SERVING}.model_name: '{args['model_name']}' is not a model's name: a letter, then "
        "letters, digits and '_', at most 128",
    )
    require_project(f"{_SERVING}.project_id", args["project_id"])
    regions = args.get("regions")
    require(
        regions is None
        or (
            isinstance(regions, (list, tuple)) and len(regions) == 1 and isinstance(regions[0], str)
        ),
        f"{_SERVING}.regions: {regions!r} is not a list of one region; write [us-central1]",
    )
    if regions:
        require_region(f"{_SERVING}.regions", regions[0])
    require_service_account(f"{_SERVING}.serviceAccount", args.get("serviceAccount"))


def max_model_megabytes(serving_args: Mapping[str, Any]) -> int:
    """Returns the size of the largest model that AI Platform Prediction took."""
    if _serving_machine(serving_args).startswith("mls1-"):
        return MAX_MODEL_MEGABYTES
    return MAX_MODEL_MEGABYTES_COMPUTE_ENGINE


def vertex_training(args: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of VertexTrainingSettings for those of AI Platform Training.

    Args:
        args: What ``check_training_args`` takes.

    Raises:
        SettingsError: If Vertex AI has nothing for one of them.
    """
    _require_translated(_TRAINING, args, _TRANSLATED_TRAINING_KEYS, "vertex_training")
    tier = args.get("scaleTier", "BASIC")
    require(
        tier in _ONE_MACHINE_TIERS,
        f"{_TRAINING}.scaleTier: {tier} is for several machines or a TPU, and run_fn trains on one "
        f"machine; use {', '.join(_ONE_MACHINE_TIERS)}, or google_cloud.vertex_training",
    )
    config = args.get("masterConfig", {})
    values = _machine(f"{_TRAINING}.masterType", args.get("masterType", tier))
    values |= _accelerator(f"{_TRAINING}.masterConfig", config)
    values |= {"image": config.get("imageUri"), "service_account": args.get("serviceAccount")}
    values |= {"network": args.get("network")}
    return {name: value for name, value in values.items() if value is not None}


def vertex_serving(args: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of VertexServingSettings for those of AI Platform Prediction.

    Args:
        args: What ``check_serving_args`` takes.

    Raises:
        SettingsError: If Vertex AI has nothing for one of them.
    """
    _require_translated(_SERVING, args, _TRANSLATED_SERVING_KEYS, "vertex_serving")
    values: dict[str, Any] = {"endpoint": args["model_name"]}
    values |= _machine(f"{_SERVING}.machineType", _serving_machine(args))
    values |= _accelerator(_SERVING, args)
    for key, field in (("autoScaling", "minNodes"), ("manualScaling", "nodes")):
        if key not in args:
            continue
        # Vertex AI keeps at least one machine, where AI Platform could go down to none.
        values["min_replicas"] = max(1, _whole_number(f"{_SERVING}.{key}", args[key], field))
    values["service_account"] = args.get("serviceAccount")
    return {name: value for name, value in values.items() if value is not None}


def _whole_number(key: str, section: Any, field: str) -> int:
    number = section.get(field) if isinstance(section, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise SettingsError(f"{key}: write {{{field}: NUMBER}}")
    return number


def _serving_machine(args: Mapping[str, Any]) -> str:
    return str(args.get("machineType", args.get("machine_type", _DEFAULT_SERVING_MACHINE)))


def _machine(key: str, name: str) -> dict[str, Any]:
    if name not in _MACHINES:
        require_machine_type(key, str(name))
        return {"machine_type": name}
    machine, accelerator, count = _MACHINES[name]
    values: dict[str, Any] = {"machine_type": machine}
    if accelerator is not None:
        values |= {"accelerator_type": accelerator, "accelerator_count": count}
    return values


def _accelerator(key: str, holder: Mapping[str, Any]) -> dict[str, Any]:
    config = holder.get("acceleratorConfig")
    if config is None:
        return {}
    try:
        kind, count = str(config["type"]), int(config["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{key}.acceleratorConfig: write {{type: NVIDIA_TESLA_T4, count: 1}}"
        ) from error
    kind = _REPLACED_ACCELERATORS.get(kind, kind)
    return {"accelerator_type": kind, "accelerator_count": count}


def _require_text(section: str, args: Mapping[str, Any], key: str, *, is_required: bool) -> None:
    require(key in args or not is_required, f"{section}.{key}: it is required")
    value = args.get(key, "")
    require(isinstance(value, str), f"{section}.{key}: {value!r} is not text")


def _require_known(section: str, args: Mapping[str, Any], known: Iterable[str]) -> None:
    known = tuple(known)
    for key in args:
        require(
            key in known,
            f"{section}.{key}: unknown argument{suggestion(str(key), known)}; valid are "
            f"{', '.join(known)}",
        )


def _require_translated(
    section: str, args: Mapping[str, Any], translated: Iterable[str], target: str
) -> None:
    translated = tuple(translated)
    for key in args:
        require(
            key in translated,
            f"{section}.{key}: these settings have nothing for it on Vertex AI; leave it out, or "
            f"use google_cloud.{target} instead",
        )
