"""Reading many files ahead of the work on them, so that a store's latency is waited for once and not for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from etl import storage

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Requests under way at once. A request on a bucket takes 20 to 100 ms, of which Python works for 2.
NUM_READERS = 32
# What is read and not yet asked for: seconds of work, and little beside what the images take decoded.
_MAX_BYTES = 64_000_000
_MAX_ITEMS = 8 * NUM_READERS


def is_slow(uri: str) -> bool:
    """Tells whether a file is to be waited for: on a store, not on a local disk nor made by a source."""
    return storage.lists_digests(uri)


def read_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], num_bytes: Callable[[_Item], int]
) -> Iterator[tuple[_Item, Future[_Result]]]:
    """Calls a function that reads for many items at once, ahead of the consumer.

    Args:
        function: Reads one item; called from several threads.
        items: Taken lazily.
        num_bytes: Tells how much memory an item takes once it is read. At most 64 MB are read ahead, or one item that
            is larger.

    Yields:
        Each item, in order, with its future result, which may still be on its way.
    """
    pool = ThreadPoolExecutor(NUM_READERS, thread_name_prefix="read")
    pending: deque[tuple[_Item, Future[_Result], int]] = deque()
    held = 0
    finished = False
    try:
        for item in items:
            size = num_bytes(item)
            while pending and (held + size > _MAX_BYTES or len(pending) >= _MAX_ITEMS):
                done, future, freed = pending.popleft()
                held -= freed
                yield done, future
            pending.append((item, pool.submit(function, item), size))
            held += size
        while pending:
            done, future, _ = pending.popleft()
            yield done, future
        finished = True
    finally:
        # What was handed out last may not even have begun; what a consumer that stopped early won't use is left.
        pool.shutdown(wait=not finished, cancel_futures=not finished)
