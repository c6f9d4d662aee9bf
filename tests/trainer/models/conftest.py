"""Weights for MobileNetV2 that are drawn, in the form of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

ALPHA = 0.35


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights for width 0.35, without the top."""
    import keras

    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNetV2(input_shape=(224, 224, 3), alpha=ALPHA, include_top=False, weights=None)
    path: Path = tmp_path_factory.mktemp("weights") / "drawn.weights.h5"
    model.save_weights(path)
    return str(path)
