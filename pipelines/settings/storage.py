"""Settings of object storage."""

import dataclasses
import re

from pipelines.settings.checks import require
from pipelines.settings.uris import is_server, require_no_credentials

_REGION = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """Object storage that is not where a cloud has it by default; docs/storage.md.

    Attributes:
        s3_endpoint: URL of an S3 that is not Amazon's, such as MinIO's
            ``http://minio-service.kubeflow:9000``; ``None`` for Amazon's.
        s3_region: Region of the S3 buckets, such as ``eu-west-1``.
        s3_ca_file: Path in the pods of a PEM file with the certificates that signed the
            endpoint's, as a secret of ``secret_files`` brings it.
    """

    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_ca_file: str | None = None

    def __post_init__(self) -> None:
        require_no_credentials("storage.s3_endpoint", self.s3_endpoint or "", "use aws_secret")
        require(
            self.s3_endpoint is None or is_server(self.s3_endpoint),
            f"storage.s3_endpoint: '{self.s3_endpoint}' is not the URL of a server; use one such "
            "as http://minio-service.kubeflow:9000, without a bucket",
        )
        require(
            self.s3_region is None or _REGION.fullmatch(self.s3_region) is not None,
            f"storage.s3_region: '{self.s3_region}' is not a region; use one such as eu-west-1",
        )
        require(
            self.s3_ca_file is None or self.s3_ca_file.startswith("/"),
            f"storage.s3_ca_file: '{self.s3_ca_file}' is not an absolute path, such as "
            "/secret/certificates/ca.crt",
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the pods, as AWS's own tools call them."""
        variables = {
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
            "AWS_REGION": self.s3_region,
            "AWS_CA_BUNDLE": self.s3_ca_file,
        }
        return {name: text for name, text in variables.items() if text is not None}
