"""Beam's flags for object storage, as Beam itself understands them."""

import importlib
import sys

import pytest

from components import object_storage
from pipelines.settings import load_settings
from pipelines.storage_options import WORKER_PLUGIN, storage_flags


@pytest.mark.parametrize("root", ["/tfx-data/data", "gs://bucket/data"])
def test_a_volume_and_google_storage_need_no_flag(root: str) -> None:
    assert storage_flags(load_settings(overrides=[f"input_root={root}"])) == []


def test_amazons_s3_needs_the_workers_plugin_only() -> None:
    flags = storage_flags(load_settings(overrides=["input_root=s3://bucket/data"]))

    assert flags == [f"--beam_plugin={WORKER_PLUGIN}"]


def test_an_endpoint_is_a_flag_though_only_the_run_may_name_a_bucket() -> None:
    settings = load_settings(
        overrides=["storage.s3_endpoint=http://minio:9000", "storage.s3_region=eu-west-1"]
    )

    assert storage_flags(settings) == [
        "--s3_endpoint_url=http://minio:9000",
        "--s3_region_name=eu-west-1",
        f"--beam_plugin={WORKER_PLUGIN}",
    ]


def test_the_plugin_lets_a_worker_use_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(object_storage, "register", registered.extend)
    monkeypatch.delitem(sys.modules, WORKER_PLUGIN, raising=False)

    importlib.import_module(WORKER_PLUGIN)

    assert registered == ["s3"]


@pytest.mark.whole
def test_beam_understands_the_flags() -> None:
    from apache_beam.options.pipeline_options import PipelineOptions, S3Options, SetupOptions

    settings = load_settings(
        overrides=["storage.s3_endpoint=http://minio:9000", "storage.s3_region=eu-west-1"]
    )
    options = PipelineOptions(storage_flags(settings))

    assert options.view_as(S3Options).s3_endpoint_url == "http://minio:9000"
    assert options.view_as(S3Options).s3_region_name == "eu-west-1"
    assert options.view_as(SetupOptions).beam_plugins == [WORKER_PLUGIN]
