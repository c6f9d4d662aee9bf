"""MobileNetV2 for the models here: as `etl.backbones.mobilenet` builds it, with the trainer's flags in its messages."""

from __future__ import annotations

import keras

from etl.backbones import mobilenet
from etl.backbones.weights import Weights
from etl.errors import ConfigError
from trainer.models.hyperparameters import DRAWN

# The layer of that name, in models that hold one.
LAYER_NAME = "mobilenet"


def base(weights: str, alpha: float, image_size: tuple[int, int]) -> keras.Model:
    """Builds the network as one layer for another model, all of it frozen.

    Args:
        weights: `imagenet`, `none` (drawn at random), or a file of Keras weights, local or on an object store.
        alpha: Its width.
        image_size: (height, width), 32 or more each.

    Returns:
        From float32 (B, height, width, 3) in [-1, 1] to float32 features (B, height / 32, width / 32, 1280).

    Raises:
        ConfigError: the weights can't be had, or are those of another network; the images are too small.
    """
    source = Weights(None if weights == DRAWN else weights, "--weights", _read_bytes)
    network = mobilenet.build(source, alpha, image_size, pooling=None)
    # For its name, which Keras' own function takes only in later versions.
    named: keras.Model = keras.Model(network.inputs, network.outputs[0], name=LAYER_NAME)
    named.trainable = False
    return named


def digest(model: keras.Model) -> str:
    """Returns the digest of a MobileNetV2's weights, by which the manifest names the network that made embeddings.

    Args:
        model: The network, or a model that holds one as `base` made it.
    """
    held = [layer for layer in model.layers if layer.name == LAYER_NAME]
    return mobilenet.digest(held[0] if held else model)


def unfreeze(network: keras.Model, first: str, *, normalise: bool) -> None:
    """Lets the layers from one on be trained, in the network's own order.

    Args:
        network: As `base` made it.
        first: That layer's name, "" for none.
        normalise: Whether its batch normalisation is among them. A layer of it that is frozen normalises by what it has
            stored, in training too, and is the only way to that: Keras hands the training flag of a model down to those
            inside it, over a `training=False` that they were called with.

    Raises:
        ConfigError: no layer has that name.
    """
    if not first:
        return
    names = [layer.name for layer in network.layers[1:]]
    if first not in names:
        raise ConfigError("--unfreeze_from", first, "a layer of MobileNetV2", "as Conv1, block_16_expand or Conv_1")
    network.trainable = True
    reached = False
    for layer in network.layers:
        reached = reached or layer.name == first
        layer.trainable = reached and (normalise or not isinstance(layer, keras.layers.BatchNormalization))


def _read_bytes(path: str) -> bytes:
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return bytes(file.read())
    except tf.errors.OpError as error:
        raise OSError(f"{path}: {error.message}") from error
