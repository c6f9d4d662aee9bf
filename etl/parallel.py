"""Threads that work ahead, in order and within bounds."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Work in flight per thread: enough that one slow image doesn't hold up the rest, little enough to bound memory.
_AHEAD = 8


def ordered_map(
    function: Callable[[_Item], _Result], items: Iterable[_Item], num_threads: int, chunk_size: int = 1
) -> Iterator[_Result]:
    """Applies a function in threads; yields the results in the order of the items.

    At most `8 * num_threads * chunk_size` items are taken ahead of the consumer, so memory doesn't grow with their
    number.

    Args:
        function: Called from several threads at once. What it raises is raised here, at its item's place or, within a
            chunk, before the chunk's first result.
        items: Taken lazily.
        num_threads: 1 calls the function in this thread.
        chunk_size: Items handed to a thread together: handing over takes 40 us, as long as a little work itself.
    """
    if num_threads == 1:
        yield from map(function, items)
        return
    if chunk_size > 1:
        chunks = ordered_map(lambda chunk: [function(item) for item in chunk], _chunks(items, chunk_size), num_threads)
        yield from itertools.chain.from_iterable(chunks)
        return
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="images")
    pending: deque[Future[_Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= _AHEAD * num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
