"""From the choice of a Beam runner to Beam's flags."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn

from components.errors import SettingsError
from pipelines.dataflow_options import dataflow_args
from pipelines.settings import SAME_POD_AS, BeamSettings, Settings
from pipelines.settings.quantities import parse_quantity

#: What the libraries of Spark and Flink reach into, which Java 17 keeps closed by default.
#: https://github.com/apache/spark/blob/v3.5.0/launcher/src/main/java/org/apache/spark/launcher/JavaModuleOptions.java
#: https://github.com/apache/flink/blob/release-1.20.0/flink-dist/src/main/resources/config.yaml
_OPENED_PACKAGES = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/jdk.internal.ref",
    "java.base/sun.net.util",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
)


def beam_pipeline_args(settings: BeamSettings, image: str) -> list[str]:
    """Returns the flags for Beam.

    Args:
        settings: The choice of runner and its options.
        image: Container image of workers on other machines.

    Returns:
        The flags. A list, because TFX 1.15.1 adds its own list to it.

    Raises:
        SettingsError: If ``beam.options`` has a flag that nothing would heed, or a value that
            Beam does not take.
    """
    # A component on Dataflow has flags of its own, which come after these and win.
    runner = "DirectRunner" if settings.runner == "DataflowRunner" else settings.runner
    runners = {
        "DirectRunner": _direct,
        "PrismRunner": _prism,
        "FlinkRunner": _flink,
        "SparkRunner": _spark,
    }
    flags_of_the_runner = runners.get(runner)
    if settings.options:
        unknown = _unknown_flags(settings.options)
        # The job servers of the others have flags that Python does not know.
        if unknown and runner in ("DirectRunner", "PrismRunner"):
            raise SettingsError(
                f"beam.options: Beam has no flag {unknown[0]}; correct it, or leave it out"
            )
    return [
        f"--runner={runner}",
        *([] if flags_of_the_runner is None else flags_of_the_runner(settings)),
        *_job_server(settings),
        *_environment(settings),
        # Without an image for the workers, TFX packs itself into a source distribution for them
        # before each Beam pipeline, whatever the runner.
        f"--sdk_container_image={image}",
        *settings.options,
    ]


class _OptionParser(argparse.ArgumentParser):
    """Raises SettingsError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"beam.options: {message}")


def _unknown_flags(options: Sequence[str]) -> list[str]:
    """Returns the flags that Beam does not know: it only warns of them, in the log of each step.

    Raises:
        SettingsError: If one that it knows has a value that it does not take.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = _OptionParser(allow_abbrev=False, add_help=False, conflict_handler="resolve")
    for kind in PipelineOptions.__subclasses__():
        if add := getattr(kind, "_add_argparse_args", None):
            add(parser)
    return parser.parse_known_args(list(options))[1]


def component_beam_pipeline_args(settings: Settings, component_id: str) -> list[str]:
    """Returns the flags that a component has besides those of all.

    Args:
        settings: The settings.
        component_id: Node id of a component that runs Beam, such as ``Transform``.

    Returns:
        The flags; where one is among those of all, too, Beam takes this one.
    """
    beam, like = settings.beam, SAME_POD_AS.get(component_id, component_id)
    if settings.dataflow is not None and like in settings.dataflow.components:
        return dataflow_args(settings)
    limit = settings.pod(like).cpu_limit
    # Only DirectRunner has workers.
    if beam.workers != 0 or limit is None:
        return []
    # Beam itself counts the cores of the node.
    return [f"--direct_num_workers={math.ceil(parse_quantity('cpu_limit', limit))}"]


def _direct(settings: BeamSettings) -> list[str]:
    return [
        f"--direct_running_mode={settings.running_mode}",
        f"--direct_num_workers={settings.workers}",
        # Since Beam 2.68, DirectRunner first downloads Prism and runs the pipeline there, whatever
        # mode and workers say, but not a pipeline that may have unsafe triggers. Ours have none.
        # https://github.com/apache/beam/pull/34612
        "--allow_unsafe_triggers",
    ]


def _prism(settings: BeamSettings) -> list[str]:
    return [f"--prism_location={settings.prism_location}"]


def _flink(settings: BeamSettings) -> list[str]:
    flags = {
        "flink_master": settings.flink_master,
        "flink_job_server_jar": settings.job_server_jar,
        "parallelism": settings.parallelism,
    }
    return _given(flags)


def _spark(settings: BeamSettings) -> list[str]:
    flags = {
        "spark_master_url": settings.spark_master_url,
        "spark_job_server_jar": settings.job_server_jar,
    }
    return _given(flags)


def _job_server(settings: BeamSettings) -> list[str]:
    flags = {
        "job_endpoint": settings.job_endpoint,
        "artifact_endpoint": settings.artifact_endpoint,
    }
    if settings.job_server_jar is None:
        return _given(flags)
    return [
        *_given(flags),
        *(
            f"--job_server_jvm_property=--add-opens={package}=ALL-UNNAMED"
            for package in _OPENED_PACKAGES
        ),
    ]


def _environment(settings: BeamSettings) -> list[str]:
    kind = settings.environment
    if kind is None:
        return []
    config = settings.environment_config
    if kind == "PROCESS":
        config = json.dumps({"command": config})
    # Beam 2.74 fails on EXTERNAL with environment options, which are to replace this flag.
    flags = {
        "environment_type": kind,
        "environment_config": config,
        "sdk_worker_parallelism": settings.sdk_worker_parallelism,
    }
    return _given(flags)


def _given(flags: Mapping[str, str | int | None]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]
