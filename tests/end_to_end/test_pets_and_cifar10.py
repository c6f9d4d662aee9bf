"""The other named sets, as they are: mislabelled files, official lists, pickles."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from etl import run
from etl.errors import run_main
from etl.format import manifest as manifests

# PNG and GIF files of the set that are called .jpg; the GIF is in no official list.
MISLABELLED = {"Abyssinian_5", "Egyptian_Mau_14", "Egyptian_Mau_156", "Egyptian_Mau_186"}
UNLISTED = "Abyssinian_34"


def etl(source: str, folder: Path, output: Path, *more: str) -> manifests.Manifest:
    arguments = ["--source", source, "--input", str(folder), "--output", str(output), *more]
    assert run_main(run.main, arguments) == 0
    return manifests.load(output)


def jpegs(output: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted((output / "jpeg").glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            found[Path(features["key"].bytes_list.value[0].decode()).stem] = features["image"].bytes_list.value[0]
    return found


@pytest.mark.parametrize("include_unlisted", [False, True])
def test_pets_that_are_called_jpg_and_are_none_are_written(
    real_data: Path, tmp_path: Path, include_unlisted: bool
) -> None:
    flags = ["--include_unlisted"] if include_unlisted else []
    manifest = etl("pets", real_data / "pets", tmp_path, "--split_by", "official", *flags)
    assert manifest.counts.read == 374
    assert manifest.counts.rejected == ({} if include_unlisted else {"unlisted": 1})
    assert len(manifest.class_names) == 37
    found = jpegs(tmp_path)
    assert (UNLISTED in found) == include_unlisted
    for name in MISLABELLED | ({UNLISTED} if include_unlisted else set()):
        original = (real_data / "pets" / "images" / f"{name}.jpg").read_bytes()
        assert found[name] != original
        stored, source = Image.open(io.BytesIO(found[name])), Image.open(io.BytesIO(original))
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", source.size)


def test_cifar10s_pixels_are_stored_without_loss(real_data: Path, tmp_path: Path) -> None:
    import pickle

    folder = real_data / "cifar-10-batches-py"
    manifest = etl("cifar10", folder, tmp_path, "--variants", "pixel", "--image_size", "32")
    assert manifest.counts.written == 2_500
    assert manifest.variants["pixel"].splits["test"].num_examples == 500
    with open(folder / "test_batch", "rb") as file:
        batch = pickle.load(file, encoding="bytes")
    expected = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    wanted = {image.tobytes(): label for image, label in zip(expected, batch[b"labels"], strict=True)}
    for path in (tmp_path / "pixel").glob("test-*.tfrecord"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            assert wanted[features["image"].bytes_list.value[0]] == features["label_int"].int64_list.value[0]
