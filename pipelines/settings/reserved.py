"""Names that Kubeflow, TFX or the compiler itself gives to a pod, and settings may not take."""

#: Environment variables that hold MySQL's user and password in the pods.
MYSQL_USER_VARIABLE = "METADATA_MYSQL_USER"
MYSQL_PASSWORD_VARIABLE = "METADATA_MYSQL_PASSWORD"  # noqa: S105 (a variable's name)

#: What ``aws_secret`` sets, as kfp.aws.use_aws_secret does.
AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

#: What ``azure_secret`` sets.
AZURE_VARIABLES = ("AZURE_STORAGE_CONNECTION_STRING",)

#: What ``gcp_secret`` sets and mounts, as kfp.gcp.use_gcp_secret does.
GCP_VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
GCP_MOUNT_PATH = "/secret/gcp-credentials"

#: Where a step leaves what the Kubeflow UI is to show: a folder that any user may write.
SCRATCH_FOLDER = "/tmp"  # noqa: S108 (in the pod, not here)

#: Beginning of the volume names that secrets have in a pod.
SECRET_VOLUME_PREFIX = "secret-"  # noqa: S105 (a volume's name)

# TFX's entry point reads WORKFLOW_ID and KFP_POD_NAME; kfp.compiler._default_transformers sets
# these and the rest; the metadata ConfigMap has METADATA_GRPC_*; EXPECTED_*
# and NOTIFICATION_WEBHOOK_URL are what components.entrypoint and components.notify read.
_VARIABLES = ("WORKFLOW_ID", "ENABLE_CACHING", "NOTIFICATION_WEBHOOK_URL")
_VARIABLE_PREFIXES = ("EXPECTED_", "KFP_", "METADATA_GRPC_", "METADATA_MYSQL_")

# TFX's defaults (kubeflow_dag_runner.get_default_pod_labels), and what KFP and Argo write.
_POD_KEYS = ("add-pod-env",)
_POD_KEY_PREFIXES = (
    "complaint-pipeline/",
    "pipeline/",
    "pipelines.kubeflow.org/",
    "workflows.argoproj.io/",
)


def is_reserved_variable(name: str) -> bool:
    """Tells whether an environment variable is Kubeflow's or the compiler's own."""
    return name in _VARIABLES or name.startswith(_VARIABLE_PREFIXES)


def is_reserved_pod_key(name: str) -> bool:
    """Tells whether a pod's label or annotation is TFX's, Kubeflow's or Argo's own."""
    return name in _POD_KEYS or name.startswith(_POD_KEY_PREFIXES)
