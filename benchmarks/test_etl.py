"""What the ETL costs: beside a bare loop, beside the chapter's way, in memory, by size, by stage.

    pytest benchmarks/test_etl.py --data DIR

The bare loop does the same work (read, digest, decode, resize, encode, checksum, write) with as many threads, and has
no Beam, no plan, no manifest. It and the ETL take turns, so that the machine's drift meets both.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.corpus import link_photographs
from etl import run, variants
from etl.config import EtlConfig
from etl.format import encodings, schema, tfrecord
from etl.parallel import ordered_map
from etl.variants.base import EncodedImage, Value
from etl.work import unit

ROOT = Path(__file__).parents[1]
# Of JPEGs and pixels; of embeddings, which take ten times as long, half as many.
NUM_IMAGES = 6_400
ROUNDS = 3
ALPHA = 0.35
CORES = os.cpu_count() or 1
# Images a second that may be measured of the chapter's way before patience ends.
CHAPTER_IMAGES = 2


def num_images_of(variant: str) -> int:
    return NUM_IMAGES // 2 if variant == "embedding" else NUM_IMAGES


@pytest.fixture(scope="module")
def corpus(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link_photographs(photographs, tmp_path_factory.mktemp("corpus"), NUM_IMAGES)


@pytest.fixture(scope="module")
def weights(real: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if real is not None:
        return next((real / "weights").glob("*0.35*.h5"))
    import keras

    path = tmp_path_factory.mktemp("weights") / "drawn.weights.h5"
    shape = (*schema.EMBEDDING_IMAGE_SIZE, 3)
    model = keras.applications.MobileNetV2(input_shape=shape, alpha=ALPHA, include_top=False, weights=None)
    model.save_weights(path)
    return path


def flags(variant: str, weights: Path) -> list[str]:
    return {
        "jpeg": ["--variants", "jpeg"],
        "pixel": ["--variants", "pixel", "--image_size", "224"],
        "embedding": ["--variants", "embedding", "--embedding_weights", str(weights), "--embedding_alpha", str(ALPHA)],
    }[variant]


def config(variant: str, weights: Path) -> EtlConfig:
    size = (224, 224) if variant == "pixel" else None
    return EtlConfig(
        source="folder",
        output="",
        variants=(variant,),
        image_size=size,
        embedding_weights=str(weights),
        embedding_alpha=ALPHA,
        num_threads=CORES,
    )


def run_etl(folder: Path, output: Path, arguments: list[str]) -> None:
    command = ["--source", "folder", "--input", str(folder), "--output", str(output), "--overwrite", *arguments]
    if run.main(command) != 0:
        raise RuntimeError("the ETL failed")


def bare_loop(folder: Path, output: Path, settings: EtlConfig) -> None:
    """Writes one file of the same examples, with nothing around it."""
    variant = variants.find(settings.variants[0])
    encoder, feature = variant.open(settings), encodings.of(variant.image(settings)).feature

    def load(path: Path) -> tuple[Path, str, EncodedImage]:
        data = path.read_bytes()
        return path, hashlib.md5(data, usedforsecurity=False).hexdigest(), encoder.encode(data)

    def example(path: Path, digest: str, image: EncodedImage, value: Value) -> bytes:
        facts: dict[str, Any] = {"key": path.name, "label": path.parent.name, "label_int": 0, "digest": digest}
        return schema.encode_example({**facts, feature: value, "shape": image.pixels.shape})

    def record(path: Path) -> bytes:
        path, digest, image = load(path)
        return tfrecord.frame_record(example(path, digest, image, image.value)).frame

    with open(output, "wb") as stream:
        writer = tfrecord.RecordWriter(stream)
        paths = sorted(folder.glob("*/*"))
        if encoder.batch_size is None:
            for frame in ordered_map(record, paths, CORES):
                writer.write(tfrecord.FramedRecord(frame))
        else:
            loaded = list[tuple[Path, str, EncodedImage]]()
            for item in ordered_map(load, paths, CORES):
                loaded.append(item)
                if len(loaded) == encoder.batch_size or item[0] == paths[-1]:
                    values = encoder.finish([image for *_, image in loaded])
                    for (path, digest, image), value in zip(loaded, values, strict=True):
                        writer.write(tfrecord.frame_record(example(path, digest, image, value)))
                    loaded.clear()
        writer.finish()


def rounds_of(benchmark: BenchmarkFixture) -> list[float]:
    """Returns the seconds of each round that was measured."""
    if benchmark.stats is None:
        raise RuntimeError("nothing was measured yet")
    measured: list[float] = benchmark.stats.stats.data
    return measured


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@pytest.mark.parametrize("variant", ["jpeg", "pixel", "embedding"])
def test_beside_a_bare_loop(
    benchmark: BenchmarkFixture, photographs: Path, weights: Path, tmp_path: Path, variant: str
) -> None:
    settings = config(variant, weights)
    num_images = num_images_of(variant)
    corpus = link_photographs(photographs, tmp_path / "corpus", num_images)
    bare: list[float] = []
    # Once before anything counts: both pay for tracing and for the page cache here.
    few = link_photographs(corpus, tmp_path / "few", 64)
    run_etl(few, tmp_path / "warm", flags(variant, weights))
    bare_loop(few, tmp_path / "warm.tfrecord", settings)

    def bare_first() -> None:
        bare.append(seconds(lambda: bare_loop(corpus, tmp_path / "bare.tfrecord", settings)))

    benchmark.group = "etl: beside a bare loop"
    benchmark.pedantic(
        lambda: run_etl(corpus, tmp_path / "out", flags(variant, weights)), setup=bare_first, rounds=ROUNDS
    )
    pairs = [one / other for one, other in zip(bare, rounds_of(benchmark), strict=True)]
    benchmark.extra_info |= {
        "variant": variant,
        "num_images": num_images,
        "images_a_second": round(num_images / statistics.median(rounds_of(benchmark))),
        "bare_images_a_second": round(num_images / statistics.median(bare)),
        "of_bare_loop": round(statistics.median(pairs), 3),
        "of_bare_loop_rounds": [round(pair, 3) for pair in pairs],
    }


def test_embeddings_by_run_inference(
    benchmark: BenchmarkFixture, photographs: Path, weights: Path, tmp_path: Path
) -> None:
    """The same embeddings through Beam's RunInference, beside the ETL's own way; without splits, shards or manifest."""
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from benchmarks.inference import NetworkHandler, decode_file

    num_images = num_images_of("embedding") // 2
    corpus = link_photographs(photographs, tmp_path / "corpus", num_images)
    settings = config("embedding", weights)
    ours: list[float] = []

    def ours_first() -> None:
        ours.append(seconds(lambda: run_etl(corpus, tmp_path / "out", flags("embedding", weights))))

    def by_run_inference() -> None:
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = (
                pipeline
                | beam.Create([str(path) for path in sorted(corpus.glob("*/*"))])
                | beam.Map(decode_file, settings)
                | RunInference(NetworkHandler(str(weights), ALPHA))
                | beam.Map(lambda vector: len(vector))
                | beam.combiners.Count.Globally()
            )

    benchmark.group = "etl: embeddings"
    benchmark.pedantic(by_run_inference, setup=ours_first, rounds=2)
    pairs = [one / other for one, other in zip(rounds_of(benchmark), ours, strict=True)]
    benchmark.extra_info |= {
        "images_a_second": round(num_images / statistics.median(rounds_of(benchmark))),
        "etl_images_a_second": round(num_images / statistics.median(ours)),
        "etl_of_run_inference": round(statistics.median(pairs), 3),
    }


def chapters_record(path: Path) -> bytes:
    """Makes a record as the chapter's script does, one image at a time, from a float list."""
    import tensorflow as tf

    image = tf.io.decode_jpeg(tf.io.read_file(str(path)), channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    dims = image.shape
    values = tf.reshape(image, [-1])
    feature = {
        "image": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=[dims[0], dims[1], dims[2]])),
        "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[path.parent.name.encode()])),
        "label_int": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
    }
    serialised: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    return serialised


def test_the_chapters_way(benchmark: BenchmarkFixture, corpus: Path) -> None:
    """One float list an image, made from an eager tensor; compare with the rates above."""
    # Of usual size: the largest ones take minutes.
    paths = sorted(corpus.glob("*/*"), key=lambda path: path.resolve().stat().st_size)
    middle = paths[len(paths) // 4 :][:CHAPTER_IMAGES]
    benchmark.group = "etl: the chapter's way"
    benchmark.pedantic(lambda: [chapters_record(path) for path in middle], rounds=1)
    benchmark.extra_info["images_a_second"] = round(len(middle) / rounds_of(benchmark)[0], 4)


# Runs a command and prints its peak. Between it and this process, because a process starts with its parent's peak.
_WATCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measure_child(arguments: list[str]) -> tuple[float, float]:
    """Runs the ETL in a process of its own; returns (seconds, peak resident size in MB)."""
    start = time.perf_counter()
    command = [sys.executable, "-c", _WATCH, sys.executable, "-m", "etl.run", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, int(result.stdout) * 1_024 / 1e6


@pytest.mark.parametrize("variant", ["jpeg", "pixel", "embedding"])
def test_memory_and_cost_by_size(
    benchmark: BenchmarkFixture, photographs: Path, weights: Path, tmp_path: Path, variant: str
) -> None:
    """1x, 2x, 4x and 8x the data, each in a process of its own, start-up included."""
    base = 500
    cost: dict[int, float] = {}
    peak: dict[int, float] = {}

    def measure() -> None:
        for times in (1, 2, 4, 8):
            folder = link_photographs(photographs, tmp_path / f"in{times}", base * times)
            where = ["--source", "folder", "--input", str(folder), "--output", str(tmp_path / f"out{times}")]
            cost[times], peak[times] = measure_child([*where, *flags(variant, weights)])

    benchmark.group = "etl: memory and cost by size"
    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= {
        "variant": variant,
        "peak_mb": {f"{times}x": round(value) for times, value in peak.items()},
        "peak_8x_of_1x": round(peak[8] / peak[1], 3),
        "seconds": {f"{times}x": round(value, 2) for times, value in cost.items()},
        "ms_an_image_beyond_1x": round((cost[8] - cost[1]) / (7 * base) * 1_000, 3),
    }


@pytest.mark.parametrize("variant", ["jpeg", "pixel"])
def test_share_by_stage(benchmark: BenchmarkFixture, corpus: Path, weights: Path, tmp_path: Path, variant: str) -> None:
    """Where one image's time goes, on one thread."""
    settings = config(variant, weights)
    encode = variants.find(variant).open(settings).encode
    paths = sorted(corpus.glob("*/*"))[::8]
    spent: dict[str, float] = {}

    def stage(name: str, function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        start = time.perf_counter()
        made = [function(item) for item in items]
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return made

    def measure() -> None:
        files = stage("read", lambda path: path.read_bytes(), list(paths))
        stage("digest (MD5)", lambda data: hashlib.md5(data, usedforsecurity=False), files)
        images = stage("decode, resize, encode", encode, files)
        stage("statistics", lambda image: unit.sum_pixels(image.pixels), images)
        facts: dict[str, Any] = {"key": "k", "label": "l", "label_int": 0, "digest": "0" * 32, "shape": (1, 1, 3)}
        made = stage(
            "example",
            lambda image: schema.encode_example({**facts, "image": image.value}),
            images,
        )
        pieces = stage("checksum (CRC-32C)", tfrecord.frame_record, made)
        with open(tmp_path / "out.tfrecord", "wb") as stream:
            stage("write and SHA-256", tfrecord.RecordWriter(stream).write, pieces)

    encode(paths[0].read_bytes())
    benchmark.group = "etl: share by stage"
    benchmark.pedantic(measure, rounds=ROUNDS)
    total = sum(spent.values())
    benchmark.extra_info |= {
        "variant": variant,
        "ms_an_image": round(total / ROUNDS / len(paths) * 1_000, 3),
        "share": {name: round(value / total, 3) for name, value in spent.items()},
    }
