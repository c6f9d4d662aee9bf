"""One peer in a process of its own: the module that `benchmarks.harness.child` runs.

Rows: `load`; for each deliverable `prepare`, `check` and `read`, such as `read jpeg`; and `try` and `keep`, which have
the number of workers behind it, such as `try jpeg 2`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import proctree, registry
from benchmarks.peers.peer import DELIVERABLES, PIXELS, Batch, Corpus, Epochs

Row = Callable[[], dict[str, Any]]
# Batches that are taken before the clock starts: more than any peer has ready while it waits (Grain: 500 images).
_NUM_DRAINED = 16
_REST_SECONDS = 0.3


def make_rows(peer: str, corpus: str, folder: str, pass_seconds: float) -> dict[str, Row]:
    """Makes the rows of one peer.

    Args:
        peer: Its key.
        corpus: `Corpus.to_json()`.
        folder: Where it may write.
        pass_seconds: How long a timed pass takes at least.
    """
    process = PeerProcess(peer, Corpus.from_json(corpus), Path(folder), pass_seconds)
    rows: dict[str, Row] = {"load": process.load}
    for deliverable in DELIVERABLES:
        if deliverable in process.peer.missing:
            continue
        rows[f"prepare {deliverable}"] = functools.partial(process.prepare, deliverable)
        rows[f"check {deliverable}"] = functools.partial(process.check, deliverable)
        rows[f"read {deliverable}"] = functools.partial(process.read, deliverable)
        for number in process.peer.workers:
            rows[f"try {deliverable} {number}"] = functools.partial(process.attempt, deliverable, number)
            rows[f"keep {deliverable} {number}"] = functools.partial(process.keep, deliverable, number)
    return rows


class PeerProcess:
    """What the rows do."""

    def __init__(self, key: str, corpus: Corpus, folder: Path, pass_seconds: float) -> None:
        self.peer = registry.make(key)
        self._corpus, self._folder, self._pass_seconds = corpus, folder, pass_seconds
        self._epochs: dict[str, Epochs] = {}
        self._streams: dict[str, Iterator[Batch]] = {}

    def load(self) -> dict[str, Any]:
        """Imports the peer: `seconds`, `versions`, `missing`, `workers`; or `reason` why it can't be."""
        start = time.perf_counter()
        try:
            self.peer.load()
        except (ImportError, OSError) as error:
            # OSError: a native library that it needs isn't there.
            return {"reason": f"{type(error).__name__}: {error}", "missing": dict(self.peer.missing)}
        return {
            "seconds": time.perf_counter() - start,
            "versions": {name: importlib.metadata.version(name) for name in self.peer.packages},
            "missing": dict(self.peer.missing),
            "workers": list(self.peer.workers),
        }

    def prepare(self, deliverable: str) -> dict[str, Any]:
        """Converts the photographs: `seconds`, and `num_bytes` of what is then read."""
        target = self._folder / deliverable
        target.mkdir(parents=True)
        start = time.perf_counter()
        source = self.peer.prepare(deliverable, self._corpus, target)
        seconds = self._corpus.ours_seconds[deliverable] if self.peer.reads_ours else time.perf_counter() - start
        (self._folder / f"{deliverable}.source").write_text(str(source), encoding="utf-8")
        is_converted = self.peer.reads_ours or target in (source, *source.parents)
        return {"seconds": seconds, "num_bytes": _num_bytes(source), "is_converted": is_converted}

    def attempt(self, deliverable: str, num_workers: int) -> dict[str, Any]:
        """Reads one epoch with so many workers and forgets them: `num_items` in `seconds`, the first batches aside."""
        # Each worker's first batch, with all that happens but once, comes before the clock starts.
        first, num_items, start = max(1, num_workers) - 1, 0, 0.0
        for number, (images, _) in enumerate(self._open(deliverable, num_workers)()):
            start = time.perf_counter() if number == first else start
            num_items += len(images) if number > first else 0
        return {"num_items": num_items, "seconds": time.perf_counter() - start}

    def keep(self, deliverable: str, num_workers: int) -> dict[str, Any]:
        """Opens with so many workers, for the rows that read; `seconds` until the first batch."""
        start = time.perf_counter()
        epochs = self._epochs[deliverable] = self._open(deliverable, num_workers)
        seconds = 0.0
        for number, _ in enumerate(epochs()):
            if number == 0:
                seconds = time.perf_counter() - start
        return {"seconds": seconds}

    def check(self, deliverable: str) -> dict[str, Any]:
        """Reads one epoch and describes what came; see `describe`."""
        facts = describe(self._epochs[deliverable](), has_exact_pixels=deliverable == PIXELS)
        return {**facts, "expected_images": self._corpus.num_images[deliverable]}

    def read(self, deliverable: str) -> dict[str, Any]:
        """Reads as many images as whole epochs have: `num_items`, `seconds`, and `cpu_seconds` of all processes.

        It goes on where the last call stopped, in the middle of an epoch: so every peer's buffers are as empty at the
        start of the clock as at its end, and every epoch's beginning is paid for once.
        """
        if deliverable not in self._streams:
            self._streams[deliverable] = _endless(self._epochs[deliverable])
        stream = self._streams[deliverable]
        for _ in range(_NUM_DRAINED):
            next(stream)
        num_items, seconds = 0, 0.0
        cpu_start, start = proctree.cpu_seconds(os.getpid()), time.perf_counter()
        while seconds < self._pass_seconds:
            goal = num_items + self._corpus.num_images[deliverable]
            while num_items < goal:
                num_items += len(next(stream)[0])
            seconds = time.perf_counter() - start
        cpu_seconds = proctree.cpu_seconds(os.getpid()) - cpu_start
        # Whoever reads ahead fills its buffers now, not while the next peer is timed.
        time.sleep(_REST_SECONDS)
        return {
            "num_items": num_items,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
        }

    def _open(self, deliverable: str, num_workers: int) -> Epochs:
        source = Path((self._folder / f"{deliverable}.source").read_text(encoding="utf-8"))
        return self.peer.open(deliverable, self._corpus, source, num_workers)


def _endless(epochs: Epochs) -> Iterator[Batch]:
    while True:
        yield from epochs()


def describe(batches: Iterable[Batch], *, has_exact_pixels: bool) -> dict[str, Any]:
    """Describes an epoch's batches.

    Args:
        batches: Of images and labels, in whatever types NumPy can look at.
        has_exact_pixels: Whether every image has to come back as it was stored.

    Returns:
        `num_images`, `shapes` and `dtypes` (all that occurred, an image's shape with its channels last), `label_counts`
        (label to number), `mean` (0 to 255), `largest_batch`, and with exact pixels `checksum`: a sum over all images
        that doesn't depend on their order.
    """
    labels: Counter[int] = Counter()
    shapes, dtypes = set(), set()
    num_images, largest, total, checksum = 0, 0, 0.0, 0
    for images, numbers in batches:
        pixels = np.asarray(images)
        if pixels.ndim == 4 and pixels.shape[1] == 3:
            pixels = pixels.transpose(0, 2, 3, 1)
        shapes.add(tuple(map(int, pixels.shape[1:])))
        dtypes.add(str(pixels.dtype))
        labels.update(np.asarray(numbers).reshape(-1).astype(int).tolist())
        total += float(pixels.mean(dtype=np.float64)) * len(pixels)
        num_images, largest = num_images + len(pixels), max(largest, len(pixels))
        if has_exact_pixels:
            checksum += sum(zlib.crc32(image.tobytes()) for image in pixels)
    return {
        "num_images": num_images,
        "shapes": sorted(shapes),
        "dtypes": sorted(dtypes),
        "label_counts": {str(label): labels[label] for label in sorted(labels)},
        "mean": total / max(1, num_images),
        "largest_batch": largest,
        **({"checksum": checksum} if has_exact_pixels else {}),
    }


def _num_bytes(source: Path) -> int:
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)
