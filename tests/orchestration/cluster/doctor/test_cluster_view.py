"""Reading a cluster: each thing once, and not without end."""

import pytest

from orchestration.cluster.doctor.cluster_view import ClusterView
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from tests.kubernetes_server import KubernetesServer


def test_an_answer_and_a_refusal_are_kept(ready: KubernetesServer) -> None:
    view = ClusterView(Kubectl())
    ready.forbidden.add("list nodes")

    for _ in range(2):
        assert view.get("namespace", "kubeflow") is not None
        with pytest.raises(ClusterError, match="Forbidden"):
            view.items("nodes")

    assert ready.calls.count("GET /api/v1/namespaces/kubeflow") == 1
    assert ready.calls.count("GET /api/v1/nodes") == 1


def test_a_cluster_that_ceases_to_answer_is_not_asked_for_ever(ready: KubernetesServer) -> None:
    view = ClusterView(Kubectl(timeout_seconds=0.3))
    ready.is_silent = True
    said = []

    for kind in ("nodes", "secrets", "pods", "events"):
        with pytest.raises(ClusterError) as caught:
            view.items(kind)
        said.append(str(caught.value))

    assert ["no answer within" in text for text in said] == [True, True, False, False]
    assert said[-1] == "not asked: the cluster has ceased to answer"
