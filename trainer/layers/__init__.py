"""Augmentation and scaling as Keras layers: whole batches, inside the graph, on the device.

They belong in the model, after `Dataset.batch`: in a parallel `Dataset.map` the order of their draws is anybody's.
"""

from __future__ import annotations

from trainer.layers.grayscale import Grayscale
from trainer.layers.random_color_distortion import RandomColorDistortion, linear_ramp
from trainer.layers.random_crop_or_center import RandomCropOrCenter
from trainer.layers.random_flip import RandomFlip
from trainer.layers.random_layer import RandomLayer
from trainer.layers.to_float import ToFloat

__all__ = [
    "Grayscale",
    "RandomColorDistortion",
    "RandomCropOrCenter",
    "RandomFlip",
    "RandomLayer",
    "ToFloat",
    "linear_ramp",
]
