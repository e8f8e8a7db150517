"""The compiled workflow, read as Argo and TFX's entry point read it."""

import json
import os
import pathlib
import posixpath
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import components
from components.code_hash import (
    EXAMPLE_GEN_MODULES,
    PREPROCESSING_MODULES,
    TRAINING_MODULES,
    code_hash,
)
from orchestration.package import read_package
from pipelines.settings import COMPONENT_IDS, load_settings

pytestmark = [
    pytest.mark.whole,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

STEPS = [
    *(component_id.lower() for component_id in COMPONENT_IDS if component_id != "SchemaGen"),
    "importschemagen",
    "previousstatistics",
]


@pytest.fixture(scope="module")
def compile_text() -> Callable[..., str]:
    """Compiles settings given as overrides; one compile for each set of them."""
    from pipelines.kubeflow_pipelines.compiler import compile_workflow

    texts: dict[tuple[str, ...], str] = {}

    def compiled(*overrides: str) -> str:
        if overrides not in texts:
            texts[overrides] = compile_workflow(load_settings(overrides=overrides))
        return texts[overrides]

    return compiled


@pytest.fixture
def workflow(compile_text: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    return lambda *overrides: yaml.safe_load(compile_text(*overrides))


@pytest.fixture
def steps(
    workflow: Callable[..., dict[str, Any]],
) -> Callable[..., dict[str, dict[str, Any]]]:
    """Returns the templates of the steps by name."""
    return lambda *overrides: {
        template["name"]: template
        for template in workflow(*overrides)["spec"]["templates"]
        if "container" in template
    }


def argument(step: dict[str, Any], flag: str) -> str:
    arguments = step["container"]["args"]
    return arguments[arguments.index(flag) + 1]


def exec_property(step: dict[str, Any], name: str) -> Any:
    ir = json.loads(argument(step, "--tfx_ir"))
    parameter = ir["nodes"][0]["pipelineNode"]["parameters"]["parameters"][name]
    return parameter["fieldValue"]["stringValue"]


def environment(step: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry for entry in step["container"]["env"]}


@pytest.mark.parametrize(
    ("overrides", "module"),
    [
        ((), "components.entrypoint"),
        (("plain_entrypoint=true",), "tfx.orchestration.kubeflow.container_entrypoint"),
    ],
)
def test_every_component_is_a_step_that_runs_the_entry_point(
    steps: Callable[..., Any], overrides: tuple[str, ...], module: str
) -> None:
    found = steps(*overrides)

    assert sorted(found) == sorted(STEPS)
    for step in found.values():
        assert step["container"]["command"] == ["python", "-m", module]
        assert step["container"]["image"] == "complaint-pipeline:0.1.0"


def test_the_parameters_of_a_run_have_their_defaults(workflow: Callable[..., Any]) -> None:
    compiled = workflow("training.train_steps=30", "training.eval_steps=20")

    parameters = {
        parameter["name"]: parameter["value"]
        for parameter in compiled["spec"]["arguments"]["parameters"]
    }
    assert parameters == {
        "pipeline-root": "/tfx-data/output/consumer_complaint_pipeline_kubeflow",
        "data-root": "/tfx-data/data",
        "train-args": '{"num_steps": 30}',
        "eval-args": '{"num_steps": 20}',
    }


def test_the_ui_shows_every_parameter_in_its_form(workflow: Callable[..., Any]) -> None:
    annotations = workflow()["metadata"]["annotations"]

    spec = json.loads(annotations["pipelines.kubeflow.org/pipeline_spec"])
    assert {entry["name"] for entry in spec["inputs"]} == {
        "pipeline-root",
        "data-root",
        "train-args",
        "eval-args",
    }


@pytest.mark.parametrize(
    ("step", "parameter"),
    [("csvexamplegen", "data-root"), ("trainer", "train-args"), ("trainer", "eval-args")],
)
def test_a_parameters_value_reaches_its_step(
    steps: Callable[..., Any], step: str, parameter: str
) -> None:
    arguments = steps()[step]["container"]["args"]

    assert f"{parameter}=STRING:{{{{inputs.parameters.{parameter}}}}}" in arguments


def test_tfxs_defaults_are_kept_in_every_pod(steps: Callable[..., Any]) -> None:
    for step in steps("pod_labels={team: a}").values():
        assert step["container"]["envFrom"] == [
            {"configMapRef": {"name": "metadata-grpc-configmap", "optional": True}}
        ]
        labels = step["metadata"]["labels"]
        assert labels["add-pod-env"] == "true"
        assert labels["pipelines.kubeflow.org/pipeline-sdk-type"] == "tfx"
        assert labels["team"] == "a"
        assert environment(step).keys() >= {"WORKFLOW_ID", "KFP_POD_NAME"}


def test_what_the_ui_shows_is_written_where_any_user_may_write(steps: Callable[..., Any]) -> None:
    for name, step in steps().items():
        expected = {"mlpipeline-ui-metadata": argument(step, "--metadata_ui_path")}
        if name in ("trainer", "evaluator"):
            expected["mlpipeline-metrics"] = argument(step, "--metrics_path")
        artifacts = step["outputs"]["artifacts"]
        assert {artifact["name"]: artifact["path"] for artifact in artifacts} == expected
        assert {posixpath.dirname(path) for path in expected.values()} == {"/tmp"}


def test_the_workflows_own_settings(workflow: Callable[..., Any]) -> None:
    spec = workflow(
        "service_account=runner",
        "ttl_seconds=60",
        "image_pull_secrets=[a, b]",
        "security={user: 12, group: 34}",
    )["spec"]

    assert spec["serviceAccountName"] == "runner"
    assert spec["ttlStrategy"] == {"secondsAfterCompletion": 60}
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert spec["securityContext"] == {
        "fsGroup": 34,
        "runAsNonRoot": True,
        "runAsUser": 12,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_workflow_is_kept_and_pulls_without_secrets_by_default(
    workflow: Callable[..., Any],
) -> None:
    spec = workflow()["spec"]

    assert "ttlStrategy" not in spec
    assert "imagePullSecrets" not in spec


@pytest.mark.parametrize("enabled", [True, False])
def test_caching_is_tfxs_own(steps: Callable[..., Any], enabled: bool) -> None:
    for step in steps(f"enable_cache={str(enabled).lower()}").values():
        node = json.loads(argument(step, "--tfx_ir"))["nodes"][0]["pipelineNode"]
        caching = node["executionOptions"]["cachingOptions"]
        assert caching.get("enableCache", False) is enabled


def test_beams_flags_reach_the_components(steps: Callable[..., Any]) -> None:
    found = steps("beam={workers: 3, running_mode: multi_processing, options: [--experiments=b]}")

    ir = argument(found["statisticsgen"], "--tfx_ir")
    for flag in (
        "--direct_num_workers=3",
        "--direct_running_mode=multi_processing",
        "--experiments=b",
    ):
        assert f'"{flag}"' in ir


# Metadata, by TFX's own reading of the step's argument


def connection(step: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **secret: str) -> Any:
    from google.protobuf import json_format
    from tfx.orchestration.kubeflow import container_entrypoint
    from tfx.orchestration.kubeflow.proto import kubeflow_pb2

    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    config = kubeflow_pb2.KubeflowMetadataConfig()
    json_format.Parse(argument(step, "--kubeflow_metadata_config"), config)
    return container_entrypoint._get_metadata_connection_config(config)


def test_metadata_by_the_clusters_config_map(
    steps: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = connection(
        steps()["trainer"],
        monkeypatch,
        METADATA_GRPC_SERVICE_HOST="from-config-map",
        METADATA_GRPC_SERVICE_PORT="1234",
    )

    assert (config.host, config.port) == ("from-config-map", 1234)


def test_metadata_by_grpc(steps: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = steps("metadata={kind: grpc, host: mlmd.ml, port: 8081}")

    config = connection(found["trainer"], monkeypatch)

    assert (config.host, config.port) == ("mlmd.ml", 8081)


def test_metadata_by_mysql_with_user_and_password_from_the_secret(
    steps: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = steps(
        "metadata={kind: mysql, host: db, port: 3307, database: ml, secret: s, "
        "user_key: u, password_key: p}"
    )["trainer"]

    config = connection(
        step, monkeypatch, METADATA_MYSQL_USER="tfx", METADATA_MYSQL_PASSWORD="pass word"
    ).mysql

    assert (config.host, config.port, config.database) == ("db", 3307, "ml")
    assert (config.user, config.password) == ("tfx", "pass word")
    env = environment(step)
    for name, key in (("METADATA_MYSQL_USER", "u"), ("METADATA_MYSQL_PASSWORD", "p")):
        assert env[name] == {
            "name": name,
            "valueFrom": {"secretKeyRef": {"key": key, "name": "s"}},
        }


# The code in the cache key


def test_the_hash_of_its_code_is_in_the_cache_key_of_transform_and_of_trainer(
    steps: Callable[..., Any],
) -> None:
    package = pathlib.Path(components.__path__[0])

    found = steps()

    for name, modules in (("transform", PREPROCESSING_MODULES), ("trainer", TRAINING_MODULES)):
        digest = code_hash(package, modules)
        assert json.loads(exec_property(found[name], "custom_config"))["code_hash"] == digest
        assert [step for step in found if digest in json.dumps(found[step])] == [name]


@pytest.mark.parametrize(
    ("modules", "changed"),
    [
        (EXAMPLE_GEN_MODULES, {"csvexamplegen"}),
        (PREPROCESSING_MODULES, {"transform"}),
        (TRAINING_MODULES, {"trainer"}),
    ],
)
def test_changed_code_changes_the_steps_that_run_it_alone(
    monkeypatch: pytest.MonkeyPatch, modules: frozenset[str], changed: set[str]
) -> None:
    from pipelines.kubeflow_pipelines import compiler

    compiled = []
    for digest in ("a" * 64, "b" * 64):

        def code_hash(folder: object, names: object, digest: str = digest) -> str:
            return digest if names == modules else "0" * 64

        monkeypatch.setattr(compiler, "code_hash", code_hash)
        compiled.append(yaml.safe_load(compiler.compile_workflow(load_settings())))

    before, after = (
        {template["name"]: template for template in workflow["spec"].pop("templates")}
        for workflow in compiled
    )
    assert {name for name in before if before[name] != after[name]} == changed
    assert before.keys() == after.keys()
    assert compiled[0] == compiled[1]


# Code beside the image


def test_a_module_file_is_used_as_it_stands(steps: Callable[..., Any]) -> None:
    path = "/tfx-data/release/components/module.py"

    found = steps(f"module_file={path}")

    for name in ("transform", "trainer"):
        assert exec_property(found[name], "module_file") == path
        assert "_wheels" not in json.dumps(found[name])
        own = found[name]["container"]["args"]
        assert own[own.index("--python_path") + 1] == "/tfx-data/release"
        config = json.loads(exec_property(found[name], "custom_config"))
        assert config.keys() >= {"code_hash", "text_encoder"}
    assert "--python_path" not in found["csvexamplegen"]["container"]["args"]


@pytest.mark.parametrize("before", [None, "0"])
def test_a_compile_leaves_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    from pipelines.kubeflow_pipelines.compiler import compile_workflow

    name = "UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"
    if before is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, before)
    environ = dict(os.environ)

    compile_workflow(load_settings(overrides=["module_file=/tfx-data/components/module.py"]))

    assert dict(os.environ) == environ


# The command's output


@pytest.fixture
def compile_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Callable[..., pathlib.Path]:
    """Runs the command in an empty folder, and returns the one file that it writes."""
    from pipelines.kubeflow_pipelines.command import compile_command

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBEFLOW_TFX_IMAGE", raising=False)

    def run(*arguments: str) -> pathlib.Path:
        result = CliRunner().invoke(compile_command(), arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
        assert result.output == f"wrote {path.relative_to(tmp_path)}\n"
        return path

    return run


@pytest.mark.parametrize("name", ["p.yaml", "p.yml", "p.tar.gz", "p.tgz", "p.zip"])
def test_every_kind_of_file_holds_the_same_text(
    compile_to: Callable[..., pathlib.Path], compile_text: Callable[..., str], name: str
) -> None:
    path = compile_to("--output-filename", name)

    assert path.name == name
    assert read_package(path).text == compile_text()


def test_an_archive_holds_what_kubeflow_looks_for(compile_to: Callable[..., pathlib.Path]) -> None:
    with zipfile.ZipFile(compile_to("--output-filename", "p.zip")) as archive:
        assert archive.namelist() == ["pipeline.yaml"]


def test_the_default_file_is_named_as_kubeflow_dag_runner_does(
    compile_to: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    assert compile_to("--set", "pipeline_name=mine") == tmp_path / "mine.tar.gz"


def test_the_file_goes_to_the_output_folder(
    compile_to: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "out").mkdir()

    path = compile_to("--output-dir", "out", "--output-filename", "p.yaml")

    assert path == tmp_path / "out" / "p.yaml"


def test_the_command_takes_file_environment_and_single_settings(
    compile_to: Callable[..., pathlib.Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = tmp_path_factory.mktemp("settings") / "s.yaml"
    settings.write_text("image: from-file:1\ntrainer: {memory: 5Gi, cpu: 3}")
    monkeypatch.setenv("KUBEFLOW_TFX_IMAGE", "from-env:1")

    path = compile_to(
        "--settings", str(settings), "--set", "trainer.memory=6Gi", "--output-filename", "p.yaml"
    )

    (trainer,) = (
        template
        for template in yaml.safe_load(path.read_text())["spec"]["templates"]
        if template["name"] == "trainer"
    )
    assert trainer["container"]["image"] == "from-env:1"
    assert trainer["container"]["resources"]["requests"] == {"cpu": "3", "memory": "6Gi"}


@pytest.mark.parametrize("setting", ["true", "false"])
def test_the_command_compiles_tfxs_own_entry_point(
    compile_to: Callable[..., pathlib.Path], compile_text: Callable[..., str], setting: str
) -> None:
    options = ["--set", f"plain_entrypoint={setting}", "--plain-entrypoint"]

    path = compile_to(*options, "--output-filename", "p.yaml")

    assert path.read_text() == compile_text("plain_entrypoint=true")


def test_a_workflow_that_would_be_refused_is_not_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    from components.errors import WorkflowError
    from pipelines.kubeflow_pipelines.command import compile_command

    monkeypatch.chdir(tmp_path)

    with pytest.raises(WorkflowError, match="would be refused"):
        CliRunner().invoke(
            compile_command(),
            ["--set", "beam.options=['--experiments={{workflow.nonsense}}']"],
            catch_exceptions=False,
        )

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def script_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Callable[..., dict[str, str]]:
    """Runs the command of a script that has settings, and returns what is in its folder then."""
    from pipelines.kubeflow_pipelines.command import compile_command

    monkeypatch.delenv("KUBEFLOW_TFX_IMAGE", raising=False)
    own, folder = tmp_path / "own.settings.yaml", tmp_path / "compiled"
    own.write_text("pipeline_name: complaints\nimage: registry.example.com/own:1\n")
    folder.mkdir()
    (folder / "complaints.yaml").write_text("committed")
    command = compile_command(output_dir=folder, extension=".yaml", settings_file=own)

    def run(text: str | None, *arguments: str) -> dict[str, str]:
        if text is not None:
            (tmp_path / "mine.yaml").write_text(text)
            arguments = ("--settings", str(tmp_path / "mine.yaml"), *arguments)
        result = CliRunner().invoke(command, arguments)
        if result.exception is not None:
            assert (folder / "complaints.yaml").read_text() == "committed"
            raise result.exception
        return {path.name: path.read_text() for path in folder.iterdir()}

    return run


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("pipeline_name: complaints\nimage: registry.example.com/mine:1\n", ()),
        (None, ("--set", "trainer.memory=9G")),
    ],
)
def test_other_settings_are_not_written_over_the_committed_workflow(
    script_of_its_own: Callable[..., dict[str, str]], text: str | None, arguments: tuple[str, ...]
) -> None:
    from components.errors import SettingsError

    with pytest.raises(SettingsError) as raised:
        script_of_its_own(text, *arguments)

    assert str(raised.value) == (
        "pipeline_name: 'complaints' is that of own.settings.yaml, whose committed workflow would "
        "be overwritten; choose another name in your settings, or give --output-filename"
    )


def test_settings_of_another_name_are_written_beside_the_committed_workflow(
    script_of_its_own: Callable[..., dict[str, str]],
) -> None:
    files = script_of_its_own("pipeline_name: mine\nimage: registry.example.com/mine:1\n")

    assert sorted(files) == ["complaints.yaml", "mine.yaml"]
    assert files["complaints.yaml"] == "committed"


def test_the_scripts_own_settings_are_written_anew(
    script_of_its_own: Callable[..., dict[str, str]],
) -> None:
    files = script_of_its_own(None)

    assert list(files) == ["complaints.yaml"]
    assert "registry.example.com/own:1" in files["complaints.yaml"]
