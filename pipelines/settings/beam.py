"""Settings of Apache Beam: the runner of the components' Beam pipelines, and its workers."""

import dataclasses
import re

from pipelines.settings.checks import is_uri, require, require_one_of
from pipelines.settings.dataflow import DataflowSettings
from pipelines.settings.uris import host_of, require_address, require_no_credentials

_DIRECT, _PRISM, _FLINK, _SPARK, _PORTABLE, _DATAFLOW = RUNNERS = (
    "DirectRunner",
    "PrismRunner",
    "FlinkRunner",
    "SparkRunner",
    "PortableRunner",
    "DataflowRunner",
)

_RUNNING_MODES = ("in_memory", "multi_processing")
_ENVIRONMENT_TYPES = ("EXTERNAL", "PROCESS", "LOOPBACK")

#: The runners that a setting goes with; one that is not here goes with all of them.
_RUNNERS_OF = {
    # Of the components that stay in their pods, with Dataflow.
    "running_mode": (_DIRECT, _DATAFLOW),
    "workers": (_DIRECT, _DATAFLOW),
    "dataflow": (_DATAFLOW,),
    "prism_location": (_PRISM,),
    "flink_master": (_FLINK,),
    "parallelism": (_FLINK,),
    "spark_master_url": (_SPARK,),
    "job_server_jar": (_FLINK, _SPARK),
    "job_endpoint": (_FLINK, _SPARK, _PORTABLE),
    "artifact_endpoint": (_FLINK, _SPARK, _PORTABLE),
    "environment_type": (_FLINK, _SPARK, _PORTABLE),
    "environment_config": (_FLINK, _SPARK, _PORTABLE),
    "sdk_worker_parallelism": (_FLINK, _SPARK, _PORTABLE),
}

#: Beam's flags that have a setting of their own.
_FLAG_SETTINGS = {
    "--direct_num_workers": "beam.workers",
    "--direct_running_mode": "beam.running_mode",
    "--environment_option": "beam.environment_config",
    "--environment_options": "beam.environment_config",
    "--flink_job_server_jar": "beam.job_server_jar",
    "--sdk_container_image": "image",
    "--spark_job_server_jar": "beam.job_server_jar",
    **{
        f"--{name}": f"beam.{name}"
        for name in (
            "artifact_endpoint",
            "environment_config",
            "environment_type",
            "flink_master",
            "job_endpoint",
            "parallelism",
            "prism_location",
            "runner",
            "sdk_worker_parallelism",
            "spark_master_url",
        )
    },
}

# Beam takes "--NAME VALUE" in one argument for a flag of that name, which it does not know.
_OPTION = re.compile(r"--[A-Za-z][-A-Za-z0-9_]*(=.*)?", re.DOTALL)

_MAX_WORKERS = 1_000

#: https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/datastream/execution/parallel/
_MAX_PARALLELISM = 2**15

_HERE = ("localhost", "127.0.0.1")
_FLINK_HERE = ("[local]", "[auto]")
_SPARK_HERE = re.compile(r"local(\[([1-9][0-9]*|\*)\])?")
_SPARK_MASTER = re.compile(r"spark://(?P<address>.*)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamSettings:
    """How the components' Beam pipelines run.

    Attributes:
        runner: ``DirectRunner``, ``PrismRunner``, ``FlinkRunner``, ``SparkRunner``,
            ``PortableRunner``, or ``DataflowRunner``, which leaves small components to
            DirectRunner.
        running_mode: DirectRunner's ``in_memory`` or ``multi_processing``; not its
            ``multi_threading``, which loses examples.
        workers: DirectRunner's number of workers; 0 for one a core of the pod's cpu limit, or of
            the node where it has none.
        prism_location: Path or URL of PrismRunner's executable, in the image.
        flink_master: FlinkRunner's cluster as ``HOST:PORT`` of its REST service, or ``[local]``.
        parallelism: FlinkRunner's parallelism; ``None`` for the cluster's own.
        spark_master_url: SparkRunner's cluster as ``spark://HOST:PORT``, or ``local[4]`` and the
            like.
        job_server_jar: Path, in the image, or URL of Beam's job server for Flink or Spark, which
            each step then starts with ``java``.
        job_endpoint: ``HOST:PORT`` of a job server that is there already.
        artifact_endpoint: ``HOST:PORT`` at which that job server takes files, where it does not
            know its own address.
        environment_type: How the runner gets workers: ``EXTERNAL`` from a worker pool,
            ``PROCESS`` by a command, ``LOOPBACK`` within the step; ``None`` for ``LOOPBACK``
            where the runner is in the step's own pod.
        environment_config: Address of the worker pool, ``HOST:PORT`` as the runner sees it, for
            ``EXTERNAL``; path of the command for ``PROCESS``.
        sdk_worker_parallelism: Worker processes of each of the runner's machines; ``None`` for
            Beam's default, 1; 0 for the runner's choice.
        options: More Beam flags, such as ``--experiments=...``, passed on as they are.
        dataflow: How ``DataflowRunner`` runs; its other components have DirectRunner.
    """

    runner: str = _DIRECT
    running_mode: str = "in_memory"
    workers: int = 1
    prism_location: str | None = None
    flink_master: str | None = None
    parallelism: int | None = None
    spark_master_url: str | None = None
    job_server_jar: str | None = None
    job_endpoint: str | None = None
    artifact_endpoint: str | None = None
    environment_type: str | None = None
    environment_config: str | None = None
    sdk_worker_parallelism: int | None = None
    options: tuple[str, ...] = ()
    dataflow: DataflowSettings | None = None

    def __post_init__(self) -> None:
        require_one_of("beam.runner", self.runner, RUNNERS)
        self._check_settings_of_the_runner()
        if self.runner in (_DIRECT, _DATAFLOW):
            self._check_direct()
        if self.runner == _PRISM:
            require(
                self.prism_location is not None,
                "beam.prism_location is required when beam.runner is PrismRunner: the path of its "
                "executable in the image, such as /usr/local/bin/prism",
            )
            _require_file("beam.prism_location", self.prism_location)
        if self.runner in (_FLINK, _SPARK, _PORTABLE):
            self._check_job_server()
        self._check_environment()
        for name, least, most in (
            ("sdk_worker_parallelism", 0, _MAX_WORKERS),
            ("parallelism", 1, _MAX_PARALLELISM),
        ):
            number = getattr(self, name)
            require(
                number is None or least <= number <= most,
                f"beam.{name}: {number} is not {least} to {most}",
            )
        self._check_options()

    @property
    def environment(self) -> str | None:
        """``environment_type`` or its default; ``None`` where the runner has workers of its own.

        Prism, too: a ``PROCESS`` never starts there, and its servers name their workers alike, so
        that a step would stop the workers that another step has in the same pool.
        """
        if self.runner in (_DIRECT, _PRISM, _DATAFLOW):
            return None
        return self.environment_type or "LOOPBACK"

    @property
    def _runner_is_in_the_pod(self) -> bool:
        """Whether the runner shares the step's network, so that it reaches workers there."""
        if self.job_endpoint is not None:
            return host_of(self.job_endpoint) in _HERE
        if self.runner == _FLINK:
            return self.flink_master in _FLINK_HERE
        if self.runner == _SPARK:
            return _SPARK_HERE.fullmatch(self.spark_master_url or "") is not None
        return True

    def _check_settings_of_the_runner(self) -> None:
        for field in dataclasses.fields(self):
            runners = _RUNNERS_OF.get(field.name)
            if runners is None or getattr(self, field.name) == field.default:
                continue
            valid = [name for name, those in _RUNNERS_OF.items() if self.runner in those]
            require(
                self.runner in runners,
                f"beam.{field.name} goes with beam.runner {' or '.join(runners)}, and it is "
                f"{self.runner}, which takes {', '.join([*valid, 'options'])}",
            )

    def _check_direct(self) -> None:
        require(
            self.running_mode != "multi_threading",
            "beam.running_mode: multi_threading loses examples, without an error, in Beam 2.74; "
            f"use {' or '.join(_RUNNING_MODES)}",
        )
        require_one_of("beam.running_mode", self.running_mode, _RUNNING_MODES)
        require(
            0 <= self.workers <= _MAX_WORKERS,
            f"beam.workers: {self.workers} is not 0 to {_MAX_WORKERS}",
        )
        require(
            self.workers == 1 or self.running_mode != "in_memory",
            f"beam.workers: beam.running_mode in_memory has one worker, not {self.workers}; set "
            "beam.running_mode to multi_processing",
        )

    def _check_job_server(self) -> None:
        if self.runner == _PORTABLE:
            require(
                self.job_endpoint is not None,
                "beam.job_endpoint is required when beam.runner is PortableRunner: HOST:PORT of "
                "the job server",
            )
        master = {_FLINK: "flink_master", _SPARK: "spark_master_url"}.get(self.runner)
        if self.job_endpoint is not None:
            require_address("beam.job_endpoint", self.job_endpoint)
            for name in ("job_server_jar", master):
                require(
                    name is None or getattr(self, name) is None,
                    f"beam.{name}: the job server at beam.job_endpoint has its own; leave one of "
                    "the two out",
                )
        else:
            assert master is not None  # PortableRunner has an endpoint
            for name in ("job_server_jar", master):
                require(
                    getattr(self, name) is not None,
                    f"beam.{name} is required when beam.runner is {self.runner}, unless "
                    "beam.job_endpoint names a job server that is there already",
                )
            _require_file("beam.job_server_jar", self.job_server_jar)
            self._check_master()
        if self.artifact_endpoint is not None:
            require(
                self.job_endpoint is not None,
                "beam.artifact_endpoint goes with beam.job_endpoint; a job server that the step "
                "starts knows its own",
            )
            require_address("beam.artifact_endpoint", self.artifact_endpoint)

    def _check_master(self) -> None:
        if self.runner == _FLINK and self.flink_master not in _FLINK_HERE:
            require_address("beam.flink_master", self.flink_master)
        if self.runner == _SPARK and not self._runner_is_in_the_pod:
            found = _SPARK_MASTER.fullmatch(self.spark_master_url or "")
            require(
                found is not None,
                f"beam.spark_master_url: '{self.spark_master_url}' is not the URL of a Spark "
                "master; use spark://HOST:PORT, local, local[4] or local[*]",
            )
            if found is not None:
                require_address("beam.spark_master_url", found["address"])

    def _check_environment(self) -> None:
        kind, config = self.environment_type, self.environment_config
        if kind is not None:
            require_one_of("beam.environment_type", kind, _ENVIRONMENT_TYPES)
        require(
            self._runner_is_in_the_pod or kind is not None,
            f"beam.environment_type is required for a {self.runner} outside the pod: EXTERNAL "
            "for a worker pool beside each of its machines, or PROCESS",
        )
        require(
            self._runner_is_in_the_pod or kind != "LOOPBACK",
            "beam.environment_type: LOOPBACK's workers can only be reached within the step's pod; "
            "use EXTERNAL or PROCESS",
        )
        if kind == "EXTERNAL":
            require(
                config is not None,
                "beam.environment_config is required when beam.environment_type is EXTERNAL: "
                "HOST:PORT of the worker pool, as the runner sees it",
            )
            require_address("beam.environment_config", config)
        elif kind == "PROCESS":
            require(
                config is not None and re.fullmatch(r"/[^\s,]+", config) is not None,
                "beam.environment_config is required when beam.environment_type is PROCESS: the "
                "absolute path of the command that starts a worker, such as /opt/apache/beam/boot",
            )
        else:
            require(
                config is None,
                "beam.environment_config goes with beam.environment_type EXTERNAL or PROCESS, and "
                f"it is {kind or 'not set'}; leave it out",
            )

    def _check_options(self) -> None:
        for option in self.options:
            require(
                _OPTION.fullmatch(option) is not None,
                f"beam.options: '{option}' is not a Beam flag; write it as --NAME=VALUE or --NAME",
            )
            flag = option.partition("=")[0]
            require(
                flag not in _FLAG_SETTINGS,
                f"beam.options: {flag} has a setting of its own; use {_FLAG_SETTINGS.get(flag)}",
            )


def _require_file(key: str, path: str | None) -> None:
    require_no_credentials(key, path or "", "use a path in the image, or a URL without")
    require(
        path is not None and (re.fullmatch(r"/[^\s]+", path) is not None or is_uri(path)),
        f"{key}: '{path}' is neither an absolute path nor a URL",
    )
