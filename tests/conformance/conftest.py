"""One data set with every registered variant."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from etl import run
from etl.errors import run_main
from etl.variants import VARIANTS
from tests.photos import make_folder

ALPHA = 0.35
SIZE = 32


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images in three classes, in every variant there is; what is registered is in it unasked."""
    root = tmp_path_factory.mktemp("conformance")
    keras.utils.set_random_seed(5)
    network = keras.applications.MobileNetV2((224, 224, 3), ALPHA, include_top=False, weights=None, pooling="avg")
    network.save_weights(root / "drawn.weights.h5")
    arguments = ["--source", "folder", "--input", str(make_folder(root / "photos", 12)), "--output", str(root / "data")]
    arguments += ["--variants", ",".join(VARIANTS), "--image_size", str(SIZE), "--splits", "train=1"]
    arguments += ["--embedding_weights", str(root / "drawn.weights.h5"), "--embedding_alpha", str(ALPHA)]
    assert run_main(run.main, arguments) == 0
    return root / "data"
