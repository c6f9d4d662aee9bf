"""What a run needs to know of its data set, all of it from the manifest, and how it loads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl import manifest as manifests
from etl.errors import ConfigError
from trainer.files import read_text

if TYPE_CHECKING:
    import tensorflow as tf

    from etl.manifest import Manifest, Variant
    from trainer.config import TrainConfig
    from trainer.ingest import IngestConfig

# For images that were stored as they were.
DEFAULT_RESIZE = "pad"

# The splits that a run uses: to train on, to choose the best epoch by, and to say how good that one is.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Data:
    """One variant of a data set, as one run sees it.

    Attributes:
        dataset: The data set's name.
        fingerprint: Of its manifest.
        variant: The variant's name.
        image_size: (height, width) that the model takes.
        resize: How an image is brought to `image_size`: `pad`, `crop` or `stretch`.
        stored: (height, width, resize) of images that were resized when the data set was written, else None.
        class_names: In the order of the labels.
        num_examples: Of each split of `SPLITS` that holds any; `train` always does.
    """

    dataset: str
    fingerprint: str
    variant: str
    image_size: tuple[int, int]
    resize: str
    stored: tuple[int, int, str] | None
    class_names: tuple[str, ...]
    num_examples: Mapping[str, int]

    def load(self, split: str, config: TrainConfig) -> tf.data.Dataset:
        """Loads one split as it is, in the order of the shards: (uint8 (B, H, W, 3), int32 (B,)), once through."""
        from trainer import ingest

        return ingest.load(config.data_dir, split, self._ingest_config(config, training=False), variant=self.variant)

    def load_training(self, config: TrainConfig) -> tf.data.Dataset:
        """Loads the training split of all epochs, one after the other, each in an order of its own."""
        from trainer import ingest

        return ingest.load_epochs(
            config.data_dir,
            "train",
            self._ingest_config(config, training=True),
            config.num_epochs,
            variant=self.variant,
        )

    def steps_per_epoch(self, config: TrainConfig) -> int:
        """Returns how many batches of `load_training` are one epoch."""
        from trainer import ingest

        return ingest.steps_per_epoch(
            config.data_dir, "train", self._ingest_config(config, training=True), variant=self.variant
        )

    def _ingest_config(self, config: TrainConfig, *, training: bool) -> IngestConfig:
        from trainer import ingest

        return ingest.IngestConfig(
            batch_size=config.batch_size,
            image_size=self.image_size,
            resize=self.resize,
            training=training,
            random_crop=config.random_crop,
            seed=config.seed,
        )


def load_manifest(data_dir: str) -> Manifest:
    """Loads the manifest of a data set, local or on an object store; only the latter loads TensorFlow.

    Raises:
        ConfigError: there is no such folder.
        DatasetError: it holds no complete data set.
    """
    if "://" in data_dir:
        return manifests.load(data_dir, read_text)
    if not os.path.isdir(data_dir):
        raise ConfigError("--data_dir", data_dir, "the folder of a data set, which python -m etl.run writes")
    return manifests.load(data_dir)


def resolve(config: TrainConfig, manifest: Manifest) -> Data:
    """Settles what the configuration leaves to the data set.

    Raises:
        ConfigError: no such variant, one that holds no images, an image size that is needed, an option that would do
            nothing, a training split that is missing or empty, or a data set without classes.
    """
    variant = manifest.variant(config.variant)
    if variant.image.encoding == "none":
        raise ConfigError("--variant", variant.name, f"one that holds images, which {config.model} takes")
    if not manifest.class_names:
        raise ConfigError("--data_dir", config.data_dir, "a data set with classes, which this one has none of")
    manifest.split(variant, "train")
    image_size = _image_size(config, variant)
    _check_resizing(config, variant, image_size)
    return Data(
        dataset=manifest.dataset,
        fingerprint=manifest.fingerprint,
        variant=variant.name,
        image_size=image_size,
        resize=config.resize or variant.image.resize or DEFAULT_RESIZE,
        stored=(*variant.image.size, variant.image.resize or DEFAULT_RESIZE) if variant.image.size else None,
        class_names=manifest.class_names,
        num_examples={
            name: variant.splits[name].num_examples
            for name in SPLITS
            if name in variant.splits and variant.splits[name].num_examples
        },
    )


def _image_size(config: TrainConfig, variant: Variant) -> tuple[int, int]:
    size = config.image_size or variant.image.size
    if size is None:
        raise ConfigError(
            "--image_size", None, f"a size, because the images of {variant.name} have several", "try --image_size 224"
        )
    return size


def _check_resizing(config: TrainConfig, variant: Variant, image_size: tuple[int, int]) -> None:
    """Checks that no option is given that would do nothing.

    Raises:
        ConfigError: the images are stored in the model's size already, and `resize` asks for another way of resizing
            them, or `random_crop` for windows of what ingestion leaves as it is.
    """
    if variant.image.size != image_size:
        return
    stored = f"{variant.name} is stored in {image_size[0]}x{image_size[1]} ({variant.image.resize}) already"
    if config.resize not in (None, variant.image.resize):
        raise ConfigError("--resize", config.resize, "no other way of resizing", stored)
    if config.random_crop and variant.image.encoding != "jpeg":
        raise ConfigError("--random_crop", True, "pixels larger than --image_size", stored)
