"""Opens any metadata store to read from it: a file, a database, or a server."""

import ml_metadata

from orchestration.lineage.reader import Reader
from orchestration.local.metadata_store import open_to_read
from orchestration.metadata_client import connect
from orchestration.metadata_target import GrpcTarget, MetadataTarget


def open_reader(target: MetadataTarget, password: str | None) -> Reader:
    """Opens a store.

    Args:
        target: The store.
        password: Password of a MySQL user.

    Raises:
        MetadataError: If it cannot be opened or reached, or is not there.
    """
    if isinstance(target, GrpcTarget):
        return Reader(connect(target), str(target))
    store: ml_metadata.MetadataStore = open_to_read(target, password)
    return Reader(store, str(target))
