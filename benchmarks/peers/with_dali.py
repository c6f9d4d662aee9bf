"""NVIDIA DALI on the processor alone: a graph of its own operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, CROP_AREA, CROP_RATIO, PIXELS, SEED, SIDE, Batch, Corpus, Epochs, Peer


class Dali(Peer):
    """Files and `decoders.image_random_crop`; arrays for pixels. Batches come through its iterator for PyTorch."""

    name = "NVIDIA DALI (CPU)"
    packages = ("nvidia-dali-cuda130", "torch")
    modules = ("nvidia.dali.fn", "nvidia.dali.plugin.pytorch")
    workers = (1, 2, 4)

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Writes two arrays an image for pixels; JPEGs are read as they lie."""
        import numpy as np

        if deliverable != PIXELS:
            return corpus.photographs(deliverable)
        for kind in ("images", "labels"):
            (folder / kind).mkdir()
        for number, (image, label) in enumerate(zip(*corpus.pixels(), strict=True)):
            np.save(folder / "images" / f"{number:06d}.npy", image)
            np.save(folder / "labels" / f"{number:06d}.npy", label[np.newaxis])
        return folder

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Builds the pipeline, which runs on from one epoch to the next."""
        from nvidia.dali import pipeline_def
        from nvidia.dali.plugin.base_iterator import LastBatchPolicy
        from nvidia.dali.plugin.pytorch import DALIGenericIterator

        # DALI's own decorator has no types.
        make: Any = pipeline_def(_read_arrays if deliverable == PIXELS else _read_photographs)
        pipeline = make(source=str(source), batch_size=BATCH_SIZE, num_threads=num_workers, device_id=None, seed=SEED)
        pipeline.build()
        batches = DALIGenericIterator(
            [pipeline],
            ["image", "label"],
            reader_name="reader",
            auto_reset=True,
            last_batch_policy=LastBatchPolicy.PARTIAL,
        )

        def epoch() -> Any:
            for (outputs,) in batches:
                batch: Batch = outputs["image"], outputs["label"]
                yield batch

        return epoch


def _read_photographs(source: str) -> tuple[Any, Any]:
    from nvidia.dali import fn, types

    jpegs, labels = fn.readers.file(file_root=source, shuffle_after_epoch=True, name="reader")
    images = fn.decoders.image_random_crop(
        jpegs, device="cpu", output_type=types.RGB, random_area=list(CROP_AREA), random_aspect_ratio=list(CROP_RATIO)
    )
    return fn.resize(images, resize_x=SIDE, resize_y=SIDE), labels


def _read_arrays(source: str) -> tuple[Any, Any]:
    from nvidia.dali import fn

    # Two readers that shuffle alike.
    options = {"file_filter": "*.npy", "shuffle_after_epoch": True, "seed": SEED}
    images = fn.readers.numpy(file_root=f"{source}/images", name="reader", **options)
    return images, fn.readers.numpy(file_root=f"{source}/labels", **options)
