"""Objects of Google Cloud Storage by generation: written or deleted only where nobody else did so meanwhile."""

from __future__ import annotations

from etl.storage.gcs_client import DELETE, READ, WRITE, blob_of, retry, translate_errors

_TYPE = "application/octet-stream"


def read(path: str) -> tuple[bytes, int] | None:
    """Reads a whole object.

    Returns:
        Its bytes and its generation; None where there is none.
    """
    while True:
        found = generation(path)
        if found == 0:
            return None
        try:
            with translate_errors(path, READ):
                return bytes(blob_of(path, found).download_as_bytes(retry=retry(path))), found
        except FileNotFoundError:
            # Replaced since: only the newest generation is kept.
            continue


def generation(path: str) -> int:
    """Returns an object's generation; 0 where there is none."""
    blob = blob_of(path)
    try:
        with translate_errors(path, READ):
            blob.reload(retry=retry(path))
    except FileNotFoundError:
        return 0
    return int(blob.generation)


def write(path: str, data: bytes, expected: int, seconds: float | None = None) -> int | None:
    """Writes an object if it has a generation.

    Args:
        path: The object.
        data: Its bytes, which no other writer writes: they tell whether an attempt whose answer was lost has written.
        expected: The generation of what is there; 0 for nothing.
        seconds: For how long a failing service is tried again; None for as long as everywhere.

    Returns:
        The new generation; None where another one is there.
    """
    from google.api_core.exceptions import PreconditionFailed

    blob = blob_of(path)
    with translate_errors(path, WRITE):
        try:
            again = retry(path, seconds)
            blob.upload_from_string(data, content_type=_TYPE, if_generation_match=expected, retry=again)
            return int(blob.generation)
        except PreconditionFailed:
            pass
    there = read(path)
    return there[1] if there is not None and there[0] == data else None


def delete(path: str, expected: int, seconds: float | None = None) -> bool:
    """Deletes an object if it has a generation; returns whether there is none now. `seconds` is as for `write`."""
    from google.api_core.exceptions import PreconditionFailed

    try:
        with translate_errors(path, DELETE):
            try:
                blob_of(path).delete(if_generation_match=expected, retry=retry(path, seconds))
            except PreconditionFailed:
                return False
    except FileNotFoundError:
        # So much the better; or an earlier try did it, whose answer was lost.
        pass
    return True
