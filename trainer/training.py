"""Trains one model on one data set and keeps the best epoch's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from trainer import models
from trainer.callbacks import BestWeights, Display, Stopwatch, display, epoch_line

if TYPE_CHECKING:
    import keras

    from trainer.config import TrainConfig
    from trainer.data import Data

_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives.

    Attributes:
        model: With the weights of the best epoch.
        history: Metric to one value an epoch: `epoch` (from 1), `loss`, `accuracy`, `val_loss` and `val_accuracy` where
            there is a validation split, `seconds`, and `images_per_second` of the training part.
        best_epoch: Counted from 1.
    """

    model: keras.Model
    history: Mapping[str, list[float]]
    best_epoch: int


def train(config: TrainConfig, data: Data) -> Trained:
    """Builds, compiles and fits the model that a configuration asks for.

    Equal configurations on equal data give equal weights, bit for bit, on one machine's CPU: the seed decides the first
    weights, the order of the images and whatever the layers draw.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow.
        DivergedError: the loss became infinite or no number.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConfigError("KERAS_BACKEND", keras.backend.backend(), "tensorflow, which data sets and exports need")
    # Not also `enable_op_determinism`: on CPUs the bits were the same without it, on an idle and on a busy machine, and
    # it holds for the whole process, where from then on every operation without a seed fails.
    keras.utils.set_random_seed(config.seed)
    return fit(make_model(config, data), config, data)


def make_model(config: TrainConfig, data: Data) -> keras.Model:
    """Builds and compiles a model for classification, with fresh weights."""
    import keras

    model = models.build(
        config.model, image_size=data.image_size, num_classes=len(data.class_names), **config.hyperparameters
    )
    rate: Any = config.learning_rate
    if config.lrate_decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, config.num_epochs * data.steps_per_epoch(config))
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def fit(model: keras.Model, config: TrainConfig, data: Data) -> Trained:
    """Fits a compiled model, and leaves it with the weights of the best epoch."""
    num_images = data.num_examples["train"]
    best = BestWeights(config.monitor, config.patience)
    history: dict[str, list[float]] = {}
    with display(num_images) as shown:
        model.fit(
            data.load_training(config),
            epochs=config.num_epochs,
            steps_per_epoch=data.steps_per_epoch(config),
            validation_data=data.load("validation", config) if "validation" in data.num_examples else None,
            shuffle=False,
            verbose=0,
            callbacks=[_follow(model, config, num_images, best, history, shown)],
        )
    model.set_weights(best.weights)
    return Trained(model, history, best.epoch)


def _follow(
    model: keras.Model,
    config: TrainConfig,
    num_images: int,
    best: BestWeights,
    history: dict[str, list[float]],
    shown: Display,
) -> keras.callbacks.Callback:
    """Joins Keras' callbacks to our own classes."""
    import keras

    watch = Stopwatch()

    def end_batch(batch: int, logs: Mapping[str, float] | None = None) -> None:
        shown.advance(len(history.get("epoch", ())) + 1, min(num_images, (batch + 1) * config.batch_size))

    def end_epoch(index: int, logs: Mapping[str, float] | None = None) -> None:
        epoch = index + 1
        metrics = {name: float(value) for name, value in (logs or {}).items() if name in _METRICS}
        metrics |= watch.read(num_images)
        is_best = best.see(epoch, metrics, model.get_weights())
        for name, value in {"epoch": epoch, **metrics}.items():
            history.setdefault(name, []).append(value)
        shown.end_epoch(epoch_line(epoch, config.num_epochs, metrics, is_best=is_best))
        model.stop_training = best.should_stop

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs=None: watch.start(),
        on_train_batch_end=end_batch,
        on_test_begin=lambda logs=None: watch.end_training(),
        on_epoch_end=end_epoch,
    )
