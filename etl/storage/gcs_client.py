"""The client of Google Cloud Storage: one a process, retried in one way, its failures told in one line."""

from __future__ import annotations

import functools
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.cli import seconds_of
from etl.errors import ConfigError, PetalstreamError, StorageError, UploadLostError, one_line
from etl.storage.retries import announce_retry, announce_wait, network_reason

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.storage import Blob, Client

SECONDS_VARIABLE = "PETALSTREAM_STORAGE_SECONDS"
_DEFAULT_SECONDS = 120.0
# Half a second on average before the second try, then twice as long each time: of what fails for a moment little time
# is lost, and a service that is too busy is left alone.
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 20.0
# Of a client's 10, all but a few threads would open a new one for every request.
_NUM_CONNECTIONS = 64
# Credentials that are there are found sooner.
_PATIENCE_SECONDS = 2.0
_MAX_MESSAGE = 200
_PATH = re.compile(r"gs://([^/]+)(?:/(.*))?", re.DOTALL)
# Without a project, which only matters to those who make buckets.
_NO_PROJECT = "petalstream"

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Access:
    """A way to use a bucket: what it is called, the permission that it needs, and the least role that has it."""

    verb: str
    permission: str
    role: str


LIST = Access("list", "storage.objects.list", "roles/storage.objectViewer")
READ = Access("read", "storage.objects.get", "roles/storage.objectViewer")
WRITE = Access("write", "storage.objects.create", "roles/storage.objectUser")
MOVE = Access("move", "storage.objects.create and storage.objects.get", "roles/storage.objectUser")
DELETE = Access("delete", "storage.objects.delete", "roles/storage.objectUser")


def client() -> Client:
    """Returns this process's client, which all threads share."""
    # A forked process must not use its parent's connections.
    with _lock:
        return _make_client(os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST", ""))


@functools.lru_cache(maxsize=4)
def _make_client(process: int, emulator: str) -> Client:
    del process
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage
    from requests.adapters import HTTPAdapter

    credentials = None
    # It warns of each place where it finds no credentials; of that a line of ours tells.
    logging.getLogger("google.auth").setLevel(logging.ERROR)
    if not emulator:
        try:
            with announce_wait(_PATIENCE_SECONDS, "looking for credentials of Google Cloud"):
                credentials, _ = google.auth.default(scopes=storage.Client.SCOPE)
        except DefaultCredentialsError as error:
            if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
                raise _no_credentials("GOOGLE_APPLICATION_CREDENTIALS", _broken(error)) from error
            # Enough for a bucket that is public; any other says that it is not.
            credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    made = storage.Client(project=_NO_PROJECT, credentials=credentials)
    for scheme in ("https://", "http://"):
        made._http.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=_NUM_CONNECTIONS))
    return made


def split(path: str) -> tuple[str, str]:
    """Returns the bucket and the name of an object.

    Raises:
        ConfigError: it is no path of an object store.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise ConfigError("path", path, "gs://bucket/name")
    return found[1], found[2] or ""


def blob_of(path: str, generation: int | None = None) -> Blob:
    """Returns the client's object of a path, of one generation if that is given; nothing is asked."""
    bucket, name = split(path)
    with translate_errors(path, READ):
        return client().bucket(bucket).blob(name, generation=generation)


def retry_seconds() -> float:
    """Returns for how long a request is tried again.

    Raises:
        ConfigError: the variable that says so holds no number of seconds above 0.
    """
    return seconds_of(SECONDS_VARIABLE, _DEFAULT_SECONDS)


def retry(path: str, seconds: float | None = None) -> Retry:
    """Returns how a request is tried again: on cut connections and 408, 429, 500, 502, 503, 504, later and later.

    The first failure of a bucket shows at once; see `etl.storage.retries`.

    Args:
        path: What is used, `gs://…`.
        seconds: For how long; None for `retry_seconds`.
    """
    from google.api_core.retry import Retry
    from google.cloud.storage.retry import DEFAULT_RETRY

    timeout = retry_seconds() if seconds is None else seconds
    bucket, deadline = f"gs://{split(path)[0]}", time.monotonic() + timeout
    limit = f"{timeout:g} s, {SECONDS_VARIABLE}" if seconds is None else f"{timeout:g} s"
    return Retry(
        DEFAULT_RETRY._predicate,
        initial=_FIRST_DELAY_SECONDS,
        maximum=_LONGEST_DELAY_SECONDS,
        multiplier=2.0,
        timeout=timeout,
        on_error=lambda error: announce_retry(bucket, _message(error), deadline, limit),
    )


@contextmanager
def translate_errors(path: str, access: Access) -> Iterator[None]:
    """Turns what the client raises into errors of ours.

    Args:
        path: What is used, `gs://…`.
        access: How.

    Raises:
        FileNotFoundError: there is no such object, where one is read or deleted.
        ConfigError: there is no such bucket, or it may not be used so.
        StorageError: it fails otherwise, or for as long as we try.
    """
    import requests
    import urllib3
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    known = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption)
    network = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
    try:
        yield
    except (*known, *network) as error:
        raise _translate(path, access, error) from error


def _translate(path: str, access: Access, error: Exception) -> Exception:
    from google.api_core.exceptions import RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, RetryError):
        cause = error.cause
        last = _message(cause) if cause is not None else str(error)
        hint = "is the service or the network down? --resume goes on with what is done by then"
        limit = f"{retry_seconds():g} s ({SECONDS_VARIABLE})"
        return StorageError(f"{path}: could not {access.verb} it, tried again for {limit}; last: {last}; {hint}")
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return _no_credentials(path, "no credentials" if _is_nobody() else _broken(error))
    code = status(error)
    if code == 404:
        if access in (READ, MOVE, DELETE):
            return FileNotFoundError(path)
        bucket = path.split("/")[2]
        hint = f"is the name right? gcloud storage buckets create gs://{bucket} makes one"
        return ConfigError(path, f"no bucket {bucket} (404)", "a bucket that exists", hint)
    if code in (401, 403):
        return _refused(path, access, error, code)
    return StorageError(f"{path}: could not {access.verb} it: {_message(error)}")


def _refused(path: str, access: Access, error: Exception, code: int) -> PetalstreamError:
    if code == 401 or _is_nobody():
        return _no_credentials(path, "no credentials" if _is_nobody() else _broken(error))
    bucket = path.split("/")[2]
    expected = f"an account that may {access.verb} it ({access.permission})"
    hint = f"grant {access.role} on gs://{bucket} to the account that this runs as"
    return ConfigError(path, f"no permission ({_message(error)})", expected, hint)


def _no_credentials(path: str, got: str) -> ConfigError:
    hint = "log in with gcloud auth application-default login, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"
    return ConfigError(path, got, "an account that may use the bucket", hint)


def _broken(error: Exception) -> str:
    return f"credentials that don't work ({_message(error)})"


def _is_nobody() -> bool:
    from google.auth.credentials import AnonymousCredentials

    return isinstance(client()._credentials, AnonymousCredentials)


def status(error: Exception) -> int:
    """Returns the HTTP status that an error of the client stands for; 0 where it stands for none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return int(code)
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _message(error: Exception) -> str:
    """Returns what the service said, without the URL and the library's own words around it."""
    text = _service_message(getattr(error, "response", None)) or getattr(error, "message", "")
    text = one_line(text or network_reason(error) or str(error)) or type(error).__name__
    code = status(error)
    shown = text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"
    return f"{code}: {shown}" if code and not shown.startswith(str(code)) else shown


def _service_message(response: Any) -> str:
    try:
        content = response.json()
        return str(content["error"]["message"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return ""


def lost(path: str) -> UploadLostError:
    """Returns the error for an upload that the service has forgotten half-way."""
    return UploadLostError(f"{path}: the service forgot the upload half-way, and again when it was begun anew")
