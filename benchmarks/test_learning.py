"""What the models learn from real photographs, and how long an epoch takes.

    pytest benchmarks/test_learning.py --data DIR --full

On a 20 % test split by a hash of the content, from the weights of the epoch that was best on another 10 %.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import EMBEDDING_ALPHA, MODEL_SIDE
from benchmarks.harness.sizes import Size
from etl import run
from trainer.config import TrainConfig
from trainer.data import load_manifest, resolve
from trainer.evaluation.evaluate import evaluate_run
from trainer.training import run as training
from trainer.training.objective import make_objective
from trainer.training.strategy import Distribution

SEEDS = (1, 2, 3, 4, 5)
FLOWERS, CIFAR, COLOURS = "learning: flowers", "learning: cifar-10", "learning: colours"
# The source's: 60, 20 and 20 %, 80x80.
COLOUR_SPLITS = "train=0.6,validation=0.2,test=0.2"
SPLITS = "train=0.7,validation=0.1,test=0.2"


@pytest.fixture(scope="module")
def data(real: Path | None, size: Size) -> Path:
    if size.name != "full":
        pytest.skip("models are trained with --full only")
    if real is None:
        pytest.skip("models are trained on real photographs only: --data DIR")
    return real


@pytest.fixture(scope="module")
def weights(data: Path) -> str:
    return str(next((data / "weights").glob("*0.35*.h5")))


def write(output: Path, source: str, photographs: Path, *arguments: str) -> str:
    where = ["--source", source, "--input", str(photographs), "--output", str(output), "--seed", "7"]
    if run.main([*where, *arguments]) != 0:
        raise RuntimeError(f"the ETL failed to write {output.name}")
    return str(output)


@pytest.fixture(scope="module")
def flowers(data: Path, weights: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    embedding = ["--embedding_weights", weights, "--embedding_alpha", str(EMBEDDING_ALPHA)]
    variants = ["--variants", "pixel,embedding", "--image_size", str(MODEL_SIDE), "--splits", SPLITS]
    return write(tmp_path_factory.mktemp("flowers") / "data", "flowers", data / "flower_photos", *variants, *embedding)


@pytest.fixture(scope="module")
def cifar(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    arguments = ["--variants", "pixel", "--image_size", "32", "--split_by", "hash", "--splits", SPLITS]
    return write(tmp_path_factory.mktemp("cifar") / "data", "cifar10", data / "cifar-10-batches-py", *arguments)


@pytest.fixture(scope="module")
def pets(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    arguments = ["--variants", "pixel", "--image_size", "80", "--resize", "crop"]
    splits = ["--split_by", "hash", "--splits", COLOUR_SPLITS, "--include_unlisted"]
    return write(tmp_path_factory.mktemp("pets") / "data", "pets", data / "pets", *arguments, *splits)


def train(data_dir: str, folder: Path, **fields: Any) -> dict[str, Any]:
    """Trains one model; returns what it learnt."""
    config = TrainConfig(data_dir=data_dir, output_dir=str(folder), **fields)
    data = resolve(config, load_manifest(data_dir))
    trained = training.train(config, data, Distribution("cpu", tf.distribute.get_strategy()))
    prepare = make_objective(data.gives).prepare
    test = data.load("test", config)
    scores = evaluate_run(trained.model, test, data.gives, data.class_names, folder, prepare)
    history = trained.history
    return {
        "scores": scores,
        "history": history,
        "best_epoch": trained.best_epoch,
        # The first epoch builds the graph.
        "epoch_seconds": statistics.median(history["seconds"][1:]),
        "num_examples": data.num_examples["train"],
    }


def record(benchmark: BenchmarkFixture, table: str, row: str, position: int, started: float, **info: Any) -> None:
    benchmark.group = table
    seconds = time.perf_counter() - started
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {
        "table": table,
        "row": row,
        "position": position,
        "wall_seconds": round(seconds, 1),
        **info,
    }


@pytest.mark.parametrize(
    ("position", "variant", "model"), [(0, "pixel", "mobilenet"), (1, "embedding", "embedding_head")]
)
def test_flowers(
    benchmark: BenchmarkFixture, flowers: str, weights: str, tmp_path: Path, position: int, variant: str, model: str
) -> None:
    started = time.perf_counter()
    given = {"weights": weights, "alpha": EMBEDDING_ALPHA} if model == "mobilenet" else {}
    runs = [train(flowers, tmp_path, variant=variant, model=model, seed=seed, hyperparameters=given) for seed in SEEDS]
    accuracies = [one["scores"]["accuracy"] for one in runs]
    record(
        benchmark,
        FLOWERS,
        f"{model} on {variant}",
        position,
        started,
        accuracies=[round(value, 4) for value in accuracies],
        accuracy=round(statistics.mean(accuracies), 4),
        epoch_seconds=round(statistics.median(one["epoch_seconds"] for one in runs), 4),
        num_examples=runs[0]["num_examples"],
        num_tested=runs[0]["scores"]["num_examples"],
        num_epochs=len(runs[0]["history"]["epoch"]),
    )


@pytest.mark.parametrize(("position", "dropout"), [(0, 0.0), (1, 0.5)])
def test_cifar(benchmark: BenchmarkFixture, cifar: str, tmp_path: Path, position: int, dropout: float) -> None:
    started = time.perf_counter()
    given = {"dropout": dropout}
    histories = [
        train(cifar, tmp_path, model="cifar_cnn", seed=seed, hyperparameters=given)["history"] for seed in SEEDS[:3]
    ]
    last = {
        name: statistics.mean(history[name][-1] for history in histories)
        for name in ("accuracy", "val_accuracy", "loss", "val_loss")
    }
    gap = last["accuracy"] - last["val_accuracy"]
    info = {name: round(value, 4) for name, value in {**last, "gap": gap}.items()}
    record(benchmark, CIFAR, f"dropout {dropout:g}", position, started, **info, num_epochs=len(histories[0]["epoch"]))


@pytest.mark.parametrize(("position", "model"), [(0, "colorizer"), (1, "colorizer_unet")])
def test_colours(benchmark: BenchmarkFixture, pets: str, tmp_path: Path, position: int, model: str) -> None:
    started = time.perf_counter()
    learnt = train(pets, tmp_path, model=model, seed=1)
    losses = learnt["history"]["loss"]
    milestones = {epoch: round(losses[epoch - 1], 4) for epoch in (1, 10, 25, 50, 100) if epoch <= len(losses)}
    scores = {name: round(learnt["scores"][name], 4) for name in ("mse", "grey_mse", "best_grey_mse")}
    record(
        benchmark,
        COLOURS,
        model,
        position,
        started,
        losses=milestones,
        **scores,
        num_examples=learnt["num_examples"],
        num_tested=learnt["scores"]["num_examples"],
    )
