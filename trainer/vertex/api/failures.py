"""Translates failures between here and the cloud into one line each, which says how to fix it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etl.errors import ConfigError, PetalstreamError, one_line
from trainer.vertex.api.options import Cloud

USER_ROLE = "roles/aiplatform.user"

_QUOTAS = "https://console.cloud.google.com/iam-admin/quotas"
_NO_CREDENTIALS = "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS with a key's file"
_BY_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
# The collection in a resource's name to what lists it.
_LISTS = {
    "customJobs": "jobs",
    "trainingPipelines": "pipelines",
    "hyperparameterTuningJobs": "tuning",
    "models": "models",
    "endpoints": "endpoints",
    "datasets": "datasets",
    "tensorboards": "tensorboards",
    "batchPredictionJobs": "batch",
}


class CloudError(PetalstreamError):
    """A call or a job that was right and failed; the same command may succeed later."""


@contextmanager
def translate_errors(what: str, cloud: Cloud | None = None, *, role: str = USER_ROLE) -> Iterator[None]:
    """Turns what the SDK raises into one line.

    Args:
        what: What is being done, for the line: "creating the endpoint petals".
        cloud: Where, for the commands and links that the line names.
        role: What the account needs for it.

    Raises:
        ConfigError: the operator's mistake, which comes again however often it is tried: no credentials, no permission,
            no such resource, a request that is refused.
        CloudError: everything else: quota, a service that is unavailable, an operation that failed.
    """
    try:
        from google.api_core import exceptions
        from google.auth import exceptions as auth
        from requests import exceptions as http
    except ImportError as error:
        raise missing_sdk(error) from error
    try:
        yield
    except auth.DefaultCredentialsError as error:
        raise ConfigError(what, "no credentials", "an account of Google Cloud", _NO_CREDENTIALS) from error
    except auth.RefreshError as error:
        got = f"credentials that Google refused ({_short(error)})"
        raise ConfigError(what, got, "an account that is signed in", _NO_CREDENTIALS) from error
    except exceptions.RetryError as error:
        if isinstance(error.cause, exceptions.GoogleAPICallError):
            raise explain(error.cause, what, cloud, role, tried=True) from error
        raise CloudError(f"{what}: no answer in time ({_short(error.cause or error)}); try again later") from error
    except exceptions.GoogleAPICallError as error:
        raise explain(error, what, cloud, role) from error
    except (http.RequestException, auth.TransportError) as error:
        place = f"and that {cloud.region} has Vertex AI" if cloud else "and the region"
        raise CloudError(f"{what}: no connection ({_short(error)}); check the network, {place}") from error


def missing_sdk(error: ImportError) -> ConfigError:
    """Makes the error for a machine without the SDK."""
    return ConfigError(
        "trainer.vertex", _short(error), "google-cloud-aiplatform", "python -m pip install 'petalstream[vertex]'"
    )


def explain(error: Any, what: str, cloud: Cloud | None, role: str, *, tried: bool = False) -> PetalstreamError:
    """Returns our error for one of `google.api_core.exceptions`.

    Args:
        error: What the SDK raised, a `GoogleAPICallError`.
        what: What was being done.
        cloud: Where.
        role: What the account needs for it.
        tried: Whether it came again and again.
    """
    status, message = status_of(error), server_message(error)
    if status == "UNAUTHENTICATED":
        return ConfigError(what, message, "an account that is signed in", _NO_CREDENTIALS)
    if status == "PERMISSION_DENIED":
        return _permission(what, message, cloud, role)
    if status == "NOT_FOUND":
        return _not_found(what, message, cloud)
    if status in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"):
        return ConfigError(what, message, "a request that Vertex AI takes", "--dry_run shows what would be sent")
    if status == "ALREADY_EXISTS":
        return ConfigError(what, message, "a name that isn't taken", _list_command(message, cloud))
    if status == "RESOURCE_EXHAUSTED":
        return CloudError(_quota(what, message, cloud))
    again = " again and again" if tried else ""
    return CloudError(f"{what}: {status}{again}: {message}; try again later, see https://status.cloud.google.com")


def _permission(what: str, message: str, cloud: Cloud | None, role: str) -> ConfigError:
    project = cloud.project if cloud else "PROJECT"
    if re.search(r"has not been used|SERVICE_DISABLED|is disabled", message):
        return ConfigError(
            what,
            message,
            "the API switched on",
            f"gcloud services enable aiplatform.googleapis.com --project={project}",
        )
    if re.search(r"actAs|serviceAccountUser", message):
        role = "roles/iam.serviceAccountUser"
    elif "storage." in message:
        role = "roles/storage.objectAdmin"
    hint = f"gcloud projects add-iam-policy-binding {project} --member=user:YOU --role={role}"
    return ConfigError(what, message, f"the permission, which {role} has", hint)


def _not_found(what: str, message: str, cloud: Cloud | None) -> ConfigError:
    bucket = re.search(r"gs://[^/\s]+", what)
    if bucket:
        place = f" --project={cloud.project} --location={cloud.region}" if cloud else ""
        hint = f"gcloud storage buckets create {bucket[0]}{place}, or name another"
        return ConfigError(what, message, "a bucket that is there", hint)
    region = f" in {cloud.region}" if cloud else ""
    return ConfigError(what, message, f"something that is there{region}", _list_command(message, cloud))


def _list_command(message: str, cloud: Cloud | None) -> str:
    """Returns the command that lists what a message names, "" where it names nothing of ours."""
    place = f" --project {cloud.project} --region {cloud.region}" if cloud else ""
    kinds = (kind for collection, kind in _LISTS.items() if f"/{collection}/" in message)
    kind = next(kinds, None)
    return f"python -m trainer.vertex list {kind}{place} shows what is" if kind else ""


def _quota(what: str, message: str, cloud: Cloud | None) -> str:
    metric = re.search(r"[\w.-]+\.googleapis\.com/[\w/-]+", message)
    which = f" of {metric[0]}" if metric else ""
    where = f"{_QUOTAS}?project={cloud.project}" if cloud else _QUOTAS
    region = f" in {cloud.region}" if cloud else ""
    return (
        f"{what}: the quota{which}{region} is used up: {message}; wait, ask for less or in another region, or for more "
        f"at {where}"
    )


def status_of(error: Any) -> str:
    """Returns the canonical name of an API error, such as NOT_FOUND."""
    # Over REST the exception's own class is of the HTTP status, which several canonical ones share.
    body = _body(error)
    if isinstance(body.get("status"), str):
        return str(body["status"])
    grpc = getattr(error, "grpc_status_code", None)
    if grpc is not None:
        return str(grpc.name)
    code = getattr(error, "code", None)
    return _BY_CODE.get(code, f"error {code}") if isinstance(code, int) else "an error"


def server_message(error: Any) -> str:
    """Returns what the service said, in one line, without the method and address that the SDK puts before it."""
    message = _body(error).get("message") or str(getattr(error, "message", None) or error)
    message = re.sub(r"^(?:GET|POST|PATCH|PUT|DELETE) \S+: ", "", one_line(message))
    return message.rstrip(".") or "no reason given"


def _body(error: Any) -> dict[str, Any]:
    """Returns the `error` of an answer's JSON; {} where there is none."""
    response = getattr(error, "response", None)
    try:
        content = response.json() if response is not None and hasattr(response, "json") else {}
    except ValueError:
        return {}
    found = content.get("error") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def _short(error: object) -> str:
    """Returns an error's message in one line of bearable length."""
    text = one_line(error)
    return text if len(text) <= 200 else f"{text[:199]}…"
