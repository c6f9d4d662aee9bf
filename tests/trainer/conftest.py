"""A tiny data set of images that can be learnt, and a run of the trainer on it, for the tests that need one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etl.format import layout, manifest, schema
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Variant
from etl.format.tfrecord import RecordWriter, frame_record
from trainer.serving.served_model import ServedModel, load

CLASS_NAMES = ("daisy", "roses", "tulips")
SIZE = (20, 30)
NUM_EXAMPLES = {"train": 36, "validation": 12, "test": 9}
FLAGS = ("--model", "linear", "--num_epochs", "2", "--batch_size", "8", "--seed", "1", "--lrate", "0.001")

Train = Callable[..., int]


def photograph(number: int) -> bytes:
    """Draws a JPEG in the colour of its class, number modulo 3, more or less."""
    random = np.random.default_rng(number)
    noise = random.integers(0, 150, (4, 5, 3))
    noise[..., number % 3] += random.integers(0, 100)
    picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8)).resize(
        (48 + number % 5, 40), Image.Resampling.BICUBIC
    )
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


@pytest.fixture(scope="session")
def photo_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Split to the files that are in it."""
    root = tmp_path_factory.mktemp("photographs")
    files: dict[str, list[Path]] = {}
    number = 0
    for split, count in NUM_EXAMPLES.items():
        for _ in range(count):
            path = root / CLASS_NAMES[number % 3] / f"{number:03d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(photograph(number))
            files.setdefault(split, []).append(path)
            number += 1
    return files


@pytest.fixture(scope="session")
def other_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Photographs that no graph decodes, by what they are."""
    root = tmp_path_factory.mktemp("others")
    kinds = {"AVIF": ("AVIF", "RGB"), "TIFF": ("TIFF", "RGB"), "JPEG 2000": ("JPEG2000", "RGB")}
    files = {}
    for number, (name, (kind, mode)) in enumerate({**kinds, "CMYK JPEG": ("JPEG", "CMYK")}.items()):
        files[name] = root / f"{number} {name}.jpg"
        Image.open(io.BytesIO(photograph(number))).convert(mode).save(files[name], kind)
    return files


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory, photo_files: dict[str, list[Path]]) -> Path:
    """A data set of those photographs: `jpeg` as they are, `pixel` cropped to 20x30."""
    import tensorflow as tf

    from etl.images.graph import decoding

    load = decoding.function("load_plain", *SIZE, "crop")
    folder = tmp_path_factory.mktemp("data")
    stored = {"jpeg": lambda data: data, "pixel": lambda data: load(tf.constant(data)).numpy().tobytes()}
    specs = {"jpeg": ImageSpec("jpeg", "uint8"), "pixel": ImageSpec("raw", "uint8", SIZE, "crop")}
    variants = {}
    for name, store in stored.items():
        (folder / name).mkdir()
        splits = {split: write_split(folder / name, split, files, store) for split, files in photo_files.items()}
        features = {"image": FeatureSpec("bytes"), **schema.COMMON_FEATURES}
        variants[name] = Variant(name, specs[name], features, splits)
    count = sum(NUM_EXAMPLES.values())
    made = Manifest("tiny", CLASS_NAMES, Counts(count, count, {}), variants)
    (folder / layout.MANIFEST_NAME).write_text(manifest.to_json(made), encoding="utf-8")
    return folder


def write_split(folder: Path, split: str, files: list[Path], store: Callable[[bytes], bytes]) -> Split:
    name = f"{split}-00000-of-00001.tfrecord"
    with open(folder / name, "wb") as stream:
        writer = RecordWriter(stream)
        for path in files:
            label = path.parent.name
            features = {
                "image": store(path.read_bytes()),
                "key": f"{label}/{path.name}",
                "label": label,
                "label_int": CLASS_NAMES.index(label),
                "shape": (*SIZE, 3) if folder.name == "pixel" else (*np.asarray(Image.open(path)).shape,),
                "digest": "0" * 32,
            }
            writer.write(frame_record(schema.encode_example(features)))
        num_bytes, sha256 = writer.finish()
    labels = [path.parent.name for path in files]
    counts = {label: labels.count(label) for label in CLASS_NAMES}
    return Split(split, len(files), num_bytes, counts, (Shard(name, len(files), num_bytes, sha256),))


@pytest.fixture(scope="session")
def train(data_dir: Path) -> Train:
    """Runs the trainer's command line on the data set; returns its exit code."""
    from etl.errors import run_main
    from trainer import task

    def run(output_dir: Path, *flags: str, data_dir: Path = data_dir, variant: str = "pixel") -> int:
        folders = ("--data_dir", str(data_dir), "--output_dir", str(output_dir), "--variant", variant)
        return run_main(task.main, [*folders, *FLAGS, *flags])

    return run


@dataclass(frozen=True)
class Run:
    """What one run left: its folder, and what it printed."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Run:
    """One run of `linear` on the pixels."""
    folder = tmp_path_factory.mktemp("run") / "out"
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        assert train(folder) == 0
    return Run(folder, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def run_dir(run: Run) -> Path:
    """The folder of that run."""
    return run.folder


@pytest.fixture(scope="session")
def served_model(run_dir: Path) -> ServedModel:
    """That run's exported model."""
    return load(str(run_dir))


@pytest.fixture
def without_splits(data_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the data set from which some splits are missing."""

    def make(*names: str) -> Path:
        content = json.loads((data_dir / layout.MANIFEST_NAME).read_text(encoding="utf-8"))
        # It is another data set, so the fingerprint that is written down isn't its.
        del content["fingerprint"]
        for variant in content["variants"].values():
            for name in names:
                del variant["splits"][name]
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / layout.MANIFEST_NAME).write_text(json.dumps(content), encoding="utf-8")
        for variant_name in content["variants"]:
            (folder / variant_name).symlink_to(data_dir / variant_name)
        return folder

    return make
