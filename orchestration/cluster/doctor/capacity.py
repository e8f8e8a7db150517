"""Checks that some node has room for each pod, and that the namespace's rules let it in."""

import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestration.cluster.doctor import nodes
from orchestration.cluster.doctor.check import Check, failure, ok, warning
from orchestration.cluster.doctor.examination import Examination
from orchestration.cluster.doctor.needs import PodNeeds, steps_text
from orchestration.cluster.doctor.nodes import name_of
from orchestration.validation.resources import is_extended, quantity_value

_Amounts = Mapping[str, decimal.Decimal]

_BYTES = ("memory", "ephemeral-storage")
_GIB = 1024**3
_NONE = decimal.Decimal(0)
_AUTOSCALER = "nodes that an autoscaler would add are not seen from here"


def capacity(examination: Examination) -> Iterator[Check]:
    """Each pod's request fits some node."""
    found = examination.cluster.items("nodes")
    problems: dict[tuple[str, str], list[str]] = {}
    for pod in examination.needs.pods:
        if problem := _misfit(found, pod):
            problems.setdefault(problem, []).append(pod.step)
    for (said, mend), steps in problems.items():
        yield failure("capacity", f"{steps_text(steps)}: {said}", mend)
    if not problems:
        pods = examination.needs.pods
        usable = sum(1 for node in found if nodes.is_usable(node))
        yield ok(
            "capacity",
            f"each of {len(pods)} pods fits a node, of {usable} ready ones; at most it asks for "
            f"{_largest(pods)}",
        )


def devices(examination: Examination) -> Iterator[Check]:
    """Some node has the GPUs that the steps ask for."""
    found = examination.cluster.items("nodes")
    steps: dict[str, list[str]] = {}
    for pod in examination.needs.pods:
        for name in pod.requests:
            if is_extended(name):
                steps.setdefault(name, []).append(pod.step)
    for name, its_steps in steps.items():
        counts = [_allocatable(node).get(name, _NONE) for node in found]
        having = [count for count in counts if count]
        if having:
            most = f"{len(having)} of {len(found)} nodes have {name}, at most {max(having):f}"
            yield ok(f"device {name}", most)
        else:
            yield failure(
                f"device {name}",
                f"no node offers any, and {steps_text(its_steps)} asks for it",
                "add a node with such devices and install their device plugin; " + _AUTOSCALER,
            )


def limits(examination: Examination) -> Iterator[Check]:
    """The namespace's LimitRanges and ResourceQuotas let each pod in."""
    ranges = examination.cluster.items("limitranges")
    quotas = examination.cluster.items("resourcequotas")
    problems: dict[str, list[str]] = {}
    for pod in examination.needs.pods:
        for problem in (*_beyond_ranges(ranges, pod), *_beyond_quotas(quotas, ranges, pod)):
            problems.setdefault(problem, []).append(pod.step)
    for problem, steps in problems.items():
        yield failure(
            "limits of the namespace",
            f"{steps_text(steps)}: {problem}",
            "change the component's settings, or the object in the namespace",
        )
    unseen = [name_of(quota) for quota in quotas if _has_scopes(quota)]
    if unseen:
        yield warning(
            "limits of the namespace",
            f"ResourceQuotas with scopes were not looked at: {', '.join(unseen)}",
            "see 'kubectl describe resourcequota'",
        )
    spent = [f"{name_of(quota)} ({name})" for quota in quotas for name in _spent(quota)]
    if spent:
        yield warning(
            "limits of the namespace",
            f"nothing is left of ResourceQuota {', '.join(spent)}",
            "wait until pods have ended, or raise it",
        )
    if not problems and not unseen and not spent and (ranges or quotas):
        count = len(ranges) + len(quotas)
        yield ok("limits of the namespace", f"{count} LimitRanges and ResourceQuotas let all in")


#: What a ResourceQuota counts of pods, besides requests and limits.
_COUNTS = ("pods", "count/pods")
_OF_PODS = (*_COUNTS, "cpu", "memory")


def _has_scopes(quota: Mapping[str, Any]) -> bool:
    spec = quota.get("spec") or {}
    return bool(spec.get("scopes") or spec.get("scopeSelector"))


def _spent(quota: Mapping[str, Any]) -> list[str]:
    """Returns the resources of a quota of which nothing is left, pods among them."""
    if _has_scopes(quota):
        return []
    status = quota.get("status") or {}
    used = status.get("used") or {}
    hard = {**(quota.get("spec") or {}).get("hard", {}), **(status.get("hard") or {})}
    found = []
    for name, text in hard.items():
        if name not in _OF_PODS and not name.startswith(("requests.", "limits.")):
            continue
        most, now = quantity_value(str(text)), quantity_value(str(used.get(name, "0")))
        is_known = name in used or name in _COUNTS
        if most is None or now is None or (is_known and now >= most):
            found.append(name)
    return found


def _misfit(found: Sequence[nodes.Node], pod: PodNeeds) -> tuple[str, str] | None:
    """Returns why no node takes a pod, and the mend; ``None`` if one does."""
    usable = [node for node in found if nodes.is_usable(node)]
    if not usable:
        return "no node is ready and takes pods", "see 'kubectl get nodes'"
    chosen = nodes.selected(usable, pod)
    if not chosen:
        labels = ", ".join(f"{name}={value}" for name, value in pod.node_selector.items())
        return (
            f"no node has what its node selector or affinity asks for ({labels or 'affinity'})",
            f"label a node, or change the component's node_selector and gpu_type; {_AUTOSCALER}",
        )
    taints = [nodes.untolerated(node, pod) for node in chosen]
    if all(taints):
        return (
            f"it does not tolerate the taint {taints[0]}",
            "add the toleration to the component's settings",
        )
    open_nodes = [node for node, taint in zip(chosen, taints, strict=True) if taint is None]
    if any(_fits(node, pod.requests) for node in open_nodes):
        return None
    return _too_large(open_nodes, pod.requests), (
        f"lower the component's request, or add a larger node; {_AUTOSCALER}"
    )


def _too_large(open_nodes: Sequence[nodes.Node], requests: _Amounts) -> str:
    for name, amount in requests.items():
        most, node = max(
            (_allocatable(node).get(name, _NONE), name_of(node)) for node in open_nodes
        )
        if amount > most:
            return (
                f"it asks for {shown(name, amount)}, and the largest node that takes it, {node}, "
                f"has {shown(name, most)}"
            )
    asked = " with ".join(shown(name, amount) for name, amount in requests.items())
    return f"no single node that takes it has {asked}"


def _fits(node: nodes.Node, requests: _Amounts) -> bool:
    has = _allocatable(node)
    return all(amount <= has.get(name, _NONE) for name, amount in requests.items())


def _allocatable(node: nodes.Node) -> dict[str, decimal.Decimal]:
    return _quantities((node.get("status") or {}).get("allocatable"))


def _quantities(values: Mapping[str, Any] | None) -> dict[str, decimal.Decimal]:
    amounts = {name: quantity_value(value) for name, value in (values or {}).items()}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def _largest(pods: Sequence[PodNeeds]) -> str:
    names = sorted({name for pod in pods for name in pod.requests})
    most = {name: max(pod.requests.get(name, _NONE) for pod in pods) for name in names}
    return ", ".join(shown(name, amount) for name, amount in most.items()) or "nothing"


def shown(name: str, amount: decimal.Decimal) -> str:
    """Returns an amount of a resource for a message, such as ``4 GiB memory``."""
    if name.rpartition(".")[2] in _BYTES:
        return f"{float(amount) / _GIB:.4g} GiB {name}"
    return f"{float(amount):g} {name}"


def _beyond_ranges(ranges: Sequence[Mapping[str, Any]], pod: PodNeeds) -> Iterator[str]:
    for item in ranges:
        for rule in (item.get("spec") or {}).get("limits") or []:
            if rule.get("type") not in ("Container", "Pod"):
                continue
            where = f"LimitRange {item['metadata']['name']}"
            asked = _with_defaults(pod.limits, [item], "default")
            for name, most in _quantities(rule.get("max")).items():
                amount = max(
                    asked.get(name, _NONE),
                    pod.requests.get(name, _NONE),
                )
                if amount > most:
                    yield f"{shown(name, amount)} is above the {shown(name, most)} of {where}"
            for name, least in _quantities(rule.get("min")).items():
                amount = pod.requests.get(name, least)
                if amount < least:
                    yield f"{shown(name, amount)} is below the {shown(name, least)} of {where}"


def _beyond_quotas(
    quotas: Sequence[Mapping[str, Any]], ranges: Sequence[Mapping[str, Any]], pod: PodNeeds
) -> Iterator[str]:
    requests = _with_defaults(pod.requests, ranges, "defaultRequest")
    upper = _with_defaults(pod.limits, ranges, "default")
    asked: dict[str, Callable[[str], decimal.Decimal | None]] = {
        "requests.": requests.get,
        "limits.": upper.get,
        "": lambda name: requests.get(name) if name in ("cpu", "memory") else _NONE,
    }
    for item in quotas:
        spec = item.get("spec") or {}
        if _has_scopes(item):
            continue  # It holds for other pods, such as those of a priority.
        where = f"ResourceQuota {item['metadata']['name']}"
        for name, most in _quantities(spec.get("hard")).items():
            prefix = next(prefix for prefix in asked if name.startswith(prefix))
            resource = name.removeprefix(prefix)
            amount = asked[prefix](resource)
            if amount is None:
                if resource in ("cpu", "memory"):
                    yield f"it has no {name or resource}, which {where} demands of each pod"
            elif amount > most:
                yield f"{shown(name, amount)} is above the {shown(name, most)} of {where}"


def _with_defaults(
    amounts: _Amounts, ranges: Sequence[Mapping[str, Any]], field: str
) -> dict[str, decimal.Decimal]:
    """Adds what the LimitRanges give to a container that names no amount."""
    defaults: dict[str, decimal.Decimal] = {}
    for item in ranges:
        for rule in (item.get("spec") or {}).get("limits") or []:
            if rule.get("type") == "Container":
                defaults |= _quantities(rule.get(field))
    return {**defaults, **amounts}
