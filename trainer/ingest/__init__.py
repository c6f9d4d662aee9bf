"""From a manifest to batches of `tf.data`; importing it loads no TensorFlow."""

from __future__ import annotations

from trainer.ingest.config import IngestConfig
from trainer.ingest.dataset import load, load_epochs, steps_per_epoch
from trainer.ingest.presets import PRESETS, preset
from trainer.ingest.verify import check_shards

__all__ = ["PRESETS", "IngestConfig", "check_shards", "load", "load_epochs", "preset", "steps_per_epoch"]
