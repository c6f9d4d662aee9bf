"""WebDataset: tar files read in sequence, by a DataLoader's workers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, PIXELS, SEED, SHUFFLE_BUFFER, Corpus, Epochs, Peer
from benchmarks.peers.torch_transforms import WORKERS, DecodeAndCrop, loader_options

# Each worker of up to four reads as many.
_NUM_SHARDS = 8


class WebDataset(Peer):
    """Shuffled shards, a shuffle buffer, batches made by the workers."""

    name = "WebDataset"
    packages = ("webdataset", "torch", "torchvision")
    modules = ("webdataset", "torchvision.io", "torchvision.transforms.v2")
    workers = WORKERS

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes tar files with `jpg` or `npy`, and `cls`."""
        import webdataset

        per_shard = -(-corpus.num_images[deliverable] // _NUM_SHARDS)
        with webdataset.ShardWriter(str(folder / "train-%06d.tar"), maxcount=per_shard, verbose=0) as writer:
            if deliverable == PIXELS:
                for number, (image, label) in enumerate(zip(*corpus.pixels(), strict=True)):
                    writer.write({"__key__": f"{number:06d}", "npy": image, "cls": int(label)})
            else:
                for number, (file, label) in enumerate(corpus.files(deliverable)):
                    writer.write({"__key__": f"{number:06d}", "jpg": file.read_bytes(), "cls": label})
        return folder

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes the pipeline of the library's own examples."""
        import webdataset

        shards = sorted(map(str, source.glob("*.tar")))
        samples = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=SEED).shuffle(SHUFFLE_BUFFER)
        if deliverable == PIXELS:
            items = samples.to_tuple("npy", "cls").map_tuple(_read_array, int)
        else:
            items = samples.to_tuple("jpg", "cls").map_tuple(DecodeAndCrop(), int)
        batches = items.batched(BATCH_SIZE, partial=True)
        loader = webdataset.WebLoader(batches, batch_size=None, **loader_options(num_workers))
        return lambda: iter(loader)


def _read_array(data: bytes) -> Any:
    import numpy as np
    import torch

    return torch.from_numpy(np.load(io.BytesIO(data)))
