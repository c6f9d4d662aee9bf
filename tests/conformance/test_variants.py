"""Every registered variant and encoding, through every reader of a data set."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from etl import inspect
from etl.card.snippet import snippet
from etl.errors import run_main
from etl.finalise import tfds_info
from etl.format import encodings, schema
from etl.format import manifest as manifests
from etl.format.encodings import ENCODINGS
from etl.format.encodings.base import Encoding
from etl.format.encodings.graph import GraphEncoding
from etl.format.tfrecord import read_records
from etl.variants import VARIANTS
from trainer.ingest import IngestConfig, doctor, load

NUM_IMAGES = 12


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_written_as_it_says(data_dir: Path, name: str) -> None:
    variant = manifests.load(data_dir).variant(name)
    encoding = variant.encoding
    assert variant.features[encoding.feature] == encoding.stored_spec(variant.image)
    assert set(schema.COMMON_FEATURES) < set(variant.features)
    fixed = encoding.fixed_bytes(variant.image)
    for record in read_records(io.BytesIO((data_dir / name / "train-00000-of-00001.tfrecord").read_bytes())):
        features = tf.io.parse_single_example(record, schema.feature_spec(variant.features))
        value = features[encoding.feature].numpy()
        assert fixed is None or fixed == (len(value) if isinstance(value, bytes) else value.nbytes)
        pixels = encoding.to_array({key: item.numpy() for key, item in features.items()})
        shown = encoding.preview(value, tuple(features["shape"].numpy()), 16)
        assert (pixels is None) == (shown is None) == (not encoding.has_images)
        if pixels is not None and shown is not None:
            assert pixels.shape == tuple(features["shape"].numpy())
            assert pixels.dtype == shown.dtype == np.uint8


@pytest.mark.parametrize("name", VARIANTS)
def test_the_graph_decodes_what_python_decodes(data_dir: Path, name: str) -> None:
    variant = manifests.load(data_dir).variant(name)
    encoding, decoder = variant.encoding, encodings.in_graph(variant.encoding.name)
    for record in read_records(io.BytesIO((data_dir / name / "train-00000-of-00001.tfrecord").read_bytes())):
        features = tf.io.parse_single_example(record, schema.feature_spec(variant.features))
        expected = encoding.to_array({key: item.numpy() for key, item in features.items()})
        decoded = decoder.decode(*decoder.open(features)).numpy()
        if expected is None:
            np.testing.assert_array_equal(decoded, features[encoding.feature].numpy())
        else:
            np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("training", [False, True])
def test_the_reader_gives_every_image(data_dir: Path, name: str, training: bool) -> None:
    has_images = manifests.load(data_dir).variant(name).encoding.has_images
    config = IngestConfig(batch_size=5, image_size=24 if has_images else None, training=training, seed=3)
    batches = list(load(data_dir, "train", config, variant=name))
    assert sum(len(labels) for _, labels in batches) == NUM_IMAGES
    shape = (24, 24, 3) if has_images else (schema.EMBEDDING_SIZE,)
    assert {tuple(values.shape[1:]) for values, _ in batches} == {shape}


def test_inspect_finds_nothing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(inspect.main, [str(data_dir)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_card_s_program_reads_it(data_dir: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = manifests.load(data_dir)
    exec(compile(snippet(manifest, manifest.variant(name), str(data_dir)), name, "exec"), {})
    assert "(" in capsys.readouterr().out
    assert name in (data_dir / "card.html").read_text()


@pytest.mark.parametrize("name", VARIANTS)
def test_tfds_is_told_of_it(data_dir: Path, name: str) -> None:
    manifest = manifests.load(data_dir)
    features = tfds_info.features(manifest, manifest.variant(name))["content"]["features"]
    assert manifest.variant(name).encoding.feature in features


@pytest.mark.parametrize("name", VARIANTS)
def test_the_doctor_measures_it(data_dir: Path, name: str, tmp_path: Path) -> None:
    has_images = manifests.load(data_dir).variant(name).encoding.has_images
    arguments = [str(data_dir), "--variant", name, "--seconds", "0.05", "--batch_size", "4"]
    arguments += ["--plot", str(tmp_path / "doctor.png"), *(["--image_size", "24"] if has_images else [])]
    assert run_main(doctor.main, arguments) == 0


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_has_both_parts(name: str) -> None:
    encoding, decoder = encodings.find(name), encodings.in_graph(name)
    assert isinstance(encoding, Encoding)
    assert isinstance(decoder, GraphEncoding)
    assert encoding.name == name
    assert encoding.feature == decoder.feature
    assert encoding.meaning


def test_an_unknown_encoding_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="no encoding 'webp'; there are jpeg, raw, float_list, none, reference"):
        encodings.find("webp")
