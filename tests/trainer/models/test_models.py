"""The models by name: what goes in, what comes out, what they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError
from trainer import models
from trainer.models import HYPERPARAMETERS, MODELS, build

SIZE = (40, 24)
IMAGES = np.random.default_rng(5).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)


def make(name: str, **hyperparameters: Any) -> Any:
    return build(name, image_size=SIZE, num_classes=4, **hyperparameters)


@pytest.mark.parametrize("name", MODELS)
def test_uint8_images_become_probabilities(name: str) -> None:
    model = make(name)
    assert model.input_shape == (None, *SIZE, 3)
    assert model.inputs[0].dtype == "uint8"
    probabilities = np.asarray(model(IMAGES))
    assert probabilities.shape == (3, 4)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_inside_gives_float32_outside(name: str) -> None:
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        probabilities = np.asarray(make(name)(IMAGES))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_one_seed_gives_the_same_weights_and_another_does_not(name: str) -> None:
    import keras

    def weights(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        return np.concatenate([array.ravel() for array in make(name).get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).any()


@pytest.mark.parametrize(("name", "hyperparameter"), [("linear", "l1"), ("linear", "l2"), ("cnn", "l1"), ("cnn", "l2")])
def test_penalties_are_part_of_the_loss(name: str, hyperparameter: str) -> None:
    import keras

    assert not [float(loss) for loss in make(name).losses if float(loss)]
    keras.utils.set_random_seed(3)
    model = make(name, **{hyperparameter: 0.5})
    kernel = np.asarray(model.get_layer("probabilities").kernel)
    expected = 0.5 * (np.abs(kernel) if hyperparameter == "l1" else kernel**2).sum()
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


def test_a_hidden_layer_and_dropout_where_they_are_asked_for() -> None:
    names = {layer.name for layer in make("cnn").layers}
    assert not names & {"hidden", "dropout"}
    model = make("cnn", num_hidden=7, dropout=0.5)
    assert model.get_layer("hidden").units == 7
    assert model.get_layer("dropout").rate == 0.5


def test_the_cnn_mirrors_in_training_only() -> None:
    import keras

    model = make("cnn")
    flip = keras.Model(model.inputs, model.get_layer("flip").output)
    images = np.repeat(IMAGES[:1], 64, axis=0)
    np.testing.assert_array_equal(np.asarray(flip(images, training=False)), images)
    flipped = np.asarray(flip(images, training=True))
    mirrored = [np.array_equal(image, IMAGES[0, :, ::-1]) for image in flipped]
    assert 0 < sum(mirrored) < 64


@pytest.mark.parametrize("name", MODELS)
def test_it_can_be_saved_and_loaded(name: str, tmp_path: Any) -> None:
    import keras

    model = make(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(IMAGES)), np.asarray(model(IMAGES)))


def test_the_list_names_only_what_there_is() -> None:
    for spec in MODELS.values():
        assert set(spec.hyperparameters) <= set(HYPERPARAMETERS)
        assert spec.summary
        assert spec.lrate > 0


@pytest.mark.parametrize(
    ("name", "hyperparameters", "message"),
    [
        ("resnet", {}, "--model: got 'resnet', expected one of linear, cnn"),
        ("linear", {"num_classes": 3}, "image_size: got None, expected a value, which linear can't be built without"),
        (
            "linear",
            {"image_size": SIZE},
            "num_classes: got None, expected a value, which linear can't be built without",
        ),
        (
            "linear",
            {"image_size": SIZE, "num_classes": 3, "num_hidden": 2},
            "--num_hidden: got 2, expected a hyperparam",
        ),
        ("cnn", {"image_size": SIZE, "num_classes": 3, "dropout": -1}, "--dropout: got -1, expected share of features"),
    ],
)
def test_what_can_not_be_built_is_refused(name: str, hyperparameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.build(name, **hyperparameters)
