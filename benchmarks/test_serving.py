"""How many photographs a second the exported model answers, and how long one waits for it, by batch size.

    pytest benchmarks/test_serving.py --data DIR

The signature `from_bytes`, called from Python in one process: whole JPEG files in, decoded, resized and classified.
What a server adds, its network and its queue, isn't in it.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import EMBEDDING_ALPHA, MODEL_SIDE, Datasets
from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, record_rate
from benchmarks.harness.sizes import Size
from trainer.config import TrainConfig
from trainer.data import load_manifest, resolve
from trainer.listing import list_files
from trainer.serving import export, served_model

pytestmark = REPLAYED

TABLE = "serving"
MODEL = f"MobileNetV2, alpha {EMBEDDING_ALPHA}, {MODEL_SIDE}x{MODEL_SIDE}"
BATCH_SIZES = (1, 8, 32, 64)
# Photographs that are asked about by turns; all in memory.
NUM_PHOTOGRAPHS = 256
# A 99th percentile needs many calls: a row is this much longer than those that only count items.
PASSES = 4


def row_name(batch_size: int) -> str:
    return f"{batch_size} photograph{'s' if batch_size > 1 else ''}"


def make_rows(
    data_dir: str, photographs: str, weights: str, pass_seconds: float
) -> dict[str, Callable[[], dict[str, Any]]]:
    files = [path for path in list_files([photographs]) if path.endswith(".jpg")]
    chosen = files[:: max(1, len(files) // NUM_PHOTOGRAPHS)][:NUM_PHOTOGRAPHS]
    model = export_and_load(data_dir, weights)
    # Drawn photographs are broken here and there.
    answers = model.predict([Path(path).read_bytes() for path in chosen])
    images = [Path(path).read_bytes() for path, answer in zip(chosen, answers, strict=True) if isinstance(answer, dict)]

    def ask(batch_size: int) -> dict[str, Any]:
        endless = itertools.cycle(images)
        latencies: list[float] = []
        while sum(latencies) < PASSES * pass_seconds:
            batch = list(itertools.islice(endless, batch_size))
            start = time.perf_counter()
            model(batch)
            latencies.append(time.perf_counter() - start)
        return {"num_items": batch_size * len(latencies), "seconds": sum(latencies), "latencies": latencies}

    return {row_name(batch_size): functools.partial(ask, batch_size) for batch_size in BATCH_SIZES}


def export_and_load(data_dir: str, weights: str) -> served_model.ServedModel:
    """Exports MobileNetV2 with a head of fresh weights, and loads it as anybody would."""
    import keras

    from trainer.layers import ToFloat

    config = TrainConfig(data_dir=data_dir, output_dir="", variant="jpeg", image_size=(MODEL_SIDE, MODEL_SIDE))
    data = resolve(config, load_manifest(data_dir))
    shape = (MODEL_SIDE, MODEL_SIDE, 3)
    network = keras.applications.MobileNetV2(
        input_shape=shape, alpha=EMBEDDING_ALPHA, include_top=False, weights=None, pooling="avg"
    )
    network.load_weights(weights)
    images = keras.Input(shape, dtype="uint8")
    features = network(ToFloat(-1.0, 1.0)(images))
    model = keras.Model(images, keras.layers.Dense(len(data.class_names), "softmax")(features))
    with tempfile.TemporaryDirectory() as folder:
        export.export_model(model, data, Path(folder, "model"), {})
        return served_model.load(folder)


@pytest.fixture(scope="module")
def measured(datasets: Datasets, photographs: Path, size: Size) -> Measured:
    arguments = {
        "data_dir": str(datasets.images),
        "photographs": str(photographs),
        "weights": str(datasets.weights),
        "pass_seconds": size.pass_seconds,
    }
    with RowProcess("benchmarks.test_serving", arguments) as process:
        return take_turns([process], size.rounds)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, batch_size: int) -> None:
    row = row_name(batch_size)
    latencies = [latency for one in measured[row] for latency in one.facts["latencies"]]
    median, late = np.percentile(latencies, [50, 99])
    facts = {"p50_ms": round(1e3 * median, 2), "p99_ms": round(1e3 * late, 2), "num_calls": len(latencies)}
    record_rate(benchmark, TABLE, row, measured, size, batch_size=batch_size, model=MODEL, **facts)
