"""The models by name: what goes in, what comes out, what they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError
from trainer import models
from trainer.models import HYPERPARAMETERS, MODELS, build

# MobileNetV2's smallest width.
ALPHA = 0.35
# Halves four times, and leaves MobileNetV2 enough after its crop.
SIZE = (64, 48)
RANDOM = np.random.default_rng(5)
INPUTS = {
    "images": RANDOM.integers(0, 256, (3, *SIZE, 3), dtype=np.uint8),
    "embeddings": RANDOM.random((3, 1280), dtype=np.float32),
    "grey": RANDOM.uniform(-1, 1, (3, *SIZE, 1)).astype(np.float32),
}
IMAGES = INPUTS["images"]
CLASSIFIERS = [name for name, spec in MODELS.items() if spec.gives == "classes"]
COLORIZERS = [name for name, spec in MODELS.items() if spec.gives == "colours"]


def make(name: str, num_classes: int = 4, **hyperparameters: Any) -> Any:
    known = {"image_size": SIZE, "num_classes": num_classes}
    required = {option: known[option] for option in MODELS[name].required}
    small = {"weights": "none", "alpha": ALPHA} if name == "mobilenet" else {}
    return build(name, **required, **{**small, **hyperparameters})


def inputs(name: str) -> np.ndarray:
    return INPUTS[MODELS[name].takes]


def check_outputs(name: str, outputs: np.ndarray) -> None:
    assert outputs.dtype == np.float32
    if MODELS[name].gives == "classes":
        assert outputs.shape == (3, 4)
        np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)
        assert (outputs >= 0).all()
    else:
        assert outputs.shape == (3, *SIZE, 3)
        assert np.abs(outputs).max() <= 1


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_what_its_entry_says(name: str) -> None:
    model = make(name)
    assert model.input_shape == (None, *inputs(name).shape[1:])
    assert model.inputs[0].dtype == inputs(name).dtype
    check_outputs(name, np.asarray(model(inputs(name))))


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_inside_gives_float32_outside(name: str) -> None:
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        outputs = np.asarray(make(name)(inputs(name)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    check_outputs(name, outputs)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "mobilenet"])
def test_one_seed_gives_the_same_weights_and_another_does_not(name: str) -> None:
    import keras

    def weights(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        return np.concatenate([array.ravel() for array in make(name).get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).any()


@pytest.mark.parametrize("hyperparameter", ["l1", "l2"])
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "mobilenet"])
def test_penalties_are_part_of_the_loss(name: str, hyperparameter: str) -> None:
    import keras

    hidden = {} if name == "linear" else {"num_hidden": 3}
    assert not [float(loss) for loss in make(name, **hidden).losses if float(loss)]
    keras.utils.set_random_seed(3)
    model = make(name, **hidden, **{hyperparameter: 0.5})
    kernels = [np.asarray(model.get_layer(layer).kernel) for layer in ("hidden", "probabilities")[not hidden :]]
    expected = sum(0.5 * (np.abs(kernel) if hyperparameter == "l1" else kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["cnn", "cifar_cnn", "embedding_head"])
def test_a_hidden_layer_and_dropout_where_they_are_asked_for(name: str) -> None:
    names = {layer.name for layer in make(name, num_hidden=0).layers}
    assert not names & {"hidden", "dropout"}
    model = make(name, num_hidden=7, dropout=0.5)
    assert model.get_layer("hidden").units == 7
    assert model.get_layer("dropout").rate == 0.5


def test_cifar_cnn_drops_right_after_the_flatten() -> None:
    names = [layer.name for layer in make("cifar_cnn", dropout=0.5, num_hidden=3).layers]
    assert names[names.index("flatten") :] == ["flatten", "dropout", "hidden", "probabilities"]


def test_the_cnn_mirrors_in_training_only() -> None:
    import keras

    model = make("cnn")
    flip = keras.Model(model.inputs, model.get_layer("flip").output)
    images = np.repeat(IMAGES[:1], 64, axis=0)
    np.testing.assert_array_equal(np.asarray(flip(images, training=False)), images)
    flipped = np.asarray(flip(images, training=True))
    mirrored = [np.array_equal(image, IMAGES[0, :, ::-1]) for image in flipped]
    assert 0 < sum(mirrored) < 64


@pytest.mark.parametrize("name", ["cifar_cnn", "embedding_head", *COLORIZERS])
def test_dropout_acts_in_training_only(name: str) -> None:
    import keras

    model = make(name, dropout=0.5)
    dropped = keras.Model(model.inputs, model.get_layer("dropout").output)
    before = keras.Model(model.inputs, model.get_layer("dropout").input)
    expected = np.asarray(before(inputs(name), training=False))
    np.testing.assert_array_equal(np.asarray(dropped(inputs(name), training=False)), expected)
    assert (np.asarray(dropped(inputs(name), training=True)) != expected).any()


@pytest.mark.parametrize("name", MODELS)
def test_it_can_be_saved_and_loaded(name: str, tmp_path: Any) -> None:
    import keras

    model = make(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(inputs(name))), np.asarray(model(inputs(name))))
    assert [weight.path for weight in loaded.trainable_weights] == [weight.path for weight in model.trainable_weights]


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "mobilenet"])
def test_a_classifier_learns_a_handful_by_heart(name: str) -> None:
    import keras

    keras.utils.set_random_seed(2)
    few = np.random.default_rng(8)
    shape = (12, 1280) if MODELS[name].takes == "embeddings" else (12, *SIZE, 3)
    x = few.random(shape, dtype=np.float32) if MODELS[name].takes == "embeddings" else few.integers(0, 256, shape)
    x, y = x.astype(inputs(name).dtype), np.arange(12) % 4
    model = make(name)
    model.compile(
        keras.optimizers.Adam(MODELS[name].lrate * 3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=12, epochs=40, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.asarray(model(x)).argmax(axis=1), y)


def test_the_list_names_only_what_there_is() -> None:
    for spec in MODELS.values():
        assert set(spec.hyperparameters) <= set(HYPERPARAMETERS)
        assert spec.summary
        assert spec.lrate > 0
        assert spec.takes in INPUTS
        assert ("num_classes" in spec.required) == (spec.gives == "classes")
        assert ("image_size" in spec.required) == (spec.takes != "embeddings")
    assert {option for spec in MODELS.values() for option in spec.hyperparameters} == set(HYPERPARAMETERS)


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
        ("colorizer", {"image_size": (80, 72)}, "--image_size: got '80x72', expected multiples of 16"),
    ],
)
def test_what_can_not_be_built_is_refused(name: str, hyperparameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.build(name, **hyperparameters)
