"""Options of the commands that reach Kubeflow Pipelines or Kubernetes."""

import functools
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from orchestration.local_path import LocalPath

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PATH = LocalPath(dir_okay=False)

# Credentials come from files and the environment: everybody on the machine sees a command line.
_CONNECTION = (
    click.option(
        "--host",
        envvar=["KFP_HOST", "KF_PIPELINES_ENDPOINT"],
        metavar="URL",
        help="Address of Kubeflow Pipelines, such as http://localhost:8080.  [env var: KFP_HOST]",
    ),
    click.option(
        "--namespace",
        envvar="KFP_NAMESPACE",
        show_envvar=True,
        help="Your profile, on multi-user Kubeflow.",
    ),
    click.option(
        "--token-file",
        type=_PATH,
        envvar="KFP_TOKEN_FILE",
        help="File with a bearer token; KFP_TOKEN holds the token itself.  "
        "[env var: KFP_TOKEN_FILE]",
    ),
    click.option(
        "--cookies-file",
        type=_PATH,
        envvar="KFP_COOKIES_FILE",
        help="File with a session's cookies, NAME=VALUE; KFP_COOKIES holds them itself.  "
        "[env var: KFP_COOKIES_FILE]",
    ),
    click.option(
        "--iap-client-id",
        envvar=["KFP_IAP_CLIENT_ID", "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"],
        help="OAuth client of Google's Identity-Aware Proxy; a desktop client comes from "
        "KFP_IAP_OTHER_CLIENT_ID and KFP_IAP_OTHER_CLIENT_SECRET.  [env var: KFP_IAP_CLIENT_ID]",
    ),
    click.option(
        "--ca-file",
        type=_PATH,
        envvar="KFP_CA_FILE",
        show_envvar=True,
        help="Trusted certificates.",
    ),
    click.option(
        "--ui-host",
        envvar=["KFP_UI_HOST", "KF_PIPELINES_UI_ENDPOINT"],
        metavar="URL",
        help="Address of the UI where it is not that of --host.  [env var: KFP_UI_HOST]",
    ),
    click.option(
        "--request-timeout",
        type=click.FloatRange(min=0.1),
        default=30.0,
        show_default=True,
        envvar="KFP_TIMEOUT",
        show_envvar=True,
        help="Seconds to wait for each answer.",
    ),
)
_NAMES = (
    "host",
    "namespace",
    "token_file",
    "cookies_file",
    "iap_client_id",
    "ca_file",
    "ui_host",
    "request_timeout",
)
_CLUSTER = click.option(
    "--cluster",
    is_flag=True,
    envvar="COMPLAINT_PIPELINE_CLUSTER",
    show_envvar=True,
    help="On Kubeflow Pipelines instead of here.",
)
_CONTEXT = click.option("--context", help="Context of the kubeconfig.  [default: the current one]")
_PODS_NAMESPACE = click.option(
    "--namespace",
    default=Kubectl.namespace,
    show_default=True,
    envvar="KFP_NAMESPACE",
    show_envvar=True,
    help="Namespace in which the pods run.",
)


def with_kubectl(command: Any) -> Any:
    """Gives a command ``--context`` and ``--namespace``, and passes ``kubectl``."""

    @functools.wraps(command)
    def wrapper(*args: Any, context: str | None, namespace: str, **values: Any) -> Any:
        return command(*args, kubectl=Kubectl(namespace=namespace, context=context), **values)

    return _CONTEXT(_PODS_NAMESPACE(wrapper))


def with_kubectl_and_kubeflow(command: Any) -> Any:
    """Gives a command the options of a connection and ``--context``; ``--namespace`` is for both.

    It passes ``kubectl``, and ``connection``, which is ``None`` without an address.
    """

    @functools.wraps(command)
    def wrapper(*args: Any, context: str | None, **values: Any) -> Any:
        given = {name: values.pop(name) for name in _NAMES}
        kubectl = Kubectl(
            namespace=given["namespace"] or Kubectl.namespace,
            context=context,
            timeout_seconds=given["request_timeout"],
        )
        connection = _connection(**given) if given["host"] else None
        return command(*args, kubectl=kubectl, connection=connection, **values)

    for option in reversed((_CONTEXT, *_CONNECTION)):
        option(wrapper)
    return wrapper


def on_cluster(command: _Command) -> _Command:
    """Gives a command the options of a connection, and passes it as ``connection``."""
    return _with_options(command, _CONNECTION)


def here_or_on_cluster(command: _Command) -> _Command:
    """The same with ``--cluster``; without that, ``connection`` is ``None``."""
    return _with_options(command, (_CLUSTER, *_CONNECTION))


def refuse_given(names: Sequence[str], why: str) -> None:
    """Refuses options that the user has given.

    Args:
        names: The parameters' names.
        why: The end of the message, such as ``is only for runs here``.

    Raises:
        click.UsageError: If one was given on the command line.
    """
    context = click.get_current_context()
    for name in names:
        source = context.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            option = next(item for item in context.command.params if item.name == name)
            raise click.UsageError(f"{option.opts[0]} {why}")


def _with_options(command: Any, options: Sequence[Any]) -> Any:
    @functools.wraps(command)
    def wrapper(*args: Any, **values: Any) -> Any:
        given = {name: values.pop(name) for name in _NAMES}
        if values.pop("cluster", True):
            return command(*args, connection=_connection(**given), **values)
        refuse_given(_NAMES, "is only for Kubeflow; add --cluster")
        return command(*args, connection=None, **values)

    for option in reversed(options):
        option(wrapper)
    return wrapper


def _connection(
    *,
    host: str | None,
    namespace: str | None,
    token_file: pathlib.Path | None,
    cookies_file: pathlib.Path | None,
    iap_client_id: str | None,
    ca_file: pathlib.Path | None,
    ui_host: str | None,
    request_timeout: float,
) -> Connection:
    environment = os.environ
    return Connection(
        host=host or "",
        namespace=namespace or None,
        token=_secret("--token-file", token_file, environment.get("KFP_TOKEN")),
        cookies=_secret("--cookies-file", cookies_file, environment.get("KFP_COOKIES")),
        iap_client_id=iap_client_id or None,
        iap_other_client_id=environment.get("KFP_IAP_OTHER_CLIENT_ID") or None,
        iap_other_client_secret=environment.get("KFP_IAP_OTHER_CLIENT_SECRET") or None,
        ca_file=ca_file,
        ui_host=ui_host or None,
        timeout_seconds=request_timeout,
    )


def _secret(option: str, path: pathlib.Path | None, value: str | None) -> str | None:
    """Returns what a file holds, or the variable's value; nothing of it shows in a message."""
    if path is None:
        return (value or "").strip() or None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ClusterError(f"{option} {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ClusterError(f"{option} {path}: is not text") from None
    if not text:
        raise ClusterError(f"{option} {path}: is empty")
    return text
