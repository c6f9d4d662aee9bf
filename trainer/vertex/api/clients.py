"""The SDK's own clients, over REST, with its retries."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable
from typing import Any

from etl.cli import say_loading
from etl.errors import ConfigError
from etl.storage.retries import announce_retry
from trainer.vertex.api.failures import missing_sdk, server_message, translate_errors
from trainer.vertex.api.options import Cloud

# Another address than Google's, for tests and proxies; it is asked without credentials.
ENDPOINT_VARIABLE = "PETALSTREAM_VERTEX_ENDPOINT"

SERVICES = {
    "job": "JobServiceClient",
    "pipeline": "PipelineServiceClient",
    "model": "ModelServiceClient",
    "endpoint": "EndpointServiceClient",
    "dataset": "DatasetServiceClient",
    "prediction": "PredictionServiceClient",
    "tensorboard": "TensorboardServiceClient",
    "metadata": "MetadataServiceClient",
}

# The API has no time limit of its own; a request with an image takes seconds.
TIMEOUT_SECONDS = 120.0
# Pauses between tries double, from the first to the longest, until so much time has passed.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 20.0
RETRY_SECONDS = 120.0
# Pauses between two looks at a long-running operation, in the same way.
FIRST_POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 20.0

# What does no harm when it is done twice. An answer of 503 doesn't say whether the request was carried out, so that
# anything else (create, upload, deploy) is tried again only where it was refused: 429.
_REPEATABLE = re.compile(
    r"(?:get|list|read|search|query|update|delete|cancel|predict|raw_predict|undeploy|merge|add)(?:_|$)"
)
# A limit on machines, which trying again doesn't raise, unlike one on requests a minute.
_LASTING_QUOTA = re.compile(r"quota metrics exceed|custom_model_training|custom_model_serving")


class Client:
    """One of the SDK's clients; each of its calls has a time limit, and is tried again where that is safe."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return functools.partial(method, retry=retries(bool(_REPEATABLE.match(name))), timeout=TIMEOUT_SECONDS)


def make(service: str, cloud: Cloud) -> Any:
    """Makes the client of one service of the API.

    Args:
        service: A key of `SERVICES`.
        cloud: Where; each region has an address of its own.

    Returns:
        A `Client`, whose methods are those of the SDK's client, as `create_custom_job(request=…)`.

    Raises:
        ConfigError: there are no credentials, or no SDK.
    """
    say_loading("google.cloud.aiplatform_v1")
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import aiplatform_v1
    except ImportError as error:
        raise missing_sdk(error) from error
    kind = getattr(aiplatform_v1, SERVICES[service])
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if endpoint:
        scheme, separator, _ = endpoint.partition("://")
        if not separator or scheme not in ("http", "https"):
            raise ConfigError(ENDPOINT_VARIABLE, endpoint, "an address that begins with http:// or https://")
        transport = kind.get_transport_class("rest")
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        return Client(kind(transport=transport(host=endpoint, credentials=credentials, url_scheme=scheme)))
    with translate_errors("signing in to Google Cloud", cloud):
        address = f"{cloud.region}-aiplatform.googleapis.com"
        return Client(kind(transport="rest", client_options={"api_endpoint": address}))


def retries(repeatable: bool) -> Any:
    """Returns the SDK's retry object.

    Args:
        repeatable: Whether the call may be made twice, so that it is tried again after 503, and not after 429 alone.
    """
    from google.api_core import exceptions, retry

    def is_transient(error: Exception) -> bool:
        if isinstance(error, exceptions.TooManyRequests):
            return not _LASTING_QUOTA.search(server_message(error))
        return repeatable and isinstance(error, exceptions.ServiceUnavailable)

    deadline = time.monotonic() + RETRY_SECONDS
    return retry.Retry(
        predicate=is_transient,
        initial=FIRST_PAUSE_SECONDS,
        maximum=LONGEST_PAUSE_SECONDS,
        timeout=RETRY_SECONDS,
        on_error=lambda error: announce_retry("Vertex AI", server_message(error), deadline),
    )


def finish(operation: Any, *, timeout_seconds: float) -> Any:
    """Waits for a long-running operation, and returns its result.

    Args:
        operation: What `create_dataset` and the like return.
        timeout_seconds: How long to wait for it.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: it failed, or took longer; inside `failures.translate_errors`.
    """
    from google.api_core import exceptions, retry
    from google.api_core.future.polling import POLLING_PREDICATE

    polling = retry.Retry(
        predicate=POLLING_PREDICATE,
        initial=FIRST_POLL_SECONDS,
        maximum=LONGEST_POLL_SECONDS,
        multiplier=1.5,
        timeout=timeout_seconds,
    )
    try:
        return operation.result(timeout=timeout_seconds, retry=retries(True), polling=polling)
    except TimeoutError as error:
        message = f"{operation.operation.name} is not done after {timeout_seconds:,.0f} s"
        raise exceptions.DeadlineExceeded(message) from error  # type: ignore[no-untyped-call]
