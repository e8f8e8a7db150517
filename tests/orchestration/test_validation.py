"""Validation of compiled workflows: for each rule, a workflow that breaks it and only it."""

import builtins
import copy
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from components.errors import WorkflowError
from orchestration.package import WorkflowPackage, read_package, write_package
from orchestration.validation import RULES, Finding, validate, validate_text

PIPELINE_SPEC = "pipelines.kubeflow.org/pipeline_spec"
SDK_TYPE = "pipelines.kubeflow.org/pipeline-sdk-type"

#: As KubeflowDagRunner compiles it, cut down to two steps, with an exit handler.
BASE = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: complaints-
  annotations:
    pipelines.kubeflow.org/kfp_sdk_version: 1.8.22
    pipelines.kubeflow.org/pipeline_spec: >-
      {"inputs": [{"default": "/tfx-data/output", "name": "pipeline-root"},
      {"default": "{\\"num_steps\\": 10}", "name": "train-args"}], "name": "complaints"}
  labels: {pipelines.kubeflow.org/kfp_sdk_version: 1.8.22}
spec:
  entrypoint: complaints
  onExit: report
  serviceAccountName: pipeline-runner
  arguments:
    parameters:
    - {name: pipeline-root, value: /tfx-data/output}
    - {name: train-args, value: '{"num_steps": 10}'}
  volumes:
  - name: tfx-data
    persistentVolumeClaim: {claimName: tfx-pvc}
  templates:
  - name: complaints
    inputs:
      parameters: [{name: pipeline-root}, {name: train-args}]
    dag:
      tasks:
      - name: csvexamplegen
        template: csvexamplegen
        arguments:
          parameters: [{name: pipeline-root, value: '{{inputs.parameters.pipeline-root}}'}]
      - name: trainer
        template: trainer
        dependencies: [csvexamplegen]
        arguments:
          parameters:
          - {name: pipeline-root, value: '{{inputs.parameters.pipeline-root}}'}
          - {name: train-args, value: '{{inputs.parameters.train-args}}'}
  - name: csvexamplegen
    inputs:
      parameters: [{name: pipeline-root}]
    outputs:
      artifacts:
      - {name: mlpipeline-ui-metadata, path: /tmp/mlpipeline-ui-metadata.json}
    metadata:
      labels: {pipelines.kubeflow.org/pipeline-sdk-type: tfx}
      annotations: {pipelines.kubeflow.org/arguments.parameters: '{"pipeline-root": "x"}'}
    activeDeadlineSeconds: 3600
    container:
      image: tfx:1.15.1
      command: [python, -m, tfx.orchestration.kubeflow.container_entrypoint]
      args:
      - --pipeline_root
      - '{{inputs.parameters.pipeline-root}}'
      - --kubeflow_metadata_config
      - '{"mysql_db_password": {"environment_variable": "METADATA_MYSQL_PASSWORD"}}'
      - --tfx_ir
      - '{"nodes": [{"root": "{{inputs.parameters.pipeline-root}}", "deep": {"er": {}}}]}'
      env:
      - {name: WORKFLOW_ID, value: '{{workflow.uid}}'}
      - name: METADATA_MYSQL_PASSWORD
        valueFrom: {secretKeyRef: {name: mysql-secret, key: password}}
      resources:
        requests: {cpu: 500m, memory: 2G}
        limits: {memory: 4Gi}
      volumeMounts:
      - {name: tfx-data, mountPath: /tfx-data}
  - name: trainer
    inputs:
      parameters: [{name: pipeline-root}, {name: train-args}]
    metadata:
      labels: {pipelines.kubeflow.org/pipeline-sdk-type: tfx}
    nodeSelector: {cloud.google.com/gke-accelerator: nvidia-tesla-t4}
    retryStrategy:
      limit: 2
      retryPolicy: Always
      backoff: {duration: 30s, factor: 2}
    container:
      image: tfx:1.15.1
      command: [python, -m, tfx.orchestration.kubeflow.container_entrypoint]
      args:
      - '{"a": "{{inputs.parameters.pipeline-root}}", "b": "{{inputs.parameters.train-args}}"}'
      resources:
        limits: {nvidia.com/gpu: 1}
      volumeMounts:
      - {name: tfx-data, mountPath: /tfx-data}
  - name: report
    container:
      image: busybox
      args: ['{{workflow.status}} {{ pod.name }} {{retries}}']
"""

DAG = "spec.templates[0].dag.tasks"
GEN = "spec.templates[1]"
TRAINER = "spec.templates[2]"
REPORT = "spec.templates[3]"

Workflow = dict[str, Any]
Change = Callable[[Workflow], None]


@pytest.fixture
def workflow() -> Workflow:
    return base()


def base() -> Workflow:
    tree: Workflow = yaml.safe_load(BASE)
    return tree


def put(place: str, value: Any) -> Change:
    """Sets the value at a place such as ``spec.templates[0].name``."""

    def change(tree: Workflow) -> None:
        *path, last = steps(place)
        node: Any = tree
        for key in path:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        if isinstance(node, list) and last == len(node):
            node.append(value)
        else:
            node[last] = value

    return change


def drop(place: str) -> Change:
    """Removes what is at a place."""

    def change(tree: Workflow) -> None:
        *path, last = steps(place)
        node: Any = tree
        for key in path:
            node = node[key]
        del node[last]

    return change


def steps(place: str) -> list[str | int]:
    parts = re.findall(r"\['([^']+)'\]|\[(\d+)\]|([^.\[\]]+)", place)
    return [int(index) if index else quoted or key for quoted, index, key in parts]


class Case(NamedTuple):
    """A change to the base, and the one finding that it leads to."""

    rule: str
    place: str
    change: Change | list[Change]
    message: str = ""


def spec_of(**changes: Any) -> str:
    spec = json.loads(base()["metadata"]["annotations"][PIPELINE_SPEC])
    return json.dumps({**spec, **changes})


def env(name: str, value: str) -> Change:
    return put(f"{REPORT}.container.env", [{"name": name, "value": value}])


ARG = f"{REPORT}.container.args[0]"
RESOURCES = f"{GEN}.container.resources"
GPU = f"{TRAINER}.container.resources"
SPEC_ANNOTATION = f"metadata.annotations['{PIPELINE_SPEC}']"
LONG = "x" * 131_072
PARAMETER = {"name": "out", "valueFrom": {"path": "/tmp/out"}}
SINGLE_DAG = {"name": "inner", "dag": {"tasks": [{"name": "a", "template": "report"}]}}


CASES = [
    # KFP and size
    Case("kfp-api-version", "apiVersion", put("apiVersion", "argoproj.io/v1"), "argoproj.io/v1'"),
    Case("kfp-api-version", "apiVersion", drop("apiVersion"), "missing"),
    Case("kfp-kind", "kind", put("kind", "CronWorkflow"), "CronWorkflow"),
    Case("kfp-kind", "kind", drop("kind"), "missing"),
    Case(
        "etcd-size",
        "workflow",
        put(f"{REPORT}.container.args", ["x" * 120_000] * 14),
        "bytes as JSON",
    ),
    Case("kfp-pipeline-name", SPEC_ANNOTATION, put(SPEC_ANNOTATION, spec_of(name="ä" * 51)), "102"),
    Case(
        "kfp-pipeline-name",
        "metadata.generateName",
        [put("metadata.generateName", "a" * 101 + "-"), drop(SPEC_ANNOTATION)],
        "101 bytes",
    ),
    Case(
        "kfp-parameters-size",
        "spec.arguments.parameters",
        # Go writes each of these as six characters.
        put("spec.arguments.parameters[0].value", "<" * 1_700),
        "more than 10,000",
    ),
    Case("kfp-pipeline-spec", SPEC_ANNOTATION, put(SPEC_ANNOTATION, "{"), "not a JSON object"),
    Case(
        "kfp-pipeline-spec",
        SPEC_ANNOTATION,
        put(SPEC_ANNOTATION, spec_of(inputs=[{"name": "pipeline-root"}])),
        "lacks the parameter 'train-args'",
    ),
    Case(
        "kfp-pipeline-spec",
        SPEC_ANNOTATION,
        put(
            SPEC_ANNOTATION,
            spec_of(inputs=[{"name": n} for n in ("pipeline-root", "train-args", "eval-args")]),
        ),
        "has no parameter 'eval-args'",
    ),
    Case(
        "kfp-tfx-label",
        f"{GEN}.metadata.labels['{SDK_TYPE}']",
        drop(f"{GEN}.metadata.labels['{SDK_TYPE}']"),
    ),
    Case("kfp-tfx-label", f"{TRAINER}.metadata.labels['{SDK_TYPE}']", drop(f"{TRAINER}.metadata")),
    Case(
        "kfp-template-ref",
        f"{DAG}[0].templateRef",
        [
            drop(f"{DAG}[0].template"),
            put(f"{DAG}[0].templateRef", {"name": "shared", "template": "gen"}),
        ],
    ),
    # Fields and types
    Case(
        "schema-field",
        f"{GEN}.container.imagePullPolcy",
        put(f"{GEN}.container.imagePullPolcy", "Always"),
        "Container has no field 'imagePullPolcy'",
    ),
    Case("schema-field", "spec.foo", put("spec.foo", 1)),
    Case(
        "schema-field",
        f"{GEN}.container.resources.limit",
        put(f"{GEN}.container.resources.limit", {}),
    ),
    Case("schema-type", f"{GEN}.container.env[0].value", put(f"{GEN}.container.env[0].value", 8)),
    Case("schema-type", f"{GEN}.container.args", put(f"{GEN}.container.args", "--flag")),
    Case("schema-type", f"{GEN}.container.tty", put(f"{GEN}.container.tty", "yes")),
    Case("schema-type", "spec.parallelism", put("spec.parallelism", True)),
    Case("schema-type", "spec.nodeSelector", put("spec.nodeSelector", ["a"])),
    Case("schema-type", "spec.securityContext", put("spec.securityContext", 1)),
    Case("schema-type", "metadata.labels", put("metadata.labels[7]", "x"), "the key 7 is not"),
    Case("schema-type", f"{GEN}.daemon", put(f"{GEN}.daemon", 1)),
    Case(
        "schema-required",
        f"{GEN}.container.volumeMounts[0]",
        drop(f"{GEN}.container.volumeMounts[0].mountPath"),
        "'mountPath' is missing",
    ),
    # Names
    Case("argo-workflow-name", "metadata.name", put("metadata.name", "a" * 64), "64 characters"),
    Case(
        "argo-template-name",
        f"{REPORT}.name",
        [put(f"{REPORT}.name", "re_port"), put("spec.onExit", "re_port")],
        "'re_port' is not a template's name",
    ),
    Case(
        "argo-template-name",
        f"{REPORT}.name",
        [put(f"{REPORT}.name", "a" * 129), put("spec.onExit", "a" * 129)],
    ),
    Case(
        "argo-template-name",
        "spec.templates[4].name",
        put("spec.templates[4]", {"name": "trainer", "suspend": {}}),
        "is also at spec.templates[2].name",
    ),
    Case("argo-template-name", "spec.templates[4].name", put("spec.templates[4]", {"suspend": {}})),
    Case("argo-task-name", f"{DAG}[1].name", put(f"{DAG}[1].name", "-trainer")),
    Case("argo-task-name", f"{DAG}[1].name", put(f"{DAG}[1].name", "1trainer"), "digit"),
    Case("argo-task-name", f"{DAG}[1].name", drop(f"{DAG}[1].name"), "no name"),
    Case(
        "argo-parameter-name",
        f"{REPORT}.inputs.parameters[0].name",
        put(f"{REPORT}.inputs.parameters", [{"name": "a.b", "default": "x"}]),
    ),
    Case(
        "argo-parameter-name",
        "spec.arguments.parameters[2].name",
        put("spec.arguments.parameters[2]", {"name": "train-args", "value": "x"}),
        "is also at spec.arguments.parameters[1].name",
    ),
    Case(
        "argo-artifact-name",
        f"{GEN}.outputs.artifacts[0].name",
        put(f"{GEN}.outputs.artifacts[0].name", "ui metadata"),
    ),
    # Templates
    Case("argo-template-type", REPORT, put(f"{REPORT}.suspend", {}), "container and suspend"),
    Case("argo-template-type", "spec.templates[4]", put("spec.templates[4]", {"name": "empty"})),
    Case("argo-image", f"{GEN}.container.image", put(f"{GEN}.container.image", "")),
    Case("argo-image", f"{GEN}.container.image", drop(f"{GEN}.container.image")),
    Case(
        "argo-init-container",
        f"{GEN}.initContainers[0].name",
        put(f"{GEN}.initContainers", [{"image": "busybox"}]),
    ),
    Case(
        "argo-mount-path",
        f"{GEN}.container.volumeMounts[1].mountPath",
        put(f"{GEN}.container.volumeMounts[1]", {"name": "tfx-data", "mountPath": "/tfx-data"}),
        "also mounted by spec.templates[1].container.volumeMounts[0].mountPath",
    ),
    Case(
        "argo-artifact-path",
        f"{GEN}.outputs.artifacts[0].path",
        drop(f"{GEN}.outputs.artifacts[0].path"),
    ),
    Case(
        "argo-artifact-path",
        "spec.templates[0].outputs.artifacts[0].path",
        put("spec.templates[0].outputs.artifacts", [{"name": "a", "path": "/a"}]),
    ),
    Case("argo-deadline", f"{GEN}.activeDeadlineSeconds", put(f"{GEN}.activeDeadlineSeconds", -1)),
    Case("argo-deadline", f"{GEN}.activeDeadlineSeconds", put(f"{GEN}.activeDeadlineSeconds", 0)),
    Case(
        "argo-deadline", f"{GEN}.activeDeadlineSeconds", put(f"{GEN}.activeDeadlineSeconds", "5m")
    ),
    Case(
        "argo-deadline",
        "spec.templates[0].activeDeadlineSeconds",
        put("spec.templates[0].activeDeadlineSeconds", 60),
        "a dag template takes no deadline",
    ),
    Case("argo-deadline", "spec.activeDeadlineSeconds", put("spec.activeDeadlineSeconds", -5)),
    Case("argo-timeout", f"{GEN}.timeout", put(f"{GEN}.timeout", "30")),
    Case("argo-timeout", "spec.templates[0].timeout", put("spec.templates[0].timeout", "30s")),
    Case("argo-parallelism", f"{GEN}.parallelism", put(f"{GEN}.parallelism", 2)),
    Case(
        "argo-retry-policy",
        f"{TRAINER}.retryStrategy.retryPolicy",
        put(f"{TRAINER}.retryStrategy.retryPolicy", "always"),
        "(did you mean 'Always'?)",
    ),
    Case(
        "argo-retry-limit",
        f"{TRAINER}.retryStrategy.limit",
        put(f"{TRAINER}.retryStrategy.limit", -1),
    ),
    Case("argo-retry-limit", "spec.retryStrategy.limit", put("spec.retryStrategy.limit", "two")),
    Case(
        "argo-retry-backoff",
        f"{TRAINER}.retryStrategy.backoff.duration",
        put(f"{TRAINER}.retryStrategy.backoff.duration", "30 seconds"),
    ),
    Case(
        "argo-retry-backoff",
        f"{TRAINER}.retryStrategy.backoff.duration",
        drop(f"{TRAINER}.retryStrategy.backoff.duration"),
    ),
    Case(
        "argo-retry-backoff",
        f"{TRAINER}.retryStrategy.backoff.factor",
        put(f"{TRAINER}.retryStrategy.backoff.factor", "1.5"),
    ),
    Case(
        "argo-resource",
        "spec.templates[4].resource.action",
        put("spec.templates[4]", {"name": "r", "resource": {"action": "make", "manifest": "x"}}),
    ),
    Case(
        "argo-resource",
        "spec.templates[4].resource.manifest",
        put("spec.templates[4]", {"name": "r", "resource": {"action": "create"}}),
    ),
    Case(
        "argo-output",
        f"{GEN}.outputs.parameters[0]",
        put(f"{GEN}.outputs.parameters", [{**PARAMETER, "value": "x"}]),
        "both of value and valueFrom",
    ),
    Case(
        "argo-output",
        f"{GEN}.outputs.parameters[0].valueFrom",
        put(f"{GEN}.outputs.parameters", [{"name": "out", "valueFrom": {"expression": "1"}}]),
    ),
    Case("argo-entrypoint", "spec.entrypoint", drop("spec.entrypoint")),
    Case(
        "argo-entrypoint",
        "spec.entrypoint",
        put("spec.entrypoint", "complaint"),
        "(did you mean 'complaints'?)",
    ),
    Case("argo-on-exit", "spec.hooks.exit.template", put("spec.hooks.exit", {"template": "gone"})),
    Case("argo-on-exit", "spec.hooks.running", put("spec.hooks.running", {"template": "report"})),
    Case("argo-pod-gc", "spec.podGC.strategy", put("spec.podGC.strategy", "OnPodSucces")),
    # DAGs
    Case(
        "argo-dag-empty",
        "spec.templates[4].dag.tasks",
        put("spec.templates[4]", {"name": "none", "dag": {"tasks": []}}),
    ),
    Case(
        "argo-dependency",
        f"{DAG}[1].dependencies[0]",
        put(f"{DAG}[1].dependencies", ["csvexamplgen"]),
        "(did you mean 'csvexamplegen'?)",
    ),
    Case(
        "argo-dependency",
        f"{DAG}[1].depends",
        [drop(f"{DAG}[1].dependencies"), put(f"{DAG}[1].depends", "gone.Succeeded")],
    ),
    Case(
        "argo-dag-cycle",
        DAG,
        put(f"{DAG}[0].dependencies", ["trainer"]),
        "csvexamplegen -> trainer -> csvexamplegen",
    ),
    Case("argo-dag-cycle", DAG, put(f"{DAG}[0].dependencies", ["csvexamplegen"])),
    Case(
        "argo-depends",
        f"{DAG}[1].dependencies",
        put(f"{DAG}[1].depends", "csvexamplegen"),
        "both depends and dependencies",
    ),
    Case(
        "argo-depends",
        f"{DAG}[1].depends",
        [drop(f"{DAG}[1].dependencies"), put(f"{DAG}[1].depends", "csvexamplegen.Suceeded")],
        "(did you mean 'Succeeded'?)",
    ),
    Case(
        "argo-depends",
        f"{DAG}[1].depends",
        [drop(f"{DAG}[1].dependencies"), put(f"{DAG}[1].depends", "csvexamplegen.AllFailed")],
        "is none",
    ),
    Case("argo-template-reference", f"{DAG}[1].template", put(f"{DAG}[1].template", "trainr")),
    Case("argo-template-reference", f"{DAG}[1].template", drop(f"{DAG}[1].template")),
    Case(
        "argo-arguments",
        f"{DAG}[1].arguments.parameters",
        drop(f"{DAG}[1].arguments.parameters[1]"),
        "template 'trainer' takes 'train-args', which is not given",
    ),
    Case(
        "argo-arguments",
        "spec.arguments.parameters",
        put("spec.templates[0].inputs.parameters[2]", {"name": "eval-args"}),
        "'eval-args'",
    ),
    Case(
        "argo-arguments",
        f"{DAG}[1].arguments.parameters[1]",
        drop(f"{DAG}[1].arguments.parameters[1].value"),
    ),
    Case(
        "argo-arguments",
        f"{DAG}[1].arguments.artifacts",
        [
            put(f"{TRAINER}.inputs.artifacts", [{"name": "model", "path": "/model"}]),
        ],
        "'model'",
    ),
    Case(
        "argo-arguments",
        f"{DAG}[1].arguments.artifacts[0]",
        put(f"{DAG}[1].arguments.artifacts", [{"name": "model"}]),
    ),
    Case(
        "argo-loop",
        f"{DAG}[1].withParam",
        [put(f"{DAG}[1].withItems", ["a"]), put(f"{DAG}[1].withParam", "[1]")],
    ),
    Case(
        "argo-loop",
        f"{DAG}[1].withSequence.end",
        put(f"{DAG}[1].withSequence", {"count": 2, "end": 3}),
    ),
    Case(
        "argo-dag-target",
        "spec.templates[0].dag.target",
        put("spec.templates[0].dag.target", "trainer gone"),
    ),
    # Tags
    Case("argo-tag", ARG, put(ARG, "{{inputs.parameters.gone}}"), "{{inputs.parameters.gone}}"),
    Case("argo-tag", ARG, put(ARG, '{"deep": ["x{{ workflow.parameters.gone }}"]}')),
    Case("argo-tag", ARG, put(ARG, "{{tasks.trainer.status}}")),
    Case("argo-tag", ARG, put(ARG, "{{item}}")),
    Case("argo-tag", ARG, put(ARG, "{{workflow.priority}}")),
    Case("argo-tag", ARG, put(ARG, "{{input.parameters.x}}"), "did you mean 'inputs'?"),
    Case(
        "argo-tag",
        f"{GEN}.container.args[5]",
        put(f"{GEN}.container.args[5]", '{"root": "{{inputs.parameters.pipeline_root}}"}'),
        "(did you mean 'inputs.parameters.pipeline-root'?)",
    ),
    Case(
        "argo-tag",
        f"{GEN}.container.args[0]",
        put(f"{GEN}.container.args[0]", "{{workflow.status}}"),
    ),
    Case(
        "argo-tag",
        f"{DAG}[0].arguments.parameters[0].value",
        put(f"{DAG}[0].arguments.parameters[0].value", "{{tasks.trainer.id}}"),
    ),
    Case(
        "argo-tag",
        f"{DAG}[1].arguments.parameters[0].value",
        put(
            f"{DAG}[1].arguments.parameters[0].value",
            "{{tasks.csvexamplegen.outputs.parameters.x}}",
        ),
    ),
    Case("argo-tag", "spec.nodeSelector.disk", put("spec.nodeSelector.disk", "{{pod.name}}")),
    Case("argo-tag-unclosed", ARG, put(ARG, 'x {"a": "{{workflow.uid}"}'), "{{workflow.uid}"),
    Case("argo-tag-unclosed", ARG, put(ARG, "{{=sprig.trim('x') }")),
    Case(
        "argo-tag-unclosed",
        f"{GEN}.container.args[5]",
        put(f"{GEN}.container.args[5]", '{"nodes": "{{ jinja }} {{"}'),
    ),
    # Kubernetes
    Case("kubernetes-volume-name", "spec.volumes[1].name", put("spec.volumes[1]", {"name": "A_b"})),
    Case(
        "kubernetes-volume-name",
        "spec.volumes[1].name",
        put("spec.volumes[1]", {"name": "tfx-data", "emptyDir": {}}),
        "is also at spec.volumes[0].name",
    ),
    Case(
        "kubernetes-volume-mount",
        f"{GEN}.container.volumeMounts[0].name",
        put(f"{GEN}.container.volumeMounts[0].name", "tfx-dta"),
        "(did you mean 'tfx-data'?)",
    ),
    Case(
        "kubernetes-volume-mount",
        f"{GEN}.container.volumeMounts[0].mountPath",
        put(f"{GEN}.container.volumeMounts[0].mountPath", "C:/tfx-data"),
    ),
    Case(
        "kubernetes-object-name",
        "spec.volumes[0].persistentVolumeClaim.claimName",
        put("spec.volumes[0].persistentVolumeClaim.claimName", "TFX_PVC"),
    ),
    Case(
        "kubernetes-object-name", "spec.serviceAccountName", put("spec.serviceAccountName", "a b")
    ),
    Case("kubernetes-object-name", "metadata.generateName", put("metadata.generateName", "a_b-")),
    Case(
        "kubernetes-env",
        f"{GEN}.container.env[0].name",
        put(f"{GEN}.container.env[0].name", "1ST"),
    ),
    Case(
        "kubernetes-env",
        f"{GEN}.container.env[0].valueFrom",
        put(f"{GEN}.container.env[0].valueFrom", {"fieldRef": {"fieldPath": "metadata.name"}}),
    ),
    Case("kubernetes-label", "metadata.labels.team", put("metadata.labels.team", "a" * 64)),
    Case(
        "kubernetes-label",
        f"{TRAINER}.nodeSelector.disk",
        put(f"{TRAINER}.nodeSelector.disk", "s d"),
    ),
    Case("kubernetes-label", "metadata.labels['a/b/c']", put("metadata.labels['a/b/c']", "x")),
    Case(
        "kubernetes-annotation",
        "metadata.annotations['a b']",
        put("metadata.annotations['a b']", "any text, of any length"),
    ),
    Case(
        "kubernetes-annotation",
        "metadata.annotations",
        put("metadata.annotations.notes", "x" * 262_144),
    ),
    Case("linux-argument-size", ARG, put(ARG, LONG), "131,073 bytes"),
    Case("linux-argument-size", ARG, put(ARG, "ä" * 65_536)),
    Case(
        "linux-argument-size",
        f"{REPORT}.container.env[0].value",
        env("DATA", LONG[len("DATA=") :]),
    ),
    Case(
        "secret-in-workflow",
        f"{REPORT}.container.env[0].value",
        env("MYSQL_PASSWORD", "hunter22"),
        "'MYSQL_PASSWORD' looks like a secret",
    ),
    Case("secret-in-workflow", f"{REPORT}.container.env[0].value", env("API_KEY", "abc123")),
    Case("secret-in-workflow", f"{REPORT}.container.env[0].value", env("HF_TOKEN", "hf_abc")),
    Case(
        "secret-in-workflow",
        f"{GEN}.container.args[3]",
        put(f"{GEN}.container.args[3]", '{"mysql_db_password": {"value": "hunter22"}}'),
    ),
    Case(
        "kubernetes-quantity",
        f"{RESOURCES}.limits.memory",
        put(f"{RESOURCES}.limits.memory", "4GB"),
    ),
    Case(
        "kubernetes-quantity",
        f"{RESOURCES}.limits.memory",
        put(f"{RESOURCES}.limits.memory", "NaN"),
    ),
    Case(
        "kubernetes-quantity", f"{RESOURCES}.requests.cpu", put(f"{RESOURCES}.requests.cpu", "-1")
    ),
    Case(
        "kubernetes-request",
        f"{RESOURCES}.requests.memory",
        put(f"{RESOURCES}.requests.memory", "5G"),
        "the request of 5G memory is above the limit of 4Gi",
    ),
    Case(
        "kubernetes-extended-resource",
        f"{GPU}.limits['nvidia.com/gpu']",
        put(f"{GPU}.limits['nvidia.com/gpu']", "500m"),
        "no whole number",
    ),
    Case(
        "kubernetes-extended-resource",
        f"{GPU}.requests['nvidia.com/gpu']",
        put(f"{GPU}.requests['nvidia.com/gpu']", 2),
        "is not the limit of 1",
    ),
    Case(
        "kubernetes-extended-resource",
        f"{GPU}.limits['nvidia.com/gpu']",
        [drop(f"{GPU}.limits"), put(f"{GPU}.requests['nvidia.com/gpu']", 1)],
        "no limit",
    ),
]


def test_a_valid_workflow_has_no_findings(workflow: Workflow) -> None:
    assert validate(workflow) == []
    assert validate_text(BASE) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.place}"[:80])
def test_a_broken_workflow_has_exactly_that_finding(workflow: Workflow, case: Case) -> None:
    for change in case.change if isinstance(case.change, list) else [case.change]:
        change(workflow)

    findings = validate(workflow)

    assert [(finding.rule, finding.place) for finding in findings] == [(case.rule, case.place)]
    [finding] = findings
    assert case.message in finding.message
    assert finding.mend
    assert "\n" not in str(finding)
    assert "hunter22" not in str(finding)


@pytest.mark.parametrize(
    "change",
    [
        put(ARG, "{{=workflow.parameters.gone == 'x' ? 1 : 2}}"),
        put(ARG, "a jinja {{ text }} and {{ node.name }} stay, and so do {a} }} and {"),
        put(ARG, "{{workflow.parameters.train-args}} {{workflow.labels}} {{workflow.name}}"),
        put(ARG, "{{workflow.creationTimestamp.RFC3339}} {{workflow.parameters}}"),
        put(ARG, "{{workflow.annotations.pipelines.kubeflow.org/kfp_sdk_version}}"),
        put(f"{DAG}[1].when", "{{tasks.csvexamplegen.status}} == Succeeded"),
        put(f"{DAG}[1].arguments.parameters[1].value", "{{tasks.csvexamplegen.exitCode}}"),
        [
            put(f"{DAG}[1].withItems", ["a", {"b": 1}]),
            put(f"{DAG}[1].arguments.parameters[1].value", "{{item}} {{item.b}}"),
        ],
        [
            put(f"{DAG}[1].withParam", "[1]"),
            put(f"{DAG}[1].arguments.parameters[1].value", "{{item.any}}"),
        ],
        [
            put(f"{GEN}.outputs.parameters", [PARAMETER]),
            put(
                f"{DAG}[1].arguments.parameters[1].value",
                "{{tasks.csvexamplegen.outputs.parameters.out}}",
            ),
        ],
        [
            drop(f"{DAG}[1].dependencies"),
            put(f"{DAG}[1].depends", "csvexamplegen.Succeeded || csvexamplegen.Skipped"),
        ],
        [drop(f"{DAG}[1].template"), put(f"{DAG}[1].inline", {"suspend": {}})],
        put("spec.templates[4]", SINGLE_DAG),
        put(
            "spec.templates[4]",
            {
                "name": "in-steps",
                "steps": [
                    [{"name": "a", "template": "report"}],
                    [{"name": "b", "template": "report", "when": "{{steps.a.status}} == Failed"}],
                ],
            },
        ),
        put(f"{DAG}[0].arguments.parameters[1]", {"name": "ignored-by-argo", "value": "x"}),
        [
            drop(f"{DAG}[1].arguments.parameters[1]"),
            put(f"{TRAINER}.inputs.parameters[1].default", "x"),
        ],
        [
            drop(f"{GEN}.container.image"),
            put("spec.templateDefaults", {"container": {"image": "tfx:1.15.1"}}),
        ],
        put(f"{GEN}.activeDeadlineSeconds", "{{workflow.parameters.train-args}}"),
        put(f"{GEN}.activeDeadlineSeconds", "60"),
        put(f"{GEN}.timeout", "1h30m"),
        put(f"{TRAINER}.retryStrategy.limit", "3"),
        put(f"{TRAINER}.retryStrategy.backoff.duration", "30"),
        put(f"{TRAINER}.metadata.labels['{SDK_TYPE}']", "tfx-template"),
        [drop(f"{TRAINER}.metadata"), put("spec.podMetadata.labels", {SDK_TYPE: "tfx"})],
        put("spec.arguments.parameters[0].value", 8),
        put(f"{RESOURCES}.requests.cpu", 0.5),
        put(f"{RESOURCES}.requests.cpu", "1e3"),
        put(f"{RESOURCES}.limits.memory", "2G"),
        put(f"{GPU}.requests", {"nvidia.com/gpu": "1"}),
        put(f"{GEN}.container.livenessProbe", {"httpGet": {"port": "http"}}),
        put(f"{GEN}.daemon", None),
        put("metadata.name", "a" * 63),
        put(SPEC_ANNOTATION, spec_of(name="a" * 100)),
        drop(SPEC_ANNOTATION),
        put("metadata.labels.team", "a" * 63),
        put("metadata.labels.team", ""),
        put(ARG, LONG[:-1]),
        env("GOOGLE_APPLICATION_CREDENTIALS", "/secret/gcp-credentials/user-gcp-sa.json"),
        env("AWS_ACCESS_KEY_ID", "AKIA"),
        env("LABEL_KEY", "consumer_disputed"),
        env("MAX_TOKENS", "512"),
        env("USE_TOKEN", "true"),
        env("DB_PASSWORD", "$(OTHER)"),
        env("PWD", "work"),
        put(f"{GEN}.volumes", [{"name": "own", "emptyDir": {}}]),
    ],
)
def test_what_argo_takes_is_no_finding(workflow: Workflow, change: Change | list[Change]) -> None:
    for step in change if isinstance(change, list) else [change]:
        step(workflow)

    assert validate(workflow) == []


def test_a_missing_exit_handler_is_found_once_its_tags_are_gone(workflow: Workflow) -> None:
    put("spec.onExit", "raport")(workflow)
    put(ARG, "done")(workflow)

    [finding] = validate(workflow)

    assert (finding.rule, finding.place) == ("argo-on-exit", "spec.onExit")
    assert "(did you mean 'report'?)" in finding.message


def test_a_file_above_32_mib_is_found(workflow: Workflow) -> None:
    text = BASE + "#" * (32 * 1024 * 1024)
    package = WorkflowPackage(pathlib.Path("p.yaml"), text, workflow)

    [finding] = validate(package)

    assert (finding.rule, finding.place) == ("kfp-size", "workflow")


def test_every_rule_has_a_broken_workflow() -> None:
    tested = {case.rule for case in CASES} | {"kfp-size"}

    assert tested == {rule.name for rule in RULES}


def test_rules_are_unique_and_described() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
        assert rule.summary
        assert rule.source
        assert "\n" not in rule.summary


def test_several_faults_are_all_found(workflow: Workflow) -> None:
    put("kind", "Pod")(workflow)
    put(f"{GEN}.container.image", "")(workflow)
    put(ARG, "{{inputs.parameters.gone}} {{pod.gone}}")(workflow)

    found = [finding.rule for finding in validate(workflow)]

    assert found == ["kfp-kind", "argo-image", "argo-tag", "argo-tag"]


def test_a_finding_reads_as_place_message_mend_and_rule() -> None:
    finding = Finding("argo-image", "spec.x", "the container has no image", "name one")

    assert str(finding) == "spec.x: the container has no image; name one [argo-image]"


def test_validation_leaves_the_workflow_as_it_is(workflow: Workflow) -> None:
    before = copy.deepcopy(workflow)

    validate(workflow)

    assert workflow == before


def test_a_package_is_validated_as_it_was_read(tmp_path: pathlib.Path) -> None:
    write_package(tmp_path / "p.tar.gz", BASE.replace("kind: Workflow", "kind: Workflows"))

    [finding] = validate(read_package(tmp_path / "p.tar.gz"))

    assert finding.rule == "kfp-kind"


def test_text_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(WorkflowError, match="the workflow: line 1: not valid YAML"):
        validate_text("[}")


def test_any_value_at_any_place_is_survived() -> None:
    strange = [None, "", "x\ny", 0, -1.5, True, [], {}, [None], [[1]], {"a": [{}]}, {"name": []}]
    for number, path in enumerate(places(base())):
        # All values at all places take a quarter of a minute.
        for value in (strange[(number + turn) % len(strange)] for turn in (0, 5)):
            tree = base()
            put_at(tree, path, value)
            for finding in validate(tree):
                assert "\n" not in str(finding)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yields the paths of the mappings and lists of a workflow, and of some of their values."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value[:2]):
            yield from places(child, (*path, index))


def put_at(tree: Any, path: tuple[str | int, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


@pytest.mark.parametrize("manifest", [{}, {"spec": {}}, {"spec": {"templates": [None, 1, {}]}}])
def test_hardly_a_workflow_is_survived(manifest: Workflow) -> None:
    assert validate(manifest)


def test_without_hera_nothing_passes_for_valid(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_hera(name: str, *args: Any) -> Any:
        if name.startswith("hera"):
            raise ImportError("No module named 'hera'")
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without_hera)
    with pytest.raises(WorkflowError, match="run 'pip install hera'"):
        validate(workflow)


def test_validation_imports_neither_tfx_nor_the_authoring_side() -> None:
    code = (
        "import sys; from orchestration.validation import validate; validate({}); "
        "heavy = {'tfx', 'kfp', 'tensorflow', 'pipelines', 'apache_beam'}; "
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert result.stdout.strip() == "[]"


def test_importing_validation_does_not_import_hera() -> None:
    code = "import sys, orchestration.validation; print('hera' in sys.modules)"

    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert result.stdout.strip() == "False"
