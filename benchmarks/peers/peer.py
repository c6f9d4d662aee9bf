"""What a peer is: a reader that turns the same photographs into its own form and gives them back in batches."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.cli import load_tensorflow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# What is delivered. Keys of everything that is said about one.
JPEG, SMALL_JPEG, PIXELS = "jpeg", "jpeg_256", "pixels"
DELIVERABLES = (JPEG, SMALL_JPEG, PIXELS)

BATCH_SIZE = 64
# Height and width of what is delivered, in pixels.
SIDE = 224
SEED = 7
# Of the random window: smallest and largest share of the image, and of width over height.
CROP_AREA = (0.08, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
# Records among which the next one is drawn, where a peer reads in sequence; ours has as many.
SHUFFLE_BUFFER = 1_024
# For what a peer chooses by itself.
OWN_CHOICE = 0

# Images, uint8 (B, 224, 224, 3) or (B, 3, 224, 224) in whatever type the peer has, and labels (B,).
Batch = tuple[Any, Any]
# Gives one epoch, each time that it is called.
Epochs = Callable[[], Iterator[Batch]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The photographs that everybody gets, under one folder.

    Attributes:
        folder: It holds what the properties say.
        num_images: Of each deliverable: a multiple of 256, so that the shares of up to four workers make whole batches.
        ours_seconds: How long our ETL took to write each deliverable.
    """

    folder: str
    num_images: dict[str, int]
    ours_seconds: dict[str, float]

    def photographs(self, deliverable: str) -> Path:
        """Returns the folder of JPEG files, a directory a class."""
        return Path(self.folder) / {JPEG: "photographs", SMALL_JPEG: "small"}[deliverable]

    def files(self, deliverable: str) -> list[tuple[Path, int]]:
        """Returns the JPEG files and their labels, in an order that mixes the classes."""
        import numpy as np

        folders = sorted(path for path in self.photographs(deliverable).iterdir() if path.is_dir())
        files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
        return [files[place] for place in np.random.default_rng(SEED).permutation(len(files))]

    def pixels(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Returns uint8 (N, 224, 224, 3), mapped from its file, and int64 (N,) labels."""
        import numpy as np

        folder = Path(self.folder)
        return np.load(folder / "pixels.npy", mmap_mode="r"), np.load(folder / "labels.npy")

    def ours(self, deliverable: str) -> tuple[str, str]:
        """Returns the folder of the data set that our ETL wrote, and the variant in it."""
        variant = "pixel" if deliverable == PIXELS else "jpeg"
        return str(Path(self.folder) / f"ours_{deliverable}"), variant

    def to_json(self) -> str:
        """Returns what `from_json` reads."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> Corpus:
        """Returns the corpus that `to_json` described."""
        return Corpus(**json.loads(text))


class Peer:
    """One reader. Everything heavy is imported inside the methods.

    Attributes:
        name: As the tables call it.
        packages: Those whose versions are told, the reader itself first.
        modules: All that reading needs.
        workers: The numbers of workers or threads to choose from; `OWN_CHOICE` where it chooses by itself.
        missing: Deliverable to the reason why the peer has no such form.
        reads_ours: Whether it reads what our ETL wrote.
    """

    name: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    workers: tuple[int, ...] = (OWN_CHOICE,)
    missing: Mapping[str, str] = MappingProxyType({})
    reads_ours = False

    def load(self) -> None:
        """Imports `modules`.

        Raises:
            ImportError: one of them isn't installed.
        """
        if "tensorflow" in self.packages:
            load_tensorflow()
        for module in self.modules:
            importlib.import_module(module)

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes the photographs in the peer's own form.

        Args:
            deliverable: One of `DELIVERABLES`.
            corpus: The photographs.
            folder: A new folder for what is written.

        Returns:
            What is read later: a file or a folder, one of the corpus's where there is nothing to convert.
        """
        raise NotImplementedError

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes ready to read.

        Args:
            deliverable: One of `DELIVERABLES`.
            corpus: The photographs.
            source: What `prepare` returned.
            num_workers: One of `workers`.
        """
        raise NotImplementedError

    @staticmethod
    def go_on(batches: Iterable[Batch], num_images: int) -> Epochs:
        """Cuts an endless run of batches into epochs, so that the next one is being made while the last one ends."""
        endless = iter(batches)
        return lambda: itertools.islice(endless, num_images // BATCH_SIZE)
