"""A file as a listing of its store describes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a store's listing says of one file.

    Attributes:
        path: In full.
        num_bytes: Its size; None where the listing doesn't say what a reader would get.
        md5: Of its bytes, 32 hexadecimal digits; "" where the listing doesn't say.
    """

    path: str
    num_bytes: int | None = None
    md5: str = ""
