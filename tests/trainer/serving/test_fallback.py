"""What an exported graph refuses by name and the loaded model answers all the same: with the pixels of the ETL."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from etl.format import manifest
from etl.images import normalise
from tests.etl.images.drawing import encode
from trainer.config import TrainConfig
from trainer.data import Data, resolve
from trainer.serving.export import make_decoder, make_resizer
from trainer.serving.fallback import Fallback
from trainer.serving.served_model import ServedModel, load, load_signatures
from trainer.serving.signatures import DESCRIPTION


def make_data(data_dir: Path, **fields: Any) -> Data:
    config = TrainConfig(data_dir=str(data_dir), output_dir="unused", batch_size=32, **fields)
    return resolve(config, manifest.load(data_dir))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "fields",
    [
        {"variant": "pixel"},
        {"variant": "pixel", "image_size": (13, 17), "resize": "pad"},
        {"variant": "jpeg", "image_size": (33, 15)},
    ],
    ids=str,
)
def test_both_ways_give_the_same_pixels_to_the_bit(data_dir: Path, fields: dict[str, Any], kind: str) -> None:
    if kind == "WEBP" and not hasattr(tf.io, "decode_webp"):
        pytest.skip("this TensorFlow decodes no WebP")
    data = make_data(data_dir, **fields)
    decode, bring_to_size = make_decoder(data), make_resizer(data.image_size, data.resize, data.stored)
    for shape in ((61, 47), (20, 30), (5, 200)):
        file = encode(np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8), kind)
        pixels = bring_to_size(tf.constant(normalise.decode_rgb(file)))
        np.testing.assert_array_equal(decode(tf.constant([file]))[0], pixels)


def test_the_answers_are_those_for_the_same_pixels(served_model: ServedModel, other_files: dict[str, Path]) -> None:
    contents = {name: path.read_bytes() for name, path in other_files.items()}
    for name, data in contents.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"an? {name} cannot be decoded here"):
            served_model([data])
    png = encode(normalise.decode_rgb(contents["TIFF"]), "PNG")
    answers = served_model.predict([png, contents["TIFF"], b"no image", contents["CMYK JPEG"], contents["AVIF"][:500]])
    expected, tiff, text, cmyk, cut = answers
    assert isinstance(tiff, dict)
    assert isinstance(expected, dict)
    assert isinstance(cmyk, dict)
    assert tiff.keys() == expected.keys() == cmyk.keys()
    np.testing.assert_allclose(tiff["probabilities"], expected["probabilities"], rtol=0, atol=1e-6)
    assert str(text).startswith("not_an_image: ")
    assert cut == "truncated: the AVIF ends before its last pixel"


def test_named_files_are_answered_too(run_dir: Path, other_files: dict[str, Path], tmp_path: Path) -> None:
    signatures = load_signatures(str(run_dir))
    by_name = signatures["from_filenames"].predict([str(path) for path in other_files.values()])
    by_bytes = signatures["from_bytes"].predict([path.read_bytes() for path in other_files.values()])
    for one, other in zip(by_name, by_bytes, strict=True):
        assert isinstance(one, dict)
        assert isinstance(other, dict)
        np.testing.assert_array_equal(one["probabilities"], other["probabilities"])
    missing = str(tmp_path / "cannot be decoded here")
    assert missing in str(signatures["from_filenames"].predict([missing])[0])


@pytest.mark.parametrize(
    "stored", [..., "pad", [20, 30], [20, 0, "crop"], [20, 30, "fill"], {"height": 20}], ids=["not said", *"bcdef"]
)
def test_a_model_that_does_not_say_how_to_resize_keeps_refusing(
    run_dir: Path, other_files: dict[str, Path], tmp_path: Path, stored: Any
) -> None:
    folder = shutil.copytree(run_dir / "model", tmp_path / "model")
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    assert description["stored"] == [20, 30, "crop"]
    del description["stored"]
    more = {} if stored is ... else {"stored": stored}
    (folder / DESCRIPTION).write_text(json.dumps({**description, **more}), encoding="utf-8")
    answers = load(str(folder)).predict([path.read_bytes() for path in other_files.values()])
    assert [str(answer).split(" cannot")[0] for answer in answers] == [
        "an AVIF",
        "a TIFF",
        "a JPEG 2000",
        "a CMYK JPEG",
    ]


def test_a_model_without_pixels_keeps_refusing(run_dir: Path, other_files: dict[str, Path], tmp_path: Path) -> None:
    original = tf.saved_model.load(str(run_dir / "model"))
    folder = tmp_path / "model"
    tf.saved_model.save(original, str(folder), signatures={"from_bytes": original.signatures["from_bytes"]})
    shutil.copytree(run_dir / "model" / "assets.extra", folder / "assets.extra")
    (answer,) = load(str(folder)).predict([other_files["TIFF"].read_bytes()])
    assert str(answer).startswith("a TIFF cannot be decoded here")


def test_nothing_else_is_tried_again(served_model: ServedModel, other_files: dict[str, Path]) -> None:
    fallback = served_model.fallback
    assert isinstance(fallback, Fallback)
    assert fallback.answer(other_files["TIFF"].read_bytes(), "too_many_pixels: …") == "too_many_pixels: …"
