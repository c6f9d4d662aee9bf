"""Grain: ArrayRecord files with random access, Python functions in threads or processes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from benchmarks.peers.peer import (
    BATCH_SIZE,
    CROP_AREA,
    CROP_RATIO,
    OWN_CHOICE,
    PIXELS,
    SEED,
    SIDE,
    Batch,
    Corpus,
    Epochs,
    Peer,
)

_LABEL = struct.Struct("<q")
_NUM_TRIES = 10


class Grain(Peer):
    """`MapDataset` over ArrayRecord; OpenCV decodes, since Grain has no decoder of its own."""

    name = "Grain"
    packages = ("grain", "array-record", "opencv-python-headless")
    modules = ("grain", "array_record.python.array_record_module", "cv2")
    # Without processes its reading threads do the work.
    workers = (OWN_CHOICE, 1, 2, 4)

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes one file of records: the label, then the image's bytes."""
        from array_record.python.array_record_module import ArrayRecordWriter

        path = folder / "train.array_record"
        # What its guide advises for random access.
        writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
        if deliverable == PIXELS:
            for image, label in zip(*corpus.pixels(), strict=True):
                writer.write(_LABEL.pack(label) + image.tobytes())
        else:
            for file, label in corpus.files(deliverable):
                writer.write(_LABEL.pack(label) + file.read_bytes())
        writer.close()
        return path

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Chains shuffle, decode, repeat and batch."""
        import cv2
        import grain

        cv2.setNumThreads(1)
        records = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(str(source))).seed(SEED).shuffle()
        decoded = records.map(_read_pixels) if deliverable == PIXELS else records.random_map(_decode_and_crop)
        batches = decoded.repeat().to_iter_dataset().batch(BATCH_SIZE)
        if num_workers:
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
        return self.go_on(batches, corpus.num_images[deliverable])


def _read_pixels(record: bytes) -> Batch:
    import numpy as np

    return np.frombuffer(record, np.uint8, offset=_LABEL.size).reshape(SIDE, SIDE, 3), _LABEL.unpack_from(record)[0]


def _decode_and_crop(record: bytes, random: Any) -> Batch:
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(record, np.uint8, offset=_LABEL.size), cv2.IMREAD_COLOR_RGB)
    top, left, height, width = _draw_window(image.shape[0], image.shape[1], random)
    window = image[top : top + height, left : left + width]
    return cv2.resize(window, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), _LABEL.unpack_from(record)[0]


def _draw_window(height: int, width: int, random: Any) -> tuple[int, int, int, int]:
    """Draws a window as torchvision does: (top, left, height, width)."""
    import numpy as np

    for _ in range(_NUM_TRIES):
        area = height * width * random.uniform(*CROP_AREA)
        ratio = np.exp(random.uniform(*np.log(CROP_RATIO)))
        wide, high = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return random.integers(height - high + 1), random.integers(width - wide + 1), high, wide
    return 0, 0, height, width
