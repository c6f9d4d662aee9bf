"""Embeddings through Beam's RunInference, to compare with the ETL's own way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from etl import variants
from etl.config import EtlConfig
from etl.variants import network


def decode_file(path: str, config: EtlConfig) -> np.ndarray:
    """Decodes one file to uint8, (224, 224, 3)."""
    with open(path, "rb") as file:
        return variants.find("embedding").open(config).encode(file.read()).pixels


class NetworkHandler(ModelHandler[np.ndarray, np.ndarray, network.Network]):
    """Hands batches of decoded images to the ETL's own network.

    Args:
        weights: A file of weights.
        alpha: The network's width.
    """

    def __init__(self, weights: str, alpha: float) -> None:
        super().__init__()
        self._weights = weights
        self._alpha = alpha

    def load_model(self) -> network.Network:
        return network.load(self._weights, self._alpha)

    def run_inference(
        self, batch: Sequence[np.ndarray], model: network.Network, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[np.ndarray]:
        return list(model.embed(np.stack(batch)))

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        return {"min_batch_size": network.Network.batch_size, "max_batch_size": network.Network.batch_size}
