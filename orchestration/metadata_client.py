"""The reading side of ml-metadata's gRPC protocol: wait for a server, then connect to it."""

import grpc
import ml_metadata
from ml_metadata.proto import (
    metadata_store_pb2,
    metadata_store_service_pb2,
    metadata_store_service_pb2_grpc,
)

from components.errors import MetadataError
from orchestration.metadata_target import GrpcTarget

#: The largest message, in bytes, that our clients and our server take. gRPC's own limit of
#: 4 MiB is too small for the artifacts of a store that has seen a few thousand runs.
MAX_MESSAGE_BYTES = 256 * 1024 * 1024

# gRPC waits 1 s after the first refused connection; a server that is starting is ready sooner.
_RECONNECT_MILLISECONDS = 100


def wait_until_serving(host: str, port: int, timeout_seconds: float = 30.0) -> None:
    """Returns as soon as a metadata server answers a call at ``host:port``.

    Args:
        host: Host name or address of the server.
        port: Its TCP port.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: if nothing answers in time, or what answers is no metadata server.
    """
    target = GrpcTarget(host, port)
    request = metadata_store_service_pb2.GetArtifactTypesByIDRequest()
    options = [
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.min_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.max_reconnect_backoff_ms", 10 * _RECONNECT_MILLISECONDS),
    ]
    with grpc.insecure_channel(target.authority, options=options) as channel:
        stub = metadata_store_service_pb2_grpc.MetadataStoreServiceStub(channel)
        try:
            # A request without ids is the cheapest call that reaches the store.
            stub.GetArtifactTypesByID(request, timeout=timeout_seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            raise MetadataError(_reason(target, timeout_seconds, error)) from error


def has_call(host: str, port: int, name: str, timeout_seconds: float = 30.0) -> bool:
    """Tells whether a metadata server knows a call, by making it with an empty request.

    Args:
        host: Host name or address of the server.
        port: Its TCP port.
        name: A call that reads, such as ``GetArtifactsByExternalIds``.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: if the server does not answer.
    """
    target = GrpcTarget(host, port)
    request = getattr(metadata_store_service_pb2, f"{name}Request")()
    with grpc.insecure_channel(target.authority) as channel:
        stub = metadata_store_service_pb2_grpc.MetadataStoreServiceStub(channel)
        try:
            getattr(stub, name)(request, timeout=timeout_seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return False
            # A server that knows the call may well refuse an empty request.
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise MetadataError(_reason(target, timeout_seconds, error)) from error
    return True


def connect(target: GrpcTarget, timeout_seconds: float = 30.0) -> ml_metadata.MetadataStore:
    """Returns ml-metadata's client for a server, once that server answers.

    Args:
        target: The server's address.
        timeout_seconds: The longest wait for the server's first answer.

    Returns:
        A client that takes answers of up to ``MAX_MESSAGE_BYTES``.

    Raises:
        MetadataError: if nothing answers in time, or what answers is no metadata server.
    """
    wait_until_serving(target.host, target.port, timeout_seconds)
    config = metadata_store_pb2.MetadataStoreClientConfig(
        # ml-metadata joins host and port with a colon: an IPv6 address needs its brackets.
        host=target.authority.rpartition(":")[0],
        port=target.port,
    )
    config.channel_arguments.max_receive_message_length = MAX_MESSAGE_BYTES
    return ml_metadata.MetadataStore(config)


def _reason(target: GrpcTarget, timeout_seconds: float, error: grpc.RpcError) -> str:
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return (
            f"no metadata server answered at {target.authority} within {timeout_seconds:g} s: "
            "check host and port and that it runs"
        )
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        return (
            f"the server at {target.authority} does not speak ml-metadata's protocol: "
            "check host and port"
        )
    details = " ".join(str(error.details()).split())
    return f"the metadata server at {target.authority} failed: {details}"
