"""One call to the API: what it is called, the request that it sends, and the answer, waited for where it takes long.

A command makes its calls as plain dictionaries. `Session` sends them, `print_calls` shows them; both check them by
turning them into the API's own types, so what `--dry_run` prints is what would be sent.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl import interrupts
from etl.errors import PetalstreamError
from trainer.vertex.api import clients, requests
from trainer.vertex.api.failures import CloudError, translate_errors
from trainer.vertex.api.options import Cloud

# Method of the API to the service that has it, as `clients.make` names them.
_SERVICES: Mapping[str, str] = {
    "createEndpoint": "endpoint",
    "getEndpoint": "endpoint",
    "listEndpoints": "endpoint",
    "updateEndpoint": "endpoint",
    "deleteEndpoint": "endpoint",
    "deployModel": "endpoint",
    "mutateDeployedModel": "endpoint",
    "undeployModel": "endpoint",
    "uploadModel": "model",
    "getModel": "model",
    "listModels": "model",
    "listModelVersions": "model",
    "mergeVersionAliases": "model",
    "deleteModel": "model",
    "deleteModelVersion": "model",
    "predict": "prediction",
    "createBatchPredictionJob": "job",
    "getBatchPredictionJob": "job",
    "listBatchPredictionJobs": "job",
    "createModelDeploymentMonitoringJob": "job",
    "getModelDeploymentMonitoringJob": "job",
    "listModelDeploymentMonitoringJobs": "job",
    "updateModelDeploymentMonitoringJob": "job",
    "createCustomJob": "job",
    "createTrainingPipeline": "pipeline",
    "getTrainingPipeline": "pipeline",
    "listTrainingPipelines": "pipeline",
}

_HARMLESS = re.compile(r"(?:get|list|predict)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        method: As the API calls it: `deployModel`.
        body: The request, in the API's own names: camelCase.
        what: What it does, for a person: `deploying version 3 of flowers`.
    """

    method: str
    body: Mapping[str, Any]
    what: str

    @property
    def type_name(self) -> str:
        """Name of the request's type."""
        return f"{self.method[0].upper()}{self.method[1:]}Request"

    def to_message(self) -> Any:
        """Returns the request in the API's own type.

        Raises:
            ConfigError: a field is unknown or wrong.
        """
        return requests.parse(self.type_name, self.body)


@dataclass(slots=True)
class Session:
    """Sends calls.

    Args:
        cloud: Project and region.
        timeout_seconds: How long to wait for an operation, such as a deployment.

    Attributes:
        unsettled: The last call that changes anything, while it isn't known whether it did; None where that is known.
    """

    cloud: Cloud
    timeout_seconds: float = 3600.0
    unsettled: Call | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def send(self, call: Call) -> Any:
        """Sends a call, and waits where it begins an operation.

        Returns:
            The answer; of a list an iterator over all its pages.

        Raises:
            ConfigError: the request isn't one of the API's, or the operator's to fix.
            CloudError: it was refused or failed, or its end didn't come in time.
        """
        message = call.to_message()
        client = self._client(_SERVICES[call.method])
        self.unsettled = None if _HARMLESS.match(call.method) else call
        try:
            with translate_errors(call.what, self.cloud):
                answer = getattr(client, _snake(call.method))(request=message)
        except PetalstreamError as error:
            if _is_refusal(error.__cause__):
                self.unsettled = None
            raise
        if hasattr(answer, "operation"):
            with translate_errors(call.what, self.cloud):
                answer = self._wait(answer, call.what)
        self.unsettled = None
        return answer

    def fetch(self, call: Call) -> list[Any]:
        """Sends a call that lists, and returns all that there is."""
        with translate_errors(call.what, self.cloud):
            return list(self.send(call))

    def wait_for_others(self, endpoint: str) -> bool:
        """Waits for what others, or an earlier run of ours, have begun on an endpoint.

        Returns:
            Whether there was anything, so that the endpoint may have changed.

        Raises:
            CloudError: it didn't end in time.
        """
        client = self._client("endpoint")
        deadline = time.monotonic() + self.timeout_seconds
        waited, pause = False, clients.FIRST_POLL_SECONDS
        while True:
            with translate_errors("looking for operations that are under way", self.cloud):
                found = client.list_operations({"name": endpoint}).operations
            running = [operation.name for operation in found if not operation.done]
            if not running:
                return waited
            if time.monotonic() > deadline:
                raise CloudError(f"still under way after {self.timeout_seconds:,.0f} s: {running[0]}; try again later")
            if not waited:
                print(f"waiting for {running[0]}, which is under way", file=sys.stderr, flush=True)
            waited = True
            time.sleep(pause)
            pause = min(2 * pause, clients.LONGEST_POLL_SECONDS)

    def _wait(self, operation: Any, what: str) -> Any:
        hint = interrupts.hinting(lambda: f"{what} goes on there; the same command again goes on with it")
        try:
            with hint:
                return clients.finish(operation, timeout_seconds=self.timeout_seconds)
        finally:
            # Also where it has failed, which is an end too.
            if operation.operation.done:
                self.unsettled = None

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = clients.make(service, self.cloud)
        return self._clients[service]


def print_calls(calls: Sequence[Call]) -> None:
    """Prints requests as YAML, one document each, in the order in which they would be sent.

    Raises:
        ConfigError: one isn't the API's.
    """
    for call in calls:
        call.to_message()
        print(f"---\n# {call.method}: {call.what}\n{requests.to_yaml(call.body)}", end="")


def _snake(method: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method).lower()


def _is_refusal(error: BaseException | None) -> bool:
    """Tells whether a call was refused, so that it did nothing."""
    from google.api_core.exceptions import ClientError, RetryError

    if isinstance(error, RetryError):
        error = error.cause
    return isinstance(error, ClientError)
