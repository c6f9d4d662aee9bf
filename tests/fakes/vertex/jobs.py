"""Custom jobs, tuning jobs and training pipelines: they go on by themselves, a step at each look."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.vertex.routes import Body, RefusedError, Request, Route, normalise
from tests.fakes.vertex.server import VertexServer

CUSTOM_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PAUSED")


@dataclass
class Script:
    """How jobs go from now on.

    Attributes:
        states: What each look finds, without JOB_STATE_ or PIPELINE_STATE_; the last one stays.
        error: The job's own error at the end, for FAILED.
        score: A trial's metric, of its parameters by name.
        num_failed_trials: How many of the first trials fail.
        leave: Takes a job that succeeds, and leaves what its container would have left.
    """

    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    error: Body = field(default_factory=dict)
    score: Callable[[dict[str, Any]], float] = lambda parameters: 0.5
    num_failed_trials: int = 0
    leave: Callable[[Body], object] = lambda job: None


def script(server: VertexServer) -> Script:
    """Returns the server's script, to be changed in place."""
    found = server.state.setdefault("script", Script())
    assert isinstance(found, Script)
    return found


def _create(collection: str, type_name: str, prefix: str) -> Callable[[VertexServer, Request], Body]:
    def create(server: VertexServer, request: Request) -> Body:
        if not request.body.get("displayName"):
            raise RefusedError(400, "displayName is required.")
        name = f"{request.params['parent']}/{collection}/{server.store.new_id()}"
        body = server.store.add(name, {**request.body, "state": f"{prefix}_PENDING"})
        server.state[name] = list(script(server).states)
        return normalise(type_name, body, what="response")

    return create


def _get(collection: str, type_name: str, prefix: str) -> Callable[[VertexServer, Request], Body]:
    def get(server: VertexServer, request: Request) -> Body:
        job = server.store.get(request.path)
        states = server.state.get(request.path, [])
        if states:
            _step(server, job, states.pop(0), prefix)
        return normalise(type_name, job, what="response")

    return get


def _step(server: VertexServer, job: Body, state: str, prefix: str) -> None:
    """Brings a job into its next state, and does what happens on the way."""
    job["state"], job["updateTime"] = f"{prefix}_{state}", server.store.time()
    if state == "RUNNING":
        job.setdefault("startTime", job["updateTime"])
    if state in _ENDED:
        job.setdefault("startTime", job["createTime"])
        job["endTime"] = job["updateTime"]
    if state == "FAILED":
        job["error"] = script(server).error or {"code": 3, "message": "The replica workerpool0-0 exited with code 1."}
    if state == "SUCCEEDED":
        script(server).leave(job)
    if "studySpec" in job and state in _ENDED:
        job["trials"] = _trials(server, job)
    if prefix == "PIPELINE_STATE" and state == "RUNNING":
        parent = job["name"].split("/trainingPipelines/")[0]
        job["trainingTaskMetadata"] = {"backingCustomJob": f"{parent}/customJobs/{server.store.new_id()}"}
    if "modelToUpload" in job and state == "SUCCEEDED":
        _upload(server, job)


def _upload(server: VertexServer, job: Body) -> None:
    """Registers a pipeline's model, as a version of its parent where it names one."""
    parent = job["name"].split("/trainingPipelines/")[0]
    inputs = job.get("trainingTaskInputs", {})
    directory = inputs.get("baseOutputDirectory", {}).get("outputUriPrefix", "")
    model = {**job["modelToUpload"], "trainingPipeline": job["name"], "versionId": "1"}
    model.setdefault("artifactUri", f"{directory}/model")
    name = job.get("parentModel") or f"{parent}/models/{job.get('modelId') or server.store.new_id()}"
    if name in server.store.resources:
        model["versionId"] = str(int(server.store.get(name).get("versionId", "1")) + 1)
        server.store.get(name).update(model)
    else:
        server.store.add(name, model)
    job["modelToUpload"] = {**model, "name": f"{name}@{model['versionId']}"}


def _trials(server: VertexServer, job: Body) -> list[Body]:
    """Makes the trials of a study: drawn at random, scored by the script."""
    draw, plan, spec = random.Random(7), script(server), job["studySpec"]
    trials: list[Body] = []
    for number in range(1, job.get("maxTrialCount", 1) + 1):
        values = {parameter["parameterId"]: _draw(parameter, draw) for parameter in spec["parameters"]}
        trial: Body = {
            "id": str(number),
            "state": "SUCCEEDED",
            "parameters": [{"parameterId": key, "value": value} for key, value in values.items()],
            "startTime": server.store.time(),
            "endTime": server.store.time(),
        }
        if number <= plan.num_failed_trials:
            trial |= {"state": "INFEASIBLE", "infeasibleReason": "The worker exited with code 1."}
        else:
            metric = {"metricId": spec["metrics"][0]["metricId"], "value": plan.score(values)}
            trial["finalMeasurement"] = {"stepCount": "5", "metrics": [metric]}
        trials.append(trial)
    return trials


def _draw(parameter: Body, draw: random.Random) -> Any:
    if "doubleValueSpec" in parameter:
        spec = parameter["doubleValueSpec"]
        return draw.uniform(spec.get("minValue", 0.0), spec["maxValue"])
    if "integerValueSpec" in parameter:
        spec = parameter["integerValueSpec"]
        # A Value of protobuf has no integers.
        return float(draw.randint(int(spec.get("minValue", 0)), int(spec["maxValue"])))
    if "discreteValueSpec" in parameter:
        return draw.choice(parameter["discreteValueSpec"]["values"])
    return draw.choice(parameter["categoricalValueSpec"]["values"])


def _create_pipeline(server: VertexServer, request: Request) -> Body:
    """Checks what the pipeline's free-form part holds, and that its data set is there."""
    body = request.body
    if body.get("trainingTaskDefinition") == CUSTOM_TASK:
        normalise("CustomJobSpec", body.get("trainingTaskInputs", {}), what="trainingTaskInputs")
    data = body.get("inputDataConfig", {})
    if data:
        server.store.get(f"{request.params['parent']}/datasets/{data.get('datasetId', '')}")
    return _create("trainingPipelines", "TrainingPipeline", "PIPELINE_STATE")(server, request)


def _cancel(server: VertexServer, request: Request) -> Body:
    job = server.store.get(request.path.removesuffix(":cancel"))
    prefix = "PIPELINE_STATE" if "/trainingPipelines/" in request.path else "JOB_STATE"
    server.state[job["name"]] = []
    _step(server, job, "CANCELLED", prefix)
    return {}


def _list(collection: str, type_name: str) -> Callable[[VertexServer, Request], Body]:
    def answer(server: VertexServer, request: Request) -> Body:
        page = server.store.page(request.params["parent"], collection, request.query)
        page[collection] = [normalise(type_name, body, what="response") for body in page[collection]]
        return page

    return answer


_KINDS = (
    ("customJobs", "CustomJob", "JOB_STATE"),
    ("hyperparameterTuningJobs", "HyperparameterTuningJob", "JOB_STATE"),
    ("trainingPipelines", "TrainingPipeline", "PIPELINE_STATE"),
)
ROUTES = (
    Route("POST", "{parent}/trainingPipelines", _create_pipeline, "TrainingPipeline"),
    *(Route("POST", f"{{parent}}/{kind[0]}", _create(*kind), kind[1]) for kind in _KINDS[:2]),
    *(Route("GET", f"{{parent}}/{kind[0]}/{{id}}", _get(*kind)) for kind in _KINDS),
    *(Route("GET", f"{{parent}}/{kind[0]}", _list(*kind[:2])) for kind in _KINDS),
    Route("POST", "{parent}/customJobs/{id}:cancel", _cancel, "CancelCustomJobRequest"),
    Route("POST", "{parent}/hyperparameterTuningJobs/{id}:cancel", _cancel, "CancelHyperparameterTuningJobRequest"),
    Route("POST", "{parent}/trainingPipelines/{id}:cancel", _cancel, "CancelTrainingPipelineRequest"),
)
