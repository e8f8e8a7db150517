"""What settings refuse: one line that names the key and says what is valid."""

import pathlib

import pytest

from components.errors import SettingsError
from pipelines.settings import (
    COMPONENT_IDS,
    PodSettings,
    SecretFiles,
    Settings,
    Toleration,
    load_settings,
)

SECRET_FILE = "{secret: a, mount_path: /secret/a}"

# Settings as YAML, the key that the line begins with, and what the line says is valid.
REFUSED = {
    # Names
    "pipeline name": ("pipeline_name: A b", "pipeline_name", "lower-case letters, digits"),
    "long pipeline name": (f"pipeline_name: {'a' * 101}", "pipeline_name", "at most 100"),
    "image without name": ("image: ''", "image", "make image builds it"),
    "image with space": ("image: a b", "image", "as in registry.example.com/"),
    "image in capitals": ("image: Complaints:1", "image", "as in registry.example.com/"),
    "TFX's image": ("image: tensorflow/tfx:1.15.1", "image", "make image"),
    "TFX's image by host": ("image: docker.io/tensorflow/tfx", "image", "make image"),
    "Python's image": ("image: python:3.10-slim", "image", "make image"),
    "pull policy": (
        "image_pull_policy: Allways",
        "image_pull_policy",
        "Always, IfNotPresent, Never (did you mean 'Always'?)",
    ),
    "pull secret": ("image_pull_secrets: [A]", "image_pull_secrets.0", "lower-case letters"),
    "pull secret twice": ("image_pull_secrets: [a, a]", "image_pull_secrets.1", "keep one"),
    "service account": ("service_account: A", "service_account", "lower-case letters"),
    "aws secret": ("aws_secret: A_B", "aws_secret", "lower-case letters"),
    "gcp secret": ("gcp_secret: A_B", "gcp_secret", "lower-case letters"),
    "azure secret": ("azure_secret: A_B", "azure_secret", "lower-case letters"),
    # Object storage
    "endpoint without scheme": (
        "storage: {s3_endpoint: 'minio:9000'}",
        "storage.s3_endpoint",
        "http://minio-service.kubeflow:9000",
    ),
    "endpoint with password": (
        "storage: {s3_endpoint: 'http://user:word@minio:9000'}",
        "storage.s3_endpoint",
        "it holds credentials, which all could read in the workflow; use aws_secret",
    ),
    "endpoint with bucket": (
        "storage: {s3_endpoint: 'http://minio:9000/bucket'}",
        "storage.s3_endpoint",
        "without a bucket",
    ),
    "region": ("storage: {s3_region: EU}", "storage.s3_region", "such as eu-west-1"),
    "ca file": ("storage: {s3_ca_file: ca.crt}", "storage.s3_ca_file", "an absolute path"),
    "s3 by Hadoop's name": ("input_root: s3a://bucket/data", "input_root", "write s3://"),
    "azure": ("output_root: az://account/container", "output_root", "Azure's Blob CSI driver"),
    "parent in a bucket": ("input_root: gs://bucket/../x", "input_root", "write the whole path"),
    "nothing in a bucket's path": ("input_root: s3://bucket//x", "input_root", "an empty part"),
    "pattern in a bucket": ("input_root: 's3://bucket/*'", "input_root", "'*', which is not for"),
    "version of an object": ("input_root: 's3://bucket/x?versionId=3'", "input_root", "has '?'"),
    "tag of Argo": ("input_root: 'gs://bucket/{{workflow.name}}'", "input_root", "has '{'"),
    "escape in a bucket": ('input_root: "gs://bucket/\\e[31mx"', "input_root", r"'\x1b'"),
    "no-break space in a bucket": ('input_root: "gs://bucket/a\\_b"', "input_root", r"'\xa0'"),
    "letters of a bucket": ("input_root: s3://A_B/x", "input_root", "'A_B' is no bucket's name"),
    "dots of a bucket": ("input_root: s3://bk..t/x", "input_root", "is no bucket's name"),
    "short bucket": ("input_root: s3://ab/x", "input_root", "at least 3"),
    "long bucket": (f"input_root: s3://{'b' * 64}/x", "input_root", "is no bucket's name"),
    "underscore of S3": ("input_root: s3://a_bucket/x", "input_root", "is no bucket's name"),
    "part of a bucket of Google": (
        f"input_root: gs://{'b' * 64}.example.com/x",
        "input_root",
        "is no bucket's name",
    ),
    "no bucket": ("input_root: 's3:///x'", "input_root", "'' is no bucket's name"),
    "port of an endpoint": (
        "storage: {s3_endpoint: 'http://minio:99999'}",
        "storage.s3_endpoint",
        "not the URL of a server",
    ),
    "dots of an endpoint": (
        "storage: {s3_endpoint: 'http://minio..svc'}",
        "storage.s3_endpoint",
        "not the URL of a server",
    ),
    "web": ("input_root: https://example.com/data", "input_root", "gs:// and s3://"),
    "quoted bucket": (
        'input_root: "s3://bucket/a\'b"',
        "input_root",
        "which is not for folders here",
    ),
    "key as a flag": (
        "beam: {options: ['--s3_secret_access_key=hunter2']}",
        "beam.options",
        "--s3_secret_access_key has a setting of its own; use aws_secret",
    ),
    "s3 without our entry point": (
        "{input_root: s3://bucket/data, plain_entrypoint: true}",
        "plain_entrypoint",
        "has no s3://",
    ),
    "region twice": (
        "{storage: {s3_region: eu-west-1}, "
        "secret_variables: [{secret: a, key: k, variable: AWS_REGION}]}",
        "secret_variables.0.variable",
        "storage; keep one",
    ),
    # Volume, roots and other paths
    "claim": ("volume: {claim: A}", "volume.claim", "lower-case letters"),
    "volume name": ("volume: {name: A}", "volume.name", "lower-case letters"),
    "volume named as a secret's": ("volume: {name: secret-a}", "volume.name", "begin with"),
    "relative mount path": (
        "volume: {mount_path: tfx-data}",
        "volume.mount_path",
        "an absolute path such as /tfx-data",
    ),
    "mount path ..": ("volume: {mount_path: /a/../b}", "volume.mount_path", "without '..'"),
    "mount path /": ("volume: {mount_path: /}", "volume.mount_path", "such as /tfx-data"),
    "mount path //": ("volume: {mount_path: //a}", "volume.mount_path", "such as /tfx-data"),
    "mount path :": ("volume: {mount_path: '/a:b'}", "volume.mount_path", "without '..', ':'"),
    "no volume": ("volume: null", "input_root", "a URI such as gs://bucket/folder"),
    "path without volume": (
        "{volume: null, input_root: /a, output_root: gs://output}",
        "input_root",
        "set volume.claim, or use a URI",
    ),
    "root beside volume": ("input_root: /other", "input_root", "mounted at /tfx-data"),
    "root like volume": ("output_root: /tfx-data2", "output_root", "mounted at /tfx-data"),
    "relative root": ("output_root: out", "output_root", "an absolute path"),
    "relative schema": ("schema_file: schema.pbtxt", "schema_file", "an absolute path"),
    "relative serving root": ("serving_root: asked", "serving_root", "an absolute path"),
    "two schemas": (
        "{schema_file: /tfx-data/s.pbtxt, infer_schema: true}",
        "infer_schema",
        "leave one of the two out",
    ),
    "module beside volume": ("module_file: /m/module.py", "module_file", "mounted at /tfx-data"),
    "module of another kind": ("module_file: /tfx-data/m.txt", "module_file", "a Python file"),
    # Metadata
    "metadata kind": (
        "metadata: {kind: mysq}",
        "metadata.kind",
        "configmap, grpc, mysql (did you mean 'mysql'?)",
    ),
    "host for the ConfigMap": ("metadata: {host: a}", "metadata.host", "metadata.kind grpc or"),
    "no host": ("metadata: {kind: grpc, port: 1}", "metadata.host", "required"),
    "no port": ("metadata: {kind: grpc, host: a}", "metadata.host and metadata.port", "required"),
    "host with scheme": (
        "metadata: {kind: grpc, host: 'grpc://a', port: 1}",
        "metadata.host",
        "without a scheme or a port",
    ),
    "port": ("metadata: {kind: grpc, host: a, port: 65536}", "metadata.port", "1 to 65535"),
    "mysql without secret": (
        "metadata: {kind: mysql, host: a, port: 1}",
        "metadata.secret",
        "the Kubernetes secret that holds the user and the password",
    ),
    "mysql secret": (
        "metadata: {kind: mysql, host: a, port: 1, secret: A}",
        "metadata.secret",
        "lower-case letters",
    ),
    "mysql key": (
        "metadata: {kind: mysql, host: a, port: 1, secret: a, password_key: 'b c'}",
        "metadata.password_key",
        "letters, digits",
    ),
    "mysql database": (
        "metadata: {kind: mysql, host: a, port: 1, secret: a, database: ''}",
        "metadata.database",
        "name of a database",
    ),
    "secret without mysql": (
        "metadata: {kind: grpc, host: a, port: 1, secret: a}",
        "metadata.secret",
        "leave metadata.secret out",
    ),
    # Resources
    "unknown unit": ("trainer: {memory: 4Q}", "trainer.memory", "m, k, M, G, T, P, E, Ki, Mi, Gi"),
    "unit K": ("trainer: {memory: 4K}", "trainer.memory", "one of the units m, k"),
    "unit in default": ("default: {cpu: 1x}", "default.cpu", "one of the units"),
    "no number": ("trainer: {cpu: .nan}", "trainer.cpu", "a Kubernetes quantity"),
    "part of a byte": ("trainer: {memory: 512m}", "trainer.memory", "use M, Mi, G or Gi"),
    "slice bound above 1": (
        "evaluation: {worst_slice_auc_lower_bound: 2}",
        "evaluation.worst_slice_auc_lower_bound",
        "is not between 0 and 1",
    ),
    "no slice is that small": (
        "evaluation: {min_slice_examples: 0}",
        "evaluation.min_slice_examples",
        "is not 1 or more",
    ),
    "memory without a unit": ("trainer: {memory: 8}", "trainer.memory", "a unit such as Mi or Gi"),
    "negative quantity": ("trainer: {memory: -1Gi}", "trainer.memory", "use 0 or more"),
    "request above limit": (
        "trainer: {memory: 20Gi, memory_limit: 10G}",
        "trainer.memory",
        "raise trainer.memory_limit or lower trainer.memory",
    ),
    "request above limit in other units": (
        "pusher: {cpu: 1001m, cpu_limit: 1}",
        "pusher.cpu",
        "raise pusher.cpu_limit or lower pusher.cpu",
    ),
    "storage request above limit": (
        "evaluator: {ephemeral_storage: 2Gi, ephemeral_storage_limit: 1Gi}",
        "evaluator.ephemeral_storage",
        "raise evaluator.ephemeral_storage_limit",
    ),
    "limit below the default request": (
        "trainer: {memory_limit: 1Gi}",
        "trainer.memory",
        "raise trainer.memory_limit",
    ),
    "default limit below the default request": (
        "default: {memory_limit: 1Gi}",
        "default.memory",
        "raise default.memory_limit",
    ),
    "limit of 0": ("trainer: {cpu_limit: 0}", "trainer.cpu_limit", "use more than 0"),
    # GPUs
    "negative gpus": ("trainer: {gpus: -1}", "trainer.gpus", "use 0 or more"),
    "half a gpu": ("trainer: {gpus: 0.5}", "trainer.gpus", "a whole number"),
    "gpu resource": ("trainer: {gpu_resource: gpu}", "trainer.gpu_resource", "nvidia.com/gpu"),
    "gpu type without gpu": ("trainer: {gpu_type: t4}", "trainer.gpu_type", "set trainer.gpus"),
    "gpu type for no component": (
        "default: {gpu_type: t4}",
        "default.gpu_type",
        "set trainer.gpus",
    ),
    "gpu type value": ("trainer: {gpus: 1, gpu_type: a b}", "trainer.gpu_type", "at most 63"),
    "gpu type label": (
        "trainer: {gpus: 1, gpu_type: t4, gpu_type_label: a b}",
        "trainer.gpu_type_label",
        "after a domain and '/'",
    ),
    "gpu type against node selector": (
        "trainer: {gpus: 1, gpu_type: t4, node_selector: {cloud.google.com/gke-accelerator: p4}}",
        "trainer.node_selector.cloud.google.com/gke-accelerator",
        "keep one of the two",
    ),
    # Placement
    "node selector key": ("pusher: {node_selector: {a b: c}}", "pusher.node_selector", "digits"),
    "node selector domain": (
        "pusher: {node_selector: {a/b/c: d}}",
        "pusher.node_selector",
        "after a domain and '/' if any",
    ),
    "node selector value": (
        "pusher: {node_selector: {a: b c}}",
        "pusher.node_selector.a",
        "the value of a label: at most 63",
    ),
    "toleration operator": (
        "pusher: {tolerations: [{key: a, operator: Exist}]}",
        "pusher.tolerations.0.operator",
        "Equal, Exists (did you mean 'Exists'?)",
    ),
    "toleration effect": (
        "pusher: {tolerations: [{key: a}, {key: a, effect: NoSchedul}]}",
        "pusher.tolerations.1.effect",
        "NoExecute, NoSchedule, PreferNoSchedule",
    ),
    "toleration key": (
        "pusher: {tolerations: [{key: a b}]}",
        "pusher.tolerations.0.key",
        "at most 63",
    ),
    "toleration without key": (
        "pusher: {tolerations: [{value: a}]}",
        "pusher.tolerations.0.key",
        "unless tolerations.operator is Exists",
    ),
    "toleration with value": (
        "pusher: {tolerations: [{key: a, operator: Exists, value: b}]}",
        "pusher.tolerations.0.value",
        "leave it out",
    ),
    "toleration value": (
        "pusher: {tolerations: [{key: a, value: b c}]}",
        "pusher.tolerations.0.value",
        "at most 63",
    ),
    # Retries and time
    "negative retries": ("transform: {retries: -1}", "transform.retries", "use 0 or more"),
    "negative backoff": (
        "transform: {retry_backoff_seconds: -1}",
        "transform.retry_backoff_seconds",
        "use 0 or more",
    ),
    "negative backoff factor": (
        "default: {retry_backoff_factor: -1}",
        "default.retry_backoff_factor",
        "use 0 or more",
    ),
    "retry policy": (
        "transform: {retry_policy: OnErrors}",
        "transform.retry_policy",
        "Always, OnError, OnFailure, OnTransientError (did you mean 'OnError'?)",
    ),
    "negative timeout": ("default: {timeout_seconds: -1}", "default.timeout_seconds", "use 0 or"),
    "timeout of 0": ("pusher: {timeout_seconds: 0}", "pusher.timeout_seconds", "use 1 or more"),
    "ttl": ("ttl_seconds: -1", "ttl_seconds", "use 0 or more"),
    # Secrets as variables and files
    "secret of a variable": (
        "secret_variables: [{secret: A, key: k, variable: V}]",
        "secret_variables.0.secret",
        "lower-case letters",
    ),
    "key of a variable": (
        "secret_variables: [{secret: a, key: k k, variable: V}]",
        "secret_variables.0.key",
        "letters, digits",
    ),
    "variable": (
        "secret_variables: [{secret: a, key: k, variable: 1V}]",
        "secret_variables.0.variable",
        "not beginning with a digit",
    ),
    "no variable": (
        "secret_variables: [{secret: a, key: k}]",
        "secret_variables.0.variable",
        "required",
    ),
    "secret of files": (
        "secret_files: [{secret: A, mount_path: /a}]",
        "secret_files.0.secret",
        "lower-case letters",
    ),
    "mount path of files": (
        "secret_files: [{secret: a, mount_path: a}]",
        "secret_files.0.mount_path",
        "an absolute path",
    ),
    "variable without key": (
        "secret_files: [{secret: a, mount_path: /a, variable: V}]",
        "secret_files.0.variable and secret_files.key",
        "go together",
    ),
    "variable of files": (
        "secret_files: [{secret: a, mount_path: /a, variable: V-, key: k}]",
        "secret_files.0.variable",
        "letters, digits and '_'",
    ),
    "key of files": (
        "secret_files: [{secret: a, mount_path: /a, variable: V, key: k/k}]",
        "secret_files.0.key",
        "letters, digits",
    ),
    "secret at /tmp": (
        "secret_files: [{secret: a, mount_path: /tmp}]",
        "secret_files.0.mount_path",
        "a folder of its own",
    ),
    # Mounts that clash
    "mounts at the volume": (
        "secret_files: [{secret: a, mount_path: /tfx-data}]",
        "secret_files.0.mount_path",
        "volume.mount_path; give each volume and secret its own path",
    ),
    "mounts at each other": (
        f"secret_files: [{SECRET_FILE}, {SECRET_FILE}]",
        "secret_files.1.mount_path",
        "secret_files.0.mount_path; give each",
    ),
    "mounts at the gcp secret": (
        "{gcp_secret: a, secret_files: [{secret: b, mount_path: /secret/gcp-credentials}]}",
        "gcp_secret",
        "secret_files.0.mount_path; give each",
    ),
    "mounts in the volume": (
        "secret_files: [{secret: a, mount_path: /tfx-data/a}]",
        "secret_files.0.mount_path",
        "a path of its own",
    ),
    "mounts around the volume": (
        "{volume: {mount_path: /a/b}, secret_files: [{secret: a, mount_path: /a}]}",
        "secret_files.0.mount_path",
        "a path of its own",
    ),
    "mounts around the gcp secret": (
        "{gcp_secret: a, secret_files: [{secret: b, mount_path: /secret}]}",
        "gcp_secret",
        "a path of its own",
    ),
    # Variables that clash
    "variable of Kubeflow": (
        "secret_variables: [{secret: a, key: k, variable: KFP_POD_NAME}]",
        "secret_variables.0.variable",
        "use another name",
    ),
    "variable of TFX": (
        "secret_files: [{secret: a, mount_path: /a, variable: WORKFLOW_ID, key: k}]",
        "secret_files.0.variable",
        "use another name",
    ),
    "variable of the metadata ConfigMap": (
        "secret_variables: [{secret: a, key: k, variable: METADATA_GRPC_SERVICE_HOST}]",
        "secret_variables.0.variable",
        "use another name",
    ),
    "variable of MySQL": (
        "secret_variables: [{secret: a, key: k, variable: METADATA_MYSQL_PASSWORD}]",
        "secret_variables.0.variable",
        "use another name",
    ),
    "variable of the entry point": (
        "secret_variables: [{secret: a, key: k, variable: EXPECTED_TFX_VERSION}]",
        "secret_variables.0.variable",
        "use another name",
    ),
    "variable of the exit handler": (
        "secret_files: [{secret: a, mount_path: /a, variable: NOTIFICATION_WEBHOOK_URL, key: k}]",
        "secret_files.0.variable",
        "use another name",
    ),
    "variable twice": (
        "secret_variables: [{secret: a, key: k, variable: V}, {secret: b, key: k, variable: V}]",
        "secret_variables.1.variable",
        "secret_variables.0.variable; keep one",
    ),
    "variable for a key and a file": (
        "{secret_variables: [{secret: a, key: k, variable: V}], "
        "secret_files: [{secret: a, mount_path: /a, variable: V, key: k}]}",
        "secret_files.0.variable",
        "secret_variables.0.variable; keep one",
    ),
    "variable of the aws secret": (
        "{aws_secret: a, secret_variables: [{secret: a, key: k, variable: AWS_ACCESS_KEY_ID}]}",
        "secret_variables.0.variable",
        "aws_secret; keep one",
    ),
    "variable of the gcp secret": (
        "{gcp_secret: a, secret_files: "
        "[{secret: b, mount_path: /b, variable: GOOGLE_APPLICATION_CREDENTIALS, key: k}]}",
        "secret_files.0.variable",
        "gcp_secret; keep one",
    ),
    "variable of the module": (
        "{module_file: /tfx-data/code/module.py, "
        "secret_variables: [{secret: a, key: k, variable: PYTHONPATH}]}",
        "secret_variables.0.variable",
        "module_file; keep one",
    ),
    # Users, labels and annotations
    "root": ("security: {user: 0}", "security.user", "security.run_as_non_root to false"),
    "negative user": ("security: {user: -1}", "security.user", "use 0 or more"),
    "negative group": ("security: {group: -1}", "security.group", "use 0 or more"),
    "label key": ("pod_labels: {a b: c}", "pod_labels", "as in example.com/team"),
    "long label key": (f"pod_labels: {{{'a' * 64}: c}}", "pod_labels", "at most 63"),
    "label value": ("pod_labels: {a: b c}", "pod_labels.a", "at most 63"),
    "label of TFX": ("pod_labels: {add-pod-env: 'false'}", "pod_labels", "use another name"),
    "label of the SDK": (
        "pod_labels: {pipelines.kubeflow.org/pipeline-sdk-type: kfp}",
        "pod_labels",
        "use another name",
    ),
    "label of Argo": (
        "pod_labels: {workflows.argoproj.io/workflow: a}",
        "pod_labels",
        "use another name",
    ),
    "label of the entry point": (
        "pod_labels: {complaint-pipeline/code-hash: a}",
        "pod_labels",
        "use another name",
    ),
    "annotation key": ("pod_annotations: {a b: c}", "pod_annotations", "as in example.com/team"),
    "annotation of Kubeflow": (
        "pod_annotations: {pipelines.kubeflow.org/component_spec: a}",
        "pod_annotations",
        "use another name",
    ),
    "annotation of the entry point": (
        "pod_annotations: {complaint-pipeline/version: a}",
        "pod_annotations",
        "use another name",
    ),
    # The end of a run
    "notification without secret": ("notification: {key: k}", "notification.secret", "required"),
    "notification's secret": (
        "notification: {secret: https://hooks.example.com/T/B}",
        "notification.secret",
        "lower-case letters",
    ),
    "notification's key": (
        "notification: {secret: a, key: b c}",
        "notification.key",
        "letters, digits",
    ),
    "unknown in the notification": (
        "notification: {secret: a, ui_hots: b}",
        "notification.ui_hots",
        "did you mean 'ui_host'?",
    ),
    "UI without scheme": (
        "notification: {secret: a, ui_host: kubeflow.example.com}",
        "notification.ui_host",
        "such as https://kubeflow.example.com",
    ),
    "UI of another scheme": (
        "notification: {secret: a, ui_host: 'file:///etc/passwd'}",
        "notification.ui_host",
        "such as https://",
    ),
    "UI with a link's end": (
        "notification: {secret: a, ui_host: 'https://a/|b>'}",
        "notification.ui_host",
        "such as https://",
    ),
    "text for the entry point": ("plain_entrypoint: 'no'", "plain_entrypoint", "true or false"),
    # Beam, training and evaluation
    "beam runner": ("beam: {runner: Directrunner}", "beam.runner", "did you mean 'DirectRunner'?"),
    "beam mode": ("beam: {running_mode: threads}", "beam.running_mode", "multi_processing"),
    "beam in threads": (
        "beam: {running_mode: multi_threading, workers: 2}",
        "beam.running_mode",
        "loses examples",
    ),
    "beam workers": ("beam: {workers: -1}", "beam.workers", "-1 is not 0 to 1000"),
    "beam option": ("beam: {options: [x=1]}", "beam.options", "write it as --NAME=VALUE"),
    "beam option with a setting": (
        "beam: {options: [--direct_num_workers=2]}",
        "beam.options",
        "use beam.workers",
    ),
    "flag of the image": (
        "beam: {options: [--sdk_container_image=a]}",
        "beam.options",
        "use image",
    ),
    "workers in memory": ("beam: {workers: 2}", "beam.workers", "multi_processing"),
    "setting of another runner": (
        "beam: {runner: PrismRunner, prism_location: /prism, workers: 2}",
        "beam.workers",
        "DataflowRunner, and it is PrismRunner, which takes prism_location, options",
    ),
    "setting of two other runners": (
        "beam: {job_server_jar: /a.jar}",
        "beam.job_server_jar",
        "FlinkRunner or SparkRunner",
    ),
    "prism without its file": (
        "beam: {runner: PrismRunner}",
        "beam.prism_location",
        "/usr/local/bin/prism",
    ),
    "prism by a name": (
        "beam: {runner: PrismRunner, prism_location: prism}",
        "beam.prism_location",
        "neither an absolute path nor a URL",
    ),
    "portable without endpoint": (
        "beam: {runner: PortableRunner}",
        "beam.job_endpoint",
        "HOST:PORT",
    ),
    "endpoint without port": (
        "beam: {runner: PortableRunner, job_endpoint: server}",
        "beam.job_endpoint",
        "flink-job-server:8099",
    ),
    "endpoint with a port too large": (
        "beam: {runner: PortableRunner, job_endpoint: 'server:99999'}",
        "beam.job_endpoint",
        "HOST:PORT",
    ),
    "flink without anything": (
        "beam: {runner: FlinkRunner}",
        "beam.job_server_jar",
        "unless beam.job_endpoint",
    ),
    "flink without cluster": (
        "beam: {runner: FlinkRunner, job_server_jar: /a.jar}",
        "beam.flink_master",
        "is required when beam.runner is FlinkRunner",
    ),
    "flink master with a scheme": (
        "beam: {runner: FlinkRunner, job_server_jar: /a.jar, flink_master: 'http://a:8081'}",
        "beam.flink_master",
        "HOST:PORT",
    ),
    "endpoint and master": (
        "beam: {runner: FlinkRunner, job_endpoint: 'a:1', flink_master: 'b:2'}",
        "beam.flink_master",
        "leave one of the two out",
    ),
    "endpoint and jar": (
        "beam: {runner: SparkRunner, job_endpoint: 'a:1', job_server_jar: /a.jar}",
        "beam.job_server_jar",
        "leave one of the two out",
    ),
    "spark master": (
        "beam: {runner: SparkRunner, job_server_jar: /a.jar, spark_master_url: yarn}",
        "beam.spark_master_url",
        "spark://HOST:PORT",
    ),
    "spark master without port": (
        "beam: {runner: SparkRunner, job_server_jar: /a.jar, spark_master_url: 'spark://a'}",
        "beam.spark_master_url",
        "HOST:PORT",
    ),
    "artifacts without endpoint": (
        "beam: {runner: SparkRunner, job_server_jar: /a.jar, spark_master_url: local, "
        "artifact_endpoint: 'a:1'}",
        "beam.artifact_endpoint",
        "goes with beam.job_endpoint",
    ),
    "far runner without workers": (
        "beam: {runner: PortableRunner, job_endpoint: 'server:8099'}",
        "beam.environment_type",
        "EXTERNAL",
    ),
    "far runner with workers here": (
        "beam: {runner: FlinkRunner, job_endpoint: 'a:1', environment_type: LOOPBACK}",
        "beam.environment_type",
        "use EXTERNAL or PROCESS",
    ),
    "prism with a pool": (
        "beam: {runner: PrismRunner, prism_location: /prism, environment_type: EXTERNAL}",
        "beam.environment_type",
        "FlinkRunner or SparkRunner or PortableRunner",
    ),
    "docker": (
        "beam: {runner: PortableRunner, job_endpoint: 'a:1', environment_type: DOCKER}",
        "beam.environment_type",
        "EXTERNAL, PROCESS, LOOPBACK",
    ),
    "pool without address": (
        "beam: {runner: PortableRunner, job_endpoint: 'a:1', environment_type: EXTERNAL}",
        "beam.environment_config",
        "as the runner sees it",
    ),
    "pool by a path": (
        "beam: {runner: PortableRunner, job_endpoint: 'a:1', environment_type: EXTERNAL, "
        "environment_config: /boot}",
        "beam.environment_config",
        "HOST:PORT",
    ),
    "process without command": (
        "beam: {runner: PortableRunner, job_endpoint: 'a:1', environment_type: PROCESS, "
        "environment_config: boot}",
        "beam.environment_config",
        "such as /opt/apache/beam/boot",
    ),
    "config without environment": (
        "beam: {runner: PortableRunner, job_endpoint: 'localhost:1', environment_config: 'a:1'}",
        "beam.environment_config",
        "EXTERNAL or PROCESS, and it is not set",
    ),
    "parallelism": (
        "beam: {runner: FlinkRunner, job_endpoint: 'localhost:1', parallelism: 0}",
        "beam.parallelism",
        "0 is not 1 to 32768",
    ),
    # Spans
    "pattern of the parent": (
        "input_pattern: ../*.csv",
        "input_pattern",
        "'../*.csv' has an empty or hidden name, '.' or '..' in it; leave that out",
    ),
    "pattern with half a date": (
        "input_pattern: '{YYYY}-{MM}/*.csv'",
        "input_pattern",
        "use {YYYY}, {MM} and {DD}",
    ),
    "no span in the window": ("span_window: 0", "span_window", "is not 1 to 1000"),
    "window without spans": ("span_window: 2", "span_window", "such as span-{SPAN}/*.csv"),
    "train steps": ("training: {train_steps: 0}", "training.train_steps", "use 1 to 2147483647"),
    "eval steps": ("training: {eval_steps: -1}", "training.eval_steps", "use 1 to 2147483647"),
    "cache": ("training: {cache_megabytes: -1}", "training.cache_megabytes", "use 0 or more"),
    "text encoder": ("training: {text_encoder: hubb}", "training.text_encoder", "hashed, hub"),
    "hub without handle": (
        "training: {text_encoder: hub}",
        "training.text_encoder_handle",
        "a TF-Hub handle or the path of a SavedModel",
    ),
    "handle without hub": (
        "training: {text_encoder_handle: 'https://tfhub.dev/a/b/1'}",
        "training.text_encoder_handle",
        "goes with training.text_encoder 'hub'",
    ),
    "relative handle": (
        "training: {text_encoder: hub, text_encoder_handle: models/use}",
        "training.text_encoder_handle",
        "https://tfhub.dev/",
    ),
    "decision threshold": (
        "training: {decision_threshold: 1}",
        "training.decision_threshold",
        "between 0 and 1",
    ),
    "unknown hyperparameter": (
        "training: {hyperparameters: {hiden_units: 8}}",
        "training.hyperparameters",
        "did you mean 'hidden_units'?",
    ),
    "hyperparameter out of range": (
        "training: {hyperparameters: {dropout: 2}}",
        "training.hyperparameters",
        "range from 0 to below 1",
    ),
    "auc bound": (
        "evaluation: {auc_lower_bound: 1.1}",
        "evaluation.auc_lower_bound",
        "between 0 and 1",
    ),
    "auc not a number": (
        "evaluation: {auc_lower_bound: .nan}",
        "evaluation.auc_lower_bound",
        "between 0 and 1",
    ),
    "auc tolerance": (
        "evaluation: {auc_tolerance: -0.1}",
        "evaluation.auc_tolerance",
        "between 0 and 1",
    ),
    # Unknown names
    "unknown setting": ("imag: a", "imag", "did you mean 'image'?"),
    "unknown component": ("trainr: {memory: 8G}", "trainr", "did you mean 'trainer'?"),
    "component's id": ("CsvExampleGen: {}", "CsvExampleGen", "did you mean 'csv_example_gen'?"),
    "unknown in a component": ("trainer: {memry: 8G}", "trainer.memry", "did you mean 'memory'?"),
    "unknown in a section": ("beam: {worker: 1}", "beam.worker", "did you mean 'workers'?"),
    "unknown in a list": (
        "trainer: {tolerations: [{key: a, efect: b}]}",
        "trainer.tolerations.0.efect",
        "did you mean 'effect'?",
    ),
    "number as a name": ("trainer: {1: 2, memory: 8G}", "trainer.1", "valid are cpu"),
    # Types
    "number for a section": ("default: 5", "default", "valid in one are cpu"),
    "text for a component": ("trainer: 8G", "trainer", "valid in one are cpu"),
    "text for a list": ("image_pull_secrets: regcred", "image_pull_secrets", "write [NAME]"),
    "section for a list": ("secret_files: {secret: a}", "secret_files", "not a list"),
    "text in a list of sections": ("secret_files: [a]", "secret_files.0", "valid in one are sec"),
    "list for a mapping": ("pod_labels: [a]", "pod_labels", "a mapping of names to values"),
    "section for text": ("trainer: {memory: {a: 1}}", "trainer.memory", "not text"),
    "truth value for text": ("pod_labels: {a: yes}", "pod_labels.a", "true is not text; put it in"),
    "nothing for text": ("image:", "image", "null is not text"),
    "text for a number": ("ttl_seconds: soon", "ttl_seconds", "a whole number"),
    "truth value for a number": ("trainer: {retries: true}", "trainer.retries", "a whole number"),
    "text for a truth value": ("enable_cache: 'no'", "enable_cache", "true or false"),
}


@pytest.mark.parametrize(("text", "key", "valid"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_in_one_line_that_names_the_key(
    tmp_path: pathlib.Path, text: str, key: str, valid: str
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError) as raised:
        load_settings(path)

    line = str(raised.value)
    rest = line.removeprefix(key)
    assert rest != line
    assert rest[0] in ": "
    assert valid in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "text",
    [
        "aws_secret: {AWS_SECRET_ACCESS_KEY: hunter2}",
        "gcp_secret: [hunter2]",
        "aws_secret: {KEY: hunter2",
        "azure_secret: AccountKey: hunter2",
        "azure_secret: AccountName=a;AccountKey=hunter2",
        "image_pull_secrets: Hunter2 hunter2",
        "image_pull_secrets: [Hunter2 hunter2]",
        "secret_variables: [{secret: 'pw hunter2', key: k}]",
        "metadata: {kind: mysql, secret: 'pw hunter2'}",
        "notification: {secret: 'pw hunter2'}",
        "storage: {s3_endpoint: 'http://user:hunter2@minio:9000'}",
        "input_root: s3://user:hunter2@bucket/data",
        "beam: {runner: PortableRunner, job_endpoint: 'user:hunter2@host:1'}",
        "beam: {runner: PrismRunner, prism_location: 'https://user:hunter2@example.com/prism'}",
    ],
)
def test_what_may_be_secret_is_refused_and_not_shown(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError) as raised:
        load_settings(path)

    assert "hunter2" not in str(raised.value).lower()


def test_a_file_that_is_nested_without_end_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"image: {'[' * 2000}", encoding="utf-8")

    with pytest.raises(SettingsError, match="nested too deep"):
        load_settings(path)


def test_settings_made_in_python_are_checked_as_well() -> None:
    with pytest.raises(SettingsError, match=r"^trainer\.memory: the request of 8G is above"):
        Settings(components={"Trainer": PodSettings(memory="8G", memory_limit="4G")})


def test_an_unknown_component_id_names_the_closest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'Trainer'"):
        Settings(components={"Trainr": PodSettings()})


@pytest.mark.parametrize("component_id", COMPONENT_IDS)
def test_each_component_is_checked(component_id: str) -> None:
    with pytest.raises(SettingsError, match=r"\.retries: -1 is negative"):
        Settings(components={component_id: PodSettings(retries=-1)})


# What looks like one of the refused, and is not.
TAKEN = {
    "request at the limit": "trainer: {memory: 1024Mi, memory_limit: 1Gi}",
    "quantities as numbers": "trainer: {cpu: 2, memory: 4294967296}",
    "fraction of a core": "trainer: {cpu: 0.5}",
    "request without limit": "trainer: {cpu: 64}",
    "registry with a port": "image: localhost:5000/team/a_b/c--d:v1.2",
    "image by digest": f"image: gcr.io/p/complaints@sha256:{'a' * 64}",
    "own TFX image": "image: registry.example.com/tensorflow/tfx:ours",
    "buckets without volume": "{volume: null, input_root: 'gs://input', output_root: 'gs://output/c'}",
    "bucket beside volume": "input_root: gs://input/data",
    "toleration of everything": "trainer: {tolerations: [{operator: Exists}]}",
    "no gpu on trial": "trainer: {gpus: 0, gpu_type: t4}",
    "type for the gpu of another": "{default: {gpu_type: t4}, evaluator: {gpus: 1}}",
    "neighbouring mount": "secret_files: [{secret: a, mount_path: /tfx-data-keys}]",
    "secret twice": "secret_files: [{secret: a, mount_path: /a}, {secret: a, mount_path: /b}]",
    "root where it is allowed": "security: {run_as_non_root: false, user: 0}",
    "label without value": "pod_labels: {example.com/team: ''}",
    "annotation of any text": "pod_annotations: {example.com/note: 'any text: at all'}",
    "other PYTHONPATH": "secret_variables: [{secret: a, key: k, variable: PYTHONPATH}]",
    "UI with port and path": (
        "notification: {secret: a.b, key: K_1, ui_host: 'http://10.0.0.1:8080/_/pipeline/'}"
    ),
    "no notification": "notification: null",
    "label of another domain": "pod_labels: {example.com/complaint-pipeline: a}",
    "variable like ours": "secret_variables: [{secret: a, key: k, variable: NOTIFICATION_URL}]",
    "jar by its URL": (
        "beam: {runner: FlinkRunner, flink_master: '[local]', "
        "job_server_jar: 'https://repo.example.com/beam-runners-flink-1.20-job-server.jar'}"
    ),
    "spark cluster": (
        "beam: {runner: SparkRunner, spark_master_url: 'spark://a.b:7077', job_server_jar: /a.jar, "
        "environment_type: PROCESS, environment_config: /opt/apache/beam/boot}"
    ),
    "workers by the cpu limit": "beam: {running_mode: multi_processing, workers: 0}",
    "empty sections": "{trainer: , default: , training: , pod_labels: , secret_files: }",
    "empty file": "",
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN.keys())
def test_takes_what_is_valid(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")

    assert load_settings(path).pipeline_name == "consumer_complaint_pipeline_kubeflow"


def test_value_objects_are_checked_on_their_own() -> None:
    with pytest.raises(SettingsError, match=r"secret_files\.mount_path: 'a' is not a mount path"):
        SecretFiles(secret="a", mount_path="a")
    with pytest.raises(SettingsError, match=r"tolerations\.operator: 'Is'"):
        Toleration(operator="Is")
