"""Reads the machine's free resources: memory, and the shards that are in the page cache already."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer.files import is_remote

# Files looked at, and bytes of each: enough to tell, and the answer takes milliseconds.
_MAX_FILES = 16
_MAX_FILE_BYTES = 256 << 20


def free_memory_bytes() -> int | None:
    """Returns the memory that could be used without swapping, container limits included; None where nothing tells."""
    amounts = [_available_bytes(), _container_bytes()]
    known = [amount for amount in amounts if amount is not None]
    return max(0, min(known)) if known else None


def load_average() -> float:
    """Returns how many processes ran or waited to over the last minute, on average; 0 where the system doesn't say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def cached_share(paths: Sequence[str]) -> float | None:
    """Returns which share of local files lies in the page cache, 0 to 1, judged by a few of them.

    Args:
        paths: The files; those that are empty or missing don't count.

    Returns:
        None for object stores, and where the system can't tell (anything but Linux).
    """
    if not sys.platform.startswith("linux") or any(map(is_remote, paths)):
        return None
    mincore = getattr(ctypes.CDLL(None, use_errno=True), "mincore", None)
    if mincore is None:
        return None
    counts = [_count_pages(path, mincore) for path in paths[:: max(1, len(paths) // _MAX_FILES)]]
    num_pages = sum(total for _, total in counts)
    return sum(cached for cached, _ in counts) / num_pages if num_pages else None


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _container_bytes() -> int | None:
    """Returns what the control group still allows; None where there is none or it has no limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(limit) - int(used) if limit.isdecimal() else None


def _count_pages(path: str, mincore: Callable[..., int]) -> tuple[int, int]:
    """Returns how many of a file's pages are in memory, and how many were looked at."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return 0, 0
    try:
        num_bytes = min(os.fstat(descriptor).st_size, _MAX_FILE_BYTES)
        if not num_bytes:
            return 0, 0
        # Writable and private, though nothing is written: ctypes gives no address of a read-only map.
        with mmap.mmap(descriptor, num_bytes, access=mmap.ACCESS_COPY) as mapped:
            num_pages = -(-num_bytes // mmap.PAGESIZE)
            found = (ctypes.c_ubyte * num_pages)()
            start = ctypes.c_char.from_buffer(mapped)
            failed = mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(num_bytes), found)
            # The map can't be closed while anything points into it.
            del start
            return (0, 0) if failed else (sum(flag & 1 for flag in found), num_pages)
    finally:
        os.close(descriptor)
