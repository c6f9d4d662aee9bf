"""The data set of a run: its facts from the manifest, and its loading."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from etl.format import manifest as manifests
from etl.format import schema
from trainer import ingest, models
from trainer.files import is_remote, read_text, translate_errors
from trainer.ingest import managed, plan

if TYPE_CHECKING:
    import tensorflow as tf

    from etl.format.manifest import Manifest, Variant
    from trainer.config import TrainConfig
    from trainer.ingest import IngestConfig
    from trainer.ingest.plan import Plan
    from trainer.models import ModelSpec

# For images that were stored as they were.
DEFAULT_RESIZE = "pad"

# Examples whose keys are parsed at once.
_KEYS_AT_ONCE = 256

# The splits that a run uses: to train on, to choose the best epoch by, and to say how good that one is.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Data:
    """One variant of a data set, as one run sees it.

    Attributes:
        dataset: The data set's name.
        fingerprint: Of its manifest.
        model: The model's name.
        takes: What the model takes, as `ModelSpec.takes`.
        gives: What it gives, as `ModelSpec.gives`.
        variant: The variant's name.
        image_size: (height, width) that the model takes, or that embeddings were made from.
        resize: How an image is brought to `image_size`: `pad`, `crop` or `stretch`.
        stored: (height, width, resize) of images that were resized when the data set was written, else None.
        embedding: The network that made embeddings, as the manifest names it; None for images.
        class_names: In the order of the labels.
        num_examples: Of each split of `SPLITS` that holds any; `train` always does.
    """

    dataset: str
    fingerprint: str
    model: str
    takes: str
    gives: str
    variant: str
    image_size: tuple[int, int]
    resize: str
    stored: tuple[int, int, str] | None
    embedding: Mapping[str, Any] | None
    class_names: tuple[str, ...]
    num_examples: Mapping[str, int]

    def load(self, split: str, config: TrainConfig) -> tf.data.Dataset:
        """Loads one split as it is, in the order of the shards, once through.

        Returns:
            (uint8 (B, H, W, 3), int32 (B,)), or (float32 (B, 1280), int32 (B,)) for a model that takes embeddings.
        """
        return ingest.load(config.data_dir, split, self.config(config), variant=self.variant)

    def load_keys(self, split: str, config: TrainConfig) -> Iterator[str]:
        """Yields the keys of a split's examples, in the order of `load`."""
        import tensorflow as tf

        from trainer.ingest import order

        read = plan.resolve(config.data_dir, split, self.config(config), self.variant)
        spec = schema.feature_spec({"key": schema.COMMON_FEATURES["key"]})
        for path in read.paths:
            for records in order.read_file(read, path).batch(_KEYS_AT_ONCE):
                for key in tf.io.parse_example(records, spec)["key"].numpy():
                    yield key.decode(errors="replace")

    def load_training(self, config: TrainConfig, shard: tuple[int, int], epoch: int, step: int) -> tf.data.Dataset:
        """Loads this worker's share of the training split, without end, each epoch in an order of its own.

        Of a tf.data service each epoch is a data set of its own, so that none begins before the one before has ended;
        one that lacks batches is an error of TensorFlow.

        Args:
            config: The run's.
            shard: This worker's number, from 0, and the number of workers.
            epoch: The pass over the data to begin in, from 0.
            step: Batches of that epoch to leave out; a service gives whole epochs alone.
        """
        settings = self._training_config(config, shard)
        if config.data_service is not None:
            settings = settings.replace(
                epoch=None,
                first_epoch=epoch,
                distribute="service",
                service_address=config.data_service,
            )
            return ingest.load(config.data_dir, "train", settings, variant=self.variant).repeat()
        settings = settings.replace(epoch=epoch, start_step=step)
        return ingest.load_epochs(config.data_dir, "train", settings, None, variant=self.variant)

    def plan_training(self, config: TrainConfig, shard: tuple[int, int]) -> Plan:
        """Returns how a worker, as in `load_training`, reads the training split."""
        return plan.resolve(config.data_dir, "train", self._training_config(config, shard), self.variant)

    def _training_config(self, config: TrainConfig, shard: tuple[int, int]) -> IngestConfig:
        return self.config(config).replace(
            training=True,
            random_crop=config.random_crop,
            pattern=config.pattern,
            batch_size=config.batch_size // shard[1],
            shard=shard,
            share=config.share,
        )

    def config(self, config: TrainConfig) -> IngestConfig:
        """Returns how a split is read as it is."""
        has_images = self.takes != "embeddings"
        return ingest.IngestConfig(
            batch_size=config.batch_size,
            image_size=self.image_size if has_images else None,
            resize=self.resize if has_images else None,
            seed=config.seed,
            epoch=0,
        )


def load_manifest(data_dir: str) -> Manifest:
    """Loads the manifest of a data set: local, on an object store, or of JSON lines; the last two load TensorFlow.

    Raises:
        ConfigError: there is no such folder.
        DatasetError: it holds no complete data set.
    """
    if managed.is_managed(data_dir):
        return manifests.load(managed.localise(data_dir))
    if is_remote(data_dir):
        with translate_errors("--data_dir", data_dir, "the folder of a data set, which python -m etl.run writes"):
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
    spec = models.find(config.model)
    variant = _choose_variant(config, spec, manifest)
    if spec.gives == "classes" and not manifest.class_names:
        raise ConfigError("--data_dir", config.data_dir, "a data set with classes, which this one has none of")
    manifest.split(variant, "train")
    image_size = _image_size(config, spec, variant)
    _check_resizing(config, spec, variant, image_size)
    return Data(
        dataset=manifest.dataset,
        fingerprint=manifest.fingerprint,
        model=config.model,
        takes=spec.takes,
        gives=spec.gives,
        variant=variant.name,
        image_size=image_size,
        resize=config.resize or variant.image.resize or spec.resize or DEFAULT_RESIZE,
        stored=(*variant.image.size, variant.image.resize or DEFAULT_RESIZE) if variant.image.size else None,
        embedding=variant.embedding,
        class_names=manifest.class_names,
        num_examples={
            name: variant.splits[name].num_examples
            for name in SPLITS
            if name in variant.splits and variant.splits[name].num_examples
        },
    )


def _choose_variant(config: TrainConfig, spec: ModelSpec, manifest: Manifest) -> Variant:
    """Returns the variant that is named, or the only one that the model can take."""
    is_embedding = spec.takes == "embeddings"
    fitting = [name for name, variant in manifest.variants.items() if variant.encoding.has_images != is_embedding]
    if is_embedding and not fitting:
        raise ConfigError(
            "--model",
            config.model,
            f"a model that takes {' or '.join(manifest.variants)}, or a data set with embeddings",
            "python -m etl.run … --variants embedding --embedding_weights imagenet makes one",
        )
    name = config.variant or (fitting[0] if len(fitting) == 1 else None)
    variant = manifest.variant(name)
    if variant.name not in fitting:
        what = "embeddings" if is_embedding else "images"
        raise ConfigError("--variant", variant.name, f"one that holds {what}, which {config.model} takes")
    return variant


def _image_size(config: TrainConfig, spec: ModelSpec, variant: Variant) -> tuple[int, int]:
    if spec.takes == "embeddings" and config.image_size is not None:
        raise ConfigError("--image_size", config.image_size, "none, because the embeddings are made already")
    size = config.image_size or variant.image.size or spec.image_size
    if size is None:
        raise ConfigError(
            "--image_size", None, f"a size, because the images of {variant.name} have several", "try --image_size 224"
        )
    return size


def _check_resizing(config: TrainConfig, spec: ModelSpec, variant: Variant, image_size: tuple[int, int]) -> None:
    """Checks that no option is given that would do nothing.

    Raises:
        ConfigError: the images are stored in the model's size already, and `resize` asks for another way of resizing
            them, or `random_crop` for windows of what ingestion leaves as it is.
    """
    if spec.takes != "embeddings" and variant.image.size != image_size:
        return
    stored = f"{variant.name} is stored in {image_size[0]}x{image_size[1]} ({variant.image.resize}) already"
    if config.resize not in (None, variant.image.resize):
        raise ConfigError("--resize", config.resize, "no other way of resizing", stored)
    if config.random_crop and not variant.encoding.is_file:
        raise ConfigError("--random_crop", True, "pixels larger than --image_size", stored)
