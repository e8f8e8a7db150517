"""What goes wrong between here and Kubeflow Pipelines."""

from components.errors import PipelineError


class ClusterError(PipelineError):
    """A call that Kubeflow Pipelines has refused, or that did not reach it.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        is_lost: Whether the call may have been carried out all the same: it reached the server,
            but no answer that says so came back.
    """

    def __init__(self, message: str, *, status: int = 0, is_lost: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_lost = is_lost
