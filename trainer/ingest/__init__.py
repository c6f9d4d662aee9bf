"""From a manifest to batches of `tf.data`; importing it loads no TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.ingest.config import IngestConfig
from trainer.ingest.presets import PRESETS, preset

if TYPE_CHECKING:
    from trainer.ingest.dataset import load, load_epochs, steps_per_epoch
    from trainer.ingest.verify import check_shards

__all__ = ["PRESETS", "IngestConfig", "check_shards", "load", "load_epochs", "preset", "steps_per_epoch"]


def __getattr__(name: str) -> Any:
    """Returns what TensorFlow is needed for, which is loaded when it is asked for."""
    if name == "check_shards":
        from trainer.ingest.verify import check_shards

        return check_shards
    if name in __all__:
        from trainer.ingest import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
