"""What a store's listing says of one file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a listing.

    Attributes:
        path: In full.
        num_bytes: Its size; None where the listing doesn't say what a reader would get.
        md5: Of its bytes, 32 hexadecimal digits; "" where the listing doesn't say.
    """

    path: str
    num_bytes: int | None = None
    md5: str = ""
