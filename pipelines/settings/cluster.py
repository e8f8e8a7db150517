"""Settings of what a cluster offers: volume, metadata, secrets, users."""

import dataclasses
import re

from pipelines.settings.checks import (
    DNS_LABEL,
    require,
    require_data_key,
    require_environment_variable,
    require_kubernetes_name,
    require_mount_path,
    require_not_negative,
    require_one_of,
    require_secret_name,
)
from pipelines.settings.reserved import SCRATCH_FOLDER, SECRET_VOLUME_PREFIX

_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?(/[-A-Za-z0-9._~/]*)?")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VolumeSettings:
    """The persistent volume that every pod mounts.

    Attributes:
        claim: Name of the PersistentVolumeClaim.
        name: Name of the volume inside the pod's specification.
        mount_path: Absolute path at which the pods see it.
    """

    claim: str = "tfx-pvc"
    name: str = "tfx-pv"
    mount_path: str = "/tfx-data"

    def __post_init__(self) -> None:
        require_kubernetes_name("volume.claim", self.claim)
        require(
            len(self.name) <= 63 and DNS_LABEL.fullmatch(self.name) is not None,
            f"volume.name: '{self.name}' is not a volume name: lower-case letters, digits and "
            "'-', at most 63 characters",
        )
        require(
            not self.name.startswith(SECRET_VOLUME_PREFIX),
            f"volume.name: '{self.name}' could be a secret's volume; use a name that does not "
            f"begin with '{SECRET_VOLUME_PREFIX}'",
        )
        require_mount_path("volume.mount_path", self.mount_path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetadataSettings:
    """How the pods reach ML Metadata.

    Attributes:
        kind: ``configmap`` (Kubeflow's ``metadata-grpc-configmap``), ``grpc`` or ``mysql``.
        host: Host of the gRPC service or of MySQL.
        port: Port of the gRPC service or of MySQL.
        database: MySQL's database.
        secret: Kubernetes secret that holds MySQL's user and password.
        user_key: Key of the user in the secret.
        password_key: Key of the password in the secret.
    """

    kind: str = "configmap"
    host: str | None = None
    port: int | None = None
    database: str = "metadb"
    secret: str | None = None
    user_key: str = "username"
    password_key: str = "password"  # noqa: S105 (the name of a key)

    def __post_init__(self) -> None:
        require_one_of("metadata.kind", self.kind, ("configmap", "grpc", "mysql"))
        require(
            self.secret is None or self.kind == "mysql",
            f"metadata.secret: only metadata.kind mysql takes a user and a password, and it is "
            f"{self.kind}; leave metadata.secret out",
        )
        if self.kind == "configmap":
            require(
                self.host is None and self.port is None,
                "metadata.host and metadata.port need metadata.kind grpc or mysql: the default, "
                "configmap, takes both from the cluster's metadata-grpc-configmap",
            )
            return
        require(
            bool(self.host) and self.port is not None,
            f"metadata.host and metadata.port are required when metadata.kind is {self.kind}",
        )
        require(
            self.host is None or _HOST.fullmatch(self.host) is not None,
            f"metadata.host: '{self.host}' is not a host; use a name such as "
            "metadata-grpc-service.kubeflow or an IPv4 address, without a scheme or a port",
        )
        require(
            self.port is None or 1 <= self.port <= 65535,
            f"metadata.port: {self.port} is not a port; use 1 to 65535",
        )
        if self.kind == "mysql":
            require(
                self.secret is not None,
                "metadata.secret is required when metadata.kind is mysql: the name of the "
                "Kubernetes secret that holds the user and the password",
            )
            require_secret_name("metadata.secret", self.secret or "")
            require_data_key("metadata.user_key", self.user_key)
            require_data_key("metadata.password_key", self.password_key)
            require(
                re.fullmatch(r"\S+", self.database) is not None,
                f"metadata.database: '{self.database}' is not the name of a database",
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """A key of a Kubernetes secret as an environment variable of every pod."""

    secret: str
    key: str
    variable: str

    def __post_init__(self) -> None:
        require_secret_name("secret_variables.secret", self.secret)
        require_data_key("secret_variables.key", self.key)
        require_environment_variable("secret_variables.variable", self.variable)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecretFiles:
    """A Kubernetes secret mounted as a folder with a file for each key.

    Attributes:
        secret: Name of the secret.
        mount_path: Absolute path of the folder.
        variable: Environment variable that is to hold the path of one of the files, such as
            ``GOOGLE_APPLICATION_CREDENTIALS``.
        key: The key whose file ``variable`` points at.
    """

    secret: str
    mount_path: str
    variable: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        require_secret_name("secret_files.secret", self.secret)
        require_mount_path("secret_files.mount_path", self.mount_path)
        require(
            self.mount_path != SCRATCH_FOLDER,
            f"secret_files.mount_path: {self.mount_path} must stay writable; use a folder of its "
            "own, such as /secret/credentials",
        )
        require(
            (self.variable is None) == (self.key is None),
            "secret_files.variable and secret_files.key go together: the variable holds the "
            "path of the key's file",
        )
        if self.variable is not None and self.key is not None:
            require_environment_variable("secret_files.variable", self.variable)
            require_data_key("secret_files.key", self.key)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NotificationSettings:
    """Where the end of a run is told, by a webhook that takes Slack's JSON.

    Attributes:
        secret: Kubernetes secret that holds the webhook's URL.
        key: Key of the URL in the secret.
        ui_host: URL of Kubeflow's UI, for a link to the run.
    """

    secret: str
    key: str = "url"
    ui_host: str | None = None

    def __post_init__(self) -> None:
        require_secret_name("notification.secret", self.secret)
        require_data_key("notification.key", self.key)
        require(
            self.ui_host is None or _WEB_ADDRESS.fullmatch(self.ui_host) is not None,
            f"notification.ui_host: '{self.ui_host}' is not the address of a UI; use one such as "
            "https://kubeflow.example.com",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecuritySettings:
    """Under which user the pods run.

    Attributes:
        run_as_non_root: Refuse root, drop all capabilities and privilege escalation.
        user: Numeric user id; the image's own user has 1000.
        group: Numeric group id that owns the mounted volume (``fsGroup``).
    """

    run_as_non_root: bool = True
    user: int = 1000
    group: int = 1000

    def __post_init__(self) -> None:
        require_not_negative("security.user", self.user)
        require_not_negative("security.group", self.group)
        require(
            not (self.run_as_non_root and self.user == 0),
            "security.user: 0 is root; use another user id or set security.run_as_non_root to "
            "false",
        )
