"""The exported model: by itself, and against what validation saw."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl import manifest
from tests.trainer.conftest import CLASS_NAMES, SIZE, Train
from trainer.config import TrainConfig
from trainer.data import Data, resolve
from trainer.export import SIGNATURE, export_model, make_decoder
from trainer.predict import Serve, load, predict

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
out = model.signatures["serving_default"](image_bytes=tf.constant([open(path, "rb").read() for path in sys.argv[2:]]))
print(json.dumps({
    "probability": out["probability"].numpy().tolist(),
    "class_int": out["class_int"].numpy().tolist(),
    "class_str": [name.decode() for name in out["class_str"].numpy()],
    "dtypes": [out[name].dtype.name for name in ("probability", "class_int", "class_str")],
    "imported": sorted({"etl", "trainer"} & {name.split(".")[0] for name in sys.modules}),
}))
"""


def test_it_answers_alone_as_predict_does(
    run_dir: Path, serve: Serve, photo_files: dict[str, list[Path]], tmp_path: Path
) -> None:
    files = [str(path) for path in photo_files["test"]]
    command = [sys.executable, "-c", ALONE, str(run_dir / "model"), *files]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    alone = json.loads(result.stdout)
    assert alone["imported"] == []
    assert alone["dtypes"] == ["float32", "int64", "string"]
    here = list(predict(serve, files))
    assert alone["class_int"] == [answer.class_int for answer in here]
    assert alone["class_str"] == [answer.class_str for answer in here] == [CLASS_NAMES[i] for i in alone["class_int"]]
    np.testing.assert_allclose(alone["probability"], [answer.probability for answer in here], rtol=0, atol=1e-6)


def test_the_signature_is_the_contract(run_dir: Path) -> None:
    import tensorflow as tf

    signature = tf.saved_model.load(str(run_dir / "model")).signatures[SIGNATURE]
    inputs = signature.structured_input_signature[1]
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in inputs.items()} == {
        "image_bytes": ([None], tf.string)
    }
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in signature.structured_outputs.items()} == {
        "probability": ([None], tf.float32),
        "class_int": ([None], tf.int64),
        "class_str": ([None], tf.string),
    }


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
    np.testing.assert_allclose(first["probability"], probabilities.max(axis=1), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(first["class_int"], probabilities.argmax(axis=1))


def test_no_images_give_no_answers(serve: Serve) -> None:
    answers = serve([])
    assert {name: values.shape for name, values in answers.items()} == {
        "probability": (0,),
        "class_int": (0,),
        "class_str": (0,),
    }


def test_training_on_jpegs_serves_jpegs(train: Train, tmp_path: Path, photo_files: dict[str, list[Path]]) -> None:
    assert train(tmp_path, "--image_size", "16x24", "--resize", "stretch", "--random_crop", variant="jpeg") == 0
    evaluation = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    answers = load(str(tmp_path))([path.read_bytes() for path in photo_files["test"]])
    labels = [CLASS_NAMES.index(path.parent.name) for path in photo_files["test"]]
    assert evaluation["accuracy"] == np.mean(answers["class_int"] == labels)
