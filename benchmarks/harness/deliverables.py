"""The chapter's photographs as floats, by its ways and by ours, and as what a model takes.

The chapter's ways read two epochs, as its tables do: a cache makes the second one cheap. Ours cache nothing, so that a
longer epoch has the same rate, without what happens once an epoch.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.harness import chapter_reader
from benchmarks.harness.datasets import CHAPTER_SIDE, MODEL_SIDE
from benchmarks.harness.rates import SEED, Row, WholeEpochs, files_of
from trainer import ingest

if TYPE_CHECKING:
    import tensorflow as tf

BATCH_SIZE = 32
NUM_EPOCHS = 2


def make_rows(kind: str, paths: Mapping[str, str], pass_seconds: float) -> dict[str, Row]:
    """Makes the rows.

    Args:
        kind: `chapter` or `ours`; they run in two processes, because ours changes how memory is freed.
        paths: `chapter`, `same` and `same_448`: folders of the same photographs' data sets, the latter two long.
        pass_seconds: How long a row of ours takes, roughly.

    Returns:
        Name to function, whose facts are `num_items` and the `seconds` that they took.
    """
    if kind == "chapter":
        return {row: functools.partial(_read_all, build) for row, build in _chapters_ways(paths).items()}
    return _our_ways(paths, pass_seconds)


def _chapters_ways(paths: Mapping[str, str]) -> dict[str, Callable[[], tf.data.Dataset]]:
    files = files_of(paths["chapter"], "pixel")

    def preset(name: str) -> tf.data.Dataset:
        config = ingest.preset(name, image_size=CHAPTER_SIDE, batch_size=BATCH_SIZE)
        return ingest.load_epochs(paths["chapter"], "train", config, NUM_EPOCHS, variant="pixel")

    def batches(examples: tf.data.Dataset) -> tf.data.Dataset:
        return examples.repeat(NUM_EPOCHS).batch(BATCH_SIZE)

    return {
        "the chapter's reader, plain": lambda: batches(chapter_reader.read_plain(files, CHAPTER_SIDE)),
        "the chapter's reader, interleave + parallel map": lambda: batches(
            chapter_reader.read_in_parallel(files, CHAPTER_SIDE)
        ),
        "the chapter's reader, prefetch + cache": lambda: chapter_reader.read_best(
            files, CHAPTER_SIDE, BATCH_SIZE
        ).repeat(NUM_EPOCHS),
        "preset interleave + parallel map": lambda: preset("interleave_parallel_map"),
        "preset prefetch + cache": lambda: preset("prefetch_cache"),
    }


def _our_ways(paths: Mapping[str, str], pass_seconds: float) -> dict[str, Row]:
    plain = ingest.IngestConfig(batch_size=BATCH_SIZE, seed=SEED, epoch=0)
    training = plain.replace(training=True)
    floats = plain.replace(image_size=CHAPTER_SIDE, dtype="float32")

    def read(path: str, variant: str, config: ingest.IngestConfig) -> Row:
        return WholeEpochs(paths[path], variant, config, pass_seconds)

    return {
        "448x448 float32 from JPEG": read("same", "jpeg", floats),
        "448x448 float32 from pixels": read("same_448", "pixel", floats),
        "224x224 uint8 from JPEG, random crop": read("same", "jpeg", training.replace(image_size=MODEL_SIDE)),
        "224x224 uint8 from pixels": read("same", "pixel", training),
    }


def _read_all(build: Callable[[], tf.data.Dataset]) -> dict[str, Any]:
    """Reads all of it; a data set of its own each time, since a cache would last."""
    batches, num_items, start = build(), 0, time.perf_counter()
    for images, _ in batches:
        num_items += len(images)
    return {"num_items": num_items, "seconds": time.perf_counter() - start}
