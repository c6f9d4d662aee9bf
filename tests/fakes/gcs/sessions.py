"""Resumable uploads by the service's own rules, which emulators break when a connection is cut or a chunk sent twice.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field

from tests.fakes.gcs.messages import Answer, Request, error_answer

# What the service keeps of an unfinished upload is a multiple of this.
STEP_BYTES = 256 * 1024


class RangeError(ValueError):
    """A chunk that does not continue its upload; `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Session:
    """One resumable upload.

    Attributes:
        start: The request that began it: name, metadata and preconditions.
        kept: The bytes received so far.
        final: The answer to the whole upload, once it is there; `kept` is empty then.
    """

    start: Request
    kept: bytearray = field(default_factory=bytearray)
    final: Answer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, content_range: str, body: bytes, *, complete: bool) -> bool:
        """Takes in one request of the upload.

        Args:
            content_range: `bytes 0-9/20`, `bytes 0-9/*`, `bytes */20`, `bytes */*`, or "" for all at once.
            body: What came of it.
            complete: Whether that is all of it.

        Returns:
            Whether the upload is now complete.

        Raises:
            RangeError: the chunk starts behind what is there, or contradicts itself.
        """
        status = re.fullmatch(r"bytes \*/(\d+|\*)", content_range)
        if status:
            return status[1] != "*" and int(status[1]) == len(self.kept)
        chunk = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", content_range)
        if chunk is None and content_range:
            raise RangeError(400, f"Content-Range: {content_range!r} is none")
        first = int(chunk[1]) if chunk else 0
        if chunk and complete and int(chunk[2]) - first + 1 != len(body):
            raise RangeError(400, f"Content-Range: {content_range!r} with {len(body)} bytes")
        if first > len(self.kept):
            # The service's own words and status for a gap.
            raise RangeError(
                503,
                "Invalid request. According to the Content-Range header, the upload offset is "
                f"{first} byte(s), which exceeds already uploaded size of {len(self.kept)} byte(s).",
            )
        total = len(body) if chunk is None else None if chunk[3] == "*" else int(chunk[3])
        if total is not None and first + len(body) > total:
            raise RangeError(400, f"Content-Range: {content_range!r} ends behind its own total")
        # What is there already is not taken again.
        self.kept += body[len(self.kept) - first :]
        if complete and total is not None and len(self.kept) >= total:
            return True
        del self.kept[len(self.kept) // STEP_BYTES * STEP_BYTES :]
        return False

    def progress(self) -> Answer:
        """The answer that says how much is kept."""
        headers = [("Range", f"bytes=0-{len(self.kept) - 1}")] if self.kept else []
        return Answer(308, headers)


class Sessions:
    """All resumable uploads, by `upload_id`."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)

    def start(self, request: Request) -> str:
        """Begins an upload; returns its `upload_id`."""
        upload_id = f"session-{next(self._numbers)}"
        self._sessions[upload_id] = Session(request)
        return upload_id

    def find(self, request: Request) -> Session | None:
        """The upload that `request` belongs to, or None."""
        return self._sessions.get(request.query["upload_id"])

    def cancel(self, request: Request) -> Answer:
        """Forgets an upload."""
        if self._sessions.pop(request.query.get("upload_id", ""), None) is None:
            return error_answer(404, "No such upload session")
        # The service's own status for a cancelled session.
        return Answer(499)
