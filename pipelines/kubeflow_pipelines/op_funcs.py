"""OpFuncs: modifiers of the container steps that KubeflowDagRunner compiles.

Each function returns an OpFunc, a function that changes one ``kfp.dsl.ContainerOp``. TFX
applies every OpFunc to every step; ``only_for`` narrows one down to a component.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from kfp import dsl, onprem
from kubernetes import client

from pipelines.settings.reserved import (
    AWS_VARIABLES,
    AZURE_VARIABLES,
    GCP_MOUNT_PATH,
    GCP_VARIABLES,
    SECRET_VOLUME_PREFIX,
)

OpFunc = Callable[[dsl.ContainerOp], object]

#: What a step runs.
ENTRY_POINT_MODULE = "components.entrypoint"

#: Longest name of a volume that Kubernetes takes.
_MAX_VOLUME_NAME = 63


def only_for(component_id: str, *op_funcs: OpFunc) -> OpFunc:
    """Applies OpFuncs to one component's step only.

    Args:
        component_id: Node id of the TFX component, such as ``Trainer``.
        *op_funcs: What to apply.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        # ``op.name`` is made fit for Kubernetes; ``human_name`` is still the node id.
        if op.human_name == component_id:
            for op_func in op_funcs:
                op_func(op)

    return apply


def mount_pvc(claim: str, volume: str, mount_path: str) -> OpFunc:
    """Mounts a persistent volume claim.

    Args:
        claim: Name of the PersistentVolumeClaim.
        volume: Name of the volume in the pod.
        mount_path: Absolute path at which the step sees it.

    Returns:
        The OpFunc.
    """
    return onprem.mount_pvc(pvc_name=claim, volume_name=volume, volume_mount_path=mount_path)


def request_resource(resource: str, request: str | None, limit: str | None = None) -> OpFunc:
    """Requests a resource, and limits it.

    Args:
        resource: ``cpu``, ``memory`` or ``ephemeral-storage``.
        request: Kubernetes quantity, or ``None`` for no request.
        limit: Kubernetes quantity, or ``None`` for no limit.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        if request is not None:
            op.container.add_resource_request(resource, request)
        if limit is not None:
            op.container.add_resource_limit(resource, limit)

    return apply


def request_memory(request: str, limit: str | None = None) -> OpFunc:
    """Requests memory, such as ``4Gi``, and limits it."""
    return request_resource("memory", request, limit)


def request_min_4G_memory() -> OpFunc:  # noqa: N802 (the name that the book's readers know)
    """Requests at least 4 gigabytes of memory for every step."""
    return request_memory("4G")


def request_cpu(request: str, limit: str | None = None) -> OpFunc:
    """Requests cpu in cores, such as ``500m`` or ``2``, and limits it."""
    return request_resource("cpu", request, limit)


def request_gpu(
    count: int,
    *,
    resource: str = "nvidia.com/gpu",
    gpu_type: str | None = None,
    gpu_type_label: str = "cloud.google.com/gke-accelerator",
) -> OpFunc:
    """Requests GPUs.

    Args:
        count: Number of GPUs; for extended resources the request is the limit.
        resource: Extended resource that counts them.
        gpu_type: Value that the node's label for the GPU type must have, such as
            ``nvidia-tesla-t4``.
        gpu_type_label: That label: GKE's by default, ``nvidia.com/gpu.product`` where
            NVIDIA's feature discovery labels the nodes.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        op.container.add_resource_limit(resource, str(count))
        if gpu_type is not None:
            op.add_node_selector_constraint(gpu_type_label, gpu_type)

    return apply


def retry(
    count: int,
    *,
    policy: str = "Always",
    backoff_seconds: int | None = None,
    backoff_factor: int | None = None,
) -> OpFunc:
    """Lets Argo start a failed step again.

    Args:
        count: How often.
        policy: ``Always``, ``OnError``, ``OnFailure`` or ``OnTransientError``.
        backoff_seconds: Wait before the first retry.
        backoff_factor: Factor by which the wait grows.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        op.set_retry(
            num_retries=count,
            policy=policy,
            backoff_duration=None if backoff_seconds is None else f"{backoff_seconds}s",
            backoff_factor=backoff_factor,
        )

    return apply


def timeout(seconds: int) -> OpFunc:
    """Ends a step that takes longer than so many seconds."""

    def apply(op: dsl.ContainerOp) -> None:
        op.set_timeout(seconds)

    return apply


def node_selector(labels: Mapping[str, str]) -> OpFunc:
    """Places the step on nodes that have all the labels."""

    def apply(op: dsl.ContainerOp) -> None:
        for label, value in labels.items():
            op.add_node_selector_constraint(label, value)

    return apply


def toleration(
    *,
    key: str | None = None,
    operator: str = "Equal",
    value: str | None = None,
    effect: str | None = None,
) -> OpFunc:
    """Lets the step run on nodes with a taint; the arguments are those of Kubernetes."""

    def apply(op: dsl.ContainerOp) -> None:
        op.add_toleration(
            client.V1Toleration(key=key, operator=operator, value=value, effect=effect)
        )

    return apply


def secret_variable(secret: str, key: str, variable: str) -> OpFunc:
    """Sets an environment variable from a key of a Kubernetes secret."""

    def apply(op: dsl.ContainerOp) -> None:
        op.container.add_env_variable(
            client.V1EnvVar(
                name=variable,
                value_from=client.V1EnvVarSource(
                    secret_key_ref=client.V1SecretKeySelector(name=secret, key=key)
                ),
            )
        )

    return apply


def secret_files(
    secret: str, mount_path: str, *, variable: str | None = None, key: str | None = None
) -> OpFunc:
    """Mounts a Kubernetes secret as a read-only folder with a file for each key.

    Args:
        secret: Name of the secret.
        mount_path: Absolute path of the folder.
        variable: Environment variable that is to hold the path of ``key``'s file.
        key: A key of the secret.

    Returns:
        The OpFunc.
    """
    volume = _secret_volume_name(secret)

    def apply(op: dsl.ContainerOp) -> None:
        # A secret may be mounted at several paths; its volume must be there once.
        if volume not in [other.name for other in op.volumes]:
            op.add_volume(
                client.V1Volume(name=volume, secret=client.V1SecretVolumeSource(secret_name=secret))
            )
        op.container.add_volume_mount(
            client.V1VolumeMount(name=volume, mount_path=mount_path, read_only=True)
        )
        if variable is not None:
            op.container.add_env_variable(
                client.V1EnvVar(name=variable, value=f"{mount_path}/{key}")
            )

    return apply


def _secret_volume_name(secret: str) -> str:
    """Returns a volume's name, which may be shorter and has no dots, unlike a secret's."""
    name = f"{SECRET_VOLUME_PREFIX}{secret}"
    if "." not in name and len(name) <= _MAX_VOLUME_NAME:
        return name
    # Secrets a.b and a-b are two: the digest keeps them apart.
    digest = hashlib.sha256(secret.encode()).hexdigest()[:8]
    return f"{name.replace('.', '-')[: _MAX_VOLUME_NAME - 9]}-{digest}"


def use_aws_secret(
    secret: str = "aws-secret",  # noqa: S107 (a name)
    access_key_id: str = "AWS_ACCESS_KEY_ID",
    secret_access_key: str = "AWS_SECRET_ACCESS_KEY",  # noqa: S107 (a key's name)
    region: str | None = None,
) -> OpFunc:
    """Gives the step AWS credentials, as ``kfp.aws.use_aws_secret`` does.

    Args:
        secret: Name of the Kubernetes secret.
        access_key_id: Its key with the access key's id.
        secret_access_key: Its key with the secret access key.
        region: Value of ``AWS_REGION``, or ``None`` not to set it.

    Returns:
        The OpFunc.
    """
    id_variable, key_variable = AWS_VARIABLES
    op_funcs = [
        secret_variable(secret, access_key_id, id_variable),
        secret_variable(secret, secret_access_key, key_variable),
    ]
    if region is not None:
        op_funcs.append(environment({"AWS_REGION": region}))

    def apply(op: dsl.ContainerOp) -> None:
        for op_func in op_funcs:
            op_func(op)

    return apply


def use_gcp_secret(
    secret: str = "user-gcp-sa",  # noqa: S107 (a name)
    key: str | None = None,
) -> OpFunc:
    """Gives the step a Google service account, as ``kfp.gcp.use_gcp_secret`` does.

    Args:
        secret: Name of the Kubernetes secret.
        key: Its key with the service account's JSON file; the secret's name and ``.json`` by
            default.

    Returns:
        The OpFunc.
    """
    key = key or f"{secret}.json"
    mount = secret_files(secret, GCP_MOUNT_PATH)
    variables = environment(dict.fromkeys(GCP_VARIABLES, f"{GCP_MOUNT_PATH}/{key}"))

    def apply(op: dsl.ContainerOp) -> None:
        mount(op)
        variables(op)

    return apply


def use_azure_storage_secret(
    secret: str = "azure-storage-secret",  # noqa: S107 (a name)
    key: str = "AZURE_STORAGE_CONNECTION_STRING",
) -> OpFunc:
    """Gives the step the connection string of an Azure storage account.

    Args:
        secret: Name of the Kubernetes secret.
        key: Its key with what ``az storage account show-connection-string`` prints.

    Returns:
        The OpFunc.
    """
    (variable,) = AZURE_VARIABLES
    return secret_variable(secret, key, variable)


def entry_point(
    arguments: Sequence[str], expected: Mapping[str, tuple[str, str]], metrics_path: str | None
) -> OpFunc:
    """Runs the step through ``components.entrypoint`` instead of TFX's own entry point.

    Args:
        arguments: The entry point's own arguments.
        expected: What the image must hold: label and value by environment variable.
        metrics_path: Where the step leaves metrics for Kubeflow, or ``None`` if it has none.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        own = [*arguments, "--image", op.container.image]
        if metrics_path is not None:
            own += ["--metrics_path", metrics_path]
        op.command = ["python", "-m", ENTRY_POINT_MODULE]
        op.arguments = [*own, "--", *op.arguments]
        if metrics_path is not None:
            op.output_artifact_paths = {
                **op.output_artifact_paths,
                "mlpipeline-metrics": metrics_path,
            }
        for variable, (label, value) in expected.items():
            op.add_pod_label(label, value)
            op.container.add_env_variable(_label_variable(variable, label))

    return apply


def _label_variable(variable: str, label: str) -> client.V1EnvVar:
    field = client.V1ObjectFieldSelector(field_path=f"metadata.labels['{label}']")
    return client.V1EnvVar(name=variable, value_from=client.V1EnvVarSource(field_ref=field))


def security_context(user: int, group: int) -> OpFunc:
    """Runs the step as an unprivileged user, without capabilities.

    Args:
        user: Numeric user id.
        group: Numeric group id.

    Returns:
        The OpFunc.
    """

    def apply(op: dsl.ContainerOp) -> None:
        op.container.set_security_context(
            client.V1SecurityContext(
                run_as_non_root=True,
                run_as_user=user,
                run_as_group=group,
                allow_privilege_escalation=False,
                capabilities=client.V1Capabilities(drop=["ALL"]),
            )
        )

    return apply


def environment(variables: Mapping[str, str]) -> OpFunc:
    """Sets environment variables."""

    def apply(op: dsl.ContainerOp) -> None:
        for name, value in variables.items():
            op.container.add_env_variable(client.V1EnvVar(name=name, value=value))

    return apply


def image_pull_policy(policy: str) -> OpFunc:
    """Sets when the node pulls the image: ``Always``, ``IfNotPresent`` or ``Never``."""

    def apply(op: dsl.ContainerOp) -> None:
        op.container.set_image_pull_policy(policy)

    return apply


def pod_metadata(labels: Mapping[str, str], annotations: Mapping[str, str]) -> OpFunc:
    """Adds labels and annotations to the step's pod."""

    def apply(op: dsl.ContainerOp) -> None:
        for name, value in labels.items():
            op.add_pod_label(name, value)
        for name, value in annotations.items():
            op.add_pod_annotation(name, value)

    return apply
