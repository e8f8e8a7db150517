"""Kubernetes' rules on pods: volumes, environment, names, labels and arguments.

Kubernetes sees a pod only when its step starts, hours into a run perhaps. Until then nobody
checks these: the workflow is accepted, and the step fails.
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from orchestration.validation.finding import Problem, rule
from orchestration.validation.model import Workflow
from orchestration.validation.node import Node, shown, suggestion

_SOURCE = "Kubernetes, pkg/apis/core/validation/validation.go"
_NAMES = "Kubernetes, apimachinery/pkg/util/validation/validation.go"

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_MAX_LABEL = 63
_MAX_SUBDOMAIN = 253
_MAX_ANNOTATION_BYTES = 256 * 1024

#: MAX_ARG_STRLEN in Linux' include/uapi/linux/binfmts.h: 32 pages, the closing NUL included.
MAX_ARGUMENT_BYTES = 131_072

#: Words at the end of a variable's name that tell a secret. A bare KEY is not one of them:
#: it may as well be a column or a cache key.
_SECRET_NAME = re.compile(
    r"(^|.*_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?"
    r"|(MYSQL|DB|USER|ROOT|ADMIN)_?PWD"
    r"|(API|ACCESS|PRIVATE|SECRET|ENCRYPTION|SIGNING|ACCOUNT|STORAGE|AUTH)_?KEY)",
    re.IGNORECASE,
)

#: Values that are no secret themselves: paths, references to other variables, switches.
_NO_SECRET = re.compile(r"\s*|/.*|\$\(.*\)|true|false|[0-9]", re.IGNORECASE)

_METADATA_CONFIG = "--kubeflow_metadata_config"


@rule(
    "kubernetes-volume-name", "Names of volumes are DNS labels, and unique", f"{_SOURCE} (Volume)"
)
def volume_name(workflow: Workflow) -> Iterator[Problem]:
    """Volumes of a template stand beside those of the workflow."""
    holders = [workflow.spec, *(template.node for template in workflow.templates)]
    for holder in holders:
        seen: dict[str, Node] = {}
        for node in (volume["name"] for volume in holder["volumes"].elements()):
            first = seen.setdefault(node.text, node)
            if not _is_dns_label(node):
                yield Problem(
                    node,
                    f"{shown(node.value)} is not a volume's name",
                    "use at most 63 lower-case letters, digits and '-'",
                )
            elif first is not node:
                yield Problem(
                    node, f"the volume {shown(node.text)} is also at {first.path}", "rename it"
                )


@rule(
    "kubernetes-volume-mount",
    "A container mounts volumes that are there, at paths without ':'",
    f"{_SOURCE} (ValidateVolumeMounts)",
)
def volume_mount(workflow: Workflow) -> Iterator[Problem]:
    """Volumes come from the workflow, its claim templates or the template."""
    claims = workflow.spec["volumeClaimTemplates"].elements()
    shared = {claim["metadata"]["name"].text for claim in claims}
    shared |= {volume["name"].text for volume in workflow.spec["volumes"].elements()}
    for template in workflow.templates:
        known = shared | {volume["name"].text for volume in template.node["volumes"].elements()}
        for container in template.containers:
            for mount in container["volumeMounts"].elements():
                name, path = mount["name"], mount["mountPath"]
                if name.text and not name.templated and name.text not in known:
                    yield Problem(
                        name,
                        f"there is no volume {shown(name.text)}{suggestion(name.text, known)}",
                        "add it to the volumes of the template or workflow",
                    )
                if ":" in path.text:
                    yield Problem(path, f"{shown(path.text)} has a ':'", "mount it elsewhere")


@rule(
    "kubernetes-object-name",
    "Names of claims, service accounts, secrets and config maps are DNS subdomains",
    f"{_NAMES} (IsDNS1123Subdomain)",
)
def object_name(workflow: Workflow) -> Iterator[Problem]:
    """The API server knows no object of another name."""
    for node in _object_names(workflow):
        if node.exists and not node.templated and not is_object_name(node.text):
            yield Problem(
                node,
                f"{shown(node.value)} is not the name of a Kubernetes object",
                "use lower-case letters, digits, '-' and '.'",
            )
    prefix = workflow.root["metadata"]["generateName"]
    if prefix.text and not _DNS_SUBDOMAIN.fullmatch(f"{prefix.text}x"):
        yield Problem(
            prefix,
            f"{shown(prefix.text)} does not begin the name of a Kubernetes object",
            "use lower-case letters, digits, '-' and '.'",
        )


@rule(
    "kubernetes-env",
    "Environment variables have a name, and one value",
    f"{_SOURCE} (ValidateEnv)",
)
def environment(workflow: Workflow) -> Iterator[Problem]:
    """A variable has a literal value or takes it from somewhere."""
    for variable in _variables(workflow):
        name = variable["name"]
        if not name.templated and not _VARIABLE.fullmatch(name.text):
            yield Problem(
                name,
                f"{shown(name.value)} is not the name of an environment variable",
                "use letters, digits, '_', '-' and '.', no digit first",
            )
        if variable["value"].text and variable["valueFrom"].exists:
            yield Problem(
                variable["valueFrom"], "both value and valueFrom are given", "keep one of them"
            )


@rule(
    "kubernetes-label",
    "Labels and node selectors have valid keys, and values of at most 63 characters",
    f"{_NAMES} (IsQualifiedName, IsValidLabelValue)",
)
def label(workflow: Workflow) -> Iterator[Problem]:
    """A label's value is a short word, not any text as an annotation's."""
    for labels in _metadata(workflow, "labels", "nodeSelector"):
        for key, node in labels.items():
            yield from _qualified(key, node, "label")
            fits = len(node.text) <= _MAX_LABEL and _LABEL_NAME.fullmatch(node.text)
            if node.text and not node.templated and not fits:
                yield Problem(
                    node,
                    f"{shown(node.text)} is not a label's value",
                    "use at most 63 letters, digits, '-', '_' and '.', or an annotation",
                )


@rule(
    "kubernetes-annotation",
    "Annotations have valid keys, and at most 256 KiB in all",
    "Kubernetes, apimachinery/pkg/api/validation/objectmeta.go (ValidateAnnotations)",
)
def annotation(workflow: Workflow) -> Iterator[Problem]:
    """The limit holds for all annotations of an object together."""
    for annotations in _metadata(workflow, "annotations"):
        size = 0
        for key, node in annotations.items():
            size += len(key.encode()) + len(node.text.encode())
            yield from _qualified(key, node, "annotation")
        if size > _MAX_ANNOTATION_BYTES:
            yield Problem(
                annotations,
                f"the annotations have {size:,} bytes, more than {_MAX_ANNOTATION_BYTES:,}",
                "shorten or remove some",
            )


@rule(
    "linux-argument-size",
    "Every argument and environment variable of a container is below 128 KiB",
    "MAX_ARG_STRLEN in Linux; Argo from 4.0.5 moves such arguments into files instead",
)
def argument_size(workflow: Workflow) -> Iterator[Problem]:
    """The container would not start: 'argument list too long'."""
    for container in workflow.containers():
        words = [word for key in ("command", "args") for word in container[key].elements()]
        texts = [(word, word.text) for word in words]
        for variable in container["env"].elements():
            value = variable["value"]
            texts.append((value, f"{variable['name'].text}={value.text}"))
        for node, text in texts:
            size = len(text.encode("utf-8", "surrogatepass")) + 1
            if size > MAX_ARGUMENT_BYTES:
                yield Problem(
                    node,
                    f"the argument has {size:,} bytes, more than Linux' {MAX_ARGUMENT_BYTES:,}",
                    "shorten it, or pass it as a file",
                )


@rule("secret-in-workflow", "No secret stands in the file", "the project's own rule")
def secret(workflow: Workflow) -> Iterator[Problem]:
    """The file is kept in the repository and shown in the KFP UI."""
    for variable in _variables(workflow):
        name, value = variable["name"].text, variable["value"]
        is_plain = value.text and not value.templated and not _NO_SECRET.fullmatch(value.text)
        if is_plain and _SECRET_NAME.fullmatch(name):
            yield Problem(
                value,
                f"the variable {shown(name)} looks like a secret and is written out",
                "take it from a Kubernetes secret with valueFrom.secretKeyRef",
            )
    for container in workflow.containers():
        words = list(container["args"].elements())
        for flag, word in itertools.pairwise(words):
            if flag.text == _METADATA_CONFIG and _has_mysql_password(word.text):
                yield Problem(
                    word,
                    "the metadata store's password is written out",
                    "take it from an environment variable that a Kubernetes secret sets",
                )


RULES = (
    volume_name,
    volume_mount,
    object_name,
    environment,
    label,
    annotation,
    argument_size,
    secret,
)


def _variables(workflow: Workflow) -> Iterator[Node]:
    for container in workflow.containers():
        yield from container["env"].elements()


def _metadata(workflow: Workflow, *keys: str) -> Iterator[Node]:
    """Yields maps of labels or annotations, of the workflow and of its pods."""
    holders = [workflow.root["metadata"], workflow.spec["podMetadata"]]
    holders += [workflow.spec, workflow.spec["workflowMetadata"]]
    for template in workflow.templates:
        holders += [template.node["metadata"], template.node]
    for holder in holders:
        yield from (holder[key] for key in keys)


def _object_names(workflow: Workflow) -> Iterator[Node]:
    spec = workflow.spec
    yield from (workflow.root["metadata"]["name"], spec["serviceAccountName"])
    yield from (secret["name"] for secret in spec["imagePullSecrets"].elements())
    for holder in [spec, *(template.node for template in workflow.templates)]:
        if holder is not spec:
            yield holder["serviceAccountName"]
        for volume in holder["volumes"].elements():
            yield volume["persistentVolumeClaim"]["claimName"]
            yield volume["secret"]["secretName"]
            yield volume["configMap"]["name"]
    for variable in _variables(workflow):
        for key in ("secretKeyRef", "configMapKeyRef"):
            yield variable["valueFrom"][key]["name"]
    for container in workflow.containers():
        for source in container["envFrom"].elements():
            yield from (source["secretRef"]["name"], source["configMapRef"]["name"])


def _qualified(key: str, node: Node, kind: str) -> Iterator[Problem]:
    prefix, slash, name = key.rpartition("/")
    fits = len(name) <= _MAX_LABEL and _LABEL_NAME.fullmatch(name) is not None
    if slash:
        fits = fits and is_object_name(prefix)
    if not fits:
        yield Problem(
            node,
            f"{shown(key)} is not the key of a {kind}",
            "use at most 63 letters, digits, '-', '_' and '.', after a domain and '/' if any",
        )


def is_object_name(text: str) -> bool:
    """Returns whether Kubernetes takes a text as the name of an object: a DNS subdomain."""
    return len(text) <= _MAX_SUBDOMAIN and _DNS_SUBDOMAIN.fullmatch(text) is not None


def _is_dns_label(node: Node) -> bool:
    return len(node.text) <= _MAX_LABEL and _DNS_LABEL.fullmatch(node.text) is not None


def _has_mysql_password(text: str) -> bool:
    try:
        config: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    node = Node(config)
    names = ("mysql_db_password", "mysqlDbPassword")
    return any(node[name]["value"].text.strip() for name in names)
