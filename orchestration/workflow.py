"""A compiled workflow as frozen values: steps in order, with everything that runs them."""

import dataclasses
from collections.abc import Mapping

#: The modules that a TFX step's container may run: the project's own entry point, and TFX's.
TFX_ENTRY_POINTS = ("components.entrypoint", "tfx.orchestration.kubeflow.container_entrypoint")

#: The ConfigMap from which a step takes the address of Kubeflow's metadata service.
METADATA_CONFIG_MAP = "metadata-grpc-configmap"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retry:
    """How a failed step is started again, as Argo's ``retryStrategy``.

    Attributes:
        limit: How often; ``None`` for without end.
        policy: ``Always``, ``OnFailure``, ``OnError`` or ``OnTransientError``.
        backoff_seconds: Wait before the first retry.
        factor: Factor by which the wait grows.
        cap_seconds: The longest wait; ``None`` for no cap.
    """

    limit: int | None
    policy: str
    backoff_seconds: float
    factor: float
    cap_seconds: float | None

    def covers_failure(self) -> bool:
        """Tells whether a step whose container failed is started again."""
        return self.policy in ("Always", "OnFailure")

    def wait_seconds(self, attempt: int) -> float:
        """Returns the wait after attempt number ``attempt``, counted from 1."""
        wait = self.backoff_seconds * self.factor ** (attempt - 1)
        return wait if self.cap_seconds is None else min(wait, self.cap_seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variable:
    """An environment variable, or a source of several.

    Attributes:
        name: The variable; empty for all keys of a ConfigMap or secret.
        kind: ``value``, ``field``, ``secret`` or ``config_map``.
        source: The value, the field's path, or the name of the secret or ConfigMap.
        key: Key in the secret or ConfigMap.
        prefix: What comes before each key's name.
        optional: Whether the source may be missing.
    """

    name: str
    kind: str
    source: str
    key: str = ""
    prefix: str = ""
    optional: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume at a path of the container.

    Attributes:
        path: Absolute path in the container.
        kind: ``claim``, ``secret``, ``config_map`` or ``empty_dir``.
        source: Name of the claim, secret, ConfigMap or volume.
        sub_path: Folder of the volume that is mounted; empty for its root.
    """

    path: str
    kind: str
    source: str
    sub_path: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resources:
    """Requests and limits in cores and bytes; ``None`` where there is none."""

    cpu_request: float | None = None
    cpu_limit: float | None = None
    memory_request: int | None = None
    memory_limit: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A task of the workflow together with its template.

    Attributes:
        name: The task's name.
        dependencies: Names of the tasks that come before.
        arguments: The template's input parameters, before placeholders are filled in.
        command: The container's command.
        args: The container's arguments.
        working_dir: The container's working folder, or ``None``.
        variables: The container's environment, in order; the last one wins.
        mounts: The container's volumes.
        artifact_paths: Paths at which the container leaves output artifacts, by name.
        optional_artifacts: Those that it need not leave.
        resources: The container's requests and limits.
        retry: How it is started again, or ``None``.
        timeout_seconds: Time after which it is ended, or ``None``.
        labels: The pod's labels.
        annotations: The pod's annotations.
    """

    name: str
    dependencies: tuple[str, ...]
    arguments: Mapping[str, str]
    command: tuple[str, ...]
    args: tuple[str, ...]
    working_dir: str | None
    variables: tuple[Variable, ...]
    mounts: tuple[Mount, ...]
    artifact_paths: Mapping[str, str]
    optional_artifacts: frozenset[str]
    resources: Resources
    retry: Retry | None
    timeout_seconds: int | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def is_tfx(self) -> bool:
        """Whether the step runs a TFX component through an entry point of TFX."""
        return any(module in self.command for module in TFX_ENTRY_POINTS)

    def argument(self, option: str) -> str | None:
        """Returns the value that follows an option in the arguments, or ``None``."""
        for name, value in zip(self.args, self.args[1:], strict=False):
            if name == option:
                return value
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow that one machine can run.

    Attributes:
        generate_name: What a run's name begins with.
        parameters: Default values by name; ``None`` where a run must give one.
        steps: The DAG's steps, each after those that it depends on.
        exit_step: The exit handler, or ``None``.
        labels: The workflow's labels.
        annotations: The workflow's annotations.
    """

    generate_name: str
    parameters: Mapping[str, str | None]
    steps: tuple[Step, ...]
    exit_step: Step | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The DAG's steps, then the exit handler where there is one."""
        return self.steps if self.exit_step is None else (*self.steps, self.exit_step)
