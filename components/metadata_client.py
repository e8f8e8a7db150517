"""A client of ML Metadata that outlasts a server which starts late, or is away for a while.

ml-metadata's own client fails at once where nobody answers, and has no timeout: a pod that starts
before the metadata service, or trains while that is rescheduled, would fail for it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc
import ml_metadata
from google.protobuf.message import Message
from ml_metadata.proto import (
    metadata_store_pb2,
    metadata_store_service_pb2,
    metadata_store_service_pb2_grpc,
)

from components.errors import MetadataError
from components.mysql_server import wait_for_mysql

#: How to reach a metadata store: over gRPC, or a database directly.
ConnectionConfig: TypeAlias = (
    metadata_store_pb2.MetadataStoreClientConfig | metadata_store_pb2.ConnectionConfig
)

#: The largest message, in bytes, that our clients and our server take. gRPC's own limit of
#: 4 MiB is too small for the artifacts of a store that has seen a few thousand runs.
MAX_MESSAGE_BYTES = 256 * 1024 * 1024

#: How long a call waits for a server that is away, in seconds.
PATIENCE_SECONDS = 300.0

#: The call that came with schema 10.
CALL_OF_SCHEMA_10 = "GetArtifactsByExternalIds"

_SERVICE = "ml_metadata.MetadataStoreService"

# gRPC waits 1 s after the first refused connection; a server that is starting is ready sooner.
_RECONNECT_MILLISECONDS = 100

# What a call ends with whose server is away, or has gone away in the middle of it.
_LOST = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)

# What the core says of another version's database.
_OTHER_SCHEMA = re.compile(r"database version \d+ is (older|greater) than library version")


class PatientMetadataStore(ml_metadata.MetadataStore):
    """ml-metadata's client that waits for a server.

    Over gRPC, each call waits until there is one; a database is waited for when it is opened.
    """

    #: The longest wait where the constructor is not told, in seconds.
    patience = PATIENCE_SECONDS

    def __init__(
        self,
        config: ConnectionConfig,
        enable_upgrade_migration: bool = False,
        patience: float | None = None,
    ) -> None:
        """Takes what ``ml_metadata.MetadataStore`` takes.

        Args:
            config: The store.
            enable_upgrade_migration: Upgrade the schema of a database.
            patience: How long a call waits, in seconds.

        Raises:
            MetadataError: If a database does not fit, or cannot be reached in time.
        """
        if patience is not None:
            self.patience = patience
        if isinstance(config, metadata_store_pb2.ConnectionConfig) and config.HasField("mysql"):
            wait_for_mysql(config.mysql.host, config.mysql.port, self.patience)
        try:
            super().__init__(config, enable_upgrade_migration)
        except RuntimeError as error:
            raise MetadataError(_database_problem(error)) from error

    def _get_channel(self, config: metadata_store_pb2.MetadataStoreClientConfig) -> grpc.Channel:
        # Of each call, as by the configuration's client_timeout_sec.
        self._grpc_timeout_sec = self.patience
        self._authority = f"{config.host}:{config.port}"
        return grpc.insecure_channel(self._authority, options=_channel_options())

    def _call_method(self, method_name: str, request: Message, response: Message) -> None:
        # Whoever calls, TFX included, is told of a lost server in the same words.
        try:
            super()._call_method(method_name, request, response)
        except ml_metadata.errors.StatusError as error:
            if isinstance(cause := error.__cause__, grpc.RpcError) and cause.code() in _LOST:
                raise MetadataError(_reason(self._authority, self.patience, cause)) from error
            raise


def connection_config(text: str, environment: Mapping[str, str]) -> ConnectionConfig:
    """Reads what the compiler has TFX pass to each pod.

    Args:
        text: JSON of TFX's ``KubeflowMetadataConfig``.
        environment: The pod's variables, which hold what is not in the text.

    Returns:
        What ml-metadata connects by.

    Raises:
        MetadataError: If a variable is not set, as where the namespace lacks the ConfigMap
            ``metadata-grpc-configmap``, or a value is missing or no port.
    """
    config = json.loads(text)
    if "grpc_config" in config:
        grpc_config = config["grpc_config"]
        return metadata_store_pb2.MetadataStoreClientConfig(
            host=_config_value(grpc_config, "grpc_service_host", environment),
            port=_config_port(grpc_config, "grpc_service_port", environment),
        )
    mysql = metadata_store_pb2.MySQLDatabaseConfig(
        host=_config_value(config, "mysql_db_service_host", environment),
        port=_config_port(config, "mysql_db_service_port", environment),
        database=_config_value(config, "mysql_db_name", environment),
        user=_config_value(config, "mysql_db_user", environment),
        password=_config_value(config, "mysql_db_password", environment),
    )
    return metadata_store_pb2.ConnectionConfig(mysql=mysql)


def _config_value(config: Mapping[str, Any], name: str, environment: Mapping[str, str]) -> str:
    entry = config.get(name) or {}
    if "value" in entry:
        return str(entry["value"])
    variable = entry.get("environment_variable")
    if variable is None:
        raise MetadataError(f"{name} is missing from the configuration of the metadata store")
    if variable not in environment:
        raise MetadataError(
            f"{variable} is not set, so the metadata store is not known: the namespace lacks the "
            "ConfigMap metadata-grpc-configmap, or the secret that holds the value"
        )
    return environment[variable]


def _config_port(config: Mapping[str, Any], name: str, environment: Mapping[str, str]) -> int:
    text = _config_value(config, name, environment)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise MetadataError(f"{name} of the metadata store: '{text}' is not a port; use 1 to 65535")
    return int(text)


def connect(
    config: ConnectionConfig, timeout_seconds: float = PATIENCE_SECONDS
) -> PatientMetadataStore:
    """Returns a client for a store, once that answers.

    Args:
        config: The store; over gRPC, an IPv6 address is in brackets.
        timeout_seconds: The longest wait for an answer, of this call and of the client's.

    Raises:
        MetadataError: If nothing answers in time, or what answers is no metadata server.
    """
    if isinstance(config, metadata_store_pb2.MetadataStoreClientConfig):
        _wait_until_serving(f"{config.host}:{config.port}", timeout_seconds)
    return PatientMetadataStore(config, patience=timeout_seconds)


def wait_until_serving(host: str, port: int, timeout_seconds: float = 30.0) -> None:
    """Returns as soon as a metadata server answers a call at ``host:port``.

    Args:
        host: Host name or address of the server; IPv6 with or without brackets.
        port: Its TCP port.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: If nothing answers in time, or what answers is no metadata server.
    """
    _wait_until_serving(_authority(host, port), timeout_seconds)


def has_call(host: str, port: int, name: str, timeout_seconds: float = 30.0) -> bool:
    """Tells whether a metadata server knows a call, by making it with an empty request.

    Args:
        host: Host name or address of the server; IPv6 with or without brackets.
        port: Its TCP port.
        name: A call that reads, such as ``GetArtifactsByExternalIds``.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: If the server does not answer.
    """
    authority = _authority(host, port)
    request = getattr(metadata_store_service_pb2, f"{name}Request")()
    with grpc.insecure_channel(authority, options=_channel_options()) as channel:
        stub = metadata_store_service_pb2_grpc.MetadataStoreServiceStub(channel)
        try:
            getattr(stub, name)(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return False
            # A server that knows the call may well refuse an empty request.
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise MetadataError(_reason(authority, timeout_seconds, error)) from error
    return True


def is_of_schema_10(config: ConnectionConfig, timeout_seconds: float = 30.0) -> bool:
    """Tells whether a store has the schema of this ml-metadata, or may have.

    A server does not tell its schema. The release that brought schema 10, 1.11, brought external
    ids (RELEASE.md of google/ml-metadata): a server without them is older. A database needs no
    look: ml-metadata refuses another schema when it connects.

    Args:
        config: The store.
        timeout_seconds: The longest wait.

    Raises:
        MetadataError: If the server does not answer.
    """
    if not isinstance(config, metadata_store_pb2.MetadataStoreClientConfig):
        return True
    return has_call(config.host, config.port, CALL_OF_SCHEMA_10, timeout_seconds)


def _authority(host: str, port: int) -> str:
    is_bare_ipv6 = ":" in host and not host.startswith("[")
    return f"[{host}]:{port}" if is_bare_ipv6 else f"{host}:{port}"


def _wait_until_serving(authority: str, timeout_seconds: float) -> None:
    request = metadata_store_service_pb2.GetArtifactTypesByIDRequest()
    with grpc.insecure_channel(authority, options=_channel_options()) as channel:
        stub = metadata_store_service_pb2_grpc.MetadataStoreServiceStub(channel)
        try:
            # A request without ids is the cheapest call that reaches the store.
            stub.GetArtifactTypesByID(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise MetadataError(_reason(authority, timeout_seconds, error)) from error


def _channel_options() -> list[tuple[str, int | str]]:
    """Returns a channel's options: a call waits for a server, and a read is repeated.

    How long is each call's own matter: gRPC counts a timeout that stands here up to 2 s short.
    """
    methods = metadata_store_service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"].methods
    # https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    retry = {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    reads = [
        {"service": _SERVICE, "method": method.name}
        for method in methods
        if method.name.startswith("Get")
    ]
    config = {
        "methodConfig": [
            {"name": reads, "waitForReady": True, "retryPolicy": retry},
            # What a server did before it went away is not known: a write is not sent twice.
            {"name": [{"service": _SERVICE}], "waitForReady": True},
        ]
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.min_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.max_reconnect_backoff_ms", 10 * _RECONNECT_MILLISECONDS),
        # The service is in the cluster, or on this machine: no proxy leads there.
        ("grpc.enable_http_proxy", 0),
    ]


def _reason(authority: str, timeout_seconds: float, error: grpc.RpcError) -> str:
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return (
            f"no metadata server answered at {authority} within {timeout_seconds:g} s: "
            "check host and port and that it runs"
        )
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        return (
            f"the server at {authority} does not speak ml-metadata's protocol: check host and port"
        )
    details = " ".join(str(error.details()).split())
    return f"the metadata server at {authority} failed: {details}"


def _database_problem(error: RuntimeError) -> str:
    line = " ".join(str(error).split())
    if "mysql_real_connect failed" in line:
        # The server was there just before, and the core says nothing else.
        return (
            "the MySQL server has refused the user: check user and password in the secret, and "
            "that the user's plugin is mysql_native_password"
        )
    if _OTHER_SCHEMA.search(line):
        return (
            f"the metadata database has another schema than this ml-metadata: {line}; upgrade it, "
            "or name another database"
        )
    return f"the metadata database cannot be opened: {line}"
