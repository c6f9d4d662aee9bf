"""MosaicML Streaming: its own MDS shards, read by a DataLoader's workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, PIXELS, SEED, SIDE, Corpus, Epochs, Peer
from benchmarks.peers.torch_transforms import WORKERS, DecodeAndCrop, loader_options


class Streaming(Peer):
    """`StreamingDataset`, from local shards."""

    name = "MosaicML Streaming"
    packages = ("mosaicml-streaming", "torch", "torchvision")
    modules = ("streaming", "torchvision.io", "torchvision.transforms.v2")
    workers = WORKERS

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes shards. JPEGs as `bytes`: its own `jpeg` would be decoded by Pillow, which takes longer."""
        from streaming import MDSWriter

        encoding = f"ndarray:uint8:{SIDE},{SIDE},3" if deliverable == PIXELS else "bytes"
        with MDSWriter(out=str(folder / "mds"), columns={"image": encoding, "label": "int"}, progress_bar=False) as out:
            if deliverable == PIXELS:
                for image, label in zip(*corpus.pixels(), strict=True):
                    out.write({"image": image, "label": int(label)})
            else:
                for file, label in corpus.files(deliverable):
                    out.write({"image": file.read_bytes(), "label": label})
        return folder / "mds"

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes the data set and its loader."""
        from streaming import StreamingDataLoader, StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        crop = None if deliverable == PIXELS else DecodeAndCrop()

        class Samples(StreamingDataset):
            """As its guide writes one: `__getitem__` transforms."""

            def __getitem__(self, at: int) -> Any:
                sample = super().__getitem__(at)
                image = sample["image"]
                return (image if crop is None else crop(image)), sample["label"]

        # It refuses a folder whose last reader, a trial or a process that was ended, left its shared memory behind.
        clean_stale_shared_memory()
        samples = Samples(local=str(source), shuffle=True, shuffle_seed=SEED, batch_size=BATCH_SIZE)
        loader = StreamingDataLoader(samples, batch_size=BATCH_SIZE, **loader_options(num_workers))
        return lambda: iter(loader)
