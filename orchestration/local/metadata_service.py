"""ml-metadata's gRPC service on top of its C++ core, made from the service's own descriptor.

Request and response pass through as bytes: nothing is parsed but the messages of the two RPCs
that the core lacks.
"""

from collections.abc import Callable

import grpc
from google.protobuf.message import DecodeError
from ml_metadata import errors
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as core
from ml_metadata.proto import metadata_store_service_pb2 as service_pb2

from orchestration.local.metadata_store import MetadataStoreCore

#: One RPC: serialized request in, serialized response out.
Call = Callable[[bytes], bytes]

_SERVICE = service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"]

# gRPC percent-encodes the message (up to three bytes for one) and drops a whole answer whose
# trailing metadata is above 8 KiB. ml-metadata quotes artifacts in its messages, whole.
_MAX_DETAILS_BYTES = 2000

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def service_handler(store: MetadataStoreCore) -> grpc.GenericRpcHandler:
    """Returns the handler of all RPCs of ``ml_metadata.MetadataStoreService``.

    Args:
        store: The open store that answers.

    Returns:
        What ``grpc.Server.add_generic_rpc_handlers`` takes. An RPC that neither the core nor
        this module implements answers UNIMPLEMENTED and says so: ``GetLineageGraph``, which the
        protocol deprecates and ml-metadata's own server does not implement either.
    """
    batches: dict[str, Call] = {
        "GetParentContextsByContexts": lambda request: _parents(store, request),
        "GetChildrenContextsByContexts": lambda request: _children(store, request),
    }
    handlers = {}
    for method in _SERVICE.methods:
        call = batches.get(method.name) or _core_call(store, method.name)
        # Without (de)serializers gRPC hands over and takes bytes.
        handlers[method.name] = grpc.unary_unary_rpc_method_handler(_behavior(call))
    return grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers)


def _core_call(store: MetadataStoreCore, name: str) -> Call:
    if hasattr(core, name):
        return lambda request: store.call(name, request)

    def unimplemented(_: bytes) -> bytes:
        raise errors.StatusError(
            f"{name} is not implemented by ml-metadata's core: use GetLineageSubgraph",
            errors.UNIMPLEMENTED,
        )

    return unimplemented


def _behavior(call: Call) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def behavior(request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return call(request)
        except DecodeError:
            # In the words of the core, which parses all other requests.
            return context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Could not parse proto")
        except errors.StatusError as error:
            # MLMD's codes are absl's, and those are gRPC's numbers.
            code = _STATUS_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN)
            details = error.message.encode()[:_MAX_DETAILS_BYTES].decode("utf-8", "ignore")
            return context.abort(code, details)

    return behavior


def _parents(store: MetadataStoreCore, request: bytes) -> bytes:
    response = service_pb2.GetParentContextsByContextsResponse()
    query = service_pb2.GetParentContextsByContextsRequest.FromString(request)
    for context_id in _given_ids(query.context_ids):
        single = service_pb2.GetParentContextsByContextRequest(context_id=context_id)
        answer = service_pb2.GetParentContextsByContextResponse.FromString(
            store.call("GetParentContextsByContext", single.SerializeToString())
        )
        if answer.contexts:
            response.contexts[context_id].parent_contexts.extend(answer.contexts)
    return response.SerializeToString()


def _children(store: MetadataStoreCore, request: bytes) -> bytes:
    response = service_pb2.GetChildrenContextsByContextsResponse()
    query = service_pb2.GetChildrenContextsByContextsRequest.FromString(request)
    for context_id in _given_ids(query.context_ids):
        single = service_pb2.GetChildrenContextsByContextRequest(context_id=context_id)
        answer = service_pb2.GetChildrenContextsByContextResponse.FromString(
            store.call("GetChildrenContextsByContext", single.SerializeToString())
        )
        if answer.contexts:
            response.contexts[context_id].children_contexts.extend(answer.contexts)
    return response.SerializeToString()


def _given_ids(context_ids: list[int]) -> list[int]:
    """The distinct ids, as ml-metadata's own server takes them: none at all is an error."""
    if not context_ids:
        raise errors.StatusError("Given context_ids is empty.", errors.INVALID_ARGUMENT)
    return list(dict.fromkeys(context_ids))
