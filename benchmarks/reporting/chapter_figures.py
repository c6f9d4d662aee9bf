"""The chapter's own figures, which ours stand beside.

They are of TensorFlow 2.3 with GPUs and files on object storage: only the order of rows and their ratios compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SOURCE = (
    "chapter 7, “Training Pipelines”, of *Practical Machine Learning for Computer Vision* "
    "(V. Lakshmanan, M. Görner, R. Gillard), on TensorFlow 2.3 with GPUs"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a table: CPU and wall time in seconds."""

    cpu_seconds: float
    wall_seconds: float


# Table to its rows in the chapter's order, which is that of `ROWS` in the table's module.
TABLES: Mapping[str, Mapping[str, Figure]] = MappingProxyType(
    {
        "7-1": {
            "plain": Figure(7.53, 7.99),
            "parallel map": Figure(8.30, 5.94),
            "interleave": Figure(8.60, 5.47),
            "interleave + parallel map": Figure(8.44, 5.23),
        },
        "7-2": {
            "plain": Figure(9.91, 9.39),
            "parallel map": Figure(10.7, 8.17),
            "interleave": Figure(10.5, 7.54),
            "interleave + parallel map": Figure(10.3, 7.17),
        },
        "7-3": {
            "interleave + parallel": Figure(9.68, 6.37),
            "cache": Figure(6.16, 4.36),
            "prefetch + cache": Figure(5.76, 4.04),
        },
        "7-4": {
            "batch 1": Figure(11.4, 8.09),
            "batch 8": Figure(9.56, 6.90),
            "batch 16": Figure(9.90, 6.70),
            "batch 32": Figure(9.68, 6.37),
        },
        "7-5": {
            "iterate over pixels in Python": Figure(39.6, 41.1),
            "the same in a py_function": Figure(39.7, 41.1),
            "slicing and tf.where": Figure(4.44, 3.07),
            "matmul": Figure(1.22, 2.29),
            "batch, in a Keras layer": Figure(1.11, 2.13),
        },
    }
)

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "7-1": "looping over the data set",
        "7-2": "training a linear model, one image a batch",
        "7-3": "the linear model in batches of 32, with caching and prefetching",
        "7-4": "the linear model by batch size",
        "7-5": "grayscale five ways",
    }
)

# Wall seconds of an epoch of its classifier.
DISTRIBUTION: Mapping[str, float] = MappingProxyType(
    {"CPU": 100.0, "one GPU": 55.0, "two GPUs under MirroredStrategy": 29.0}
)
