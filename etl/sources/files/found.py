"""One file that a walk found."""

from __future__ import annotations

import os
from dataclasses import dataclass

from etl.storage.stored import StoredFile


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file, or a folder that is passed over.

    Attributes:
        name: Its path relative to where the search started, with slashes: `daisy/123.jpg`.
        path: Its full path.
        problem: Why it can't be read as a file, "" where nothing is known against it.
        listed: What an object store's listing says of it.
        ignored: A kind of `names.IGNORED` where it is no input.
    """

    name: str
    path: str
    problem: str = ""
    listed: StoredFile | None = None
    ignored: str = ""

    @property
    def parent(self) -> str:
        """The name of the folder that it lies in."""
        return self.path.rsplit("/", 2)[-2]


def as_text(path: str) -> str:
    """Returns a path with whatever is no valid UTF-8 written out as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace") if not path.isascii() else path
