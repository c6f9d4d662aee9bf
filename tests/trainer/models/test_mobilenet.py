"""MobileNetV2 on images and before embeddings: what is frozen, what moves, what is random, which weights are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError
from trainer.models import backbone, build, with_images

# MobileNetV2's smallest width.
ALPHA = 0.35
SIZE = (48, 64)
RANDOM = np.random.default_rng(9)
IMAGES = RANDOM.integers(0, 256, (6, *SIZE, 3), dtype=np.uint8)
LABELS = np.arange(6) % 3


def make(weights: str, **hyperparameters: Any) -> Any:
    return build("mobilenet", image_size=SIZE, num_classes=3, weights=weights, alpha=ALPHA, **hyperparameters)


def step(model: Any) -> dict[str, list[np.ndarray]]:
    """Trains one step; returns the network's weights of before, by layer."""
    import keras

    before = {layer.name: layer.get_weights() for layer in model.get_layer("mobilenet").layers}
    # Whose steps hang little on how small a gradient is: through layers of drawn weights hardly anything arrives.
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    model.train_on_batch(IMAGES, LABELS)
    return before


def changed(model: Any, before: dict[str, list[np.ndarray]]) -> dict[str, list[bool]]:
    """Returns, by layer of the network, which of its weights moved; layers where none did are left out."""
    layers = model.get_layer("mobilenet").layers
    moved = {
        layer.name: [bool((new != old).any()) for new, old in zip(layer.get_weights(), before[layer.name], strict=True)]
        for layer in layers
    }
    return {name: flags for name, flags in moved.items() if any(flags)}


@pytest.mark.parametrize("drawn", [False, True])
def test_a_frozen_network_stays_bit_by_bit_while_the_head_learns(weights: str, drawn: bool) -> None:
    model = make("none" if drawn else weights)
    head = {layer.name: layer.get_weights() for layer in model.layers if layer.name in ("hidden", "probabilities")}
    before = step(model)
    assert changed(model, before) == {}
    for name, old in head.items():
        assert any((new != value).any() for new, value in zip(model.get_layer(name).get_weights(), old, strict=True))
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert trained == {"hidden", "probabilities"}


@pytest.mark.parametrize("drawn", [False, True])
def test_exactly_the_layers_from_one_on_are_trained(weights: str, drawn: bool) -> None:
    model = make("none" if drawn else weights, unfreeze_from="block_16_project")
    before = step(model)
    # A network that brings weights keeps its normalisation: gamma and beta, means and variances.
    moved = changed(model, before)
    assert [name for name in moved if not name.endswith(("BN", "bn"))] == ["block_16_project", "Conv_1"]
    normalisations = {name: flags for name, flags in moved.items() if name.endswith(("BN", "bn"))}
    learnt = [True] * 4
    assert normalisations == ({"block_16_project_BN": learnt, "Conv_1_bn": learnt} if drawn else {})
    trained = {weight.path.split("/")[-2] for weight in model.get_layer("mobilenet").trainable_weights}
    assert trained == {"block_16_project", "Conv_1", *normalisations}


def test_all_of_it_can_be_trained() -> None:
    network = make("none", unfreeze_from="Conv1").get_layer("mobilenet")
    assert all(layer.trainable for layer in network.layers[1:])


def test_a_layer_that_is_not_there_can_not_be_unfrozen() -> None:
    with pytest.raises(ConfigError, match="--unfreeze_from: got 'top', expected a layer of MobileNetV2; as Conv1, "):
        make("none", unfreeze_from="top")


def test_windows_and_colours_are_random_in_training_only() -> None:
    import keras

    model = make("none", with_color_distort=True, crop_ratio=0.75)
    seen = keras.Model(model.inputs, [model.get_layer(name).output for name in ("crop", "flip", "color_distort")])
    images = np.repeat(IMAGES[:1], 32, axis=0)
    central = images[:, 6:42, 8:56]
    crop, flip, colours = (np.asarray(output) for output in seen(images, training=False))
    np.testing.assert_array_equal(crop, central)
    np.testing.assert_array_equal(flip, central)
    np.testing.assert_allclose(colours, central / 127.5 - 1, atol=1e-6)
    crop, flip, colours = (np.asarray(output) for output in seen(images, training=True))
    assert len({window.tobytes() for window in crop}) > 16
    mirrored = sum(np.array_equal(new, old[:, ::-1]) for new, old in zip(flip, crop, strict=True))
    assert 0 < mirrored < 32
    assert (np.abs(colours - (flip / 127.5 - 1)).mean(axis=(1, 2, 3)) > 0.01).sum() > 16
    assert np.abs(colours).max() <= 1


def test_no_crop_and_no_distortion_where_none_are_asked_for() -> None:
    model = make("none")
    assert not {"crop", "color_distort"} & {layer.name for layer in model.layers}
    assert model.get_layer("mobilenet").input_shape == (None, *SIZE, 3)


def test_images_that_a_crop_leaves_too_small_are_refused() -> None:
    with pytest.raises(ConfigError, match="--image_size: got '24x32', expected at least 32x32 pixels for MobileNetV2"):
        make("none", crop_ratio=0.5)


@pytest.mark.parametrize("content", [None, b"no weights", "hdf5", "wider"])
def test_weights_that_can_not_be_had_are_refused_in_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    import h5py
    import keras

    path = tmp_path / "odd.weights.h5"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "hdf5":
        with h5py.File(path, "w") as file:
            file["numbers"] = np.zeros(3)
    elif content == "wider":
        keras.applications.MobileNetV2(
            input_shape=(96, 96, 3), alpha=0.5, include_top=False, weights=None
        ).save_weights(path)
    message = f"--weights: got '{path}', expected a file of MobileNetV2 weights, alpha 0.35, without its top"
    with pytest.raises(ConfigError, match=message) as caught:
        make(str(path))
    assert "\n" not in str(caught.value)


def test_embeddings_and_images_get_the_same_answer(weights: str) -> None:
    import keras

    from etl.variants.network import Network

    images = RANDOM.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    head = build("embedding_head", num_classes=3, num_hidden=5)
    combined = with_images("embedding_head", head, {"weights": weights, "alpha": ALPHA})
    assert combined.input_shape == (None, 224, 224, 3)
    assert combined.inputs[0].dtype == "uint8"
    network = Network(weights, ALPHA)
    expected = np.asarray(head(network.embed(images)))
    np.testing.assert_allclose(np.asarray(combined(images)), expected, atol=1e-5)
    assert backbone.digest(combined) == network.weights_digest
    assert isinstance(combined, keras.Model)

    manifest = {"weights": weights, "alpha": ALPHA, "weights_sha256": network.weights_digest}
    again = with_images("embedding_head", head, {"weights": None, "alpha": None}, manifest)
    np.testing.assert_array_equal(np.asarray(again(images)), np.asarray(combined(images)))
    with pytest.raises(ConfigError, match="--weights: got 'none', expected the weights that made the embeddings"):
        with_images("embedding_head", head, {"weights": "none", "alpha": None}, manifest)


def test_the_network_before_embeddings_must_be_known() -> None:
    head = build("embedding_head", num_classes=3)
    with pytest.raises(ConfigError, match="--weights: got None, expected that of the network which made the embedd"):
        with_images("embedding_head", head, {"weights": None, "alpha": 0.35})


def test_other_models_take_images_already() -> None:
    model = build("linear", image_size=(8, 8), num_classes=2)
    assert with_images("linear", model, {}) is model


def test_it_learns_a_handful_of_flowers_by_heart(real_data: Path) -> None:
    import keras
    from PIL import Image

    keras.utils.set_random_seed(6)
    paths = [path for name in ("daisy", "roses") for path in sorted((real_data / "flower_photos" / name).iterdir())[:5]]
    images = np.stack([np.asarray(Image.open(path).convert("RGB").resize((96, 96))) for path in paths])
    file = next((real_data / "weights").glob("*0.35*.h5"))
    model = build("mobilenet", image_size=(96, 96), num_classes=2, weights=str(file), alpha=0.35, crop_ratio=1.0)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    labels = np.arange(10) // 5
    model.fit(images, labels, batch_size=10, epochs=20, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.asarray(model(images)).argmax(axis=1), labels)
