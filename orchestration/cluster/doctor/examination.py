"""What all checks are given."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager

from orchestration.cluster.connection import Connection
from orchestration.cluster.doctor.cluster_view import ClusterView
from orchestration.cluster.doctor.needs import WorkflowNeeds
from orchestration.cluster.doctor.tunnel import PortForward
from orchestration.cluster.kubectl import Kubectl

#: Opens a way to a port of a Service; entered, it is the address here.
OpenTunnel = Callable[[Kubectl, str, int], AbstractContextManager[tuple[str, int]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examination:
    """A cluster, and what a workflow asks of it.

    Attributes:
        cluster: The cluster.
        needs: What the workflow asks for.
        connection: How to reach Kubeflow Pipelines' API; ``None`` by way of Kubernetes.
        open_tunnel: Opens a way to a port of a Service.
    """

    cluster: ClusterView
    needs: WorkflowNeeds
    connection: Connection | None = None
    open_tunnel: OpenTunnel = PortForward
