"""Divides n records among workers: the sizes of the shares and of their batches, in whole numbers."""

from __future__ import annotations


def cut(total: int, index: int, count: int) -> tuple[int, int]:
    """Cuts `total` things that lie in a row into `count` parts, whose sizes differ by one at most.

    Scalar tensors of integers do as well, within a graph.

    Returns:
        The first and last (exclusive) of part `index`.
    """
    return index * total // count, (index + 1) * total // count


def every_nth(total: int, index: int, count: int) -> range:
    """Returns every `count`-th of `total` things, from number `index` on: the share of worker `index`."""
    return range(index, total, count)


def sizes(total: int, count: int) -> tuple[int, int]:
    """Returns how many things the smallest and the largest share hold, cut or dealt out."""
    return total // count, -(-total // count)


def num_batches(size: int, batch_size: int, *, drop_remainder: bool = False) -> int:
    """Returns how many batches `size` examples make; a last, smaller one counts unless it is dropped."""
    return size // batch_size if drop_remainder else -(-size // batch_size)
