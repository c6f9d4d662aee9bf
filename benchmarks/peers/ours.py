"""Ours: what `etl.run` wrote, read by `trainer.ingest` with its defaults for training."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import BATCH_SIZE, PIXELS, SEED, SIDE, Corpus, Epochs, Peer


class Petalstream(Peer):
    """`ingest.load_epochs`, nothing tuned."""

    name = "Petalstream"
    packages = ("tensorflow",)
    modules = ("trainer.ingest",)
    reads_ours = True

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Returns the data set's folder: the corpus was written by our ETL, in its own environment."""
        return Path(corpus.ours(deliverable)[0])

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Loads epoch after epoch as one data set."""
        from trainer import ingest

        config = ingest.IngestConfig(batch_size=BATCH_SIZE, training=True, seed=SEED, epoch=0)
        if deliverable != PIXELS:
            config = config.replace(image_size=SIDE)
        variant = corpus.ours(deliverable)[1]
        batches = ingest.load_epochs(str(source), "train", config, None, variant=variant)
        return self.go_on(batches, corpus.num_images[deliverable])
