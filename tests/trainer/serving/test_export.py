"""The exported model: by itself, and against what validation saw."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from etl.format import manifest
from tests.trainer.conftest import CLASS_NAMES, SIZE, Train
from trainer.config import TrainConfig
from trainer.data import Data, resolve
from trainer.serving.export import export_model, make_decoder, save_keras, to_pixels
from trainer.serving.predictions import predict
from trainer.serving.served_model import ServedModel, load
from trainer.serving.signatures import SIGNATURE

# Runs by itself, without this project: neither `etl` nor `trainer` can be imported in it.
ALONE = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("etl", "trainer"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answers = {}
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    answers[path] = {
        name: {key: value.numpy()[0] for key, value in model.signatures[name](**inputs).items()}
        for name, inputs in {
            "serving_default": {"image_bytes": tf.constant([data])},
            "from_bytes": {"image_bytes": tf.constant([data])},
            "from_filenames": {"filenames": tf.constant([path])},
        }.items()
    }
pixels = model.signatures["from_pixels"](pixels=tf.zeros([2, 20, 30, 3], tf.uint8))
out = model.signatures["from_filenames"](filenames=tf.constant(sys.argv[2:]))
print(json.dumps({
    "same": [all(str(one[name]) == str(one["serving_default"]) for name in one) for one in answers.values()],
    **{name: out[name].numpy().tolist() for name in ("probability", "probabilities", "class_int")},
    "class_str": [name.decode() for name in out["class_str"].numpy()],
    "of_pixels": pixels["probabilities"].shape.as_list(),
    "imported": sorted({"etl", "trainer"} & {name.split(".")[0] for name in sys.modules}),
}))
"""


def test_it_answers_alone_as_predict_does(
    run_dir: Path, served_model: ServedModel, photo_files: dict[str, list[Path]], tmp_path: Path
) -> None:
    files = [str(path) for path in photo_files["test"]]
    command = [sys.executable, "-c", ALONE, str(run_dir / "model"), *files]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    alone = json.loads(result.stdout)
    assert alone["imported"] == []
    assert alone["same"] == [True] * len(files)
    assert alone["of_pixels"] == [2, 3]
    here = list(predict(served_model, files))
    assert alone["class_int"] == [answer.class_int for answer in here]
    assert alone["class_str"] == [answer.class_str for answer in here] == [CLASS_NAMES[i] for i in alone["class_int"]]
    np.testing.assert_allclose(alone["probability"], [answer.probability for answer in here], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.max(alone["probabilities"], axis=1), alone["probability"])


def test_the_signatures_are_the_contract(run_dir: Path) -> None:
    import tensorflow as tf

    signatures = tf.saved_model.load(str(run_dir / "model")).signatures
    expected = {
        "serving_default": {"image_bytes": ([None], tf.string)},
        "from_bytes": {"image_bytes": ([None], tf.string)},
        "from_filenames": {"filenames": ([None], tf.string)},
        "from_pixels": {"pixels": ([None, *SIZE, 3], tf.uint8)},
    }
    assert {name: specs_of(signatures[name].structured_input_signature[1]) for name in signatures} == expected
    for name in signatures:
        assert specs_of(signatures[name].structured_outputs) == {
            "probability": ([None], tf.float32),
            "probabilities": ([None, 3], tf.float32),
            "class_int": ([None], tf.int64),
            "class_str": ([None], tf.string),
        }


def specs_of(specs: dict[str, Any]) -> dict[str, tuple[list[int | None], Any]]:
    return {name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()}


def test_only_the_models_own_weights_are_in_it(run_dir: Path) -> None:
    import tensorflow as tf

    stored = dict(tf.train.list_variables(str(run_dir / "model" / "variables" / "variables")))
    shapes = [shape for name, shape in stored.items() if "VARIABLE_VALUE" in name]
    assert sorted(shapes) == sorted([[3 * SIZE[0] * SIZE[1], 3], [3]])


def test_it_says_what_it_was_trained_on(run_dir: Path, data_dir: Path) -> None:
    description = json.loads((run_dir / "model" / "assets.extra" / "petalstream.json").read_text(encoding="utf-8"))
    assert description["class_names"] == list(CLASS_NAMES)
    assert description["fingerprint"] == manifest.load(data_dir).fingerprint
    assert (description["image_size"], description["resize"]) == (list(SIZE), "crop")
    assert (description["model"], description["variant"], description["dataset"]) == ("linear", "pixel", "tiny")


def make_data(data_dir: Path, **fields: Any) -> tuple[TrainConfig, Data]:
    config = TrainConfig(data_dir=str(data_dir), output_dir="unused", batch_size=32, **fields)
    return config, resolve(config, manifest.load(data_dir))


@pytest.mark.parametrize(
    "fields",
    [
        {"variant": "pixel"},
        {"variant": "pixel", "image_size": (13, 17), "resize": "pad"},
        {"variant": "jpeg", "image_size": (33, 15)},
    ],
    ids=str,
)
def test_it_sees_the_pixels_that_validation_saw(
    data_dir: Path, photo_files: dict[str, list[Path]], fields: dict[str, Any]
) -> None:
    import tensorflow as tf

    config, data = make_data(data_dir, **fields)
    images, labels = next(iter(data.load("validation", config)))
    decoder = tf.function(make_decoder(data))
    decoded = decoder(tf.constant([path.read_bytes() for path in photo_files["validation"]]))
    assert images.dtype == tf.uint8
    np.testing.assert_array_equal(decoded.numpy(), images.numpy())
    assert [CLASS_NAMES[label] for label in labels] == [path.parent.name for path in photo_files["validation"]]


def test_random_layers_do_nothing_and_the_answers_are_the_models(
    data_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path
) -> None:
    import keras

    from trainer import models

    config, data = make_data(data_dir, variant="pixel")
    keras.utils.set_random_seed(4)
    model = models.build("cnn", image_size=data.image_size, num_classes=3, num_hidden=8, dropout=0.9)
    export_model(model, data, tmp_path / "model", {})
    files = [path.read_bytes() for path in photo_files["validation"]]
    loaded = load(str(tmp_path))
    first = loaded(files)
    np.testing.assert_array_equal(loaded(files)["probability"], first["probability"])
    images, _ = next(iter(data.load("validation", config)))
    probabilities = np.asarray(model(images, training=False))
    np.testing.assert_allclose(first["probabilities"], probabilities, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(first["probability"], first["probabilities"].max(axis=1))
    np.testing.assert_array_equal(first["class_int"], probabilities.argmax(axis=1))


@pytest.fixture(scope="module")
def coloured(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of colours with fresh weights, and its export, whose default takes pixels."""
    import keras

    _, data = make_data(data_dir, variant="pixel")
    keras.utils.set_random_seed(5)
    grey = keras.Input((*data.image_size, 1))
    model = keras.Model(grey, keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(grey))
    folder = tmp_path_factory.mktemp("coloured")
    export_model(model, dataclasses.replace(data, gives="colours"), folder / "model", {}, serving_input="pixels")
    return model, folder


def test_colours_come_as_pixels_and_as_png(coloured: tuple[Any, Path], photo_files: dict[str, list[Path]]) -> None:
    import tensorflow as tf

    _, folder = coloured
    signatures = tf.saved_model.load(str(folder / "model")).signatures
    files = [str(path) for path in photo_files["test"]]
    out = signatures["from_filenames"](filenames=tf.constant(files))
    assert specs_of(signatures[SIGNATURE].structured_input_signature[1]) == {"pixels": ([None, *SIZE, 3], tf.uint8)}
    assert out["pixels"].shape == (len(files), *SIZE, 3)
    assert out["pixels"].dtype == tf.uint8
    for png, pixels in zip(out["image_png"].numpy(), out["pixels"].numpy(), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)
    again = signatures["from_bytes"](image_bytes=tf.constant([Path(path).read_bytes() for path in files]))
    np.testing.assert_array_equal(again["pixels"], out["pixels"])


def test_the_grey_of_training_is_coloured(coloured: tuple[Any, Path]) -> None:
    import tensorflow as tf

    from trainer.layers import Grayscale

    model, folder = coloured
    images = np.random.default_rng(6).integers(0, 256, (4, *SIZE, 3), np.uint8)
    colours = np.asarray(model(Grayscale()(images.astype(np.float32) / 255) * 2 - 1))
    pixels = tf.saved_model.load(str(folder / "model")).signatures[SIGNATURE](pixels=tf.constant(images))["pixels"]
    assert np.abs(pixels.numpy() - (colours + 1) * 127.5).max() <= 0.501
    assert pixels.numpy().std() > 5


def test_colours_outside_of_the_range_are_clipped() -> None:
    pixels = to_pixels(np.array([-2.0, -1.0, -1 / 255, 0.0, 0.999, 1.0, 1.5], np.float32))
    assert pixels.numpy().tolist() == [0, 0, 127, 128, 255, 255, 255]


def test_files_that_are_wrong_are_errors_and_no_answers(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path
) -> None:
    import tensorflow as tf

    signatures = tf.saved_model.load(str(run_dir / "model")).signatures
    good = photo_files["test"][0].read_bytes()
    contents = {"empty": b"", "text": b"no photograph", "half": good[: len(good) // 2], "zeros": bytes(1000)}
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(tf.errors.InvalidArgumentError):
            signatures["from_bytes"](image_bytes=tf.constant([good, content]))
        with pytest.raises(tf.errors.InvalidArgumentError):
            signatures["from_filenames"](filenames=tf.constant([str(photo_files["test"][0]), str(path)]))
    for name in (str(tmp_path / "missing"), str(tmp_path), ""):
        with pytest.raises(tf.errors.OpError):
            signatures["from_filenames"](filenames=tf.constant([name]))
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        signatures["from_pixels"](pixels=tf.zeros([1, 21, 30, 3], tf.uint8))


def test_an_input_that_nobody_knows_is_refused(data_dir: Path, tmp_path: Path) -> None:
    _, data = make_data(data_dir, variant="pixel")
    with pytest.raises(ValueError, match="serving_input: got 'bytes', expected one of image_bytes, filenames, pixels"):
        export_model(None, data, tmp_path, {}, serving_input="bytes")  # type: ignore[arg-type]


def test_keras_file_has_the_weights_and_no_optimizer(tmp_path: Path) -> None:
    import keras

    from trainer import models

    keras.utils.set_random_seed(8)
    model = models.build("cnn", image_size=(32, 32), num_classes=3, num_hidden=4, dropout=0.5)
    model.compile("adam", "sparse_categorical_crossentropy")
    images = np.random.default_rng(8).integers(0, 256, (8, 32, 32, 3), np.uint8)
    model.fit(images, np.arange(8) % 3, verbose=0)
    steps = int(model.optimizer.iterations)
    save_keras(model, tmp_path / "model.keras")
    assert int(model.optimizer.iterations) == steps == 1
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in model.weights]
    # Adam would keep two more values for each that is trained.
    num_bytes = sum(weight.numpy().nbytes for weight in model.weights)
    assert num_bytes < (tmp_path / "model.keras").stat().st_size < 1.5 * num_bytes + 50_000


def test_a_head_of_embeddings_takes_images_when_exported(
    data_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path
) -> None:
    import keras
    import tensorflow as tf

    from trainer import models

    _, data = make_data(data_dir, variant="jpeg", image_size=(224, 224), resize="pad")
    keras.utils.set_random_seed(9)
    network = {"weights": "none", "alpha": 0.35}
    head = models.build("embedding_head", num_classes=3, **network)
    combined = models.with_images("embedding_head", head, network)
    export_model(combined, data, tmp_path / "model", {})
    files = [path.read_bytes() for path in photo_files["test"][:3]]
    images = make_decoder(data)(tf.constant(files))
    expected = np.asarray(combined(images, training=False))
    np.testing.assert_allclose(load(str(tmp_path))(files)["probabilities"], expected, rtol=0, atol=1e-5)
    # The network is in it once, whatever the number of signatures.
    num_bytes = sum(weight.numpy().nbytes for weight in combined.weights)
    assert (tmp_path / "model" / "variables" / "variables.data-00000-of-00001").stat().st_size < 1.1 * num_bytes
    save_keras(combined, tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(again(images, training=False)), expected)


def test_no_images_give_no_answers(served_model: ServedModel) -> None:
    answers = served_model([])
    assert {name: values.shape for name, values in answers.items()} == {
        "probability": (0,),
        "probabilities": (0, 3),
        "class_int": (0,),
        "class_str": (0,),
    }
    assert served_model.predict([]) == []


def test_training_on_jpegs_serves_jpegs(train: Train, tmp_path: Path, photo_files: dict[str, list[Path]]) -> None:
    assert train(tmp_path, "--image_size", "16x24", "--resize", "stretch", "--random_crop", variant="jpeg") == 0
    evaluation = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    answers = load(str(tmp_path))([path.read_bytes() for path in photo_files["test"]])
    labels = [CLASS_NAMES.index(path.parent.name) for path in photo_files["test"]]
    assert evaluation["accuracy"] == np.mean(answers["class_int"] == labels)
