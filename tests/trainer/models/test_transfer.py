"""A start from another model's weights."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from etl.errors import ConfigError
from trainer.models import build, init_from

# MobileNetV2's smallest width.
ALPHA = 0.35
SIZE = (48, 48)


def layer_weights(model: Any, name: str) -> np.ndarray:
    return np.concatenate([array.ravel() for array in model.get_layer(name).get_weights()])


def test_everything_but_the_head_comes_along_to_other_classes(tmp_path: Path) -> None:
    old = build("cnn", image_size=SIZE, num_classes=4)
    # No fresh weights are like these, of whatever layer.
    old.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in old.get_weights()])
    old.save(tmp_path / "old.keras")
    new = build("cnn", image_size=SIZE, num_classes=6)
    head = layer_weights(new, "probabilities")
    transfer = init_from(new, str(tmp_path / "old.keras"))
    assert transfer.fresh == ("probabilities",)
    assert transfer.kept == tuple(layer.name for layer in new.layers if layer.weights)[:-1]
    for name in transfer.kept:
        np.testing.assert_array_equal(layer_weights(new, name), layer_weights(old, name))
    np.testing.assert_array_equal(layer_weights(new, "probabilities"), head)


def test_the_folder_of_a_run_will_do(tmp_path: Path) -> None:
    old = build("linear", image_size=SIZE, num_classes=4)
    old.save(tmp_path / "model.keras")
    new = build("linear", image_size=SIZE, num_classes=4)
    assert init_from(new, str(tmp_path)).kept == ("probabilities",)
    np.testing.assert_array_equal(layer_weights(new, "probabilities"), layer_weights(old, "probabilities"))


def test_layers_of_a_network_inside_come_along_and_stay_frozen(tmp_path: Path) -> None:
    def make(num_classes: int) -> Any:
        return build("mobilenet", image_size=SIZE, num_classes=num_classes, weights="none", alpha=ALPHA)

    old, new = make(3), make(5)
    old.save(tmp_path / "old.keras")
    transfer = init_from(new, str(tmp_path / "old.keras"))
    assert transfer.fresh == ("probabilities",)
    assert "mobilenet/Conv_1" in transfer.kept
    assert "hidden" in transfer.kept
    networks = [model.get_layer("mobilenet") for model in (old, new)]
    for ours, theirs in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not networks[1].trainable_weights


def test_a_head_trained_on_embeddings_fits_onto_the_network(tmp_path: Path) -> None:
    old = build("embedding_head", num_classes=3, num_hidden=7)
    old.save(tmp_path / "old.keras")
    new = build("mobilenet", image_size=SIZE, num_classes=3, weights="none", alpha=ALPHA, num_hidden=7)
    assert init_from(new, str(tmp_path / "old.keras")).kept == ("hidden", "probabilities")


def test_what_was_not_taken_is_said_with_the_reason(tmp_path: Path) -> None:
    build("cnn", image_size=SIZE, num_classes=4).save(tmp_path / "model.keras")
    names = ("a", "b", "c", "d", "e", "f")
    said = str(init_from(build("cnn", image_size=SIZE, num_classes=6, num_hidden=5), str(tmp_path), names))
    assert "not taken: hidden (it has none of that name), probabilities (4 classes there, 6 here)" in said
    with pytest.raises(ConfigError, match=r"like those of embedding_head; 0 layers .* not taken: hidden .* 3 here\)"):
        init_from(build("embedding_head", num_classes=3), str(tmp_path), names[:3])


def test_a_head_for_as_many_other_classes_is_not_taken(tmp_path: Path) -> None:
    old = build("cnn", image_size=SIZE, num_classes=2)
    old.save(tmp_path / "model.keras")
    (tmp_path / "config.yaml").write_text("resolved: {class_names: [cats, dogs]}", encoding="utf-8")
    new = build("cnn", image_size=SIZE, num_classes=2)
    transfer = init_from(new, str(tmp_path), ("dogs", "cats"))
    assert transfer.fresh == ("probabilities",)
    assert transfer.reasons == ("its classes are others: cats, dogs there, dogs, cats here",)
    assert init_from(new, str(tmp_path), ("cats", "dogs")).fresh == ()


def test_a_newer_keras_is_named(tmp_path: Path) -> None:
    model = build("linear", image_size=SIZE, num_classes=4)
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "99.1.0"}))
        archive.writestr("config.json", json.dumps({"module": "keras.tomorrow", "class_name": "New", "config": {}}))
    found = f"Keras 99.1.0 wrote it, and Keras {keras.__version__} is to read it"
    with pytest.raises(ConfigError, match=f"expected a model that Keras can read: {found}"):
        init_from(model, str(path))


def test_a_model_with_nothing_in_common_is_refused(tmp_path: Path) -> None:
    build("linear", image_size=SIZE, num_classes=4).save(tmp_path / "old.keras")
    with pytest.raises(
        ConfigError, match="--init_from: got .*old.keras', expected a model with layers like those of c"
    ):
        init_from(build("colorizer", image_size=SIZE), str(tmp_path / "old.keras"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("there.keras", None, "expected a .keras file, or the folder of a run, with its model.keras"),
        ("model.h5", b"x", "expected a .keras file, or the folder of a run, with its model.keras"),
        ("text.keras", b"no model", "expected a model that Keras can read"),
        ("half.keras", b"PK\x03\x04 and no more", "expected a model that Keras can read"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--init_from: got .*{name}', {message}"):
        init_from(build("linear", image_size=SIZE, num_classes=4), str(path))


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.keras"
    model = build("linear", image_size=SIZE, num_classes=4)
    model.save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ConfigError, match="--init_from: got .*, expected a model that Keras can read"):
        init_from(model, str(path))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a .keras file, or the folder of a run"):
        init_from(build("linear", image_size=SIZE, num_classes=4), str(tmp_path))
