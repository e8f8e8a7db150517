"""What the checks read of a cluster, each thing once; nothing here changes anything."""

import dataclasses
import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import NOT_FOUND, Kubectl, reason

#: Where Kubeflow Pipelines itself runs if not in the namespace of the pods.
KUBEFLOW_NAMESPACE = "kubeflow"
API_SERVER = "ml-pipeline"

#: How many calls may stay without an answer before nothing more is asked.
_PATIENCE = 2

# Only the names of keys: the values of a secret never enter this process.
_KEYS = (
    'go-template={{.type}}{{"\\n"}}'
    '{{range $key, $_ := .data}}{{$key}}{{"\\n"}}{{end}}'
    '{{range $key, $_ := .binaryData}}{{$key}}{{"\\n"}}{{end}}'
)

_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

_Read = TypeVar("_Read")


@dataclasses.dataclass(frozen=True)
class Keys:
    """A secret or ConfigMap without its values.

    Attributes:
        type: A secret's type.
        names: The names of its keys.
    """

    type: str
    names: tuple[str, ...]


class ClusterView:
    """A cluster as ``kubectl`` shows it. An answer is kept, and so is a refusal."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._read: dict[tuple[Any, ...], Any] = {}
        self._unanswered = 0

    @property
    def namespace(self) -> str:
        """The namespace in which the pods run."""
        return self._kubectl.namespace

    def in_namespace(self, namespace: str | None) -> Kubectl:
        """Returns the calls of ``kubectl`` in a namespace; ``None`` is that of the pods."""
        if namespace in (None, self.namespace):
            return self._kubectl
        return dataclasses.replace(self._kubectl, namespace=str(namespace))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Mapping[str, Any] | None:
        """Returns an object, or ``None`` if there is none.

        Args:
            kind: Its kind, such as ``persistentvolumeclaim``.
            name: Its name.
            namespace: Its namespace; ``None`` for that of the pods.

        Raises:
            ClusterError: If it cannot be looked at.
        """
        kubectl = self.in_namespace(namespace)
        key = (kind, name, kubectl.namespace)
        return self._once(key, lambda: kubectl.get(kind, _object_name(name)))

    def items(
        self, kind: str, namespace: str | None = None, selector: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Returns all objects of a kind.

        Raises:
            ClusterError: If they cannot be looked at.
        """
        kubectl = self.in_namespace(namespace)

        def read() -> list[Mapping[str, Any]]:
            return (kubectl.get(kind, selector=selector) or {}).get("items") or []

        return self._once((kind, None, kubectl.namespace, selector), read)

    def keys(self, kind: str, name: str) -> Keys | None:
        """Returns the keys of a secret or ConfigMap, or ``None`` if there is none of this name.

        Raises:
            ClusterError: If it cannot be looked at.
        """

        def read() -> Keys | None:
            try:
                printed = self._kubectl.call(["get", kind, _object_name(name), f"--output={_KEYS}"])
            except ClusterError as error:
                if NOT_FOUND in str(error):
                    return None
                if "template" in str(error):
                    # It would say what it stumbled over, which is a secret's value.
                    raise ClusterError(f"{kind} {name}: its keys cannot be listed") from None
                raise
            kind_of_secret, *names = printed.decode("utf-8", "replace").splitlines() or [""]
            return Keys(kind_of_secret, tuple(names))

        return self._once(("keys", kind, name), read)

    def raw(self, path: str) -> Any:
        """Returns the JSON that a path of Kubernetes' API answers with.

        Raises:
            ClusterError: If there is no such path, or it cannot be looked at.
        """
        return self._once(("raw", path), lambda: self._json(["get", "--raw", path]))

    def versions(self) -> Mapping[str, Any]:
        """Returns ``clientVersion`` and ``serverVersion``.

        Raises:
            ClusterError: If the cluster cannot be reached.
        """
        return self._once(("versions",), lambda: self._json(["version", "--output=json"]))

    def events(self, event_reason: str) -> Sequence[Mapping[str, Any]]:
        """Returns the events of a reason, such as ``Failed``; Kubernetes keeps them for an hour.

        Raises:
            ClusterError: If they cannot be looked at.
        """
        words = ["get", "events", f"--field-selector=reason={event_reason}", "--output=json"]
        return self._once(("events", event_reason), lambda: self._json(words).get("items") or [])

    def account_can(self, account: str, verb: str, resource: str) -> bool:
        """Tells whether a service account of the namespace may do something there.

        Raises:
            ClusterError: If you may not ask in its name.
        """
        user = f"system:serviceaccount:{self.namespace}:{account}"
        words = ["auth", "can-i", verb, resource, f"--as={user}"]
        return self._once(("can-i", account, verb, resource), lambda: self._yes(words))

    def variable(
        self, container: Mapping[str, Any], name: str, namespace: str | None = None
    ) -> str | None:
        """Returns an environment variable of a container; ``None`` where it is unset.

        Args:
            container: The container, as a pod's specification has it.
            name: The variable's name.
            namespace: Namespace of the pod; ``None`` for that of the workflow's pods.

        Raises:
            ClusterError: If what it comes from is a secret, or cannot be looked at.
        """
        # The last of a name counts.
        for entry in reversed(container.get("env") or []):
            if entry.get("name") == name:
                source = entry.get("valueFrom") or {}
                if source.get("secretKeyRef"):
                    raise ClusterError(f"variable {name} comes from a secret, which is not read")
                reference = source.get("configMapKeyRef")
                if reference is None and source:
                    raise ClusterError(f"variable {name} comes from {', '.join(source)}, not read")
                if reference is None:
                    return entry.get("value")
                return self._of_config_map(reference["name"], reference["key"], namespace)
        value = None
        for whole in container.get("envFrom") or []:
            prefix, reference = whole.get("prefix") or "", whole.get("configMapRef")
            if whole.get("secretRef") and name.startswith(prefix):
                raise ClusterError(f"variable {name} may come from a secret, which is not read")
            if reference and name.startswith(prefix):
                key = name.removeprefix(prefix)
                found = self._of_config_map(reference["name"], key, namespace)
                value = value if found is None else found
        return value

    def deployments(self) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
        """Returns the namespace of Kubeflow Pipelines itself, and the deployments there by name.

        With one user it is that of the pods; on multi-user Kubeflow it is ``kubeflow``.

        Raises:
            ClusterError: If they cannot be looked at.
        """
        found: dict[str, Mapping[str, Any]] = {}
        for namespace in dict.fromkeys((self.namespace, KUBEFLOW_NAMESPACE)):
            found = {
                item["metadata"]["name"]: item for item in self.items("deployments", namespace)
            }
            if API_SERVER in found:
                return namespace, found
        return KUBEFLOW_NAMESPACE, found

    def kubeflow_namespace(self) -> str:
        """Returns the namespace of Kubeflow Pipelines itself, as far as it can be told."""
        try:
            return self.deployments()[0]
        except ClusterError:
            return KUBEFLOW_NAMESPACE

    def _of_config_map(self, name: str, key: str, namespace: str | None) -> str | None:
        found = self.get("configmap", name, namespace) or {}
        return (found.get("data") or {}).get(key)

    def _json(self, words: Sequence[str]) -> Any:
        try:
            return json.loads(self._kubectl.call(words))
        except ValueError as error:
            raise ClusterError(
                f"kubectl {' '.join(words[:2])}: its answer is no JSON: {error}"
            ) from error

    def _yes(self, words: Sequence[str]) -> bool:
        # A plain "no" is status 1 as well: only what is printed tells it from an error.
        process = self._kubectl.start(words)
        try:
            printed, errors = process.communicate(timeout=self._kubectl.timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise ClusterError("kubectl auth can-i: no answer in time", is_lost=True) from None
        answer = printed.decode("utf-8", "replace").split()
        if answer[:1] not in (["yes"], ["no"]):
            raise ClusterError(f"kubectl auth can-i: {reason(errors)}")
        return answer[0] == "yes"

    def _once(self, key: tuple[Any, ...], read: Callable[[], _Read]) -> _Read:
        if key not in self._read:
            self._read[key] = self._answer(read)
        found = self._read[key]
        if isinstance(found, ClusterError):
            raise found
        return found

    def _answer(self, read: Callable[[], _Read]) -> _Read | ClusterError:
        # Else a cluster that has gone silent would be waited for dozens of times.
        if self._unanswered >= _PATIENCE:
            return ClusterError("not asked: the cluster has ceased to answer", is_lost=True)
        try:
            return read()
        except ClusterError as error:
            self._unanswered += error.is_lost
            return error


def _object_name(name: str) -> str:
    """Refuses what Argo fills in later, and what kubectl would take for an option."""
    if _OBJECT_NAME.fullmatch(name) is None:
        why = ", since Argo fills it in when a run starts" if "{{" in name else ""
        raise ClusterError(f"'{name}' is not the name of an object{why}")
    return name
