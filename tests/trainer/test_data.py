"""A run's facts from the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError, DatasetError
from etl.format.features import ImageSpec
from etl.format.manifest import Counts, Manifest, Split, Variant
from trainer.config import TrainConfig
from trainer.data import load_manifest, resolve

PIXEL = ImageSpec("raw", "uint8", (32, 48), "crop")
UNTOUCHED = ImageSpec("jpeg", "uint8")
RESIZED = ImageSpec("jpeg", "uint8", (64, 64), "stretch")


def make(image: ImageSpec = PIXEL, *, class_names: tuple[str, ...] = ("daisy", "roses"), **splits: int) -> Manifest:
    made = {name: Split(name, count, 0, {}, ()) for name, count in splits.items()}
    count = sum(splits.values())
    variant = Variant(name="one", image=image, features={}, splits=made)
    return Manifest("flowers", class_names, Counts(count, count, {}), {"one": variant})


def config(**fields: Any) -> TrainConfig:
    return TrainConfig(**{"data_dir": "data", "output_dir": "out", **fields})


def test_size_resizing_and_classes_come_from_the_data() -> None:
    manifest = make(train=8, validation=2, test=1, other=5)
    data = resolve(config(), manifest)
    assert (data.variant, data.image_size, data.resize) == ("one", (32, 48), "crop")
    assert data.class_names == ("daisy", "roses")
    assert data.num_examples == {"train": 8, "validation": 2, "test": 1}
    assert (data.dataset, data.fingerprint) == ("flowers", manifest.fingerprint)


def test_an_empty_split_counts_as_missing() -> None:
    assert resolve(config(), make(train=8, validation=0, test=0)).num_examples == {"train": 8}
    assert resolve(config(), make(train=8)).num_examples == {"train": 8}


def test_jpegs_of_many_sizes_need_a_size() -> None:
    with pytest.raises(
        ConfigError, match="--image_size: got None, expected a size, because the images of one have several"
    ):
        resolve(config(), make(UNTOUCHED, train=1))
    data = resolve(config(image_size=(96, 96)), make(UNTOUCHED, train=1))
    assert (data.image_size, data.resize) == ((96, 96), "pad")


def test_what_was_resized_once_can_be_resized_again() -> None:
    assert resolve(config(image_size=(32, 48)), make(train=1)).stored == (32, 48, "crop")
    data = resolve(config(image_size=(16, 16), resize="stretch", random_crop=True), make(train=1))
    assert (data.stored, data.image_size, data.resize) == ((32, 48, "crop"), (16, 16), "stretch")
    assert resolve(config(image_size=(16, 16)), make(UNTOUCHED, train=1)).stored is None
    assert resolve(config(image_size=(16, 16)), make(RESIZED, train=1)).resize == "stretch"


@pytest.mark.parametrize(
    ("fields", "image", "message"),
    [
        ({"resize": "pad"}, PIXEL, r"--resize: got 'pad', expected no .*; one is stored in 32x48 \(crop\) already"),
        (
            {"resize": "pad", "image_size": (64, 64)},
            RESIZED,
            "--resize: got 'pad', expected no .* one is stored in 64x64",
        ),
        ({"random_crop": True}, PIXEL, "--random_crop: got True, expected pixels larger than --image_size"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(fields: dict[str, Any], image: ImageSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(config(**fields), make(image, train=1))


def test_options_that_the_stored_images_leave_room_for() -> None:
    assert resolve(config(resize="crop"), make(PIXEL, train=1)).resize == "crop"
    assert resolve(config(random_crop=True), make(RESIZED, train=1)).image_size == (64, 64)


@pytest.mark.parametrize(
    ("fields", "manifest", "message"),
    [
        ({}, make(validation=3), "split: got 'train', expected one of validation"),
        ({}, make(train=0, validation=3), "split: got 'train', expected a split with examples"),
        ({"variant": "pixels"}, make(train=1), "--variant: got 'pixels', expected one of one"),
        (
            {"model": "embedding_head"},
            make(train=1),
            "--model: got 'embedding_head', expected a model that takes one, or a data set with embeddings; python -m "
            "etl.run … --variants embedding --embedding_weights imagenet makes one",
        ),
        ({}, make(ImageSpec("none", "float32"), train=1), "--variant: got 'one', expected one that holds images"),
        ({}, make(class_names=(), train=1), "--data_dir: got 'data', expected a data set with classes"),
    ],
)
def test_what_can_not_be_trained_on_is_refused(fields: dict[str, Any], manifest: Manifest, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(config(**fields), manifest)


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no manifest\.json, so no complete data set"):
        load_manifest(str(tmp_path))
    with pytest.raises(ConfigError, match="--data_dir: .*none.*expected the folder of a data set"):
        load_manifest(str(tmp_path / "none"))
