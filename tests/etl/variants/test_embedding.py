"""The embedding variant, on weights that are drawn, and on real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from etl import run
from etl.errors import run_main
from etl.format import manifest as manifests
from etl.images.graph import decoding
from etl.variants.embedding import Embedding
from tests.photos import make_folder

ALPHA = 0.35


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(5)
    model = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3), alpha=ALPHA, include_top=False, weights=None, pooling="avg"
    )
    path = tmp_path_factory.mktemp("weights") / "drawn.weights.h5"
    model.save_weights(path)
    return path


def etl(folder: Path, output: Path, weights: Path, *more: str) -> int:
    arguments = ["--source", "folder", "--input", str(folder), "--output", str(output), "--variants", "embedding"]
    network = ["--embedding_weights", str(weights), "--embedding_alpha", str(ALPHA)]
    return run_main(run.main, [*arguments, *network, *more])


def embeddings(output: Path) -> dict[str, tuple[np.ndarray, int]]:
    spec = {
        "key": tf.io.FixedLenFeature([], tf.string),
        "label_int": tf.io.FixedLenFeature([], tf.int64),
        "image_embedding": tf.io.FixedLenFeature([1280], tf.float32),
    }
    paths = sorted(map(str, (output / "embedding").glob("*.tfrecord")))
    dataset = tf.data.TFRecordDataset(paths).map(lambda record: tf.io.parse_single_example(record, spec))
    return {row["key"].decode(): (row["image_embedding"], int(row["label_int"])) for row in dataset.as_numpy_iterator()}


def keras_embeddings(paths: list[Path], weights: Path) -> np.ndarray:
    model = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3), alpha=ALPHA, include_top=False, weights=str(weights), pooling="avg"
    )
    images = [decoding.decode_resized(tf.constant(path.read_bytes()), 224, 224, "pad").numpy() for path in paths]
    scaled = keras.applications.mobilenet_v2.preprocess_input(np.stack(images).astype(np.float32))
    return np.asarray(model.predict(scaled, verbose=0))


def test_embeddings_are_those_of_keras_on_the_same_pixels(tmp_path: Path, weights: Path) -> None:
    # More than one batch, and a broken file within it.
    folder = make_folder(tmp_path / "photos", 70)
    (folder / "daisy" / "broken.jpg").write_bytes((folder / "daisy" / "0000.jpg").read_bytes()[:400])
    assert etl(folder, tmp_path / "out", weights) == 0
    found = embeddings(tmp_path / "out")
    assert len(found) == 70
    keys = sorted(found)[::7]
    expected = keras_embeddings([folder / key for key in keys], weights)
    assert np.abs(np.stack([found[key][0] for key in keys]) - expected).max() < 1e-4
    variant = manifests.load(tmp_path / "out").variants["embedding"]
    assert variant.embedding is not None
    assert len(variant.embedding["weights_sha256"]) == 64
    assert manifests.load(tmp_path / "out").counts.rejected == {"truncated": 1}


def test_a_shard_is_made_of_its_parts_in_order(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "photos", 30)
    assert etl(folder, tmp_path / "whole", weights) == 0
    monkeypatch.setattr(Embedding, "unit_size", 8)
    assert etl(folder, tmp_path / "parts", weights, "--compression", "gzip") == 0
    raw = tf.data.TFRecordDataset(sorted(map(str, (tmp_path / "parts" / "embedding").glob("*.gz"))), "GZIP")
    plain = tf.data.TFRecordDataset(sorted(map(str, (tmp_path / "whole" / "embedding").glob("*.tfrecord"))))
    keys = [
        [tf.train.Example.FromString(r).features.feature["key"].bytes_list.value[0] for r in d.as_numpy_iterator()]
        for d in (raw, plain)
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 30


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_weights_that_cannot_be_had_are_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    folder = make_folder(tmp_path / "photos", 3)
    path = tmp_path / "odd.h5"
    if content is not None:
        path.write_bytes(content)
    assert etl(folder, tmp_path / "out", path) == 2
    assert f"--embedding_weights: got '{path}'" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_linear_probe_on_real_flowers_is_right_on_others(tmp_path: Path, real_data: Path) -> None:
    """Least squares on 200 embeddings, tried on 200 others."""
    weights = next((real_data / "weights").glob("*0.35*.h5"))
    folder = tmp_path / "photos"
    for path in sorted((real_data / "flower_photos").rglob("*.jpg"), key=lambda path: hash_of(path.name))[:400]:
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    assert etl(folder, tmp_path / "out", weights, "--splits", "train=1", "--resize", "crop") == 0
    rows = sorted(embeddings(tmp_path / "out").items(), key=lambda item: hash_of(item[0]))
    assert len(rows) == 400
    features = np.stack([vector for _, (vector, _) in rows])
    labels = np.array([label for _, (_, label) in rows])
    half = len(rows) // 2
    scale = features[:half].mean(0), features[:half].std(0) + 1e-3
    scaled = (features - scale[0]) / scale[1]
    targets = np.eye(5)[labels[:half]] - 0.2
    gram = scaled[:half].T @ scaled[:half] + 300 * np.eye(1280)
    predicted = (scaled[half:] @ np.linalg.solve(gram, scaled[:half].T @ targets)).argmax(1)
    assert (predicted == labels[half:]).mean() > 0.75


def hash_of(key: str) -> str:
    import hashlib

    return hashlib.sha256(key.encode()).hexdigest()
