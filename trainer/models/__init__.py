"""The models by name: one model a file, each imported when it is built, so that listing them loads no Keras."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.backbones.weights import IMAGENET
from etl.errors import ConfigError
from trainer import files
from trainer.models.hyperparameters import DRAWN, HYPERPARAMETERS, Hyperparameter, Value
from trainer.models.transfer import Transfer, check_init_from, init_from

if TYPE_CHECKING:
    import keras

__all__ = [
    "HYPERPARAMETERS",
    "MODELS",
    "Hyperparameter",
    "ModelSpec",
    "Transfer",
    "Value",
    "build",
    "check_init_from",
    "check_weights",
    "find",
    "init_from",
    "resolve",
    "with_images",
]

# Metrics beside the loss, of models that give classes or colours.
METRICS = {"classes": ("loss", "accuracy"), "colours": ("loss",)}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of `MODELS`.

    Attributes:
        module: Where its `build` is: a function of `hyperparameters` and `required`, all by keyword.
        summary: What it is, in a few words.
        lrate: Adam's learning rate at the start, where none is given.
        hyperparameters: Those of `HYPERPARAMETERS` that it takes, with their defaults.
        required: What `build` can't do without, because the data set says it.
        takes: `images`, uint8 (B, H, W, 3); `embeddings`, float32 (B, 1280); or `grey`, float32 (B, H, W, 1) in
            [-1, 1].
        gives: `classes`, float32 probabilities (B, C); or `colours`, float32 (B, H, W, 3) in [-1, 1].
        beta_1: Adam's.
        batch_size: Examples a step, where none is given.
        num_epochs: Where none is given.
        lrate_decay: Where none is given.
        image_size: (height, width), where neither a flag nor the data set says it; None for no such size.
        resize: How images are brought to that size, where nothing else says it; None for the trainer's own default.
    """

    module: str
    summary: str
    lrate: float
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    required: tuple[str, ...] = ("image_size", "num_classes")
    takes: str = "images"
    gives: str = "classes"
    beta_1: float = 0.9
    batch_size: int = 32
    num_epochs: int = 10
    lrate_decay: str = "cosine"
    image_size: tuple[int, int] | None = None
    resize: str | None = None


def _colorizer(module: str, summary: str) -> ModelSpec:
    """Makes the entry of a model from grey to colour."""
    return ModelSpec(
        module=module,
        summary=summary,
        lrate=2e-4,
        hyperparameters={"dropout": 0.5},
        required=("image_size",),
        takes="grey",
        gives="colours",
        beta_1=0.5,
        batch_size=128,
        num_epochs=100,
        lrate_decay="none",
        image_size=(80, 80),
        # Black bars would be learnt at once, and make every error look smaller than it is.
        resize="crop",
    )


MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        "linear": ModelSpec(
            module="trainer.models.linear",
            summary="flatten, dense softmax",
            # Every pixel is an input of its own: at ten times this rate the loss jumps about.
            lrate=1e-4,
            hyperparameters={"l1": 0.0, "l2": 0.0},
        ),
        "cnn": ModelSpec(
            module="trainer.models.cnn",
            summary="four convolutions, global average, dense softmax",
            lrate=5e-3,
            hyperparameters={"l1": 0.0, "l2": 0.0, "num_hidden": 0, "dropout": 0.0},
        ),
        "cifar_cnn": ModelSpec(
            module="trainer.models.cifar_cnn",
            summary="six convolutions for small images, flatten, dropout, dense softmax",
            lrate=1e-3,
            hyperparameters={"l1": 0.0, "l2": 0.0, "num_hidden": 0, "dropout": 0.0},
            image_size=(32, 32),
        ),
        "mobilenet": ModelSpec(
            module="trainer.models.mobilenet",
            summary="MobileNetV2 on images, a dense softmax on top",
            lrate=1e-3,
            # Measured on 1,400 flowers at width 0.35, ten epochs, five seeds each: a crop of 0.875 costs 0.014 of the
            # test accuracy, and is for longer runs; 64 hidden units give 0.01 more than none or 16, 128 no more.
            hyperparameters={
                "l1": 0.0,
                "l2": 0.0,
                "num_hidden": 64,
                "dropout": 0.0,
                "crop_ratio": 1.0,
                "with_color_distort": False,
                "weights": "imagenet",
                "alpha": 1.0,
                "unfreeze_from": "",
            },
            image_size=(224, 224),
        ),
        "embedding_head": ModelSpec(
            module="trainer.models.embedding_head",
            summary="a dense softmax on embeddings",
            lrate=1e-3,
            hyperparameters={"l1": 0.0, "l2": 0.0, "num_hidden": 64, "dropout": 0.0, "weights": None, "alpha": None},
            required=("num_classes",),
            takes="embeddings",
        ),
        "colorizer": _colorizer("trainer.models.colorizer", "grey to colour, through a narrow middle"),
        "colorizer_unet": _colorizer(
            "trainer.models.colorizer_unet", "colorizer with skip connections, added to the grey image"
        ),
    }
)


def find(name: str) -> ModelSpec:
    """Returns the entry of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError("--model", name, f"one of {', '.join(MODELS)}")
    return MODELS[name]


def resolve(name: str, given: Mapping[str, Value]) -> dict[str, Any]:
    """Returns all hyperparameters of a model: those given, and the defaults of the others.

    Args:
        name: Of the model.
        given: Hyperparameter to value.

    Raises:
        ConfigError: no such model, one that it doesn't take, or a value of another kind or out of range.
    """
    spec = find(name)
    for option, value in given.items():
        if option not in spec.hyperparameters:
            takes = ", ".join(f"--{own}" for own in spec.hyperparameters) or "none"
            raise ConfigError(f"--{option}", value, f"a hyperparameter that {name} takes ({takes})")
        # The default None is no value that anybody could give.
        if value is not None or spec.hyperparameters[option] is not None:
            HYPERPARAMETERS[option].check(value)
    return {**spec.hyperparameters, **given}


def build(name: str, **hyperparameters: Any) -> keras.Model:
    """Builds a model, with fresh weights from Keras' random state, not compiled.

    Args:
        name: A key of `MODELS`.
        **hyperparameters: What the model's entry requires, `image_size`: (height, width), and `num_classes` as a rule;
            further those of the entry, which have defaults.

    Returns:
        From what the entry `takes` to what it `gives`: for most, from uint8 images (B, height, width, 3), 0-255, to
        float32 probabilities (B, num_classes) that add up to 1.

    Raises:
        ConfigError: no such model, a hyperparameter that it doesn't take, one missing, or a value out of range.
    """
    spec = find(name)
    missing = [option for option in spec.required if option not in hyperparameters]
    if missing:
        raise ConfigError(missing[0], None, f"a value, which {name} can't be built without")
    required = {option: hyperparameters[option] for option in spec.required}
    given = {option: value for option, value in hyperparameters.items() if option not in required}
    model: keras.Model = importlib.import_module(spec.module).build(**required, **resolve(name, given))
    return model


def check_weights(name: str, hyperparameters: Mapping[str, Value], embedding: Mapping[str, Any] | None = None) -> None:
    """Checks that the file of a network's weights is there; loads no TensorFlow for a local one.

    Args:
        name: A key of `MODELS`.
        hyperparameters: Those given.
        embedding: What the manifest says of the network that made the embeddings.

    Raises:
        ConfigError: there is no such file.
    """
    given = {**find(name).hyperparameters, **hyperparameters}
    if "weights" not in given:
        return
    weights = given["weights"] or (embedding or {}).get("weights")
    if weights not in (None, DRAWN, IMAGENET) and not files.exists(str(weights)):
        hint = "" if given["weights"] else "the data set's embeddings were made with it"
        raise ConfigError("--weights", weights, f"{IMAGENET}, {DRAWN}, or a file that is there", hint)


def with_images(
    name: str,
    model: keras.Model,
    hyperparameters: Mapping[str, Value],
    embedding: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Returns the model that takes images where the trained one takes embeddings; any other model as it is.

    Args:
        name: A key of `MODELS`.
        model: As `build` made it, trained or not.
        hyperparameters: `weights` and `alpha` of the network that makes the embeddings, where they aren't None.
        embedding: What the manifest says of that network, for what the hyperparameters leave open: `weights`, `alpha`;
            and `weights_sha256`, which the weights must then have.

    Returns:
        From uint8 (B, 224, 224, 3), 0-255, to float32 probabilities (B, C).

    Raises:
        ConfigError: the network's weights are not known, can't be had, or are others than the data set's.
    """
    if find(name).takes != "embeddings":
        return model
    combine = importlib.import_module(find(name).module).with_images
    combined: keras.Model = combine(model, hyperparameters, embedding or {})
    return combined
