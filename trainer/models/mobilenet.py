"""`mobilenet`: MobileNetV2's weights from ImageNet, with a classifier of one's own on top."""

from __future__ import annotations

import keras

from trainer.layers import RandomColorDistortion, RandomCropOrCenter, RandomFlip, ToFloat
from trainer.models import backbone
from trainer.models.heads import classify
from trainer.models.hyperparameters import DRAWN


def build(
    *,
    image_size: tuple[int, int],
    num_classes: int,
    l1: float,
    l2: float,
    num_hidden: int,
    dropout: float,
    crop_ratio: float,
    with_color_distort: bool,
    weights: str,
    alpha: float,
    unfreeze_from: str,
) -> keras.Model:
    """Builds the model; in training it takes random windows, and mirrors half of the images.

    A network that brings weights keeps its batch normalisation as it came, from `unfreeze_from` on too: its statistics
    are averages over a million images, which a few hundred batches of others only blur. One whose weights are drawn has
    none to keep, and learns them where it is trained.

    Args:
        image_size: (height, width); what is left of it by `crop_ratio` must be 32 or more each.
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.
        num_hidden: Units of a hidden layer before the softmax, 0 for no such layer.
        dropout: Share of features dropped before the softmax.
        crop_ratio: Share of height and width that the network sees, a random window in training and the central one
            otherwise; 1 for all.
        with_color_distort: Whether training changes contrast and brightness.
        weights: `imagenet`, `none` (drawn at random), or a file of MobileNetV2 weights without its top.
        alpha: MobileNetV2's width.
        unfreeze_from: Name of the first of its layers that is trained, "" for none: the network is then frozen.

    Returns:
        From uint8 (B, height, width, 3) to float32 probabilities (B, num_classes).

    Raises:
        ConfigError: the weights can't be had, or are those of another network; the images are too small; MobileNetV2
            has no layer of that name.
    """
    height, width = (round(side * crop_ratio) for side in image_size)
    network = backbone.base(weights, alpha, (height, width))
    backbone.unfreeze(network, unfreeze_from, normalise=weights == DRAWN)

    images = x = keras.Input((*image_size, 3), dtype="uint8", name="images")
    if (height, width) != image_size:
        x = RandomCropOrCenter(height, width, name="crop")(x)
    x = RandomFlip(name="flip")(x)
    x = ToFloat(-1.0, 1.0, name="to_float")(x)
    if with_color_distort:
        x = RandomColorDistortion(low=-1.0, high=1.0, name="color_distort")(x)
    x = network(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    x = classify(x, num_classes=num_classes, l1=l1, l2=l2, num_hidden=num_hidden, dropout=dropout)
    return keras.Model(images, x, name="mobilenet_classifier")
