"""Models and their versions, endpoints and what is deployed to them, predictions, monitoring jobs."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.resources import create_later, get, listing
from tests.fakes.vertex.routes import Body, RefusedError, Request, Route, normalise
from tests.fakes.vertex.server import VertexServer

CLASS_NAMES = ("daisy", "roses", "tulips")
MAX_REQUEST_BYTES = 1_500_000

# From a whole image file to what the model says about it.
Predictor = Callable[[bytes], Body]


def classify(data: bytes) -> Body:
    """Takes a photograph for the class of its strongest colour, as surely as that one is the strongest.

    Raises:
        RefusedError: no image, in the words of TensorFlow.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            levels = [float(level) + 1.0 for level in picture.convert("RGB").resize((1, 1)).getpixel((0, 0))]
    except UnidentifiedImageError:
        raise RefusedError(400, "Unknown image file format. One of JPEG, PNG, GIF, BMP required.") from None
    probabilities = [level / math.fsum(levels) for level in levels]
    best = max(range(len(levels)), key=probabilities.__getitem__)
    return {
        "class_int": best,
        "class_str": CLASS_NAMES[best],
        "probability": probabilities[best],
        "probabilities": probabilities,
    }


def _versions(server: VertexServer, name: str) -> list[Body]:
    """Returns a model's versions, the oldest first."""
    model = server.store.get(name)
    found: list[Body] = server.state.setdefault(f"versions of {name}", [])
    if not found:
        # One that a pipeline has made.
        found.append({"versionId": "1", "versionAliases": ["default"], **model})
    return found


def _version(server: VertexServer, name: str) -> Body:
    """Returns the version that `models/1@2`, `models/1@alias` or `models/1` names."""
    model, _, wanted = name.partition("@")
    for version in _versions(server, model):
        if (wanted or "default") in (version["versionId"], *version.get("versionAliases", ())):
            return version
    raise RefusedError(404, f"The Model {name} is not found.")


def upload_model(server: VertexServer, request: Request) -> Body:
    """Answers a request to upload a model, or a version of one."""
    model, parent = request.body.get("model", {}), request.body.get("parentModel", "")
    for field in ("displayName", "artifactUri", "containerSpec"):
        if not model.get(field):
            raise RefusedError(400, f"model.{field} is required.")
    if not model["artifactUri"].startswith("gs://"):
        raise RefusedError(400, f"Invalid Cloud Storage URI: {model['artifactUri']}")
    if parent:
        server.store.get(parent)
    name = parent or f"{request.params['parent']}/models/{server.store.new_id()}"

    def finish() -> Body:
        if not parent:
            server.store.add(name, model)
            server.state[f"versions of {name}"] = []
            number, aliases = "1", ["default", *model.get("versionAliases", ())]
        else:
            number = str(max(int(item["versionId"]) for item in _versions(server, name)) + 1)
            aliases = list(model.get("versionAliases", ()))
        version = {**server.store.get(name), **model, "versionId": number, "versionAliases": aliases}
        server.state[f"versions of {name}"].append(version)
        return {"model": name, "modelVersionId": number}

    return server.begin(name, "UploadModelOperationMetadata", "UploadModelResponse", finish)


def get_model(server: VertexServer, request: Request) -> Body:
    """Answers a request for a model, or a version of one."""
    return normalise("Model", _version(server, request.path), what="response")


def list_models(server: VertexServer, request: Request) -> Body:
    """Answers a request for the models, each as its default version."""
    page = server.store.page(request.params["parent"], "models", request.query)
    page["models"] = [normalise("Model", _version(server, body["name"]), what="response") for body in page["models"]]
    return page


def list_versions(server: VertexServer, request: Request) -> Body:
    """Answers a request for the versions of a model, two a page."""
    found = _versions(server, request.path.removesuffix(":listVersions").partition("@")[0])
    start = int(request.query.get("pageToken") or 0)
    answer: Body = {"models": [normalise("Model", body, what="response") for body in found[start : start + 2]]}
    if start + 2 < len(found):
        answer["nextPageToken"] = str(start + 2)
    return answer


def merge_aliases(server: VertexServer, request: Request) -> Body:
    """Answers a request to give a version aliases, which others then lose."""
    name = request.path.removesuffix(":mergeVersionAliases")
    chosen = _version(server, name)
    for alias in request.body.get("versionAliases", ()):
        for version in _versions(server, name.partition("@")[0]):
            if alias in version["versionAliases"]:
                version["versionAliases"].remove(alias)
        chosen["versionAliases"].append(alias)
    return normalise("Model", chosen, what="response")


def delete_model(server: VertexServer, request: Request) -> Body:
    """Answers a request to delete a model or a version of one, that is nowhere deployed."""
    name, _, number = request.path.removesuffix(":deleteVersion").partition("@")
    chosen = _version(server, f"{name}@{number}" if number else name)
    for body in server.store.resources.values():
        for deployed in body.get("deployedModels", ()):
            if deployed["model"] == name and number in ("", deployed["modelVersionId"]):
                raise RefusedError(400, f"The Model {name} is deployed.", "FAILED_PRECONDITION")
    if number and "default" in chosen["versionAliases"]:
        raise RefusedError(400, "The default version can't be deleted.", "FAILED_PRECONDITION")

    def finish() -> Body:
        if number:
            _versions(server, name).remove(chosen)
        else:
            server.store.delete(name)
        return {}

    return server.begin(name, "DeleteOperationMetadata", None, finish)


def _check_split(endpoint: Body, split: Mapping[str, int]) -> None:
    known = {deployed["id"] for deployed in endpoint.get("deployedModels", ())}
    unknown = set(split) - known
    if unknown:
        raise RefusedError(400, f"Invalid deployed model ids in trafficSplit: {sorted(unknown)}")
    if split and sum(split.values()) != 100:
        raise RefusedError(400, f"The sum of traffic split must be 100, got {sum(split.values())}.")


def _touch(server: VertexServer, endpoint: Body) -> None:
    endpoint["etag"] = endpoint["updateTime"] = server.store.time()


def update_endpoint(server: VertexServer, request: Request) -> Body:
    """Answers a request to change an endpoint."""
    endpoint = server.store.get(request.path)
    etag = request.body.get("etag")
    if etag and etag != endpoint.get("etag"):
        raise RefusedError(409, "The endpoint has changed.", "ABORTED")
    _check_split(endpoint, request.body.get("trafficSplit", {}))
    server.store.update(request.path, request.body, request.query)
    _touch(server, endpoint)
    return normalise("Endpoint", endpoint, what="response")


def delete_endpoint(server: VertexServer, request: Request) -> Body:
    """Answers a request to delete an endpoint that is empty."""
    endpoint = server.store.get(request.path)
    if endpoint.get("deployedModels"):
        raise RefusedError(400, "The endpoint has deployed models.", "FAILED_PRECONDITION")

    def finish() -> Body:
        server.store.delete(request.path)
        return {}

    return server.begin(request.path, "DeleteOperationMetadata", None, finish)


def deploy_model(server: VertexServer, request: Request) -> Body:
    """Answers a request to deploy a version; only when the operation ends is it there, and the traffic changed."""
    name = request.path.removesuffix(":deployModel")
    endpoint, deployed = server.store.get(name), dict(request.body.get("deployedModel", {}))
    version = _version(server, deployed.get("model", ""))
    resources = deployed.get("dedicatedResources", {})
    if not resources.get("machineSpec", {}).get("machineType"):
        raise RefusedError(400, "dedicatedResources.machineSpec.machineType is required.")
    if not 1 <= resources.get("minReplicaCount", 0) <= resources.get("maxReplicaCount", 0):
        raise RefusedError(400, "minReplicaCount must be 1 or more, and maxReplicaCount not less.")
    new = server.store.new_id()
    split = {new if key == "0" else key: value for key, value in request.body.get("trafficSplit", {}).items()}
    deployed |= {"id": new, "model": version["name"], "modelVersionId": version["versionId"]}
    _check_split({"deployedModels": [*endpoint.get("deployedModels", ()), deployed]}, split)

    def finish() -> Body:
        endpoint.setdefault("deployedModels", []).append({**deployed, "createTime": server.store.time()})
        if split:
            endpoint["trafficSplit"] = split
        _touch(server, endpoint)
        return {"deployedModel": deployed}

    return server.begin(name, "DeployModelOperationMetadata", "DeployModelResponse", finish)


def undeploy_model(server: VertexServer, request: Request) -> Body:
    """Answers a request to undeploy what has no traffic."""
    name = request.path.removesuffix(":undeployModel")
    endpoint, deployed_id = server.store.get(name), request.body.get("deployedModelId")
    found = [deployed for deployed in endpoint.get("deployedModels", ()) if deployed["id"] == deployed_id]
    if not found:
        raise RefusedError(404, f"DeployedModel {deployed_id} is not found in {name}.")
    split = request.body.get("trafficSplit") or endpoint.get("trafficSplit", {})
    if split.get(deployed_id) and len(endpoint["deployedModels"]) > 1:
        raise RefusedError(400, f"DeployedModel {deployed_id} has traffic.", "FAILED_PRECONDITION")

    def finish() -> Body:
        endpoint["deployedModels"].remove(found[0])
        endpoint["trafficSplit"] = {key: value for key, value in split.items() if key != deployed_id}
        _touch(server, endpoint)
        return {}

    return server.begin(name, "UndeployModelOperationMetadata", "UndeployModelResponse", finish)


def mutate_deployed(server: VertexServer, request: Request) -> Body:
    """Answers a request to change how many copies of a deployed model there are."""
    name = request.path.removesuffix(":mutateDeployedModel")
    wanted, endpoint = request.body.get("deployedModel", {}), server.store.get(name)
    fields = str(request.body.get("updateMask", "")).split(",")
    allowed = {"dedicatedResources.minReplicaCount", "dedicatedResources.maxReplicaCount"}
    if not fields or not set(fields) <= allowed:
        raise RefusedError(400, f"updateMask: {fields} can't be changed.")
    found = [deployed for deployed in endpoint.get("deployedModels", ()) if deployed["id"] == wanted.get("id")]
    if not found:
        raise RefusedError(404, f"DeployedModel {wanted.get('id')} is not found.")

    def finish() -> Body:
        found[0]["dedicatedResources"] |= wanted["dedicatedResources"]
        _touch(server, endpoint)
        return {"deployedModel": found[0]}

    return server.begin(name, "MutateDeployedModelOperationMetadata", "MutateDeployedModelResponse", finish)


def list_operations(server: VertexServer, request: Request) -> Body:
    """Answers a request for the operations on a resource."""
    prefix = f"{request.path}/"
    names = [name for name in server.operations if name.startswith(prefix)]
    return {"operations": [server.look(name) for name in names]}


def predict(server: VertexServer, request: Request) -> Body:
    """Answers a request for predictions: all of its images, or none where one is bad."""
    endpoint = server.store.get(request.path.removesuffix(":predict"))
    split = endpoint.get("trafficSplit", {})
    if not split:
        raise RefusedError(400, f"Endpoint {endpoint['name']} doesn't have any traffic.", "FAILED_PRECONDITION")
    if len(json.dumps(request.body)) > MAX_REQUEST_BYTES:
        raise RefusedError(400, f"Request payload size exceeds the limit: {MAX_REQUEST_BYTES} bytes.")
    answer: Predictor = server.state.get("predictor", classify)
    images = [base64.b64decode(instance["image_bytes"]["b64"]) for instance in request.body["instances"]]
    predictions = []
    for index, image in enumerate(images):
        try:
            predictions.append(answer(image))
        except RefusedError as error:
            # Our own container says which one it was, TensorFlow Serving doesn't.
            which = "" if server.state.get("is_tensorflow_serving") else f"instance {index}: "
            raise RefusedError(400, json.dumps({"error": f"{which}{error.message}"})) from error
    deployed_id = max(split, key=split.__getitem__)
    deployed = next(item for item in endpoint["deployedModels"] if item["id"] == deployed_id)
    return normalise(
        "PredictResponse",
        {
            "predictions": predictions,
            "deployedModelId": deployed_id,
            "model": deployed["model"],
            "modelVersionId": deployed["modelVersionId"],
        },
        what="response",
    )


def create_batch(server: VertexServer, request: Request) -> Body:
    """Answers a request for a batch prediction."""
    body = request.body
    for field in ("displayName", "model", "inputConfig", "outputConfig"):
        if not body.get(field):
            raise RefusedError(400, f"{field} is required.")
    _version(server, body["model"])
    if body["inputConfig"].get("instancesFormat") != "jsonl" or not body["inputConfig"].get("gcsSource"):
        raise RefusedError(400, "inputConfig: JSON lines in Cloud Storage are expected.")
    name = f"{request.params['parent']}/batchPredictionJobs/{server.store.new_id()}"
    server.state[name] = list(script(server).states)
    return server.store.add(name, {**body, "state": "JOB_STATE_PENDING"})


def get_batch(server: VertexServer, request: Request) -> Body:
    """Answers a request for a batch prediction, which goes on a step each time."""
    job = server.store.get(request.path)
    states = server.state.get(request.path, [])
    if states:
        job["state"] = f"JOB_STATE_{states.pop(0)}"
    if job["state"] == "JOB_STATE_FAILED":
        job["error"] = script(server).error or {"code": 3, "message": "The model server died."}
    if job["state"] == "JOB_STATE_SUCCEEDED" and "outputInfo" not in job:
        prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
        job["outputInfo"] = {"gcsOutputDirectory": f"{prefix}/prediction-{job['displayName']}"}
        job["completionStats"] = server.state.get("completion", {})
        write: Callable[[Body], Any] | None = server.state.get("batch")
        if write:
            write(job)
    return normalise("BatchPredictionJob", job, what="response")


def create_monitoring(server: VertexServer, request: Request) -> Body:
    """Answers a request for a monitoring job: one an endpoint."""
    _check_monitoring(server, request.body)
    endpoint = server.store.get(request.body["endpoint"])
    if endpoint.get("modelDeploymentMonitoringJob"):
        raise RefusedError(409, f"The endpoint has {endpoint['modelDeploymentMonitoringJob']}.")
    name = f"{request.params['parent']}/modelDeploymentMonitoringJobs/{server.store.new_id()}"
    endpoint["modelDeploymentMonitoringJob"] = name
    job = server.store.add(name, {**request.body, "state": "JOB_STATE_RUNNING"})
    return normalise("ModelDeploymentMonitoringJob", job, what="response")


def update_monitoring(server: VertexServer, request: Request) -> Body:
    """Answers a request to change a monitoring job."""
    job = server.store.get(request.path)
    _check_monitoring(server, {**job, **request.body})

    def finish() -> Body:
        return server.store.update(request.path, request.body, request.query)

    metadata = "UpdateModelDeploymentMonitoringJobOperationMetadata"
    return server.begin(request.path, metadata, "ModelDeploymentMonitoringJob", finish)


def _check_monitoring(server: VertexServer, body: Body) -> None:
    endpoint = server.store.get(body.get("endpoint", ""))
    known = {deployed["id"] for deployed in endpoint.get("deployedModels", ())}
    watched = {config["deployedModelId"] for config in body.get("modelDeploymentMonitoringObjectiveConfigs", ())}
    if not watched or not watched <= known:
        raise RefusedError(400, f"The endpoint deploys {sorted(known)}, not {sorted(watched)}.")
    for field in ("modelDeploymentMonitoringScheduleConfig", "loggingSamplingStrategy", "displayName"):
        if not body.get(field):
            raise RefusedError(400, f"{field} is required.")


_MODEL, _ENDPOINT = "{parent}/models/{id}", "{parent}/endpoints/{id}"
_BATCH, _MONITORING = "{parent}/batchPredictionJobs", "{parent}/modelDeploymentMonitoringJobs"
ROUTES = (
    Route("POST", "{parent}/models:upload", upload_model, "UploadModelRequest"),
    Route("GET", "{parent}/models", list_models),
    Route("GET", _MODEL, get_model),
    Route("GET", f"{_MODEL}:listVersions", list_versions),
    Route("POST", f"{_MODEL}:mergeVersionAliases", merge_aliases, "MergeVersionAliasesRequest"),
    Route("DELETE", _MODEL, delete_model),
    Route("DELETE", f"{_MODEL}:deleteVersion", delete_model),
    Route("POST", "{parent}/endpoints", create_later("endpoints", "Endpoint"), "Endpoint"),
    Route("GET", "{parent}/endpoints", listing("endpoints", "Endpoint")),
    Route("GET", _ENDPOINT, get("Endpoint")),
    Route("PATCH", _ENDPOINT, update_endpoint, "Endpoint"),
    Route("DELETE", _ENDPOINT, delete_endpoint),
    Route("POST", f"{_ENDPOINT}:deployModel", deploy_model, "DeployModelRequest"),
    Route("POST", f"{_ENDPOINT}:undeployModel", undeploy_model, "UndeployModelRequest"),
    Route("POST", f"{_ENDPOINT}:mutateDeployedModel", mutate_deployed, "MutateDeployedModelRequest"),
    Route("GET", f"{_ENDPOINT}/operations", list_operations),
    Route("POST", f"{_ENDPOINT}:predict", predict, "PredictRequest"),
    Route("POST", _BATCH, create_batch, "BatchPredictionJob"),
    Route("GET", _BATCH, listing("batchPredictionJobs", "BatchPredictionJob")),
    Route("GET", f"{_BATCH}/{{id}}", get_batch),
    Route("POST", _MONITORING, create_monitoring, "ModelDeploymentMonitoringJob"),
    Route("GET", _MONITORING, listing("modelDeploymentMonitoringJobs", "ModelDeploymentMonitoringJob")),
    Route("GET", f"{_MONITORING}/{{id}}", get("ModelDeploymentMonitoringJob")),
    Route("PATCH", f"{_MONITORING}/{{id}}", update_monitoring, "ModelDeploymentMonitoringJob"),
)
