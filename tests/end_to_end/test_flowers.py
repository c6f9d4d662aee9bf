"""The whole way on the real flowers: what the ETL promises of them, and what a model served from them says."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from etl import inspect, run
from etl.errors import run_main
from etl.format import manifest as manifests
from etl.images.graph import decoding

NUM_IMAGES = 1_400

# Run where neither `etl` nor `trainer` can be imported.
ALONE = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("etl", "trainer"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answers = serve(image_bytes=tf.constant([open(path, "rb").read() for path in sys.argv[2:]]))
columns = (answers[key].numpy().tolist() for key in ("class_str", "class_int", "probability"))
for name, number, probability in zip(*columns):
    print(json.dumps([name.decode(), number, probability]))
"""


@pytest.fixture(scope="module")
def flowers(real_data: Path) -> Path:
    return real_data / "flower_photos"


def write(flowers: Path, output: Path, *more: str) -> manifests.Manifest:
    options = ["--variants", "jpeg,pixel", "--image_size", "224", "--seed", "7", "--shard_mb", "20"]
    arguments = ["--source", "flowers", "--input", str(flowers), "--output", str(output), *options, *more]
    assert run_main(run.main, arguments) == 0
    return manifests.load(output)


@pytest.fixture(scope="module")
def data(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("flowers")
    write(flowers, output)
    return output


def examples(data: Path, variant: str) -> Iterator[tuple[str, str, tf.train.Example]]:
    """Yields (split, key, example) in order."""
    for path in sorted((data / variant).glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            yield path.name.partition("-")[0], example.features.feature["key"].bytes_list.value[0].decode(), example


def test_every_input_is_accounted_for(data: Path) -> None:
    counts = manifests.load(data).counts
    assert counts.read == counts.written + sum(counts.rejected.values()) == NUM_IMAGES
    assert counts.written == NUM_IMAGES


def test_jpegs_are_the_files_and_each_is_in_one_split(data: Path, flowers: Path) -> None:
    seen = {}
    for split, key, example in examples(data, "jpeg"):
        assert key not in seen
        seen[key] = split
        assert example.features.feature["image"].bytes_list.value[0] == (flowers / key).read_bytes()
    assert len(seen) == NUM_IMAGES
    pixels = {key: split for split, key, _ in examples(data, "pixel")}
    assert pixels == seen


def test_stored_pixels_are_the_ones_that_a_served_model_sees(data: Path, flowers: Path) -> None:
    decode = tf.function(
        lambda image: decoding.decode_resized(image, 224, 224, "pad"), input_signature=[tf.TensorSpec((), tf.string)]
    )
    for _, key, example in examples(data, "pixel"):
        stored = np.frombuffer(example.features.feature["image"].bytes_list.value[0], np.uint8).reshape(224, 224, 3)
        assert np.array_equal(decode(tf.constant((flowers / key).read_bytes())).numpy(), stored), key


def test_another_number_of_workers_makes_identical_files(data: Path, flowers: Path, tmp_path: Path) -> None:
    assert write(flowers, tmp_path, "--direct_num_workers", "5").fingerprint == manifests.load(data).fingerprint
    for path in tmp_path.rglob("*.tfrecord"):
        twin = data / path.relative_to(tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(twin.read_bytes()).digest()


def test_shards_are_even(data: Path) -> None:
    for variant in manifests.load(data).variants.values():
        split = variant.splits["train"]
        assert len(split.shards) > 3
        for shard in split.shards:
            assert shard.num_bytes == pytest.approx(split.num_bytes / len(split.shards), rel=0.1)


def test_inspect_finds_it_whole(data: Path) -> None:
    assert run_main(inspect.main, [str(data)]) == 0


def test_the_served_model_answers_alone_as_predict_does(
    data: Path, flowers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer import predict, task

    where = ["--data_dir", str(data), "--variant", "pixel", "--output_dir", str(tmp_path / "run")]
    assert run_main(task.main, [*where, "--model", "linear", "--num_epochs", "2", "--seed", "1"]) == 0
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["accuracy"] > 0.25
    files = [str(path) for path in sorted(flowers.rglob("*.jpg"))[::280]]
    capsys.readouterr()
    assert run_main(predict.main, [str(tmp_path / "run" / "model"), *files, "--format", "json"]) == 0
    ours = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    command = [sys.executable, "-c", ALONE, str(tmp_path / "run" / "model"), *files]
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    theirs = [json.loads(line) for line in alone.stdout.splitlines()]
    assert [row["file"] for row in ours] == files
    for one, (name, number, probability) in zip(ours, theirs, strict=True):
        assert (one["class_str"], one["class_int"]) == (name, number)
        assert one["probability"] == pytest.approx(probability, abs=1e-6)


def test_saved_model_cli_shows_the_signature(data: Path, tmp_path: Path) -> None:
    from trainer import task

    where = ["--data_dir", str(data), "--variant", "pixel", "--output_dir", str(tmp_path)]
    assert run_main(task.main, [*where, "--model", "linear", "--num_epochs", "1"]) == 0
    command = [str(Path(sys.executable).parent / "saved_model_cli"), "show", "--dir", str(tmp_path / "model"), "--all"]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "signature_def['serving_default']" in shown.stdout
    for name in ("image_bytes", "probability", "class_int", "class_str"):
        assert f"['{name}']" in shown.stdout
