"""Opens files for Beam: many objects of S3 by one client."""

from typing import Any, BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

_S3 = "s3://"


class FileOpener:
    """Opens files one after another, in one thread.

    Beam makes a client of boto3 for each object that it opens, which takes 0.15 s of a core: more
    than a shard takes to read.
    """

    def __init__(self) -> None:
        self._client: Any = None

    def open(self, path: str) -> BinaryIO:
        """Opens a file or an object, as ``FileSystems.open`` does.

        Args:
            path: Its path or URI.

        Raises:
            OSError: If it is not there, or cannot be read.
        """
        kind = CompressionTypes.detect_compression_type(path)
        if not path.startswith(_S3) or kind != CompressionTypes.UNCOMPRESSED:
            return FileSystems.open(path)
        from apache_beam.io.aws import s3io
        from apache_beam.io.aws.clients.s3 import boto3_client

        if self._client is None:
            # Endpoint and region, as Beam's flags name them.
            options = FileSystems.get_filesystem(path)._options
            self._client = boto3_client.Client(options)
        return s3io.S3IO(client=self._client).open(path)
