"""Beam's flags, as Beam itself understands them."""

import pathlib
import shutil
import subprocess
from typing import Any

import pytest

from components.errors import SettingsError
from pipelines.beam_options import beam_pipeline_args, component_beam_pipeline_args
from pipelines.settings import BeamSettings, Settings, load_settings

#: Settings of each runner, and the flags that stand for them.
RUNNERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "DirectRunner": (
        {},
        [
            "--runner=DirectRunner",
            "--direct_running_mode=in_memory",
            "--direct_num_workers=1",
            "--allow_unsafe_triggers",
        ],
    ),
    "DirectRunner with workers": (
        {"running_mode": "multi_processing", "workers": 3},
        [
            "--runner=DirectRunner",
            "--direct_running_mode=multi_processing",
            "--direct_num_workers=3",
            "--allow_unsafe_triggers",
        ],
    ),
    "PrismRunner": (
        {"runner": "PrismRunner", "prism_location": "/usr/local/bin/prism"},
        ["--runner=PrismRunner", "--prism_location=/usr/local/bin/prism"],
    ),
    "FlinkRunner by a job server": (
        {
            "runner": "FlinkRunner",
            "job_endpoint": "flink-job-server:8099",
            "artifact_endpoint": "flink-job-server:8098",
            "parallelism": 4,
            "environment_type": "EXTERNAL",
            "environment_config": "localhost:50000",
            "sdk_worker_parallelism": 2,
        },
        [
            "--runner=FlinkRunner",
            "--parallelism=4",
            "--job_endpoint=flink-job-server:8099",
            "--artifact_endpoint=flink-job-server:8098",
            "--environment_type=EXTERNAL",
            "--environment_config=localhost:50000",
            "--sdk_worker_parallelism=2",
        ],
    ),
    "SparkRunner in the pod": (
        {
            "runner": "SparkRunner",
            "spark_master_url": "local[4]",
            "job_server_jar": "/opt/spark-job-server.jar",
            "environment_type": "PROCESS",
            "environment_config": "/opt/apache/beam/boot",
        },
        [
            "--runner=SparkRunner",
            "--spark_master_url=local[4]",
            "--spark_job_server_jar=/opt/spark-job-server.jar",
            "--environment_type=PROCESS",
            '--environment_config={"command": "/opt/apache/beam/boot"}',
        ],
    ),
    "PortableRunner": (
        {"runner": "PortableRunner", "job_endpoint": "localhost:8099"},
        [
            "--runner=PortableRunner",
            "--job_endpoint=localhost:8099",
            "--environment_type=LOOPBACK",
        ],
    ),
}


@pytest.mark.parametrize(("settings", "flags"), RUNNERS.values(), ids=RUNNERS.keys())
def test_each_runner_has_its_own_flags_and_the_image(
    settings: dict[str, Any], flags: list[str]
) -> None:
    args = beam_pipeline_args(BeamSettings(**settings), "image:1")

    without_java = [flag for flag in args if not flag.startswith("--job_server_jvm_property=")]
    assert without_java == [*flags, "--sdk_container_image=image:1"]


def test_java_17_lets_a_job_server_that_the_step_starts_into_its_packages() -> None:
    args = beam_pipeline_args(
        BeamSettings(runner="FlinkRunner", flink_master="[local]", job_server_jar="/flink.jar"),
        "image:1",
    )

    assert "--job_server_jvm_property=--add-opens=java.base/java.nio=ALL-UNNAMED" in args


def test_more_options_are_passed_on_after_the_rest() -> None:
    args = beam_pipeline_args(
        BeamSettings(options=("--experiments=a", "--experiments=b")), "image:1"
    )

    assert args[-2:] == ["--experiments=a", "--experiments=b"]


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner", "DataflowRunner"])
@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--direct_num_work=5", "Beam has no flag --direct_num_work=5"),
        ("--no_such_flag", "Beam has no flag --no_such_flag"),
        ("--max_cache_memory_usage_mb=much", "invalid int value: 'much'"),
    ],
)
def test_a_flag_that_beam_would_only_warn_of_is_refused(
    runner: str, option: str, problem: str
) -> None:
    location = "/usr/local/bin/prism" if runner == "PrismRunner" else None
    settings = BeamSettings(runner=runner, prism_location=location, options=(option,))

    with pytest.raises(SettingsError, match=problem):
        beam_pipeline_args(settings, "image:1")


def test_a_job_server_may_know_more_flags_than_beam_here() -> None:
    settings = BeamSettings(
        runner="FlinkRunner",
        job_endpoint="localhost:8099",
        options=("--flink_conf_dir=/opt/flink/conf", "--a_flag_of_java=1"),
    )

    assert beam_pipeline_args(settings, "image:1")[-2:] == list(settings.options)


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner", "PortableRunner"])
def test_a_value_that_beam_does_not_take_is_refused_with_a_job_server(runner: str) -> None:
    settings = BeamSettings(
        runner=runner, job_endpoint="localhost:8099", options=("--job_server_timeout=abc",)
    )

    with pytest.raises(SettingsError, match=r"^beam\.options: .*invalid int value: 'abc'"):
        beam_pipeline_args(settings, "image:1")


def test_the_flags_are_a_list_of_their_own() -> None:
    # TFX 1.15.1 adds a list to it, which a tuple refuses.
    first, second = (
        beam_pipeline_args(BeamSettings(), "image:1"),
        beam_pipeline_args(BeamSettings(), "image:1"),
    )

    assert isinstance(first, list)
    assert first is not second


@pytest.mark.parametrize(
    ("overrides", "component_id", "flags"),
    [
        (("transform.cpu_limit=4",), "Transform", ["--direct_num_workers=4"]),
        (("transform.cpu_limit=2500m",), "Transform", ["--direct_num_workers=3"]),
        (("statistics_gen.cpu_limit=2",), "ServingStatisticsGen", ["--direct_num_workers=2"]),
        (("transform.cpu_limit=4",), "Evaluator", []),
        ((), "Transform", []),
        (("transform.cpu_limit=4", "beam.workers=2"), "Transform", []),
    ],
)
def test_workers_follow_the_cpu_limit_of_the_pod(
    overrides: tuple[str, ...], component_id: str, flags: list[str]
) -> None:
    settings = load_settings(
        overrides=("beam.running_mode=multi_processing", "beam.workers=0", *overrides)
    )

    assert component_beam_pipeline_args(settings, component_id) == flags


def test_one_worker_stays_one_whatever_the_limit() -> None:
    settings = load_settings(overrides=("transform.cpu_limit=4",))

    assert component_beam_pipeline_args(settings, "Transform") == []


@pytest.mark.whole
@pytest.mark.parametrize("settings", [case[0] for case in RUNNERS.values()], ids=RUNNERS.keys())
def test_beam_reads_every_flag(settings: dict[str, Any]) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions

    args = beam_pipeline_args(BeamSettings(**settings), "image:1")

    # Beam passes over what it does not know.
    known = PipelineOptions(args).get_all_options()
    for flag in args:
        name, _, value = flag.removeprefix("--").partition("=")
        # It may be given several times, and is a list under its other name.
        name = name.replace("jvm_property", "jvm_properties")
        if isinstance(known[name], list):
            assert value in known[name]
        else:
            assert str(known[name]) == (value or "True")


#: Reaches into a package that Java keeps closed, as Flink's and Spark's libraries do.
REFLECTION = """
public class Reflection {
    public static void main(String[] arguments) throws Exception {
        java.nio.ByteBuffer.class.getDeclaredField("hb").setAccessible(true);
        System.out.print("reached");
    }
}
"""


@pytest.mark.whole
@pytest.mark.skipif(
    shutil.which("javac") is None or shutil.which("jar") is None, reason="no JDK on PATH"
)
@pytest.mark.parametrize("flags", [True, False])
def test_beam_starts_a_jar_that_reaches_into_javas_packages(
    tmp_path: pathlib.Path, flags: bool
) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.flink_runner import FlinkJarJobServer

    jar = tmp_path / "job-server.jar"
    (tmp_path / "Reflection.java").write_text(REFLECTION)
    subprocess.run(["javac", "Reflection.java"], cwd=tmp_path, check=True)
    subprocess.run(
        ["jar", "--create", "--file", jar, "--main-class=Reflection", "Reflection.class"],
        cwd=tmp_path,
        check=True,
    )
    args = beam_pipeline_args(
        BeamSettings(runner="FlinkRunner", flink_master="[local]", job_server_jar=str(jar)), "i:1"
    )
    if not flags:
        args = [flag for flag in args if not flag.startswith("--job_server_jvm_property=")]

    options = PipelineOptions([*args, f"--artifacts_dir={tmp_path}"])
    command, _ = FlinkJarJobServer(options).subprocess_cmd_and_endpoint()

    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    assert (done.stdout == "reached") is flags, done.stderr


@pytest.mark.whole
def test_a_component_has_the_workers_of_its_pod() -> None:
    from pipelines.kubeflow_pipelines.compiler import init_components

    nodes = init_components(
        load_settings(
            overrides=(
                "beam.running_mode=multi_processing",
                "beam.workers=0",
                "transform.cpu_limit=4",
            )
        )
    )

    args = {
        node.id: node.executor_spec.beam_pipeline_args
        for node in nodes
        if hasattr(getattr(node, "executor_spec", None), "beam_pipeline_args")
    }
    assert args.pop("Transform") == ["--direct_num_workers=4"]
    assert args == {"CsvExampleGen": [], "StatisticsGen": [], "Evaluator": []}


@pytest.mark.whole
def test_the_direct_runner_is_not_prism(caplog: pytest.LogCaptureFixture) -> None:
    import apache_beam as beam

    caplog.set_level("INFO", "apache_beam")
    with beam.Pipeline(argv=beam_pipeline_args(Settings().beam, "image:1")) as pipeline:
        _ = pipeline | beam.Create([1, 2]) | beam.combiners.Count.Globally()

    assert "Prism" not in caplog.text
