"""Complete tiny data sets on disk, written without Beam: shards and manifest, as `etl.run` would leave them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from etl.format import layout, schema
from etl.format import manifest as manifests
from etl.format.features import ExtraValue, FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Statistics, Variant
from etl.format.tfrecord import RecordWriter, frame_record

CLASS_NAMES = ("circle", "cross", "square")
VARIANTS = ("jpeg", "pixel", "embedding")
SPLITS: Mapping[str, int] = {"train": 22, "validation": 7, "test": 5}


def write_dataset(
    folder: Path,
    *,
    variants: Sequence[str] = VARIANTS,
    splits: Mapping[str, int] = SPLITS,
    num_shards: int = 3,
    image_size: tuple[int, int] | None = None,
    pixel_dtype: str = "uint8",
    compression: str = "none",
    class_names: Sequence[str] = CLASS_NAMES,
    seed: int = 0,
) -> Manifest:
    """Writes a data set whose every example can be told apart.

    The n-th example over all splits has the key `image-<n>.jpg`, the class n modulo their number and the picture that
    `draw_image` makes of n; all of its embedding's values are n.

    Args:
        folder: Where; it is made.
        variants: Of `jpeg`, `pixel` and `embedding`.
        splits: Name to number of examples.
        num_shards: Of each split; shards differ in length by one at most and may be empty of examples.
        image_size: (height, width) of all images; None for sizes from 24 to 63 that differ, and 32x48 pixels.
        pixel_dtype: `uint8`, or `float32` for a float list from 0 to 1.
        compression: `none` or `gzip`.
        class_names: In the order of the labels.
        seed: Another seed draws other images.

    Returns:
        The manifest, as it stands in the folder.
    """
    keys = [f"image-{number}.jpg" for number in range(sum(splits.values()))]
    built: dict[str, Variant] = {}
    for name in variants:
        image, feature, spec = _layout(name, image_size, pixel_dtype)
        parts: dict[str, Split] = {}
        first = 0
        for split, size in splits.items():
            numbers = range(first, first + size)
            first += size
            labels = [number % len(class_names) for number in numbers]
            records = [_example(number, keys[number], class_names, feature, image, seed) for number in numbers]
            shards = _write_shards(folder / name, split, records, num_shards, compression)
            parts[split] = Split(
                name=split,
                num_examples=size,
                num_bytes=sum(shard.num_bytes for shard in shards),
                class_counts={title: labels.count(label) for label, title in enumerate(class_names)},
                shards=shards,
            )
        built[name] = Variant(
            name=name,
            image=image,
            features={**schema.COMMON_FEATURES, feature: spec},
            splits=parts,
            compression=compression,
            statistics=Statistics(next(iter(splits)), (127.0, 127.0, 127.0), (60.0, 60.0, 60.0), 1),
        )
    manifest = Manifest(
        dataset="tiny",
        class_names=tuple(class_names),
        counts=Counts(read=len(keys), written=len(keys), rejected={}),
        variants=built,
    )
    (folder / layout.MANIFEST_NAME).write_text(manifests.to_json(manifest), encoding="utf-8")
    return manifest


def draw_image(number: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Draws the picture of one example: smooth noise; uint8, (height, width, 3)."""
    height, width = size
    coarse = np.random.default_rng((seed, number)).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def image_size_of(number: int) -> tuple[int, int]:
    """Returns the height and width of an example's JPEG where sizes differ."""
    return 24 + number * 7 % 40, 24 + number * 11 % 40


def _layout(name: str, image_size: tuple[int, int] | None, pixel_dtype: str) -> tuple[ImageSpec, str, FeatureSpec]:
    """Returns how a variant stores its images, and the feature that holds them."""
    if name == "embedding":
        # The size is that of the images that the network saw.
        image = ImageSpec("none", "float32", schema.EMBEDDING_IMAGE_SIZE, "pad")
        return image, "image_embedding", FeatureSpec("float32", (schema.EMBEDDING_SIZE,))
    if name == "jpeg":
        return ImageSpec("jpeg", "uint8", image_size, "pad" if image_size else None), "image", FeatureSpec("bytes")
    if pixel_dtype == "uint8":
        return ImageSpec("raw", "uint8", image_size or (32, 48), "pad"), "image", FeatureSpec("bytes")
    # The chapter's own format keeps every image's size.
    return ImageSpec("float_list", "float32", image_size, None), "image", FeatureSpec("float32", (None,))


def _example(number: int, key: str, class_names: Sequence[str], feature: str, image: ImageSpec, seed: int) -> bytes:
    label = number % len(class_names)
    size = image.size or image_size_of(number)
    pixels = draw_image(number, size, seed)
    features: dict[str, ExtraValue | np.ndarray] = {
        "key": key,
        "label": class_names[label],
        "label_int": label,
        "shape": pixels.shape,
        "digest": hashlib.md5(pixels.tobytes()).hexdigest(),
    }
    if image.encoding == "none":
        features[feature] = np.full(schema.EMBEDDING_SIZE, number, np.float32)
    elif image.encoding == "jpeg":
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=95, subsampling=0)
        features[feature] = data.getvalue()
    elif image.encoding == "raw":
        features[feature] = pixels.tobytes()
    else:
        features[feature] = (pixels.astype(np.float32) / np.float32(255)).reshape(-1)
    return schema.encode_example(features)


def _write_shards(
    folder: Path, split: str, records: Sequence[bytes], num_shards: int, compression: str
) -> tuple[Shard, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    is_compressed = compression == "gzip"
    shards = []
    for index in range(num_shards):
        part = records[index * len(records) // num_shards : (index + 1) * len(records) // num_shards]
        name = layout.shard_name(split, index, num_shards, compressed=is_compressed)
        with (folder / name).open("wb") as file:
            writer = RecordWriter(file, compressed=is_compressed)
            for record in part:
                writer.write(frame_record(record, compressed=is_compressed))
            num_bytes, sha256 = writer.finish()
        shards.append(Shard(name, len(part), num_bytes, sha256))
    return tuple(shards)
