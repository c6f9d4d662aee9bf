"""What the goldens are of: bytes that must stay the same, and bytes that depend on software and processor.

The images in `inputs/` never change: they were drawn once and are kept as files, so that no encoder has a say in them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import zlib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from etl import run
from etl.errors import run_main
from etl.format import layout, schema
from etl.format import manifest as manifests
from etl.format.features import ExtraValue
from etl.format.tfrecord import RecordWriter, frame_record, read_records

HERE = Path(__file__).parent
GOLDEN_PATH = HERE / "goldens.json"
INPUTS = HERE / "inputs"

# On what the bytes of decoded, resized, encoded and embedded images depend, beside our own code.
_PACKAGES = ("keras", "numpy", "pillow", "pyarrow", "tensorflow")
# Vector extensions by which TensorFlow and its kernels choose their code.
_FLAGS = ("amx_bf16", "amx_int8", "avx", "avx2", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "fma", "sse4_2")

ALPHA = 0.35

# The options of each run of `etl.run`; `{weights}` stands for a file of weights that `write_weights` makes.
RUNS: Mapping[str, tuple[str, str]] = {
    "mixed": ("mixed", "--variants jpeg"),
    "resized": ("jpeg", "--variants jpeg --image_size 96x128 --jpeg_quality 80 --resize crop"),
    "pixel": ("mixed", "--variants pixel --image_size 224"),
    "stretched": ("mixed", "--variants pixel --image_size 40x64 --resize stretch"),
    "float": ("mixed", "--variants pixel --pixel_dtype float32"),
    "embedding": ("jpeg", f"--variants embedding --embedding_weights {{weights}} --embedding_alpha {ALPHA}"),
}
# Of the values of the examples, by run: levels of 0 to 255; of embeddings, a share of the largest value.
TOLERANCES = {"mixed": 6.0, "resized": 6.0, "pixel": 2.0, "stretched": 2.0, "float": 2.0, "embedding": 1e-3}


def sha256(data: bytes) -> str:
    """Returns the digest that goldens are kept as."""
    return hashlib.sha256(data).hexdigest()


def environment() -> dict[str, Any]:
    """Describes what the bytes of this process depend on, beside our own code."""
    from PIL import features

    software = {name: metadata.version(name) for name in _PACKAGES}
    software |= {"libjpeg": str(features.version("libjpeg_turbo")), "zlib": zlib.ZLIB_RUNTIME_VERSION}
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    cpu = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    known = set(cpu.get("flags", "").split())
    return {
        "software": software,
        "machine": platform.machine(),
        "flags": [flag for flag in _FLAGS if flag in known],
        # Networks split their sums by caches and threads too.
        "network": [cpu.get("model name", ""), os.cpu_count(), os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")],
    }


def differences(name: str, recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Says in what an environment that was recorded differs from this one, as far as a golden depends on it."""
    if name == "gzip":
        recorded, here = ({"zlib": each["software"]["zlib"]} for each in (recorded, here))
    elif name == "index.parquet":
        recorded, here = ({"pyarrow": each["software"]["pyarrow"]} for each in (recorded, here))
    elif name != "embedding":
        recorded, here = ({key: each[key] for key in each if key != "network"} for each in (recorded, here))
    return [f"{key}: {recorded.get(key)} recorded, {here[key]} here" for key in here if recorded.get(key) != here[key]]


def literal_records() -> dict[str, bytes]:
    """Returns an example of each encoding, made of literal arrays alone."""
    pixels = (np.arange(5 * 7 * 3, dtype=np.int64) * 37 % 256).astype(np.uint8).reshape(5, 7, 3)
    common: dict[str, ExtraValue] = {"key": "daisy/1é.jpg", "label": "daisy", "label_int": 3, "shape": pixels.shape}
    common["digest"] = "0123456789abcdef0123456789abcdef"
    vector = ((np.arange(schema.EMBEDDING_SIZE) * 2_654_435_761 % 65_536) / 65_536).astype(np.float32)
    floats = pixels.reshape(-1).astype(np.float32) * np.float32(1 / 255)
    extras: dict[str, ExtraValue] = {
        "species": "cat",
        "bbox": (0.125, 0.25, 0.5, 1.0),
        "trimap": b"\x89PNG",
        "absent": (),
    }
    values: dict[str, Mapping[str, ExtraValue | np.ndarray]] = {
        "jpeg": {"image": b"\xff\xd8\xff\xe0literal\xff\xd9"},
        "raw": {"image": pixels.tobytes()},
        "float_list": {"image": floats},
        "embedding": {"image_embedding": vector},
        "extras": {"image": b"", **extras},
        "no class": {"image": b"", "label": "", "label_int": -1},
    }
    return {name: schema.encode_example({**common, **value}) for name, value in values.items()}


def write_file(records: list[bytes], *, compressed: bool) -> bytes:
    """Returns a whole TFRecord file."""
    stream = io.BytesIO()
    writer = RecordWriter(stream, compressed=compressed)
    for record in records:
        writer.write(frame_record(record, compressed=compressed))
    num_bytes, digest = writer.finish()
    data = stream.getvalue()
    if (num_bytes, digest) != (len(data), sha256(data)):
        raise ValueError("the writer's own size and digest are not those of its file")
    return data


def exact(folder: Path) -> dict[str, str]:
    """Makes what must never change, on any machine: name to digest.

    Args:
        folder: An empty one to work in.
    """
    records = literal_records()
    made = {f"record: {name}": sha256(record) for name, record in records.items()}
    made["file"] = sha256(write_file(list(records.values()), compressed=False))
    output = etl(folder / "kept", "jpeg", "--variants jpeg --seed 7 --shard_mb 0.005 --splits train=0.6,test=0.4")
    manifest = manifests.load(output)
    made["run: fingerprint"] = manifest.fingerprint
    made |= {f"run: {name}": digest for name, digest in shard_digests(output).items()}
    made["run: index"] = sha256(json.dumps(index_rows(output / "jpeg" / "index.parquet")).encode())
    packed = etl(folder / "packed", "jpeg", "--variants jpeg --seed 7 --compression gzip --splits train=1")
    made |= {f"unpacked: {path.name}": sha256(unpack(path)) for path in sorted((packed / "jpeg").glob("*.gz"))}
    return made


def by_environment(folder: Path, name: str) -> dict[str, str]:
    """Makes what depends on the environment: file to digest.

    Args:
        folder: Where the runs' outputs are; made where they aren't there yet.
        name: A key of `RUNS`, `gzip` or `index.parquet`.
    """
    if name == "gzip":
        return {"file": sha256(write_file(list(literal_records().values()), compressed=True))}
    if name == "index.parquet":
        output = etl(folder / "kept", "jpeg", "--variants jpeg --seed 7 --shard_mb 0.005 --splits train=0.6,test=0.4")
        return {"file": sha256((output / "jpeg" / "index.parquet").read_bytes())}
    return shard_digests(make(folder, name))


NAMES = (*RUNS, "gzip", "index.parquet")


def make(folder: Path, name: str) -> Path:
    """Runs the ETL for a key of `RUNS`; returns its output, which is made once."""
    source, options = RUNS[name]
    if "{weights}" in options:
        weights = folder / "golden.weights.h5"
        if not weights.exists():
            write_weights(weights)
        options = options.format(weights=weights)
    return etl(folder / name, source, f"{options} --splits train=1 --seed 7")


def etl(output: Path, source: str, options: str) -> Path:
    """Runs `etl.run` over one of the folders in `inputs/`, unless its output is there."""
    arguments = ["--source", "folder", "--input", str(INPUTS / source), "--output", str(output), *options.split()]
    if not (output / layout.MANIFEST_NAME).exists() and run_main(run.main, arguments) != 0:
        raise RuntimeError(f"etl.run failed: {' '.join(arguments)}")
    return output


def shard_digests(output: Path) -> dict[str, str]:
    """Returns name to SHA-256 of the shards themselves, whatever the manifest says."""
    return {path.name: sha256(path.read_bytes()) for path in sorted(output.glob("*/*.tfrecord*"))}


def index_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of an index, and its columns' types in front of them."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return [{field.name: str(field.type) for field in table.schema}, *table.to_pylist()]


def unpack(path: Path) -> bytes:
    """Returns what a compressed shard holds."""
    import gzip

    return gzip.decompress(path.read_bytes())


def samples(output: Path) -> dict[str, str]:
    """Returns, for each key of a data set, values of its example that tell how near it is to another's, as base64.

    Of an image every twelfth of its rows and columns, uint8; of an embedding every sixteenth value, float32.
    """
    return {key: base64.b64encode(values.tobytes()).decode() for key, values in sorted(_samples(output))}


def _samples(output: Path) -> Iterator[tuple[str, np.ndarray]]:
    import tensorflow as tf

    (variant,) = manifests.load(output).variants.values()
    spec = schema.feature_spec(variant.features)
    for path in sorted((output / variant.name).glob("*.tfrecord")):
        for record in read_records(io.BytesIO(path.read_bytes())):
            features = {name: value.numpy() for name, value in tf.io.parse_single_example(record, spec).items()}
            pixels = variant.encoding.to_array(features)
            key = features["key"].decode()
            if pixels is None:
                yield key, features["image_embedding"][::16]
            else:
                yield key, pixels[:: max(1, len(pixels) // 12), :: max(1, pixels.shape[1] // 12)]


def distance(name: str, one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Returns how far apart the values of two runs are, in the units of `TOLERANCES`; infinite where keys differ."""
    if one.keys() != other.keys():
        return float("inf")
    kind = np.dtype("<f4") if name == "embedding" else np.dtype(np.uint8)
    farthest = 0.0
    for key in one:
        first, second = (np.frombuffer(base64.b64decode(each[key]), kind).astype(np.float64) for each in (one, other))
        if first.shape != second.shape:
            return float("inf")
        unit = float(np.abs(first).max()) if name == "embedding" else 1.0
        farthest = max(farthest, float(np.abs(first - second).max()) / unit)
    return farthest


def write_weights(path: Path) -> None:
    """Writes MobileNetV2's weights, small and made of whole numbers alone, so that they are the same everywhere."""
    import keras

    model = keras.applications.MobileNetV2((224, 224, 3), ALPHA, include_top=False, weights=None, pooling="avg")
    for number, layer in enumerate(model.layers):
        layer.set_weights([_weights(number, weight) for weight in layer.weights])
    model.save_weights(path)


def _weights(number: int, weight: Any) -> np.ndarray:
    if weight.name in ("gamma", "moving_variance"):
        return np.ones(weight.shape, np.float32)
    if weight.name in ("beta", "moving_mean"):
        return np.zeros(weight.shape, np.float32)
    size = int(np.prod(weight.shape))
    drawn = (np.arange(size, dtype=np.uint64) + np.uint64(number * 977)) * np.uint64(2_654_435_761) % np.uint64(65_536)
    # A power of two near the square root of what is summed, so that nothing vanishes on the way, and nothing rounds.
    fan_in = size // weight.shape[-1] if "depthwise" not in weight.path else 9
    scale = 2.0 ** -np.floor(np.log2(np.sqrt(fan_in)))
    return ((drawn.astype(np.float64) / 65_536 - 0.5) * 4 * scale).astype(np.float32).reshape(weight.shape)
