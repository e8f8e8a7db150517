"""Which nodes take a pod, by Kubernetes' rules for labels, affinity and taints."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestration.cluster.doctor.needs import PodNeeds

Node = Mapping[str, Any]

_REFUSING_EFFECTS = ("NoSchedule", "NoExecute")


def name_of(node: Node) -> str:
    """Returns a node's name."""
    return str(node["metadata"]["name"])


def labels_of(node: Node) -> Mapping[str, str]:
    """Returns a node's labels."""
    return node["metadata"].get("labels") or {}


def is_usable(node: Node) -> bool:
    """Tells whether a node is ready and takes new pods."""
    conditions = (node.get("status") or {}).get("conditions") or []
    is_ready = any(
        item.get("type") == "Ready" and item.get("status") == "True" for item in conditions
    )
    return is_ready and not (node.get("spec") or {}).get("unschedulable")


def selected(nodes: Iterable[Node], pod: PodNeeds) -> list[Node]:
    """Returns the nodes that a pod's node selector and node affinity allow."""
    wanted = pod.node_selector.items()
    return [
        node
        for node in nodes
        if all(labels_of(node).get(name) == value for name, value in wanted)
        and (pod.node_terms is None or matches(node, pod.node_terms))
    ]


def untolerated(node: Node, pod: PodNeeds) -> str | None:
    """Returns a taint for which a node refuses a pod, as ``kubectl`` writes it; or ``None``."""
    for taint in (node.get("spec") or {}).get("taints") or []:
        if taint.get("effect") in _REFUSING_EFFECTS and not any(
            _tolerates(toleration, taint) for toleration in pod.tolerations
        ):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"{taint['key']}{value}:{taint['effect']}"
    return None


def open_to(nodes: Iterable[Node], pod: PodNeeds) -> list[Node]:
    """Returns the usable nodes that take a pod, whatever it requests."""
    usable = [node for node in nodes if is_usable(node)]
    return [node for node in selected(usable, pod) if untolerated(node, pod) is None]


def matches(node: Node, terms: Sequence[Mapping[str, Any]]) -> bool:
    """Tells whether one term of a node affinity holds for a node; an empty term never does."""
    return any(_term_holds(node, term) for term in terms)


def _term_holds(node: Node, term: Mapping[str, Any]) -> bool:
    expressions = term.get("matchExpressions") or []
    fields = term.get("matchFields") or []
    # Kubernetes knows one field, metadata.name.
    return bool(expressions or fields) and all(
        [
            *(_expression_holds(labels_of(node).get(item["key"]), item) for item in expressions),
            *(_expression_holds(name_of(node), item) for item in fields),
        ]
    )


def _expression_holds(value: str | None, expression: Mapping[str, Any]) -> bool:
    values = expression.get("values") or []
    operators: dict[str, Callable[[], bool]] = {
        "In": lambda: value in values,
        "NotIn": lambda: value not in values,
        "Exists": lambda: value is not None,
        "DoesNotExist": lambda: value is None,
        "Gt": lambda: _is_above(value, values),
        "Lt": lambda: value is not None and _is_above(values[0], [value]),
    }
    holds = operators.get(str(expression.get("operator")))
    return holds is not None and holds()


def _is_above(value: str | None, values: Sequence[str]) -> bool:
    try:
        return value is not None and int(value) > int(values[0])
    except (ValueError, IndexError):
        return False


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Kubernetes' ToleratesTaint: what a toleration leaves out, it accepts all of."""
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") not in (None, "", taint.get("key")):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (
        (toleration.get("value") or "") == (taint.get("value") or "")
    )
