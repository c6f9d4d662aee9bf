"""Fixes the number of threads that TensorFlow computes with: the bits of results depend on it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trainer.ingest.plan import num_cores


def fix_threads(saved: Sequence[int] | None = None) -> list[int]:
    """Fixes the number of threads, before TensorFlow computes anything.

    A sum over many numbers is cut into as many parts as there are threads, and its last bits depend on where.

    Args:
        saved: What another call returned, perhaps on another machine; None for the cores of this one.

    Returns:
        Threads within an operation, and operations at once.
    """
    import tensorflow as tf

    threading = tf.config.threading
    wanted = list(saved) if saved else [num_cores(), num_cores()]
    try:
        threading.set_intra_op_parallelism_threads(wanted[0])
        threading.set_inter_op_parallelism_threads(wanted[1])
    except RuntimeError:
        # TensorFlow runs already; 0 stands for all cores.
        read = (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
        found = [number or num_cores() for number in read]
        if saved and found != wanted:
            print(
                f"the backup was made with {wanted} threads, and goes on with {found}: the last bits will differ",
                file=sys.stderr,
            )
        return found
    return wanted
