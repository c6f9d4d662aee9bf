"""Keeps freed memory in the process, so that the next batch needs no new pages."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

# glibc's names for these, from malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3

_MIB = 1 << 20
# The largest that glibc takes: blocks from here on are always mapped and unmapped one by one.
_MMAP_THRESHOLD = 32 * _MIB
# The size of a thread's heap; with less, glibc unmaps a heap as soon as nothing is in it.
_TOP_PAD = 64 * _MIB
_TRIM_THRESHOLD = 1024 * _MIB

# Whoever sets one of these has chosen for themselves.
_CHOICES = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_")


@functools.cache
def keep_freed_memory() -> bool:
    """Tells glibc's allocator to keep up to 1 GiB of freed memory instead of giving it back; once a process.

    Records and batches are large blocks that live for milliseconds. By default glibc maps and unmaps much of that
    memory each time, and every page of it is faulted in anew: 155 µs of processor time for an image of 224x224 pixels,
    110 with this.

    Returns:
        Whether it was done; not where the allocator isn't glibc's or an environment variable already configures it.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _CHOICES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # The first one ends glibc's own adjusting of the other two, so all three are needed.
    settings = ((_M_MMAP_THRESHOLD, _MMAP_THRESHOLD), (_M_TRIM_THRESHOLD, _TRIM_THRESHOLD), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(name, value) == 1 for name, value in settings)
