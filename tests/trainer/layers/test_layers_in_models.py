"""All layers in models: in graphs, under XLA, and after saving and loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]
MAKERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "ToFloat": lambda **kwargs: layers.ToFloat(-1.0, 1.0, **kwargs),
    "RandomCropOrCenter": lambda **kwargs: layers.RandomCropOrCenter(7, 8, seed=3, **kwargs),
    "RandomFlip": lambda **kwargs: layers.RandomFlip(0.4, seed=3, **kwargs),
    "RandomColorDistortion": lambda **kwargs: layers.RandomColorDistortion(
        (0.7, 1.2), 0.1, layers.linear_ramp(5, first=0.5), seed=3, **kwargs
    ),
    "Grayscale": lambda **kwargs: layers.Grayscale(**kwargs),
}
KEEP_INTEGERS = ["RandomCropOrCenter", "RandomFlip"]
each_layer = pytest.mark.parametrize("name", MAKERS)


def make(name: str, policy: str = "float32") -> keras.layers.Layer:
    return MAKERS[name](dtype=policy, name="layer_here")


def test_every_exported_layer_is_tested_here() -> None:
    exported = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert exported - {"RandomLayer"} == set(MAKERS)


@pytest.fixture(scope="module")
def images(photographs: np.ndarray) -> tf.Tensor:
    return tf.constant(photographs, tf.float32) / 255


def apply(layer: Callable[..., tf.Tensor], images: tf.Tensor, *, jit_compile: bool) -> list[np.ndarray]:
    """Two training steps and one of inference."""
    step = tf.function(lambda batch, training: layer(batch, training=training), jit_compile=jit_compile)
    return [step(images, training).numpy() for training in (True, True, False)]


def as_call(layer: keras.layers.Layer) -> Callable[..., tf.Tensor]:
    """Lets layers without a `training` argument take one, as a model does."""
    model: Callable[..., tf.Tensor] = keras.Sequential([layer])
    return model


@each_layer
@pytest.mark.parametrize("policy", POLICIES)
def test_a_config_makes_the_same_layer(name: str, policy: str, images: tf.Tensor) -> None:
    layer = make(name, policy)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(type(layer)) == f"petalstream>{name}"
    for _ in range(2):
        np.testing.assert_array_equal(as_call(again)(images, training=True), as_call(layer)(images, training=True))


@each_layer
@pytest.mark.parametrize("policy", POLICIES)
def test_floats_become_the_compute_dtype(name: str, policy: str, images: tf.Tensor) -> None:
    layer = make(name, policy)
    expected = keras.DTypePolicy(policy).compute_dtype
    symbolic = layer(keras.Input(images.shape[1:], dtype="float32"))
    assert symbolic.dtype == expected
    for training in (True, False):
        result = as_call(layer)(images, training=training)
        assert result.dtype == expected
        assert result.shape[1:] == symbolic.shape[1:]
        assert np.isfinite(result.numpy().astype(np.float32)).all()


@pytest.mark.parametrize("name", KEEP_INTEGERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_layers_that_only_move_pixels_keep_uint8(name: str, policy: str, photographs: np.ndarray) -> None:
    layer = make(name, policy)
    assert layer(keras.Input(photographs.shape[1:], dtype="uint8")).dtype == "uint8"
    for training in (True, False):
        assert layer(tf.constant(photographs), training=training).dtype == tf.uint8


@each_layer
def test_graph_and_xla_do_what_eager_does(name: str, images: tf.Tensor) -> None:
    eager = as_call(make(name))
    expected = [eager(images, training=training).numpy() for training in (True, True, False)]
    graph = apply(as_call(make(name)), images, jit_compile=False)
    compiled = apply(as_call(make(name)), images, jit_compile=True)
    for one, two, three in zip(expected, graph, compiled, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)
        np.testing.assert_allclose(three, one, atol=1e-6)


@each_layer
def test_sizes_may_be_unknown_until_the_graph_runs(name: str, images: tf.Tensor) -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, make(name)(inputs))
    height_and_width = (7, 8) if name == "RandomCropOrCenter" else (None, None)
    assert model.output_shape == (None, *height_and_width, 1 if name == "Grayscale" else 3)
    fixed = as_call(make(name))
    for size in (1, 6):
        np.testing.assert_array_equal(model(images[:size], training=True), fixed(images[:size], training=True))


def augmenting_model(policy: str = "float32") -> keras.Model:
    """All layers in a row, from uint8 to one grey number a pixel."""
    outputs = inputs = keras.Input((12, 16, 3), dtype="uint8")
    for name in ("RandomCropOrCenter", "RandomFlip"):
        outputs = MAKERS[name](dtype=policy)(outputs)
    for layer in (layers.ToFloat(dtype=policy), MAKERS["RandomColorDistortion"](dtype=policy)):
        outputs = layer(outputs)
    return keras.Model(inputs, layers.Grayscale(dtype=policy)(outputs))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_saved_model_file_does_the_same(photographs: np.ndarray, tmp_path: Path, policy: str) -> None:
    model = augmenting_model(policy)
    batch = tf.constant(photographs)
    model(batch, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    colour = next(layer for layer in loaded.layers if isinstance(layer, layers.RandomColorDistortion))
    assert colour.step.numpy() == 1
    np.testing.assert_array_equal(loaded(batch, training=False), model(batch, training=False))
    # Keras saves no seed's state: given back by hand, the training steps go on as they would have.
    for source, target in zip(model.variables, loaded.variables, strict=True):
        target.assign(source)
    np.testing.assert_array_equal(loaded(batch, training=True), model(batch, training=True))


def test_an_exported_model_draws_nothing(photographs: np.ndarray, tmp_path: Path) -> None:
    model = augmenting_model()
    batch = tf.constant(photographs)
    model.export(str(tmp_path / "model"))
    served = tf.saved_model.load(str(tmp_path / "model")).serve
    centre = tf.constant(photographs[:, 2:9, 4:12], tf.float32) / 255
    expected = layers.Grayscale()(centre)
    for _ in range(2):
        np.testing.assert_allclose(served(batch), expected, atol=1e-6)
    np.testing.assert_allclose(served(batch[:1]), expected[:1], atol=1e-6)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_fitting_draws_anew_each_step_and_predicting_draws_nothing(photographs: np.ndarray, jit_compile: bool) -> None:
    model = augmenting_model()
    trained = keras.Sequential([model, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    trained.compile("sgd", "mse", jit_compile=jit_compile)
    data = tf.data.Dataset.from_tensors((photographs, np.zeros((6, 1), np.float32))).repeat(3)
    trained.fit(data, epochs=2, verbose=0)
    drawing = [layer for layer in model.layers if isinstance(layer, layers.RandomLayer)]
    assert [layer.seed_generator.state.numpy()[1] for layer in drawing] == [6, 6, 6]
    trained.predict(data, verbose=0)
    trained.evaluate(data, verbose=0)
    assert [layer.seed_generator.state.numpy()[1] for layer in drawing] == [6, 6, 6]
