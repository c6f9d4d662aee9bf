from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from etl.images.graph import decoding
from tests.datasets import draw_image, image_size_of, write_dataset
from tests.trainer.ingest.batches import assert_equal, by_label, epoch, labels
from tests.trainer.ingest.conftest import CLASS_NAMES, NUM_TRAIN
from trainer import ingest
from trainer.ingest import IngestConfig, plan


@pytest.fixture(scope="module")
def jpegs(tiny: Path) -> dict[int, bytes]:
    """The training split's JPEG files by label, read with nothing of ours."""
    spec = {"image": tf.io.FixedLenFeature([], tf.string), "label_int": tf.io.FixedLenFeature([], tf.int64)}
    found = {}
    for record in tf.data.TFRecordDataset(sorted(str(path) for path in (tiny / "jpeg").glob("train-*"))):
        example = tf.io.parse_single_example(record, spec)
        found[int(example["label_int"])] = example["image"].numpy()
    return found


def test_pixels_come_as_they_were_stored(tiny: Path) -> None:
    batches = epoch(tiny, "pixel", batch_size=8)
    assert [(images.shape, images.dtype, part.dtype) for images, part in batches] == [
        ((8, 32, 48, 3), np.uint8, np.int32),
        ((8, 32, 48, 3), np.uint8, np.int32),
        ((6, 32, 48, 3), np.uint8, np.int32),
    ]
    for label, image in by_label(batches).items():
        np.testing.assert_array_equal(image, draw_image(label, (32, 48)))


def test_embeddings_come_as_they_were_stored(tiny: Path) -> None:
    batches = epoch(tiny, "embedding", batch_size=8)
    assert (batches[0][0].shape, batches[0][0].dtype, batches[2][0].shape) == ((8, 1280), np.float32, (6, 1280))
    for label, values in by_label(batches).items():
        np.testing.assert_array_equal(values, np.full(1280, label, np.float32))


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_validation_decodes_exactly_as_the_exported_model(tiny: Path, jpegs: dict[int, bytes], resize: str) -> None:
    images = by_label(epoch(tiny, "jpeg", batch_size=8, image_size=(20, 28), resize=resize))
    assert len(images) == NUM_TRAIN
    for label, image in images.items():
        np.testing.assert_array_equal(image, decoding.decode_resized(tf.constant(jpegs[label]), 20, 28, resize))


def test_training_without_windows_decodes_like_validation(tiny: Path) -> None:
    training = by_label(epoch(tiny, "jpeg", image_size=20, training=True, random_crop=False))
    validation = by_label(epoch(tiny, "jpeg", image_size=20))
    assert list(training) != list(validation)
    for label, image in validation.items():
        np.testing.assert_array_equal(training[label], image)


def test_a_jpeg_stored_in_the_size_wanted_is_not_resized(tmp_path: Path) -> None:
    write_dataset(tmp_path, variants=("jpeg",), splits={"train": 3}, image_size=(40, 24), class_names=CLASS_NAMES)
    images = by_label(epoch(tmp_path, "jpeg"))
    for path in sorted((tmp_path / "jpeg").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            example = tf.train.Example.FromString(record.numpy()).features.feature
            decoded = decoding.decode_rgb(tf.constant(example["image"].bytes_list.value[0]))
            np.testing.assert_array_equal(images[example["label_int"].int64_list.value[0]], decoded)


def test_pixels_in_another_size_are_resized_with_the_stored_mode(tiny: Path) -> None:
    for label, image in by_label(epoch(tiny, "pixel", image_size=(16, 20))).items():
        expected = decoding.resize_image(tf.constant(draw_image(label, (32, 48))), 16, 20, "pad")
        np.testing.assert_array_equal(image, expected)


def test_the_chapters_floats_give_the_pixels_they_were_made_from(tiny_floats: Path) -> None:
    images = by_label(epoch(tiny_floats, "pixel", image_size=(20, 24), resize="crop"))
    assert len(images) == NUM_TRAIN
    for label, image in images.items():
        pixels = tf.constant(draw_image(label, image_size_of(label)))
        np.testing.assert_array_equal(image, decoding.resize_image(pixels, 20, 24, "crop"))


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("pixel_dtype", ["uint8", "float32"])
def test_pixels_of_one_size_are_parsed_in_whole_batches(tmp_path: Path, pixel_dtype: str, compression: str) -> None:
    write_dataset(
        tmp_path,
        variants=("pixel",),
        splits={"train": 5},
        image_size=(24, 16),
        pixel_dtype=pixel_dtype,
        compression=compression,
        class_names=CLASS_NAMES,
    )
    batches = epoch(tmp_path, "pixel", batch_size=2)
    for label, image in by_label(batches).items():
        np.testing.assert_array_equal(image, draw_image(label, (24, 16)))
    assert_equal(batches, epoch(tmp_path, "pixel", batch_size=2, whole_batches=False))


def test_embeddings_are_parsed_in_whole_batches(tiny: Path) -> None:
    assert plan.resolve(tiny, "train", IngestConfig(), "embedding").is_batchwise
    assert_equal(epoch(tiny, "embedding", batch_size=8), epoch(tiny, "embedding", batch_size=8, whole_batches=False))


@pytest.mark.parametrize(("variant", "size"), [("jpeg", 20), ("pixel", None), ("pixel", 20)])
def test_floats_are_the_same_pixels_from_0_to_1(tiny: Path, variant: str, size: int | None) -> None:
    whole = epoch(tiny, variant, image_size=size)
    scaled = epoch(tiny, variant, image_size=size, dtype="float32")
    assert_equal(scaled, [(images.astype(np.float32) / np.float32(255), part) for images, part in whole])


def test_the_remainder_is_dropped_where_asked_for(tiny: Path) -> None:
    for variant in ("jpeg", "embedding"):
        config = IngestConfig(
            batch_size=8, drop_remainder=True, image_size=None if variant == "embedding" else 16, training=True
        )
        dataset = ingest.load(tiny, "train", config, variant=variant)
        assert dataset.element_spec[0].shape[0] == 8
        found = [part.shape for _, part in dataset]
        assert found == [(8,), (8,)]
        assert ingest.steps_per_epoch(tiny, "train", config, variant=variant) == 2


def test_shapes_and_numbers_are_known_without_reading(tiny: Path) -> None:
    dataset = ingest.load_epochs(tiny, "train", IngestConfig(batch_size=4, image_size=16), 3, variant="jpeg")
    assert dataset.element_spec == (
        tf.TensorSpec((None, 16, 16, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
    )
    assert int(dataset.cardinality()) == 18
    endless = ingest.load_epochs(tiny, "train", IngestConfig(batch_size=4), variant="embedding")
    assert int(endless.cardinality()) == tf.data.INFINITE_CARDINALITY
    assert sorted(int(label) for _, part in endless.take(6) for label in part) == list(range(NUM_TRAIN))


def test_validation_keeps_the_order_on_disk(tiny: Path) -> None:
    for variant, size in (("jpeg", 16), ("pixel", None), ("embedding", None)):
        assert labels(epoch(tiny, variant, batch_size=5, image_size=size)) == list(range(NUM_TRAIN))
    assert labels(epoch(tiny, "pixel", "test")) == list(range(29, 34))
