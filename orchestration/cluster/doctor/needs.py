"""What a workflow asks of a cluster, pod by pod."""

import dataclasses
import decimal
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestration.validation.model import Template, Workflow
from orchestration.validation.node import Node
from orchestration.validation.resources import quantity_value
from orchestration.workflow import TFX_ENTRY_POINTS

_METADATA_OPTION = "--kubeflow_metadata_config"

#: How many steps a message names; a pipeline may have dozens.
_SHOWN_STEPS = 4


@dataclasses.dataclass(frozen=True)
class Reference:
    """A secret or ConfigMap that a pod cannot start without.

    Attributes:
        kind: ``secret`` or ``configmap``.
        name: Its name.
        key: A key that it must have; empty for none in particular.
    """

    kind: str
    name: str
    key: str = ""


@dataclasses.dataclass(frozen=True)
class PodNeeds:
    """What a step's pod asks for.

    Attributes:
        step: Name of its template.
        template: The template.
        spec: The workflow's ``spec``, which holds what the template leaves out.
    """

    step: str
    template: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """All its containers, the main one first."""
        return tuple(node.value for node in Template(Node(dict(self.template))).containers)

    @property
    def is_tfx(self) -> bool:
        """Whether it runs a TFX component."""
        return any(
            module in (item.get("command") or ())
            for item in self.containers
            for module in TFX_ENTRY_POINTS
        )

    @property
    def service_account(self) -> str:
        """The service account that it runs as."""
        return str(self._field("serviceAccountName") or "default")

    @property
    def node_selector(self) -> Mapping[str, str]:
        """Labels that its node must have."""
        return self._field("nodeSelector") or {}

    @property
    def tolerations(self) -> Sequence[Mapping[str, Any]]:
        """Taints that it accepts."""
        return self._field("tolerations") or []

    @property
    def node_terms(self) -> Sequence[Mapping[str, Any]] | None:
        """Terms of a required node affinity, one of which must hold; ``None`` for no affinity."""
        affinity = (self._field("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        return None if required is None else required.get("nodeSelectorTerms") or []

    @property
    def security_context(self) -> Mapping[str, Any]:
        """The pod's security context."""
        return self._field("securityContext") or {}

    @property
    def volumes(self) -> tuple[Mapping[str, Any], ...]:
        """Its volumes."""
        return (*(self.spec.get("volumes") or []), *(self.template.get("volumes") or []))

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims that it mounts."""
        sources = (volume.get("persistentVolumeClaim") or {} for volume in self.volumes)
        return tuple(source["claimName"] for source in sources if source.get("claimName"))

    @property
    def requests(self) -> dict[str, decimal.Decimal]:
        """What it asks of a node: cores, bytes and devices by name of the resource.

        A limit without a request is one; init containers run before the others.
        """
        at_first: dict[str, decimal.Decimal] = {}
        together: dict[str, decimal.Decimal] = {}
        starting = {id(item) for item in self.template.get("initContainers") or []}
        for container in self.containers:
            for name, amount in _amounts(container, "limits", "requests").items():
                if id(container) in starting:
                    at_first[name] = max(amount, at_first.get(name, amount))
                else:
                    together[name] = amount + together.get(name, decimal.Decimal(0))
        return {
            name: max(
                at_first.get(name, decimal.Decimal(0)), together.get(name, decimal.Decimal(0))
            )
            for name in sorted({*at_first, *together})
        }

    @property
    def limits(self) -> dict[str, decimal.Decimal]:
        """The limits of its main container."""
        return _amounts(self.containers[0], "limits") if self.containers else {}

    @property
    def references(self) -> tuple[Reference, ...]:
        """Secrets and ConfigMaps without which it does not start."""
        found = [item for container in self.containers for item in _of_environment(container)]
        found += [item for volume in self.volumes for item in _of_volume(volume)]
        return tuple(dict.fromkeys(found))

    @property
    def metadata_config(self) -> Mapping[str, Any] | None:
        """TFX's configuration of the metadata store, or ``None`` if it has none."""
        words = [str(word) for word in (self.template.get("container") or {}).get("args") or ()]
        for option, value in itertools.pairwise(words):
            if option == _METADATA_OPTION:
                try:
                    config = json.loads(value)
                except ValueError:
                    return None
                return config if isinstance(config, dict) else None
        return None

    def _field(self, name: str) -> Any:
        # Argo takes the template's, and the workflow's only where that has none.
        return self.template.get(name) or self.spec.get(name)


@dataclasses.dataclass(frozen=True)
class WorkflowNeeds:
    """What a workflow asks for.

    Attributes:
        pods: Its steps' pods.
        pull_secrets: Names of the secrets for private registries.
    """

    pods: tuple[PodNeeds, ...]
    pull_secrets: tuple[str, ...]


def read_needs(manifest: Mapping[str, Any]) -> WorkflowNeeds:
    """Reads what a workflow asks of a cluster.

    Args:
        manifest: A workflow that ``orchestration.validation`` found no fault with.
    """
    spec = manifest["spec"]
    templates = Workflow(Node(dict(manifest))).templates
    return WorkflowNeeds(
        pods=tuple(
            PodNeeds(item.name, item.node.value, spec)
            for item in templates
            if item.is_pod and item.containers
        ),
        pull_secrets=tuple(item["name"] for item in spec.get("imagePullSecrets") or []),
    )


def steps_text(steps: Iterable[str]) -> str:
    """Returns steps for a message: ``step a``, ``steps a, b`` or ``9 steps (a, b ...)``."""
    names = list(dict.fromkeys(steps))
    if len(names) > _SHOWN_STEPS:
        return f"{len(names)} steps ({', '.join(names[:2])} ...)"
    return f"{'step' if len(names) == 1 else 'steps'} {', '.join(names)}"


def _amounts(container: Mapping[str, Any], *sections: str) -> dict[str, decimal.Decimal]:
    """The amounts of a container's resources; a later section wins."""
    resources = container.get("resources") or {}
    given = {name: value for key in sections for name, value in (resources.get(key) or {}).items()}
    amounts = {name: quantity_value(value) for name, value in given.items()}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def _of_environment(container: Mapping[str, Any]) -> list[Reference]:
    found = []
    for source in container.get("envFrom") or []:
        found += _references(source, {"secretRef": "secret", "configMapRef": "configmap"})
    for entry in container.get("env") or []:
        kinds = {"secretKeyRef": "secret", "configMapKeyRef": "configmap"}
        found += _references(entry.get("valueFrom") or {}, kinds)
    return found


def _references(source: Mapping[str, Any], kinds: Mapping[str, str]) -> list[Reference]:
    return [
        Reference(kinds[field], reference["name"], reference.get("key") or "")
        for field, reference in source.items()
        if field in kinds and reference and not reference.get("optional")
    ]


def _of_volume(volume: Mapping[str, Any]) -> list[Reference]:
    for field, kind, name in (
        ("secret", "secret", "secretName"),
        ("configMap", "configmap", "name"),
    ):
        source = volume.get(field)
        if source and not source.get("optional"):
            keys = [item["key"] for item in source.get("items") or []]
            return [Reference(kind, source[name], key) for key in keys or [""]]
    return []
