"""FFCV: its own `.beton` files, decoded and cropped in threads by code that it compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, CROP_AREA, CROP_RATIO, PIXELS, SEED, SIDE, Corpus, Epochs, Peer

_JPEG_QUALITY = 90


class Ffcv(Peer):
    """`RGBImageField` and its random crop decoder; raw where pixels are stored."""

    name = "FFCV"
    packages = ("ffcv", "torch", "numba")
    modules = ("ffcv.fields.rgb_image", "ffcv.loader", "ffcv.transforms", "ffcv.writer")
    # Numba refuses more threads than there are cores.
    workers = (1, 2)

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes a file. JPEGs are encoded again: FFCV takes decoded images only."""
        from ffcv.fields import IntField, RGBImageField
        from ffcv.writer import DatasetWriter

        photographs: Any = _Pixels(corpus) if deliverable == PIXELS else _Photographs(corpus, deliverable)
        mode = "raw" if deliverable == PIXELS else "jpg"
        path = folder / "train.beton"
        fields = {"image": RGBImageField(write_mode=mode, jpeg_quality=_JPEG_QUALITY), "label": IntField()}
        DatasetWriter(str(path), fields, num_workers=2).from_indexed_dataset(photographs)
        return path

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes a loader with a truly random order, from the page cache."""
        from ffcv.fields.basics import IntDecoder
        from ffcv.fields.rgb_image import RandomResizedCropRGBImageDecoder, SimpleRGBImageDecoder
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import Squeeze, ToTensor

        crop = RandomResizedCropRGBImageDecoder((SIDE, SIDE), scale=CROP_AREA, ratio=CROP_RATIO)
        decoder = SimpleRGBImageDecoder() if deliverable == PIXELS else crop
        loader = Loader(
            str(source),
            batch_size=BATCH_SIZE,
            num_workers=num_workers,
            order=OrderOption.RANDOM,
            os_cache=True,
            drop_last=False,
            seed=SEED,
            pipelines={"image": [decoder, ToTensor()], "label": [IntDecoder(), ToTensor(), Squeeze()]},
        )
        return lambda: iter(loader)


class _Photographs:
    def __init__(self, corpus: Corpus, deliverable: str) -> None:
        self._files = corpus.files(deliverable)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        path, label = self._files[index]
        with Image.open(path) as image:
            return image.convert("RGB"), label


class _Pixels:
    def __init__(self, corpus: Corpus) -> None:
        self._images, self._labels = corpus.pixels()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._images[index], int(self._labels[index])
