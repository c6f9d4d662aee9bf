"""From grey to colour: the layers as they are described, and what skip connections change."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.models import MODELS, build

SIZE = (32, 48)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Smooth colours, and a grey of them: (grey, colours), in [-1, 1]."""
    rows, columns = np.mgrid[0:1:32j, 0:1:48j]
    colours = np.stack(
        [np.stack([rows, columns, 0.3 + 0 * rows], -1), np.stack([columns, 1 - rows, 0.8 * rows], -1)]
    ).astype(np.float32)
    grey = (colours @ np.float32([0.2126, 0.7152, 0.0722]))[..., np.newaxis]
    return grey * 2 - 1, colours * 2 - 1


def test_the_colorizer_is_the_one_described() -> None:
    import keras

    model = build("colorizer", image_size=(80, 80))
    assert model.count_params() == 1_106_755
    assert model.output_shape == (None, 80, 80, 3)
    convolutions = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D]
    assert [(layer.filters, layer.kernel_size[0], layer.strides[0]) for layer in convolutions] == [
        (32, 3, 2),
        (64, 3, 2),
        (128, 3, 2),
        (256, 1, 2),
        (3, 3, 1),
    ]
    transposed = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [(layer.filters, layer.kernel_size[0], layer.strides[0]) for layer in transposed] == [
        (256, 3, 2),
        (128, 3, 2),
        (64, 3, 2),
        (32, 3, 2),
    ]
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.momentum for layer in normalisations] == [0.8] * 7
    slopes = [layer.negative_slope for layer in model.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == [0.2] * 4
    dropout = model.get_layer("dropout")
    assert dropout.rate == 0.5
    assert dropout.output.shape == (None, 5, 5, 256)
    assert model.layers[-1].activation is keras.activations.tanh


def test_the_run_that_the_colorizer_is_described_with() -> None:
    spec = MODELS["colorizer"]
    assert (spec.lrate, spec.beta_1, spec.batch_size, spec.num_epochs) == (2e-4, 0.5, 128, 100)
    assert (spec.lrate_decay, spec.image_size) == ("none", (80, 80))


def test_a_unet_that_has_learnt_nothing_gives_the_grey_image() -> None:
    grey, _ = pictures()
    coloured = np.asarray(build("colorizer_unet", image_size=SIZE)(grey))
    np.testing.assert_allclose(coloured, np.repeat(grey, 3, axis=-1), atol=1e-6)


def test_what_a_unet_adds_stays_in_range() -> None:
    grey, _ = pictures()
    model = build("colorizer_unet", image_size=SIZE)
    last = model.get_layer("to_colours")
    last.set_weights([np.random.default_rng(1).normal(0, 3, weight.shape) for weight in last.get_weights()])
    coloured = np.asarray(model(grey))
    assert coloured.min() == -1
    assert coloured.max() == 1


def test_a_unet_hands_fine_detail_past_its_middle() -> None:
    model = build("colorizer_unet", image_size=(80, 80))
    skips = {number: model.get_layer(f"skip_{number}").output.shape[1:] for number in (1, 2, 3)}
    assert skips == {1: (10, 10, 256 + 128), 2: (20, 20, 128 + 64), 3: (40, 40, 64 + 32)}
    assert model.get_layer("skip_grey").output.shape[1:] == (80, 80, 32 + 1)


@pytest.mark.parametrize("name", ["colorizer", "colorizer_unet"])
def test_a_colorizer_learns_a_handful_by_heart(name: str) -> None:
    import keras

    keras.utils.set_random_seed(4)
    grey, colours = pictures()
    model = build(name, image_size=SIZE, dropout=0.0)
    model.compile(keras.optimizers.Adam(2e-3, beta_1=0.5), "mse")
    model.fit(grey, colours, batch_size=2, epochs=60, shuffle=False, verbose=0)
    grey_error = float(((grey - colours) ** 2).mean())
    assert float(((np.asarray(model(grey)) - colours) ** 2).mean()) < 0.3 * grey_error
