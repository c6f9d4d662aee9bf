"""The calls that made the files of the first edition, and that go on with them; ROOT is the folder of the files."""

from __future__ import annotations

import hashlib
from typing import Any

# In these files paths are written.
TEXTS = (".html", ".json", ".jsonl", ".yaml")
PHOTO = "photos/daisy/00.jpg"
DATA = (
    *("etl.run", "--source", "folder", "--input", "ROOT/photos", "--output", "ROOT/data", "--seed", "7"),
    *("--variants", "jpeg,pixel", "--image_size", "32", "--splits", "train=0.6,validation=0.2,test=0.2"),
)
JOB = (
    *("etl.run", "--source", "folder", "--input", "ROOT/more", "--seed", "3", "--shard_mb", "0.007"),
    *("--variants", "jpeg,pixel", "--image_size", "24"),
)
TASK = (
    *("trainer.task", "--data_dir", "ROOT/data", "--variant", "pixel", "--image_size", "8", "--model", "linear"),
    *("--batch_size", "2", "--seed", "1"),
)
# Backups fall into epochs.
LONGER = ("--num_epochs", "6", "--backup_steps", "3")
NUM_STEPS = 4
STUDY = {
    "displayName": "first edition",
    "maxTrialCount": 4,
    "parallelTrialCount": 1,
    "studySpec": {
        "metrics": [{"metricId": "accuracy", "goal": "MAXIMIZE"}],
        "algorithm": "GRID_SEARCH",
        "parameters": [{"parameterId": "l2", "discreteValueSpec": {"values": [0, 0.001, 0.01, 0.1]}}],
    },
    "trialJobSpec": {"workerPoolSpecs": [{"pythonPackageSpec": {"args": ["--model=linear", "--num_epochs=2"]}}]},
}


def tune(root: str, name: str, *more: str) -> tuple[str, ...]:
    """Returns the call of the study in a folder below `root`."""
    own = (
        "trainer.tune",
        "--config",
        f"{root}/study.yaml",
        "--output_dir",
        f"{root}/{name}",
        "--threads_per_trial",
        "1",
        "--resume",
    )
    trials = (
        "--data_dir",
        f"{root}/data",
        "--variant",
        "pixel",
        "--image_size",
        "8",
        "--batch_size",
        "2",
        "--seed",
        "1",
    )
    return *own, *more, "--", *trials


def digests_of_batches(data_dir: str) -> dict[str, Any]:
    """Returns SHA-256 of all batches of an epoch, by variant and order."""
    from trainer import ingest

    found = {}
    for variant in ("jpeg", "pixel"):
        for training in (False, True):
            size = {"image_size": (32, 32)} if variant == "jpeg" else {}
            config = ingest.IngestConfig(batch_size=4, training=training, seed=1, **size)
            sha256 = hashlib.sha256()
            for images, labels in ingest.load(data_dir, "train", config, variant=variant):
                sha256.update(images.numpy().tobytes() + labels.numpy().tobytes())
            found[f"{variant}, {'in training order' if training else 'in order'}"] = sha256.hexdigest()
    return found


def keras_predictions(path: str) -> Any:
    """Returns what a `.keras` file's model says of two literal images."""
    import keras
    import numpy as np

    import trainer.layers

    assert trainer.layers
    pixels = (np.arange(2 * 8 * 8 * 3) * 37 % 256).astype(np.uint8).reshape(2, 8, 8, 3)
    return keras.saving.load_model(path).predict(pixels, verbose=0).tolist()
