"""PyTorch's DataLoader with torchvision: a folder of files, or a mapped array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, PIXELS, Corpus, Epochs, Peer
from benchmarks.peers.torch_transforms import WORKERS, Crop, loader_options, read_photograph


class Torch(Peer):
    """`ImageFolder`, or a data set of one's own for pixels, which torchvision has no form for."""

    name = "torch DataLoader"
    packages = ("torch", "torchvision")
    modules = ("torch.utils.data", "torchvision.datasets", "torchvision.io", "torchvision.transforms.v2")
    workers = WORKERS

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Returns the corpus's own files."""
        return Path(corpus.folder) / "pixels.npy" if deliverable == PIXELS else corpus.photographs(deliverable)

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes the loader."""
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder

        photographs: Any = _Pixels(corpus)
        if deliverable != PIXELS:
            photographs = ImageFolder(str(source), transform=Crop(), loader=read_photograph)
        loader = DataLoader(photographs, batch_size=BATCH_SIZE, shuffle=True, **loader_options(num_workers))
        return lambda: iter(loader)


class _Pixels:
    def __init__(self, corpus: Corpus) -> None:
        self._images, self._labels = corpus.pixels()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitems__(self, places: list[int]) -> Any:
        """Returns a batch's examples at once, which a DataLoader asks for where it can."""
        import torch

        images, labels = torch.from_numpy(self._images[places]), torch.from_numpy(self._labels[places])
        return list(zip(images, labels, strict=True))
