"""Writing one object of Google Cloud Storage from front to back, in pieces that a cut connection doesn't lose.

The client library's own writer, `blob.open("wb")` of google-cloud-storage 3.17.1, ends right after each of 36 faults: a
503, a 503 after storing, a lost answer and a cut, in the first, a middle and the last piece. Ours differs where the
service takes fewer bytes of a piece than were sent (308 with a shorter range), for which the library's upload breaks;
where a writer is dropped without being closed, for which the library completes half an object; and in small objects,
which take one request in place of two.
"""

from __future__ import annotations

import base64
import io
import json
import re
from types import TracebackType
from typing import TYPE_CHECKING, Any

from etl.errors import StorageError, UploadLostError
from etl.storage import gcs_client

if TYPE_CHECKING:
    from google.cloud.storage import Blob

# Pieces must be multiples of 256 KiB; what is smaller than one goes in one request, not three.
PIECE_BYTES = 8 << 20
_TYPE = "application/octet-stream"
_TIMEOUT_SECONDS = 60
_NUM_ATTEMPTS = 3


def upload_bytes(blob: Blob, path: str, data: bytes) -> None:
    """Writes a whole object; what was there before is replaced at the end, at once.

    Args:
        blob: What to write.
        path: Its path, for messages.
        data: Its bytes.

    Raises:
        ConfigError, StorageError: see `gcs_client.translate_errors`.
    """
    if len(data) > PIECE_BYTES:
        # The library would begin again with the first byte.
        for attempt in range(_NUM_ATTEMPTS):
            try:
                with Upload(blob, path) as upload:
                    upload.write(data)
                return
            except UploadLostError:
                if attempt + 1 == _NUM_ATTEMPTS:
                    raise
    with gcs_client.translate_errors(path, gcs_client.WRITE):
        blob.upload_from_string(data, content_type=_TYPE, retry=gcs_client.retry(path))


class Upload(io.RawIOBase):
    """A new object, open for writing. It appears when it is closed; left by an exception it never does.

    Args:
        blob: What to write.
        path: Its path, for messages.

    Raises:
        ConfigError, StorageError: see `gcs_client.translate_errors`; `UploadLostError` where it has to be written anew.
    """

    def __init__(self, blob: Blob, path: str) -> None:
        self._blob = blob
        self._path = path
        self._buffer = bytearray()
        self._checksum = 0
        self._url = ""
        # How many bytes the service has, and whether that has to be asked.
        self._num_stored = 0
        self._uncertain = False

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Takes bytes; sends them in pieces."""
        if self.closed:
            raise ValueError(f"{self._path}: written to after it was closed")
        num_bytes = memoryview(data).nbytes
        self._buffer += data
        # The last piece is sent by `close`, and must not be empty.
        while len(self._buffer) > PIECE_BYTES:
            piece = bytes(memoryview(self._buffer)[:PIECE_BYTES])
            self._send(piece, is_last=False)
            del self._buffer[:PIECE_BYTES]
        return num_bytes

    def close(self) -> None:
        """Completes the object."""
        if self.closed:
            return
        last, self._buffer = bytes(self._buffer), bytearray()
        # Closed whatever happens: a second try would write half a file.
        super().close()
        if self._url:
            self._send(last, is_last=True)
        else:
            upload_bytes(self._blob, self._path, last)

    def discard(self) -> None:
        """Gives up: no object appears."""
        self._buffer = bytearray()
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # The base class would complete it.
        self.discard()

    def _send(self, piece: bytes, *, is_last: bool) -> None:
        """Sends one piece, however many requests that takes."""
        import google_crc32c

        with gcs_client.translate_errors(self._path, gcs_client.WRITE):
            if not self._url:
                self._url = self._blob.create_resumable_upload_session(_TYPE, retry=gcs_client.retry(self._path))
            self._checksum = google_crc32c.extend(self._checksum, piece)
            first = self._num_stored
            end = first + len(piece)
            total = str(end) if is_last else "*"
            answer = None
            while answer is None and (is_last or self._num_stored < end):
                answer = gcs_client.retry(self._path)(self._send_rest)(piece, first, total)
        if is_last:
            self._check(answer or {})

    def _send_rest(self, piece: bytes, first: int, total: str) -> dict[str, Any] | None:
        """Sends what the service hasn't yet of a piece; returns the object's metadata once it is complete."""
        end = first + len(piece)
        if self._uncertain:
            answer = self._put(b"", f"bytes */{total}")
            if answer is not None:
                return answer
        if self._num_stored < first:
            # What is gone was sent from a buffer that is gone as well.
            raise gcs_client.lost(self._path)
        before = self._num_stored
        if before >= end and total == "*":
            return None
        self._uncertain = True
        if before < end:
            answer = self._put(piece[before - first :], f"bytes {before}-{end - 1}/{total}")
        else:
            answer = self._put(b"", f"bytes */{total}")
        if answer is None and self._num_stored == before:
            # Left to the next try, so that it is tried for a while, and not for ever.
            raise ConnectionError(f"the service took none of {end - before} bytes")
        return answer

    def _put(self, data: bytes, content_range: str) -> dict[str, Any] | None:
        from google.api_core import exceptions

        http = self._blob.client._http
        headers = {"Content-Range": content_range, "Content-Type": _TYPE}
        response = http.request("PUT", self._url, data=data, headers=headers, timeout=_TIMEOUT_SECONDS)
        if response.status_code in (200, 201):
            return dict(json.loads(response.content or b"{}"))
        if response.status_code == 308:
            stored = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("Range", ""))
            self._num_stored = int(stored[1]) + 1 if stored else 0
            self._uncertain = False
            return None
        if response.status_code in (404, 410):
            raise gcs_client.lost(self._path)
        failure: Exception = exceptions.from_http_status(  # type: ignore[no-untyped-call]
            response.status_code, response.text, response=response
        )
        raise failure

    def _check(self, metadata: dict[str, Any]) -> None:
        """Compares what was written with what arrived."""
        arrived = metadata.get("crc32c")
        expected = base64.b64encode(self._checksum.to_bytes(4, "big")).decode()
        if arrived is not None and arrived != expected:
            raise StorageError(f"{self._path}: arrived with checksum {arrived}, sent with {expected}; it is damaged")
