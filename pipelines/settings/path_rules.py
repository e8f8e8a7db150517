"""What paths, URIs and object storage ask of each other."""

import posixpath
import types
from typing import TYPE_CHECKING

from components import object_storage
from components.errors import SettingsError
from pipelines.settings.checks import require
from pipelines.settings.uris import require_bucket_uri

if TYPE_CHECKING:
    from pipelines.settings.pipeline import Settings

#: The settings that take a path or a URI.
PATHS = ("input_root", "serving_root", "output_root", "module_file", "schema_file")

#: Beam's flags of object storage, and what to use instead: all can read a flag in the workflow.
_STORAGE_FLAGS = types.MappingProxyType(
    {
        "--s3_endpoint_url": "storage.s3_endpoint",
        "--s3_region_name": "storage.s3_region",
        **dict.fromkeys(
            ("--s3_access_key_id", "--s3_secret_access_key", "--s3_session_token"), "aws_secret"
        ),
        "--azure_connection_string": "azure_secret",
    }
)


def check_paths(settings: "Settings") -> None:
    """Refuses a path that no pod could reach.

    Args:
        settings: The settings, each checked by itself.

    Raises:
        SettingsError: If one is neither on the volume nor in a bucket.
    """
    _check_paths(settings)
    _check_storage(settings)


def _check_paths(settings: "Settings") -> None:
    for key in PATHS:
        path = getattr(settings, key)
        if path is None:
            require(
                settings.volume is not None or key not in ("input_root", "output_root"),
                f"{key}: name a URI such as gs://bucket/folder, because volume is null",
            )
            continue
        if "://" in path:
            require_bucket_uri(key, path)
            continue
        require(
            path.startswith("/") and posixpath.normpath(path) == path,
            f"{key}: '{path}' is neither an absolute path without '..' nor a URI such as "
            "gs://bucket/folder",
        )
        if settings.volume is None:
            raise SettingsError(
                f"{key}: '{path}' needs a volume, and volume is null: set volume.claim, or "
                "use a URI"
            )
        mount_path = settings.volume.mount_path
        require(
            path == mount_path or path.startswith(mount_path + "/"),
            f"{key}: '{path}' is not on the volume, which is mounted at {mount_path}",
        )
    require(
        settings.schema_file is None or not settings.infer_schema,
        "infer_schema: schema_file names a schema; leave one of the two out",
    )
    if settings.module_file is not None:
        require(
            settings.module_file.endswith(".py"),
            f"module_file: '{settings.module_file}' is not a Python file",
        )


def _check_storage(settings: "Settings") -> None:
    require(
        object_storage.S3 not in settings.storage_schemes or not settings.plain_entrypoint,
        "plain_entrypoint: TFX's own entry point has no s3://; leave it out, or use gs:// or a "
        "volume",
    )
    for option in settings.beam.options:
        flag = option.partition("=")[0]
        require(
            flag not in _STORAGE_FLAGS,
            f"beam.options: {flag} has a setting of its own; use {_STORAGE_FLAGS.get(flag)}",
        )
