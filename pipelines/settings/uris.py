"""Checks of URIs of object storage, and of servers' addresses; each raises SettingsError.

No message shows credentials that somebody has put into a URL.
"""

import re
import types

from components import object_storage
from pipelines.settings.checks import require

#: Other schemes, and what to do instead.
_OTHER_SCHEMES = types.MappingProxyType(
    {
        **dict.fromkeys(("s3a", "s3n"), "write s3://"),
        "gcs": "write gs://",
        **dict.fromkeys(
            ("az", "azfs", "abfs", "abfss", "wasb", "wasbs"),
            "mount the container as the volume, by Azure's Blob CSI driver (docs/storage.md)",
        ),
    }
)

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = {
    object_storage.S3: re.compile(r"(?!.*\.\.)[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]"),
    object_storage.GOOGLE: re.compile(
        r"(?=.{3,222}$)[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?)*"
    ),
}

# Patterns to TensorFlow and Beam, parts of a URL, tags to Argo, or what a terminal obeys.
_NOT_IN_A_PATH = re.compile(r"[][*?#{}\x00-\x20\x7f-\xa0\"'\\]")

_CREDENTIALS = re.compile(r"//[^/\s]*@")

_HOST_NAME = r"[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?)*"
_ADDRESS = re.compile(rf"(?P<host>{_HOST_NAME}):(?P<port>[0-9]{{1,5}})")
_SERVER = re.compile(rf"https?://(?P<host>{_HOST_NAME})(:(?P<port>[0-9]{{1,5}}))?/?")


def require_bucket_uri(key: str, uri: str) -> None:
    """Refuses what is no place in a bucket of S3 or of Cloud Storage.

    Args:
        key: The setting, for the message.
        uri: A text with a scheme.
    """
    require_no_credentials(key, uri, "a bucket's URI has none; use aws_secret or gcp_secret")
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    mend = _OTHER_SCHEMES.get(scheme, "copy it to one of them, or to the volume")
    known = " and ".join(f"{name}://" for name in object_storage.SCHEMES)
    require(
        scheme in object_storage.SCHEMES,
        f"{key}: {uri!r} is in no storage that TensorFlow, TFX and Beam all use, {known}; {mend}",
    )
    require(
        _BUCKET[scheme].fullmatch(bucket) is not None,
        f"{key}: {uri!r}: {bucket!r} is no bucket's name: lower-case letters, digits, '-' and '.', "
        "at least 3 of them",
    )
    found = _NOT_IN_A_PATH.search(path)
    require(
        found is None,
        f"{key}: {uri!r} has {found and found[0]!r}, which is not for folders here; rename it",
    )
    parts = path.removesuffix("/").split("/") if path else []
    require(
        not {"", ".", ".."} & set(parts),
        f"{key}: {uri!r} has an empty part, '.' or '..', which a bucket takes for a name; write "
        "the whole path",
    )


def require_address(key: str, address: str | None) -> None:
    """Refuses what is not ``HOST:PORT``."""
    text = address or ""
    require_no_credentials(key, f"//{text}", "leave them out")
    found = _ADDRESS.fullmatch(text)
    require(
        found is not None and 1 <= int(found["port"]) <= 65535,
        f"{key}: {text!r} is not an address; use HOST:PORT, such as flink-job-server:8099",
    )


def host_of(address: str) -> str | None:
    """Returns the host of ``HOST:PORT``; ``None`` of another text."""
    found = _ADDRESS.fullmatch(address)
    return None if found is None else found["host"]


def is_server(url: str) -> bool:
    """Tells whether a text is the URL of a server: http or https, a host, perhaps a port."""
    found = _SERVER.fullmatch(url)
    return found is not None and 1 <= int(found["port"] or 1) <= 65535


def require_no_credentials(key: str, url: str, mend: str) -> None:
    """Refuses a URL with a user or a password, which all could read in the workflow."""
    require(
        _CREDENTIALS.search(url) is None,
        f"{key}: it holds credentials, which all could read in the workflow; {mend}",
    )
