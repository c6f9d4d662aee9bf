"""All peers by the key that the command line and the results use, ours first."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from benchmarks.peers.peer import Peer

OURS = "petalstream"
# Key to the class.
PEERS: Mapping[str, str] = {
    OURS: "ours.Petalstream",
    "ffcv": "with_ffcv.Ffcv",
    "dali": "with_dali.Dali",
    "tfds": "with_tfds.Tfds",
    "grain": "with_grain.Grain",
    "webdataset": "with_webdataset.WebDataset",
    "streaming": "with_streaming.Streaming",
    "torch": "with_torch.Torch",
    "keras": "with_keras.Keras",
}


def make(key: str) -> Peer:
    """Makes a peer; nothing of it is imported yet."""
    module, name = PEERS[key].split(".")
    peer: Peer = getattr(importlib.import_module(f"benchmarks.peers.{module}"), name)()
    return peer
