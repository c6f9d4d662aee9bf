"""The trainer's configuration: what it takes, and what it writes down."""

from __future__ import annotations

from typing import Any

import pytest

from etl.cli import parse_size
from etl.errors import ConfigError
from trainer.config import TrainConfig


def make(**fields: Any) -> TrainConfig:
    return TrainConfig(**{"data_dir": "data", "output_dir": "out", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_epochs": 0}, "--num_epochs: got 0, expected a whole number of epochs, 1 or more"),
        ({"batch_size": 0}, "--batch_size: got 0, expected a whole number of images, 1 or more"),
        ({"lrate": 0.0}, "--lrate: got 0.0, expected a learning rate above 0"),
        ({"lrate": float("nan")}, "--lrate: got nan, expected a learning rate above 0"),
        ({"lrate": float("inf")}, "--lrate: got inf, expected a learning rate above 0"),
        ({"lrate_decay": "steps"}, "--lrate_decay: got 'steps', expected one of cosine, none"),
        ({"seed": -1}, "--seed: got -1, expected a whole number from 0"),
        ({"seed": 2**32}, "--seed: got 4294967296, expected a whole number from 0 to 4294967295"),
        ({"monitor": "speed"}, "--monitor: got 'speed', expected one of accuracy, loss"),
        ({"patience": 0}, "--patience: got 0, expected a whole number of epochs, 1 or more"),
        ({"model": "lineal"}, "--model: got 'lineal', expected one of linear, cnn"),
        ({"hyperparameters": {"l1": -0.1}}, "--l1: got -0.1, expected .* 0 or more"),
        ({"hyperparameters": {"l2": float("nan")}}, "--l2: got nan, expected .* 0 or more"),
        ({"hyperparameters": {"dropout": 1.0}}, "--dropout: got 1.0, expected .* from 0 to 0.99"),
        (
            {"model": "linear", "hyperparameters": {"num_hidden": 8}},
            r"--num_hidden: got 8, expected a hyperparameter that linear takes \(--l1, --l2\)",
        ),
    ],
)
def test_a_value_out_of_range_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**fields)


def test_the_models_own_defaults_fill_in() -> None:
    assert make(model="cnn", hyperparameters={"l1": 0.5}).hyperparameters == {
        "l1": 0.5,
        "l2": 0.0,
        "num_hidden": 0,
        "dropout": 0.0,
    }
    assert make(model="linear").lrate < make(model="cnn").lrate
    assert make(model="linear", lrate=0.25).lrate == 0.25


def test_it_is_written_as_flags_that_make_it_again() -> None:
    config = make(model="linear", image_size=(32, 48), hyperparameters={"l2": 0.01}, patience=3)
    flags = config.to_dict()
    assert flags["image_size"] == "32x48"
    assert flags["l2"] == 0.01
    assert flags["lrate"] == config.lrate
    assert "variant" not in flags
    again = {name: flags[name] for name in flags if name not in ("l1", "l2", "image_size")}
    made = make(**again, image_size=parse_size(flags["image_size"]), hyperparameters={"l1": 0.0, "l2": 0.01})
    assert made == config
