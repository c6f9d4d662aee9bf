"""Files in Cloud Storage, for the commands that read what a job left there or put there what a service shall read."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import one_line
from etl.storage.retries import announce_retry, network_reason
from trainer.vertex.api.failures import missing_sdk, translate_errors
from trainer.vertex.api.options import Cloud

SCHEME = "gs://"
_ROLE = "roles/storage.objectAdmin"
_BLOCK_BYTES = 1 << 20
# As the SDK does by itself.
_RETRY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a folder.

    Attributes:
        name: Below the folder, with slashes.
        num_bytes: Its size.
        md5: Of its content, as base64; of an object put together from others a checksum of another kind.
    """

    name: str
    num_bytes: int
    md5: str


def is_bucket(path: str) -> bool:
    """Tells whether a path is one of Cloud Storage."""
    return path.startswith(SCHEME)


def digest(entries: Mapping[str, Entry] | list[Entry]) -> str:
    """Returns 32 hex characters that stand for the names and contents of a folder's files."""
    listed = entries.values() if isinstance(entries, Mapping) else entries
    total = hashlib.md5(usedforsecurity=False)
    for entry in sorted(listed, key=lambda item: item.name):
        total.update(f"{entry.name}\0{entry.num_bytes}\0{entry.md5}\n".encode())
    return total.hexdigest()


def list_local(folder: Path) -> list[Entry]:
    """Lists the files of a local folder as `Buckets.list` lists those of a bucket."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(Entry(path.relative_to(folder).as_posix(), path.stat().st_size, _md5(path)))
    return found


class Buckets:
    """A connection to Cloud Storage.

    `STORAGE_EMULATOR_HOST` names another server than Google's, which is then asked without credentials.

    Args:
        cloud: Whose project asks.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._client: Any = None

    def entries(self, folder: str) -> list[Entry]:
        """Lists all files below a folder; nothing where there is none.

        Raises:
            CloudError: the bucket is missing or may not be listed.
        """
        bucket, prefix = _split(f"{folder.rstrip('/')}/")
        with translate_errors(f"listing {folder}", self._cloud, role=_ROLE):
            blobs = list(self._connect().list_blobs(bucket, prefix=prefix, retry=_retry(bucket)))
        return [
            Entry(blob.name[len(prefix) :], int(blob.size or 0), blob.md5_hash or f"crc32c {blob.crc32c}")
            for blob in blobs
            # What the console makes for an empty folder.
            if not blob.name.endswith("/")
        ]

    def read_text(self, uri: str) -> str | None:
        """Reads a whole file as UTF-8; None where there is none.

        Raises:
            CloudError: it can't be read.
        """
        bucket, name = _split(uri)
        with translate_errors(f"reading {uri}", self._cloud, role=_ROLE):
            blob = self._connect().bucket(bucket).get_blob(name, retry=_retry(bucket))
            return None if blob is None else str(blob.download_as_bytes(retry=_retry(bucket)).decode("utf-8"))

    def read_lines(self, uri: str) -> Iterator[str]:
        """Reads a file line by line, without having it whole in memory.

        Raises:
            CloudError: it can't be read.
        """
        bucket, name = _split(uri)
        with translate_errors(f"reading {uri}", self._cloud, role=_ROLE):
            blob = self._connect().bucket(bucket).blob(name)
            with blob.open("r", encoding="utf-8", retry=_retry(bucket)) as lines:
                yield from lines

    def download(self, uri: str, path: Path) -> bool:
        """Downloads a file.

        Returns:
            Whether there is one.

        Raises:
            CloudError: it can't be read.
        """
        bucket, name = _split(uri)
        with translate_errors(f"reading {uri}", self._cloud, role=_ROLE):
            blob = self._connect().bucket(bucket).get_blob(name, retry=_retry(bucket))
            if blob is None:
                return False
            blob.download_to_filename(str(path), retry=_retry(bucket))
        return True

    def upload(self, path: Path, uri: str, *, content_type: str = "application/octet-stream") -> bool:
        """Uploads a file, unless one of the same content is there.

        Returns:
            Whether anything was sent.

        Raises:
            CloudError: it can't be written.
        """
        bucket, name = _split(uri)
        with translate_errors(f"writing {uri}", self._cloud, role=_ROLE):
            blob = self._connect().bucket(bucket).get_blob(name, retry=_retry(bucket))
            if blob is not None and blob.md5_hash == _md5(path):
                return False
            blob = self._connect().bucket(bucket).blob(name)
            blob.upload_from_filename(str(path), content_type=content_type, checksum="md5", retry=_retry(bucket))
        return True

    def _connect(self) -> Any:
        if self._client is None:
            try:
                from google.cloud.storage import Client
            except ImportError as error:
                raise missing_sdk(error) from error
            # The SDK itself goes without credentials where the variable names an emulator.
            self._client = Client(project=self._cloud.project)
        return self._client


def _retry(bucket: str) -> Any:
    """Returns the SDK's own retry object, which also says at a bucket's first failure that it is tried again."""
    from google.api_core.retry import Retry
    from google.cloud.storage.retry import DEFAULT_RETRY

    deadline = time.monotonic() + _RETRY_SECONDS
    return Retry(
        DEFAULT_RETRY._predicate,
        timeout=_RETRY_SECONDS,
        on_error=lambda error: announce_retry(f"{SCHEME}{bucket}", network_reason(error) or one_line(error), deadline),
    )


def _split(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.removeprefix(SCHEME).partition("/")
    return bucket, name


def _md5(path: Path) -> str:
    total = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            total.update(block)
    return base64.b64encode(total.digest()).decode()
