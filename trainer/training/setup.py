"""Prepares a run: its model, its optimizer, and its first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from etl.cli import note
from etl.errors import ConfigError
from trainer import models
from trainer.training.progress import TrainingProgress
from trainer.training.strategy import Distribution

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.data import Data


def make_progress(config: TrainConfig, data: Data, distribution: Distribution) -> TrainingProgress:
    """Returns the beginning of a run.

    Raises:
        ConfigError: the batch can't be divided among the workers.
    """
    num_workers = distribution.num_workers
    if config.batch_size % num_workers:
        raise ConfigError("--batch_size", config.batch_size, f"a multiple of {num_workers}, the number of workers")
    plan = data.plan_training(config, distribution.shard)
    return TrainingProgress.begin(
        num_examples=plan.split.num_examples,
        batch_size=config.batch_size,
        num_workers=num_workers,
        own_steps=plan.steps_per_epoch,
        num_epochs=config.num_epochs,
        virtual_examples=config.num_training_examples,
    )


def make_model(config: TrainConfig, data: Data) -> keras.Model:
    """Builds the model, with fresh weights or those that `init_from` names."""
    spec = models.find(config.model)
    facts = {"image_size": data.image_size, "num_classes": len(data.class_names)}
    required = {name: facts[name] for name in spec.required}
    model = models.build(config.model, **required, **config.hyperparameters)
    if config.init_from is not None:
        transfer = models.init_from(model, config.init_from, data.class_names if spec.gives == "classes" else None)
        note(f"--init_from {config.init_from}: {transfer}")
    return model


def make_optimizer(config: TrainConfig, model: keras.Model, num_steps: int) -> keras.Optimizer:
    """Makes Adam, with its variables, so that a checkpoint has somewhere to go.

    Args:
        config: Says the learning rate and its decay.
        model: Whose weights it trains.
        num_steps: Of the whole run.
    """
    rate: Any = config.lrate
    if config.lrate_decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, num_steps)
    optimizer = keras.optimizers.Adam(rate, beta_1=models.find(config.model).beta_1)
    optimizer.build(model.trainable_variables)
    return optimizer
