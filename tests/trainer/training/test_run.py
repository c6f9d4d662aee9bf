"""Training in the process: seeds, the best epoch, patience, the learning rate."""

from __future__ import annotations

import dataclasses
import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from etl import interrupts
from etl.errors import ConfigError
from etl.format import manifest
from trainer.config import TrainConfig
from trainer.data import Data, resolve
from trainer.evaluation.evaluate import evaluate
from trainer.training import checkpoint, run
from trainer.training.run import InterruptedRunError, TrainingResult
from trainer.training.setup import make_model, make_optimizer, make_progress
from trainer.training.strategy import Distribution

LEARNT = ("loss", "accuracy", "val_loss", "val_accuracy")


def prepare(data_dir: Path, **fields: Any) -> tuple[TrainConfig, Data]:
    given = {"variant": "pixel", "model": "linear", "num_epochs": 2, "batch_size": 8, "seed": 1, **fields}
    config = TrainConfig(data_dir=str(data_dir), output_dir=str(data_dir / "unused"), **given)
    return config, resolve(config, manifest.load(data_dir))


def here() -> Distribution:
    return Distribution("cpu", tf.distribute.get_strategy())


def train(config: TrainConfig, data: Data) -> TrainingResult:
    return run.train(config, data, here())


def weights(trained: TrainingResult) -> np.ndarray:
    return np.concatenate([array.ravel() for array in trained.model.get_weights()])


def test_the_seed_decides_every_bit(data_dir: Path) -> None:
    # With a layer that flips and one that drops features.
    fields = {"model": "cnn", "hyperparameters": {"dropout": 0.5}}
    one, other = (train(*prepare(data_dir, **fields)) for _ in range(2))
    np.testing.assert_array_equal(weights(one), weights(other))
    for name in LEARNT:
        assert one.history[name] == other.history[name]
    assert (weights(one) != weights(train(*prepare(data_dir, **fields, seed=2)))).any()


def test_the_best_epoch_is_kept_not_the_last(data_dir: Path) -> None:
    # A rate so large that the epochs differ widely.
    config, data = prepare(data_dir, num_epochs=6, lrate=0.5, lrate_decay="none", seed=3)
    trained = train(config, data)
    history = trained.history
    scores = list(zip(history["val_accuracy"], [-loss for loss in history["val_loss"]], strict=True))
    assert trained.best_epoch == scores.index(max(scores)) + 1
    kept = evaluate(trained.model, data.load("validation", config), data.class_names)
    assert kept["accuracy"] == pytest.approx(history["val_accuracy"][trained.best_epoch - 1])
    assert kept["loss"] == pytest.approx(history["val_loss"][trained.best_epoch - 1], rel=1e-5)
    # Else this would hold of any epoch.
    assert len(set(history["val_accuracy"])) > 1


@pytest.mark.parametrize("model", ["linear", "cnn"])
def test_the_loss_is_the_datas_in_every_split_whatever_the_penalty(data_dir: Path, model: str) -> None:
    # A rate that changes no weight: the penalty is that of the first ones.
    fields = {"model": model, "lrate": 1e-30, "num_epochs": 1, "monitor": "loss"}
    (plain, _), (config, data) = prepare(data_dir, **fields), prepare(data_dir, **fields, hyperparameters={"l2": 0.5})
    without, trained = train(plain, data), train(config, data)
    assert "penalty" not in without.history
    for name in ("loss", "val_loss"):
        assert trained.history[name] == pytest.approx(without.history[name], rel=1e-6)
    kernels = [array for array in trained.model.get_weights() if array.ndim == 2]
    assert trained.history["penalty"] == pytest.approx(
        [0.5 * sum(np.square(array).sum() for array in kernels)], rel=1e-5
    )
    kept = evaluate(trained.model, data.load("validation", config), data.class_names)
    assert kept["loss"] == pytest.approx(trained.history["val_loss"][0], rel=1e-5)


def test_training_stops_when_patience_is_over(data_dir: Path) -> None:
    # A rate that changes no weight, so that no epoch is better than the first.
    trained = train(*prepare(data_dir, num_epochs=5, patience=2, lrate=1e-30))
    assert trained.history["epoch"] == [1, 2, 3]
    assert trained.best_epoch == 1


def test_a_linear_model_learns_the_colours(data_dir: Path) -> None:
    trained = train(*prepare(data_dir, num_epochs=8, lrate=0.002))
    assert trained.history["val_accuracy"][trained.best_epoch - 1] == 1.0


@pytest.mark.parametrize(("decay", "last"), [("cosine", 0.0), ("none", 0.004)])
def test_the_learning_rate_falls_to_nothing_or_stays(data_dir: Path, decay: str, last: float) -> None:
    config, data = prepare(data_dir, lrate=0.004, lrate_decay=decay)
    num_steps = make_progress(config, data, here()).num_steps
    optimizer = make_optimizer(config, make_model(config, data), num_steps)
    assert np.asarray(optimizer.learning_rate) == pytest.approx(0.004)
    # 36 examples in batches of 8, twice.
    optimizer.iterations.assign(10)
    assert np.asarray(optimizer.learning_rate) == pytest.approx(last, abs=1e-9)


def test_another_backend_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ConfigError, match="KERAS_BACKEND: got 'jax', expected tensorflow"):
        train(*prepare(data_dir))


# The first look at which the run finds that it was told to stop: within an epoch, at a due backup, between epochs.
@pytest.mark.parametrize("look", [1, 4, 7, 8])
def test_told_to_stop_at_any_look_it_ends_with_the_same_bits(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    fields = {"model": "cnn", "hyperparameters": {"dropout": 0.5}, "num_epochs": 3, "backup_steps": 4}
    config, data = prepare(data_dir, **fields)
    config = dataclasses.replace(config, output_dir=str(tmp_path))
    undisturbed = train(config, data)
    checkpoint.remove(config.folders.checkpoint_dir)

    @contextmanager
    def noted() -> Iterator[Callable[[], int]]:
        looks = itertools.count(1)
        yield lambda: signal.SIGTERM if next(looks) >= look else 0

    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "noted", noted)
        with pytest.raises(InterruptedRunError, match="told to stop after step") as stopped:
            train(config, data)
    saved = checkpoint.load(config.folders.checkpoint_dir)
    assert saved is not None
    assert f"after step {saved.facts['step']};" in str(stopped.value)
    resumed = run.train(config, data, here(), saved)
    np.testing.assert_array_equal(weights(undisturbed), weights(resumed))
    assert [undisturbed.history[name] for name in LEARNT] == [resumed.history[name] for name in LEARNT]
