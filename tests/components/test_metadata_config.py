"""How a pod is told of its metadata store: the JSON that TFX's compiler passes, and variables."""

import json
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import MetadataError
from components.metadata_client import connection_config

CONFIG_MAP = {
    "grpc_config": {
        "grpc_service_host": {"environment_variable": "METADATA_GRPC_SERVICE_HOST"},
        "grpc_service_port": {"environment_variable": "METADATA_GRPC_SERVICE_PORT"},
    }
}
GRPC = {
    "grpc_config": {
        "grpc_service_host": {"value": "metadata.kubeflow"},
        "grpc_service_port": {"value": "8081"},
    }
}
MYSQL = {
    "mysql_db_service_host": {"value": "mysql.kubeflow"},
    "mysql_db_service_port": {"value": "3307"},
    "mysql_db_name": {"value": "metadb"},
    "mysql_db_user": {"environment_variable": "METADATA_MYSQL_USER"},
    "mysql_db_password": {"environment_variable": "METADATA_MYSQL_PASSWORD"},
}
SECRET = {"METADATA_MYSQL_USER": "tfx", "METADATA_MYSQL_PASSWORD": "pass word"}


def config(of: dict[str, Any], **environment: str) -> Any:
    return connection_config(json.dumps(of), environment)


def test_a_service_is_taken_from_the_config_maps_variables() -> None:
    assert config(
        CONFIG_MAP, METADATA_GRPC_SERVICE_HOST="from-map", METADATA_GRPC_SERVICE_PORT="8080"
    ) == mlmd.MetadataStoreClientConfig(host="from-map", port=8080)


def test_a_service_may_be_named_by_itself() -> None:
    assert config(GRPC) == mlmd.MetadataStoreClientConfig(host="metadata.kubeflow", port=8081)


def test_a_database_has_user_and_password_from_the_secret() -> None:
    assert config(MYSQL, **SECRET).mysql == mlmd.MySQLDatabaseConfig(
        host="mysql.kubeflow", port=3307, database="metadb", user="tfx", password="pass word"
    )


@pytest.mark.whole
def test_tfx_reads_the_same() -> None:
    from google.protobuf import json_format
    from tfx.orchestration.kubeflow import container_entrypoint
    from tfx.orchestration.kubeflow.proto import kubeflow_pb2

    message = json_format.ParseDict(GRPC, kubeflow_pb2.KubeflowMetadataConfig())

    assert container_entrypoint._get_metadata_connection_config(message) == config(GRPC)


@pytest.mark.parametrize(
    ("of", "environment", "missing"),
    [
        (CONFIG_MAP, {}, "METADATA_GRPC_SERVICE_HOST"),
        (CONFIG_MAP, {"METADATA_GRPC_SERVICE_HOST": "h"}, "METADATA_GRPC_SERVICE_PORT"),
        (MYSQL, {"METADATA_MYSQL_USER": "u"}, "METADATA_MYSQL_PASSWORD"),
    ],
    ids=["no ConfigMap", "no port", "no secret"],
)
def test_a_variable_that_is_not_set_is_an_error_that_names_where_it_comes_from(
    of: dict[str, Any], environment: dict[str, str], missing: str
) -> None:
    with pytest.raises(MetadataError) as raised:
        config(of, **environment)

    assert str(raised.value) == (
        f"{missing} is not set, so the metadata store is not known: the namespace lacks the "
        "ConfigMap metadata-grpc-configmap, or the secret that holds the value"
    )


@pytest.mark.parametrize(
    "of", [{}, {"grpc_config": {}}, {"grpc_config": {"grpc_service_host": {}}}]
)
def test_a_value_that_is_missing_is_an_error(of: dict[str, Any]) -> None:
    with pytest.raises(MetadataError, match="_service_host is missing from the configuration"):
        config(of)


@pytest.mark.parametrize("port", ["tcp://10.0.0.1:8080", "", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_none_is_an_error_that_names_it(port: str) -> None:
    with pytest.raises(MetadataError) as raised:
        config(CONFIG_MAP, METADATA_GRPC_SERVICE_HOST="host", METADATA_GRPC_SERVICE_PORT=port)

    assert str(raised.value) == (
        f"grpc_service_port of the metadata store: '{port}' is not a port; use 1 to 65535"
    )
