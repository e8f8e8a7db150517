"""How to reach Kubeflow Pipelines, and the client that does."""

import dataclasses
import functools
import logging
import pathlib
import urllib.parse
import warnings
from typing import Any

from orchestration.cluster.errors import ClusterError

_NO_HOST = (
    "no address of Kubeflow Pipelines: give --host or set KFP_HOST, such as http://localhost:8080 "
    "after 'kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80'"
)

# Shorter values are no secrets, but would be taken out of the middle of words.
_SECRET_LENGTH = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach Kubeflow Pipelines. What is secret does not show in its ``repr``.

    Attributes:
        host: URL of the API; that of the UI, which passes calls on, will do.
        namespace: The user's profile on multi-user Kubeflow; ``None`` where there is one user.
        token: A bearer token.
        cookies: The ``Cookie`` header of a session, such as ``authservice_session=...``.
        iap_client_id: OAuth client of Google's Identity-Aware Proxy.
        iap_other_client_id: OAuth client of a desktop application, for IAP.
        iap_other_client_secret: Its secret.
        ca_file: Certificates to trust in place of the usual ones.
        ui_host: URL of the UI where it is not ``host``.
        timeout_seconds: How long to wait for each answer.
        attempts: How often a call that may be repeated is tried.
        backoff_seconds: Wait before the first repeat; it doubles with each.
    """

    host: str
    namespace: str | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    cookies: str | None = dataclasses.field(default=None, repr=False)
    iap_client_id: str | None = None
    iap_other_client_id: str | None = None
    iap_other_client_secret: str | None = dataclasses.field(default=None, repr=False)
    ca_file: pathlib.Path | None = None
    ui_host: str | None = None
    timeout_seconds: float = 30.0
    attempts: int = 5
    backoff_seconds: float = 0.5

    def __post_init__(self) -> None:
        if not self.host:
            raise ClusterError(_NO_HOST)
        _check_url("--host", self.host)
        if self.ui_host is not None:
            _check_url("--ui-host", self.ui_host)
        if self.token and self.iap_client_id:
            raise ClusterError("give a token or an IAP client, not both: IAP makes its own token")
        if self.iap_other_client_id and not self.iap_client_id:
            raise ClusterError("KFP_IAP_OTHER_CLIENT_ID needs the IAP client: give --iap-client-id")
        for name, value in (("token", self.token), ("cookies", self.cookies)):
            if value is not None and not (value.isascii() and value.isprintable()):
                raise ClusterError(f"the {name}: more than one line, or characters no header holds")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ClusterError(f"--ca-file {self.ca_file}: there is no such file; check the path")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""
        values = [self.token, self.cookies, self.iap_other_client_secret]
        for cookie in (self.cookies or "").split(";"):
            values.append(cookie.partition("=")[2].strip())
        long = {value for value in values if value and len(value) >= _SECRET_LENGTH}
        return tuple(sorted(long, key=len, reverse=True))

    def page(self, path: str) -> str:
        """Returns the address of a page of the UI, such as ``runs/details/ID``."""
        return f"{(self.ui_host or self.host).rstrip('/')}/#/{path}"


def connect(connection: Connection) -> Any:
    """Makes a client of Kubeflow Pipelines; nothing is called yet.

    Args:
        connection: How to reach it.

    Returns:
        A ``kfp.Client`` whose calls have timeouts, are repeated where that is safe, and raise
        ``ClusterError``.

    Raises:
        ClusterError: If the credentials cannot be had.
    """
    with warnings.catch_warnings():
        # kfp's dependencies warn of the Python version that TFX needs.
        warnings.simplefilter("ignore")
        import kfp
        import kfp_server_api

    from orchestration.cluster.transport import Transport

    class _Client(kfp.Client):
        def get_kfp_healthz(self) -> Any:
            """Spares the constructor a call that has no timeout; callers name the namespace."""
            return kfp_server_api.ApiGetHealthzResponse(multi_user=False)

    # kfp logs whole answers, headers included, where a call fails.
    logging.getLogger("kfp_server_api").setLevel(logging.CRITICAL)
    try:
        client = _Client(
            host=connection.host.rstrip("/"),
            client_id=connection.iap_client_id,
            other_client_id=connection.iap_other_client_id,
            other_client_secret=connection.iap_other_client_secret,
            existing_token=connection.token,
            cookies=connection.cookies,
            ssl_ca_cert=None if connection.ca_file is None else str(connection.ca_file),
            ui_host=connection.ui_host,
        )
    except Exception as error:  # noqa: BLE001 (kfp, google-auth and requests share no base)
        reason = redact(" ".join(str(error).split()), connection.secrets)
        raise ClusterError(f"cannot set up the client of {connection.host}: {reason}") from None
    if connection.namespace:
        client._context_setting["namespace"] = connection.namespace
    api_client = client.runs.api_client
    # Repeats are the transport's; a redirect leads to a login page, never to the API.
    api_client.configuration.retries = False
    rest_client = kfp_server_api.rest.RESTClientObject(api_client.configuration)
    pool = rest_client.pool_manager
    pool.urlopen = functools.partial(pool.urlopen, redirect=False)
    api_client.rest_client = Transport(
        rest_client,
        host=connection.host,
        timeout_seconds=connection.timeout_seconds,
        attempts=connection.attempts,
        backoff_seconds=connection.backoff_seconds,
        clean=lambda text: redact(text, connection.secrets),
        api_exception=kfp_server_api.ApiException,
    )
    return client


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """Takes secrets out of a text."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _check_url(option: str, url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid, parts = False, urllib.parse.SplitResult("", "", "", "", "")
    if parts.username or parts.password:
        raise ClusterError(f"{option}: holds a user or password; give KFP_TOKEN or KFP_COOKIES")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ClusterError(f"{option} {url}: is no URL; give one such as http://localhost:8080")
    if parts.query or parts.fragment:
        raise ClusterError(f"{option}: leave out what follows '?' or '#'")
