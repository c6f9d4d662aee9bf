"""What each variant stores, read back as others read it."""

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
from etl.images.graph import decoding
from tests.photos import make_folder, picture

# EXIF orientation -> what was done to the upright picture before it was stored.
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def etl(folder: Path, output: Path, *more: str) -> None:
    arguments = ["--source", "folder", "--input", str(folder), "--output", str(output)]
    assert run_main(run.main, [*arguments, "--max_rejected_fraction", "0", *more]) == 0


def examples(output: Path, variant: str, kind: str = "") -> dict[str, tf.train.Example]:
    paths = sorted(map(str, (output / variant).glob("*.tfrecord*")))
    records = tf.data.TFRecordDataset(paths, kind).as_numpy_iterator()
    found = [tf.train.Example.FromString(record) for record in records]
    return {example.features.feature["key"].bytes_list.value[0].decode(): example for example in found}


def image_bytes(example: tf.train.Example) -> bytes:
    return bytes(example.features.feature["image"].bytes_list.value[0])


def turned_folder(root: Path) -> Path:
    """Writes one upright picture, stored in each of the eight orientations."""
    upright = Image.fromarray(picture(1, 120, 90))
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        # Orientation says how to turn the stored pixels back, so they are turned the other way.
        inverse = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270: turn}.get(
            turn, turn
        )
        stored = upright if turn is None else upright.transpose(inverse)
        path = root / "turned" / f"{orientation}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        stored.save(path, exif=exif, quality=95, subsampling=0)
    return root


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_stored_pixels_are_the_served_ones_in_every_orientation(tmp_path: Path, resize: str) -> None:
    folder = turned_folder(tmp_path / "photos")
    etl(folder, tmp_path / "out", "--variants", "pixel", "--image_size", "48x40", "--resize", resize)
    found = examples(tmp_path / "out", "pixel")
    assert len(found) == 8
    upright = np.asarray(Image.fromarray(picture(1, 120, 90)))
    reference = decoding.resize_image(tf.constant(upright), 48, 40, resize).numpy().astype(int)
    for key, example in found.items():
        stored = np.frombuffer(image_bytes(example), np.uint8).reshape(48, 40, 3)
        data = (folder / key).read_bytes()
        served = decoding.decode_resized(tf.constant(data), 48, 40, resize).numpy()
        assert np.array_equal(stored, served), key
        # Upright at all: JPEG's own loss is far below what any wrong turn would make.
        assert np.abs(stored.astype(int) - reference).mean() < 4, key


def test_turned_jpegs_become_upright_and_plain(tmp_path: Path) -> None:
    folder = turned_folder(tmp_path / "photos")
    etl(folder, tmp_path / "out")
    for key, example in examples(tmp_path / "out", "jpeg").items():
        stored = Image.open(io.BytesIO(image_bytes(example)))
        assert stored.size == (90, 120)
        assert stored.getexif().get(0x0112, 1) == 1
        assert (image_bytes(example) == (folder / key).read_bytes()) == key.endswith("/1.jpg")


def test_jpegs_beside_pixels_stay_untouched_unless_their_quality_is_asked_for(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 6)
    both = ["--variants", "jpeg,pixel", "--image_size", "20x30"]
    etl(folder, tmp_path / "untouched", *both)
    etl(folder, tmp_path / "resized", *both, "--jpeg_quality", "90")
    assert manifests.load(tmp_path / "untouched").variants["jpeg"].image.size is None
    for key, example in examples(tmp_path / "untouched", "jpeg").items():
        assert image_bytes(example) == (folder / key).read_bytes()
    assert manifests.load(tmp_path / "resized").variants["jpeg"].image.size == (20, 30)
    for example in examples(tmp_path / "resized", "jpeg").values():
        assert Image.open(io.BytesIO(image_bytes(example))).size == (30, 20)
        assert list(example.features.feature["shape"].int64_list.value) == [20, 30, 3]


def chapters_reader(filename: str) -> tf.data.Dataset:
    """Reads as chapter 7 of "Practical Machine Learning for Computer Vision" does."""

    def parse(example_proto: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        description = {
            "image": tf.io.VarLenFeature(tf.float32),
            "shape": tf.io.VarLenFeature(tf.int64),
            "label": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "label_int": tf.io.FixedLenFeature([], tf.int64, default_value=0),
        }
        rec = tf.io.parse_single_example(example_proto, description)
        shape = tf.sparse.to_dense(rec["shape"])
        image = tf.reshape(tf.sparse.to_dense(rec["image"]), shape)
        return image, rec["label"], rec["label_int"]

    return tf.data.TFRecordDataset(filename, compression_type="GZIP").map(parse)


def test_the_chapters_reader_reads_the_float32_variant_unchanged(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 9)
    options = ["--variants", "pixel", "--pixel_dtype", "float32", "--compression", "gzip"]
    etl(folder, tmp_path / "out", *options)
    expected = {}
    for path in folder.rglob("*.jpg"):
        pixels = tf.io.decode_jpeg(path.read_bytes(), dct_method="INTEGER_ACCURATE")
        value = tf.image.convert_image_dtype(pixels, tf.float32).numpy()
        expected[value.tobytes()] = (value.shape, path.parent.name)
    found = 0
    for file in sorted((tmp_path / "out" / "pixel").glob("*.tfrecord*")):
        assert file.name.endswith(".tfrecord.gz")
        for image, label, label_int in chapters_reader(str(file)).as_numpy_iterator():
            assert expected[image.tobytes()] == (image.shape, label.decode())
            assert ("daisy", "roses", "tulips")[label_int] == label.decode()
            found += 1
    assert found == len(expected) == 9


def test_compressed_files_are_equal_at_every_run_and_checked_like_others(tmp_path: Path) -> None:
    from etl import inspect

    folder = make_folder(tmp_path / "photos", 9)
    options = ["--variants", "jpeg,pixel", "--image_size", "16", "--compression", "gzip"]
    etl(folder, tmp_path / "a", *options, "--direct_num_workers", "1")
    etl(folder, tmp_path / "b", *options, "--direct_num_workers", "4")
    assert manifests.load(tmp_path / "a").fingerprint == manifests.load(tmp_path / "b").fingerprint
    assert inspect.main([str(tmp_path / "a")]) == 0
    assert inspect.main([str(tmp_path / "a"), "--compare", str(tmp_path / "b")]) == 0
    keys = [{k: image_bytes(e) for k, e in examples(tmp_path / "a", "jpeg", "GZIP").items()}]
    assert keys == [{f"{p.parent.name}/{p.name}": p.read_bytes() for p in folder.rglob("*.jpg")}]


def test_statistics_are_those_of_the_stored_pixels(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 12)
    etl(folder, tmp_path / "out", "--variants", "pixel", "--image_size", "64", "--splits", "train=1")
    stored = [
        np.frombuffer(image_bytes(example), np.uint8).reshape(64, 64, 3)[::16, ::16]
        for example in examples(tmp_path / "out", "pixel").values()
    ]
    statistics = manifests.load(tmp_path / "out").variants["pixel"].statistics
    assert statistics is not None
    assert statistics.mean == pytest.approx(np.mean(stored, axis=(0, 1, 2)), abs=1e-3)
    assert statistics.std == pytest.approx(np.std(stored, axis=(0, 1, 2)), abs=1e-3)
