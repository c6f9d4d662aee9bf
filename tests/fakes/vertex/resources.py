"""Data sets, TensorBoard instances, and the contexts of experiments."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.vertex.jobs import ROUTES as JOBS
from tests.fakes.vertex.routes import Body, RefusedError, Request, Route, normalise
from tests.fakes.vertex.server import VertexServer

Handler = Callable[[VertexServer, Request], Body]


def create_later(collection: str, type_name: str) -> Handler:
    """Makes the answer to a request to create what is there only when the operation ends."""

    def answer(server: VertexServer, request: Request) -> Body:
        if not request.body.get("displayName"):
            raise RefusedError(400, "displayName is required.")
        name = f"{request.params['parent']}/{collection}/{server.store.new_id()}"
        metadata = f"Create{type_name}OperationMetadata"
        return server.begin(name, metadata, type_name, lambda: server.store.add(name, request.body))

    return answer


def get(type_name: str) -> Handler:
    """Makes the answer to a request for one resource."""
    return lambda server, request: normalise(type_name, server.store.get(request.path), what="response")


def listing(collection: str, type_name: str) -> Handler:
    """Makes the answer to a request for a list."""

    def answer(server: VertexServer, request: Request) -> Body:
        page = server.store.page(request.params["parent"], collection, request.query)
        page[collection] = [normalise(type_name, body, what="response") for body in page[collection]]
        return page

    return answer


def patch(type_name: str) -> Handler:
    """Makes the answer to a request that changes a resource."""

    def answer(server: VertexServer, request: Request) -> Body:
        return normalise(type_name, server.store.update(request.path, request.body, request.query), what="response")

    return answer


def delete_later(server: VertexServer, request: Request) -> Body:
    """Answers a request to delete."""
    server.store.get(request.path)

    def finish() -> Body:
        server.store.delete(request.path)
        return {}

    return server.begin(request.path, "DeleteOperationMetadata", None, finish)


def import_data(server: VertexServer, request: Request) -> Body:
    """Answers a request to import into a data set."""
    name = request.path.removesuffix(":import")
    dataset = server.store.get(name)
    for config in request.body.get("importConfigs", []):
        if not config.get("gcsSource", {}).get("uris") or not config.get("importSchemaUri"):
            raise RefusedError(400, "gcsSource and importSchemaUri are required.")

    def finish() -> Body:
        dataset["dataItemCount"] = str(int(dataset.get("dataItemCount", 0)) + 100)
        return {}

    return server.begin(name, "ImportDataOperationMetadata", "ImportDataResponse", finish)


def create_context(server: VertexServer, request: Request) -> Body:
    """Answers a request to create a context under an id of the caller's."""
    context_id = request.query.get("contextId")
    if not context_id:
        raise RefusedError(400, "contextId is required.")
    store = f"{request.params['parent']}/metadataStores/{request.params['store']}"
    server.store.get(store)
    return normalise("Context", server.store.add(f"{store}/contexts/{context_id}", request.body), what="response")


def create_store(server: VertexServer, request: Request) -> Body:
    """Answers a request to create a metadata store."""
    name = f"{request.params['parent']}/metadataStores/{request.query['metadataStoreId']}"
    metadata = "CreateMetadataStoreOperationMetadata"
    return server.begin(name, metadata, "MetadataStore", lambda: server.store.add(name, request.body))


def add_children(server: VertexServer, request: Request) -> Body:
    """Answers a request to put contexts below one."""
    context = server.store.get(request.path.removesuffix(":addContextChildren"))
    for child in request.body.get("childContexts", []):
        server.store.get(child).setdefault("parentContexts", []).append(context["name"])
    return {}


_STORE = "{parent}/metadataStores/{store}"
ROUTES = (
    *JOBS,
    Route("POST", "{parent}/datasets", create_later("datasets", "Dataset"), "Dataset"),
    Route("GET", "{parent}/datasets", listing("datasets", "Dataset")),
    Route("GET", "{parent}/datasets/{id}", get("Dataset")),
    Route("PATCH", "{parent}/datasets/{id}", patch("Dataset"), "Dataset"),
    Route("DELETE", "{parent}/datasets/{id}", delete_later),
    Route("POST", "{parent}/datasets/{id}:import", import_data, "ImportDataRequest"),
    Route("POST", "{parent}/tensorboards", create_later("tensorboards", "Tensorboard"), "Tensorboard"),
    Route("GET", "{parent}/tensorboards", listing("tensorboards", "Tensorboard")),
    Route("GET", "{parent}/tensorboards/{id}", get("Tensorboard")),
    Route("POST", "{parent}/metadataStores", create_store, "MetadataStore"),
    Route("GET", _STORE, get("MetadataStore")),
    Route("POST", f"{_STORE}/contexts", create_context, "Context"),
    Route("GET", f"{_STORE}/contexts/{{id}}", get("Context")),
    Route("POST", f"{_STORE}/contexts/{{id}}:addContextChildren", add_children, "AddContextChildrenRequest"),
)
