"""Settings: where they come from, and what a component inherits."""

import dataclasses
import pathlib

import pytest

from components.errors import SettingsError
from pipelines.settings import (
    COMPONENT_IDS,
    COMPONENT_KEYS,
    PodSettings,
    Settings,
    VolumeSettings,
    load_settings,
)


def settings_of(tmp_path: pathlib.Path, text: str, *overrides: str, **environ: str) -> Settings:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, overrides, environ)


# Precedence


def test_without_a_file_the_settings_are_the_defaults() -> None:
    assert load_settings() == Settings()


def test_the_file_wins_over_the_defaults(tmp_path: pathlib.Path) -> None:
    assert settings_of(tmp_path, "image: from-file:1").image == "from-file:1"


def test_the_environment_wins_over_the_file(tmp_path: pathlib.Path) -> None:
    settings = settings_of(tmp_path, "image: from-file:1", KUBEFLOW_TFX_IMAGE="from-env:1")

    assert settings.image == "from-env:1"


def test_an_override_wins_over_the_environment(tmp_path: pathlib.Path) -> None:
    settings = settings_of(
        tmp_path, "image: from-file:1", "image=from-set:1", KUBEFLOW_TFX_IMAGE="from-env:1"
    )

    assert settings.image == "from-set:1"


def test_the_last_of_two_overrides_wins() -> None:
    assert load_settings(overrides=["ttl_seconds=1", "ttl_seconds=2"]).ttl_seconds == 2


def test_an_empty_variable_is_no_image() -> None:
    assert load_settings(environ={"KUBEFLOW_TFX_IMAGE": ""}) == Settings()


def test_a_wrong_image_from_the_environment_names_the_variable() -> None:
    with pytest.raises(SettingsError, match=r"^KUBEFLOW_TFX_IMAGE: image: tensorflow/tfx"):
        load_settings(environ={"KUBEFLOW_TFX_IMAGE": "tensorflow/tfx:1.15.1"})


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEFLOW_TFX_IMAGE", "from-env:1")

    assert load_settings().image == Settings().image


# Single settings


def test_an_override_changes_one_setting_of_a_section(tmp_path: pathlib.Path) -> None:
    settings = settings_of(tmp_path, "trainer: {cpu: 3, memory: 5Gi}", "trainer.memory=8G")

    trainer = settings.components["Trainer"]
    assert (trainer.cpu, trainer.memory) == ("3", "8G")


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("image_pull_secrets=[a, b]", "image_pull_secrets", ("a", "b")),
        ("image_pull_secrets=", "image_pull_secrets", ()),
        ("ttl_seconds=null", "ttl_seconds", None),
        ("ttl_seconds=", "ttl_seconds", None),
        ("enable_cache=false", "enable_cache", False),
        ("pod_annotations={a: 'b=c'}", "pod_annotations", {"a": "b=c"}),
        ("pod_annotations.a=b=c", "pod_annotations", {"a": "b=c"}),
        ("pod_labels.example.com/team=x", "pod_labels", {"example.com/team": "x"}),
    ],
)
def test_an_override_is_read_as_yaml(override: str, name: str, value: object) -> None:
    assert getattr(load_settings(overrides=[override]), name) == value


def test_the_name_of_a_node_label_may_have_dots() -> None:
    settings = load_settings(overrides=["trainer.node_selector.example.com/pool=big"])

    assert settings.pod("Trainer").node_selector == {"example.com/pool": "big"}


def test_an_override_fills_a_section_that_the_file_empties(tmp_path: pathlib.Path) -> None:
    settings = settings_of(tmp_path, "volume: null", "volume.claim=other")

    assert settings.volume == VolumeSettings(claim="other")


def test_null_takes_an_optional_section_away() -> None:
    settings = load_settings(
        overrides=["volume=null", "input_root=gs://bucket/in", "output_root=gs://bucket/out"]
    )

    assert settings.volume is None


def test_an_override_changes_only_its_own_of_two_sections_with_one_anchor(
    tmp_path: pathlib.Path,
) -> None:
    settings = settings_of(
        tmp_path, "trainer: &big {memory: 6Gi}\nevaluator: *big", "trainer.memory=7Gi"
    )

    assert settings.pod("Trainer").memory == "7Gi"
    assert settings.pod("Evaluator").memory == "6Gi"


def test_a_pattern_needs_no_quotes_of_its_own(tmp_path: pathlib.Path) -> None:
    pattern = "{YYYY}-{MM}-{DD}/*.csv"

    assert settings_of(tmp_path, "", f"input_pattern={pattern}").input_pattern == pattern


@pytest.mark.parametrize(
    ("override", "mend"),
    [
        ("trainer.memory", "write it as NAME=VALUE, such as trainer.memory=8G"),
        ("=8G", "write it as NAME=VALUE"),
        ("trainer..memory=8G", "write it as NAME=VALUE"),
        ("trainer.=8G", "write it as NAME=VALUE"),
        ("trainer.memory=2024-13-01", "not valid YAML"),
        (f"trainer.memory={'[' * 2000}", "not valid YAML"),
        ("ttl_seconds.days=1", "'ttl_seconds' is not a section of settings"),
    ],
)
def test_a_malformed_override_is_refused_with_its_name(
    tmp_path: pathlib.Path, override: str, mend: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(tmp_path, "ttl_seconds: 5", override)

    line = str(raised.value)
    name, separator, _ = override.partition("=")
    # Not its value, which may be a secret.
    assert line.startswith(f"--set {name}=...: " if separator else f"--set {name}: ")
    assert mend in line
    assert "\n" not in line


# Files


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"image: [", "not valid YAML"),
        (b"image: a\nimage: b", "'image' is given twice at line 2"),
        (b"trainer:\n  cpu: 1\n  cpu: 2", "'cpu' is given twice at line 3"),
        (b"ttl_seconds: 2024-13-01", "not valid YAML: month must be in 1..12"),
        (b"image: \xff", "byte 7 is not UTF-8"),
        (b"- image", "settings are a mapping of names to values"),
        (b"1: a", "settings are a mapping of names to values"),
        (b"!!python/object:os.system {}", "not valid YAML"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(
    tmp_path: pathlib.Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(data)

    with pytest.raises(SettingsError) as raised:
        load_settings(path)

    line = str(raised.value)
    assert line.startswith(f"{path}: ")
    assert problem in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["", "missing.yaml"])
def test_a_file_that_cannot_be_read_is_refused_with_its_name(
    tmp_path: pathlib.Path, name: str
) -> None:
    path = tmp_path / name

    with pytest.raises(SettingsError) as raised:
        load_settings(path)

    assert str(raised.value).startswith(f"{path}: cannot read the settings file (")


# Inheritance


def test_every_component_has_a_key() -> None:
    assert list(COMPONENT_KEYS) == [
        "csv_example_gen",
        "statistics_gen",
        "schema_gen",
        "example_validator",
        "transform",
        "trainer",
        "resolver",
        "evaluator",
        "infra_validator",
        "pusher",
    ]


def test_the_default_section_holds_for_every_component() -> None:
    settings = load_settings(overrides=["default.cpu=3", "default.timeout_seconds=60"])

    for component_id in COMPONENT_IDS:
        pod = settings.pod(component_id)
        assert (pod.cpu, pod.timeout_seconds) == ("3", 60), component_id


def test_a_component_overrides_only_what_it_names() -> None:
    settings = load_settings(overrides=["default.cpu=3", "default.retries=7", "trainer.cpu=4"])

    assert (settings.pod("Trainer").cpu, settings.pod("Trainer").retries) == ("4", 7)
    assert settings.pod("Transform").cpu == "3"


def test_zero_overrides_a_default() -> None:
    settings = load_settings(overrides=["default.retries=7", "trainer.retries=0"])

    assert settings.pod("Trainer").retries == 0


def test_a_request_lifts_a_limit_that_is_only_inherited() -> None:
    trainer = load_settings(overrides=["trainer.memory=20Gi"]).pod("Trainer")

    assert (trainer.memory, trainer.memory_limit) == ("20Gi", "20Gi")


def test_a_request_below_an_inherited_limit_leaves_it() -> None:
    trainer = load_settings(overrides=["trainer.memory=5Gi"]).pod("Trainer")

    assert (trainer.memory, trainer.memory_limit) == ("5Gi", "8Gi")


def test_no_component_asks_for_a_gpu_by_itself() -> None:
    assert {Settings().pod(component_id).gpus for component_id in COMPONENT_IDS} == {None}


def test_gpus_in_the_default_section_are_the_trainers() -> None:
    settings = load_settings(overrides=["default.gpus=2", "default.gpu_type=nvidia-l4"])

    asking = [name for name in COMPONENT_IDS if settings.pod(name).gpus]
    assert asking == ["Trainer"]
    assert settings.pod("Trainer").gpus == 2


def test_another_component_has_gpus_when_it_asks_for_them() -> None:
    settings = load_settings(
        overrides=["default.gpu_type=nvidia-l4", "trainer.gpus=1", "evaluator.gpus=2"]
    )

    evaluator = settings.pod("Evaluator")
    assert (evaluator.gpus, evaluator.gpu_type) == (2, "nvidia-l4")


def test_settings_cannot_be_changed() -> None:
    settings = Settings()

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.image = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.default.cpu = "1"  # type: ignore[misc]


def test_every_pod_setting_can_be_set_for_one_component(tmp_path: pathlib.Path) -> None:
    values: dict[str, object] = {
        "cpu": "1",
        "cpu_limit": "2",
        "memory": "1Gi",
        "memory_limit": "2Gi",
        "ephemeral_storage": "3Gi",
        "ephemeral_storage_limit": "4Gi",
        "gpus": 1,
        "gpu_resource": "amd.com/gpu",
        "gpu_type": "mi300",
        "gpu_type_label": "example.com/gpu",
        "node_selector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "retries": 3,
        "retry_policy": "Always",
        "retry_backoff_seconds": 5,
        "retry_backoff_factor": 3,
        "timeout_seconds": 9,
    }
    assert set(values) == {field.name for field in dataclasses.fields(PodSettings)}

    pusher = settings_of(tmp_path, f"pusher: {values}").pod("Pusher")

    for name in values.keys() - {"tolerations"}:
        assert getattr(pusher, name) == values[name]
    assert pusher.tolerations is not None
    assert pusher.tolerations[0].operator == "Exists"


# Roots


def test_the_roots_are_folders_of_the_volume_by_default() -> None:
    settings = load_settings(overrides=["volume.mount_path=/mnt/tfx", "pipeline_name=p"])

    assert settings.data_root == "/mnt/tfx/data"
    assert settings.pipeline_root == "/mnt/tfx/output/p"
    assert settings.serving_model_dir == "/mnt/tfx/output/serving_model/p"


@pytest.mark.parametrize("root", ["gs://bucket/out", "gs://bucket/out/"])
def test_a_bucket_with_and_without_a_slash_is_the_same_place(root: str) -> None:
    settings = load_settings(overrides=[f"output_root={root}", "pipeline_name=p"])

    assert settings.pipeline_root == "gs://bucket/out/p"
    assert settings.serving_model_dir == "gs://bucket/out/serving_model/p"
