"""Connects to a metadata server that a target names."""

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from components import metadata_client
from orchestration.metadata_target import GrpcTarget


def connect(target: GrpcTarget, timeout_seconds: float = 30.0) -> ml_metadata.MetadataStore:
    """Returns a client for a server, once that server answers.

    Args:
        target: The server's address.
        timeout_seconds: The longest wait for an answer, the first one and each later one.

    Returns:
        A client whose calls wait for a server that is away for a while.

    Raises:
        MetadataError: if nothing answers in time, or what answers is no metadata server.
    """
    config = metadata_store_pb2.MetadataStoreClientConfig(
        # ml-metadata joins host and port with a colon: an IPv6 address needs its brackets.
        host=target.authority.rpartition(":")[0],
        port=target.port,
    )
    return metadata_client.connect(config, timeout_seconds)
