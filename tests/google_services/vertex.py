"""Vertex AI's gRPC services, as far as TFX's executors use them."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

_PACKAGE = "google.cloud.aiplatform.v1"


@dataclasses.dataclass
class Vertex:
    """What there is, and what has been asked of it.

    Attributes:
        requests: Name of the method and request of each call, in order.
        refusals: Status and message in place of the answer, by the name of the method.
        next_refusals: As ``refusals``, but for the next calls only, one for each.
        jobs: Jobs, by name.
        models: Models, by name.
        endpoints: Endpoints, by name.
        run_job: Is given each new job, and returns the state in which it ends and the reason.
    """

    requests: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    refusals: dict[str, tuple[grpc.StatusCode, str]] = dataclasses.field(default_factory=dict)
    next_refusals: dict[str, list[tuple[grpc.StatusCode, str]]] = dataclasses.field(
        default_factory=dict
    )
    jobs: dict[str, Any] = dataclasses.field(default_factory=dict)
    models: dict[str, Any] = dataclasses.field(default_factory=dict)
    endpoints: dict[str, Any] = dataclasses.field(default_factory=dict)
    run_job: Callable[[Any], tuple[str, str]] = lambda _: ("SUCCEEDED", "")

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1001)

    def of(self, method: str) -> list[Any]:
        """The requests for a method."""
        return [request for name, request in self.requests if name == method]


def _new_name(vertex: Vertex, parent: str, kind: str) -> str:
    # Google's answers have the project's number.
    location = parent.partition("/locations/")[2]
    return f"projects/123456789/locations/{location}/{kind}/{next(vertex.numbers)}"


def _done(operation_of: Any) -> Any:
    from google.longrunning import operations_pb2

    operation = operations_pb2.Operation(
        name="projects/123456789/locations/us-central1/operations/1", done=True
    )
    operation.response.Pack(type(operation_of).pb(operation_of))
    return operation


def _methods(vertex: Vertex) -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """Returns the type of the request, and what answers it, by the path of the method."""
    from google.cloud import aiplatform_v1 as api
    from google.protobuf import empty_pb2, timestamp_pb2

    def create_job(request: Any) -> Any:
        job = api.CustomJob(request.custom_job)
        job.name = _new_name(vertex, request.parent, "customJobs")
        job.create_time = timestamp_pb2.Timestamp(seconds=1_767_225_600 + len(vertex.jobs))
        vertex.jobs[job.name] = job
        state, reason = vertex.run_job(job)
        job.state = api.JobState[f"JOB_STATE_{state}"]
        if reason:
            job.error = {"code": 3, "message": reason}
        return job

    def list_jobs(request: Any) -> Any:
        wanted = request.filter.partition('"')[2].rstrip('"')
        found = [job for job in vertex.jobs.values() if job.display_name == wanted]
        return api.ListCustomJobsResponse(custom_jobs=found)

    def cancel_job(request: Any) -> Any:
        vertex.jobs[request.name].state = api.JobState.JOB_STATE_CANCELLED
        return empty_pb2.Empty()

    def list_endpoints(request: Any) -> Any:
        wanted = request.filter.partition('"')[2].rstrip('"')
        found = [item for item in vertex.endpoints.values() if item.display_name == wanted]
        return api.ListEndpointsResponse(endpoints=found)

    def create_endpoint(request: Any) -> Any:
        endpoint = api.Endpoint(request.endpoint)
        endpoint.name = _new_name(vertex, request.parent, "endpoints")
        vertex.endpoints[endpoint.name] = endpoint
        return _done(endpoint)

    def deploy_model(request: Any) -> Any:
        endpoint = vertex.endpoints[_by_number(vertex.endpoints, request.endpoint)]
        deployed = api.DeployedModel(request.deployed_model)
        deployed.id = str(next(vertex.numbers))
        endpoint.deployed_models.append(deployed)
        endpoint.traffic_split = {
            deployed.id if key == "0" else key: share
            for key, share in request.traffic_split.items()
        }
        return _done(api.DeployModelResponse(deployed_model=deployed))

    def undeploy_model(request: Any) -> Any:
        endpoint = vertex.endpoints[_by_number(vertex.endpoints, request.endpoint)]
        endpoint.deployed_models = [
            item for item in endpoint.deployed_models if item.id != request.deployed_model_id
        ]
        return _done(api.UndeployModelResponse())

    return {
        "JobService/CreateCustomJob": (api.CreateCustomJobRequest, create_job),
        "JobService/GetCustomJob": (
            api.GetCustomJobRequest,
            lambda request: vertex.jobs[request.name],
        ),
        "JobService/ListCustomJobs": (api.ListCustomJobsRequest, list_jobs),
        "JobService/CancelCustomJob": (api.CancelCustomJobRequest, cancel_job),
        "EndpointService/ListEndpoints": (api.ListEndpointsRequest, list_endpoints),
        "EndpointService/CreateEndpoint": (api.CreateEndpointRequest, create_endpoint),
        "EndpointService/GetEndpoint": (
            api.GetEndpointRequest,
            lambda request: vertex.endpoints[_by_number(vertex.endpoints, request.name)],
        ),
        "EndpointService/DeployModel": (api.DeployModelRequest, deploy_model),
        "EndpointService/UndeployModel": (api.UndeployModelRequest, undeploy_model),
        **_model_methods(vertex),
    }


def _model_methods(vertex: Vertex) -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """As ``_methods``, for the registry of models."""
    from google.cloud import aiplatform_v1 as api
    from google.longrunning import operations_pb2
    from google.protobuf import empty_pb2

    def upload_model(request: Any) -> Any:
        model = api.Model(request.model)
        model.name = _new_name(vertex, request.parent, "models")
        model.version_id = "1"
        model.supported_deployment_resources_types = ["DEDICATED_RESOURCES"]
        vertex.models[model.name] = model
        return _done(api.UploadModelResponse(model=model.name, model_version_id="1"))

    def list_models(_: Any) -> Any:
        return api.ListModelsResponse(models=list(vertex.models.values()))

    def delete_model(request: Any) -> Any:
        del vertex.models[_by_number(vertex.models, request.name)]
        operation = operations_pb2.Operation(
            name="projects/123456789/locations/us-central1/operations/2", done=True
        )
        operation.response.Pack(empty_pb2.Empty())
        return operation

    return {
        "ModelService/UploadModel": (api.UploadModelRequest, upload_model),
        "ModelService/ListModels": (api.ListModelsRequest, list_models),
        "ModelService/DeleteModel": (api.DeleteModelRequest, delete_model),
        "ModelService/GetModel": (
            api.GetModelRequest,
            lambda request: vertex.models[_by_number(vertex.models, request.name.split("@")[0])],
        ),
    }


def _by_number(resources: dict[str, Any], name: str) -> str:
    """Returns the name that a resource has here: clients give the project's id or its number."""
    number = name.rpartition("/")[2]
    return next(known for known in resources if known.rpartition("/")[2] == number)


def _serialized(message: Any) -> bytes:
    kind = type(message)
    return kind.serialize(message) if hasattr(kind, "serialize") else message.SerializeToString()


@contextlib.contextmanager
def vertex_server(vertex: Vertex, certificates: pathlib.Path) -> Iterator[int]:
    """Serves Vertex AI with TLS, and yields the port."""

    def handler(path: str, kind: Any, answer: Callable[[Any], Any]) -> Any:
        method = path.rpartition("/")[2]

        def serve(request: Any, context: Any) -> Any:
            vertex.requests.append((method, request))
            if vertex.next_refusals.get(method):
                context.abort(*vertex.next_refusals[method].pop(0))
            if method in vertex.refusals:
                context.abort(*vertex.refusals[method])
            return answer(request)

        return grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=kind.deserialize, response_serializer=_serialized
        )

    services: dict[str, dict[str, Any]] = {}
    for path, (kind, answer) in _methods(vertex).items():
        service, _, method = path.partition("/")
        services.setdefault(service, {})[method] = handler(path, kind, answer)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(f"{_PACKAGE}.{service}", methods)
            for service, methods in services.items()
        )
    )
    credentials = grpc.ssl_server_credentials(
        [((certificates / "server.key").read_bytes(), (certificates / "server.pem").read_bytes())]
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(0)
