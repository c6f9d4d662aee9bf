"""TensorFlow Datasets reads what was written; needs the package, and skips without it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from etl import run
from etl.errors import run_main
from etl.finalise import tfds_info
from etl.format import layout
from etl.format import manifest as manifests
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Variant
from etl.format.schema import COMMON_FEATURES, encode_example, feature_spec
from etl.format.tfrecord import RecordWriter, frame_record
from tests.photos import make_folder

tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")


def etl(folder: Path, output: Path, *more: str) -> Path:
    arguments = ["--source", "folder", "--input", str(folder), "--output", str(output), *more]
    assert run_main(run.main, arguments) == 0
    return output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("photos"), 40)
    options = ["--variants", "jpeg,pixel", "--image_size", "16x20", "--shard_mb", "0.02"]
    return etl(folder, tmp_path_factory.mktemp("out"), *options)


def stored(data_dir: Path, variant: str, split: str) -> dict[bytes, dict[str, Any]]:
    """Returns a split's examples by key, as TensorFlow alone parses them."""
    described = manifests.load(data_dir).variants[variant]
    paths = [str(data_dir / variant / shard.name) for shard in described.splits[split].shards]
    dataset = tf.data.TFRecordDataset(paths)
    spec = feature_spec(described.features)
    examples = dataset.map(lambda record: tf.io.parse_single_example(record, spec)).as_numpy_iterator()
    return {example["key"]: example for example in examples}


def read(data_dir: Path, variant: str, split: str, **more: Any) -> list[Any]:
    builder = tfds.builder_from_directory(data_dir / variant)
    return list(tfds.as_numpy(builder.as_dataset(split=split, **more)))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_examples_are_those_stored(made: Path, split: str) -> None:
    expected = stored(made, "jpeg", split)
    found = read(made, "jpeg", split, decoders={"image": tfds.decode.SkipDecoding()})
    assert len(found) == len(expected) > 0
    for example in found:
        same = expected.pop(example["key"])
        assert set(example) == set(same)
        assert np.array_equal(example["shape"], same["shape"])
        names = [name for name in same if name != "shape"]
        assert [example[name] for name in names] == [same[name] for name in names]


def test_jpegs_are_decoded_as_tensorflow_decodes_them(made: Path) -> None:
    expected = stored(made, "jpeg", "train")
    for example in read(made, "jpeg", "train"):
        data = expected[example["key"]]["image"]
        assert np.array_equal(example["image"], tf.io.decode_jpeg(data, channels=3).numpy())
        assert example["image"].shape == tuple(example["shape"])


def test_pixels_are_the_same_arrays(made: Path) -> None:
    expected = stored(made, "pixel", "train")
    found = read(made, "pixel", "train")
    assert len(found) == len(expected)
    for example in found:
        pixels = np.frombuffer(expected[example["key"]]["image"], np.uint8).reshape(16, 20, 3)
        assert example["image"].dtype == np.uint8
        assert np.array_equal(example["image"], pixels)


@pytest.mark.parametrize("variant", ["jpeg", "pixel"])
def test_parts_of_a_split_add_up_to_it(made: Path, variant: str) -> None:
    def keys(split: str) -> list[bytes]:
        return [example["key"] for example in read(made, variant, split)]

    whole = keys("train")
    assert keys("train[:50%]") + keys("train[50%:]") != []
    assert sorted(keys("train[:50%]") + keys("train[50%:]")) == sorted(whole)
    assert 0 < len(keys("train[:50%]")) < len(whole)
    assert len(keys("train[3:10]")) == 7
    assert sorted(keys("train+test")) == sorted(whole + keys("test"))


def test_the_class_names_come_along(made: Path) -> None:
    builder = tfds.builder_from_directory(made / "jpeg")
    label = builder.info.features["label_int"]
    assert label.names == ["daisy", "roses", "tulips"]
    expected = {name: split.num_examples for name, split in manifests.load(made).variants["jpeg"].splits.items()}
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == expected
    for example in read(made, "jpeg", "test"):
        assert label.int2str(int(example["label_int"])).encode() == example["label"]


def test_images_and_labels_come_as_pairs(made: Path) -> None:
    pairs = read(made, "pixel", "test", as_supervised=True)
    expected = list(stored(made, "pixel", "test").values())
    assert sorted((image.tobytes(), int(label)) for image, label in pairs) == sorted(
        (example["image"], int(example["label_int"])) for example in expected
    )


def test_floats_have_their_shape_where_it_is_one(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 9)
    options = ["--variants", "pixel", "--pixel_dtype", "float32", "--splits", "train=1"]
    sized = etl(folder, tmp_path / "sized", *options, "--image_size", "8x6")
    own = etl(folder, tmp_path / "own", *options)
    for data_dir, shape in ((sized, (8, 6, 3)), (own, (-1,))):
        expected = stored(data_dir, "pixel", "train")
        found = read(data_dir, "pixel", "train")
        assert len(found) == 9
        for example in found:
            assert np.array_equal(example["image"], expected[example["key"]]["image"].reshape(shape))
            assert example["image"].dtype == np.float32


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (4, 3), value).save(stream, "PNG")
    return stream.getvalue()


EXTRAS = {
    "bbox": FeatureSpec("float32", (4,), optional=True),
    "trimap": FeatureSpec("bytes", optional=True),
    "species": FeatureSpec("bytes"),
    "parts": FeatureSpec("int64", (None,)),
}


def write_by_hand(
    data_dir: Path,
    variant: str,
    image: ImageSpec,
    features: dict[str, FeatureSpec],
    examples: list[dict[str, Any]],
    class_names: tuple[str, ...] = ("cat", "dog"),
) -> None:
    """Writes one shard and what TFDS needs beside it, as the last step of a run would."""
    path = data_dir / variant / "train-00000-of-00001.tfrecord"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        writer = RecordWriter(stream)
        for example in examples:
            writer.write(frame_record(encode_example(example)))
        num_bytes, sha256 = writer.finish()
    shards = (Shard(path.name, len(examples), num_bytes, sha256),)
    splits = {"train": Split("train", len(examples), num_bytes, {}, shards), "test": Split("test", 0, 0, {}, ())}
    described = Variant(variant, image, {**COMMON_FEATURES, **features}, splits)
    manifest = Manifest("pets", class_names, Counts(len(examples), len(examples), {}), {variant: described})
    tfds_info.write_info(str(data_dir), manifest, described)


def common(number: int, label_int: int) -> dict[str, Any]:
    return {"key": f"{number}.jpg", "label": "cat", "label_int": label_int, "digest": "0" * 32, "shape": (3, 4, 3)}


def test_optional_features_are_lists_that_may_be_empty(tmp_path: Path) -> None:
    pixels = np.arange(36, dtype=np.uint8)
    full: dict[str, Any] = {"bbox": (0.1, 0.2, 0.3, 0.4), "trimap": png(2), "species": "cat", "parts": (7, 8)}
    bare: dict[str, Any] = {"bbox": (), "trimap": (), "species": "dog", "parts": ()}
    examples = [{**common(n, n), "image": pixels.tobytes(), **extras} for n, extras in enumerate((full, bare))]
    features = {"image": FeatureSpec("bytes"), **EXTRAS}
    write_by_hand(tmp_path, "pixel", ImageSpec("raw", "uint8", (3, 4), "pad"), features, examples)
    builder = tfds.builder_from_directory(tmp_path / "pixel")
    assert list(builder.info.splits) == ["train"]
    with_all, with_none = tfds.as_numpy(builder.as_dataset(split="train"))
    assert np.allclose(with_all["bbox"], full["bbox"])
    assert with_all["trimap"].tolist() == [png(2)]
    assert (with_all["species"], with_all["parts"].tolist()) == (b"cat", [7, 8])
    assert (with_none["bbox"].shape, with_none["trimap"].tolist(), with_none["parts"].tolist()) == ((0,), [], [])
    assert np.array_equal(with_none["image"], pixels.reshape(3, 4, 3))


def test_embeddings_are_vectors(tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).normal(size=(5, 1280)).astype(np.float32)
    examples = [{**common(n, -1), "image_embedding": vector} for n, vector in enumerate(vectors)]
    features = {"image_embedding": FeatureSpec("float32", (1280,))}
    write_by_hand(tmp_path, "embedding", ImageSpec("none", "float32"), features, examples, class_names=())
    found = {example["key"]: example for example in read(tmp_path, "embedding", "train")}
    for number, vector in enumerate(vectors):
        assert np.array_equal(found[f"{number}.jpg".encode()]["image_embedding"], vector)
        assert found[f"{number}.jpg".encode()]["label_int"] == -1


@pytest.mark.parametrize("odd", [" cat", "cat\nfish", ""])
def test_class_names_that_lines_cannot_hold_leave_numbers(tmp_path: Path, odd: str) -> None:
    examples = [{**common(n, n), "image": bytes(36)} for n in range(2)]
    features = {"image": FeatureSpec("bytes")}
    write_by_hand(tmp_path, "pixel", ImageSpec("raw", "uint8", (3, 4)), features, examples, class_names=(odd, "dog"))
    builder = tfds.builder_from_directory(tmp_path / "pixel")
    assert builder.info.features["label_int"].num_classes == 2
    assert [int(example["label_int"]) for example in read(tmp_path, "pixel", "train")] == [0, 1]


def test_compressed_shards_have_no_such_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 6)
    output = etl(folder, tmp_path / "out", "--splits", "train=1")
    assert set(layout.TFDS_NAMES) <= {path.name for path in (output / "jpeg").iterdir()}
    assert json.loads((output / "jpeg" / layout.TFDS_INFO_NAME).read_text())["configName"] == "jpeg"
    etl(folder, output, "--splits", "train=1", "--compression", "gzip", "--overwrite")
    names = {path.name for path in (output / "jpeg").iterdir()}
    assert names == {"train-00000-of-00001.tfrecord.gz", "index.parquet"}
