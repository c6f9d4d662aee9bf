"""What TensorFlow does with a bucket, one step a line of input: `python -m tests.fakes.gcs.tensorflow_steps`.

A process of its own, because TensorFlow reads its environment when it starts; one for all steps, because starting takes
long. Each line in is a step's name and its folder; each line out is JSON, its result or its error.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

NUM_RECORDS = 300
RECORD_BYTES = 32_000


def content(name: str, num_bytes: int) -> bytes:
    """Bytes that belong to a name."""
    return random.Random(name).randbytes(num_bytes)


def write(path: str, data: bytes) -> None:
    """Writes a file; it must be closed, or TensorFlow loses it silently."""
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(data)


def read(path: str) -> bytes:
    """Reads a whole file."""
    with tf.io.gfile.GFile(path, "rb") as file:
        data: bytes = file.read()
        return data


def files(folder: str) -> dict[str, Any]:
    """Writes, reads, seeks, renames, globs and deletes."""
    big = content("big", 9_000_000)
    write(f"{folder}/a b/x+y.bin", big)
    with tf.io.gfile.GFile(f"{folder}/a b/x+y.bin", "rb") as file:
        file.seek(8_500_000)
        part = file.read(1_000)
    result = {"part": part == big[8_500_000:8_501_000], "whole": read(f"{folder}/a b/x+y.bin") == big}
    write(f"{folder}/empty", b"")
    result["empty"] = read(f"{folder}/empty") == b""
    tf.io.gfile.rename(f"{folder}/a b/x+y.bin", f"{folder}/old/z.bin")
    tf.io.gfile.rename(f"{folder}/old", f"{folder}/new")
    result["renamed"] = tf.io.gfile.glob(f"{folder}/*/*") == [f"{folder}/new/z.bin"]
    tf.io.gfile.copy(f"{folder}/new/z.bin", f"{folder}/kept.bin")
    tf.io.gfile.remove(f"{folder}/new/z.bin")
    tf.io.gfile.makedirs(f"{folder}/made/deep")
    result["made"] = tf.io.gfile.isdir(f"{folder}/made/deep")
    return result


def records(folder: str) -> dict[str, Any]:
    """Writes four shards of records and reads them interleaved."""
    paths = [f"{folder}/part-{shard}.tfrecord" for shard in range(4)]
    for shard, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(shard, NUM_RECORDS, len(paths)):
                writer.write(content(str(number), RECORD_BYTES))
    dataset = tf.data.Dataset.from_tensor_slices(tf.io.gfile.glob(f"{folder}/*.tfrecord"))
    dataset = dataset.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=4, deterministic=True)
    whole = hashlib.sha256()
    num_records = 0
    for record in dataset.as_numpy_iterator():
        whole.update(record)
        num_records += 1
    return {"num_records": num_records, "sha256": whole.hexdigest()}


def many(folder: str) -> dict[str, Any]:
    """Writes, moves and reads files of all sizes, eight at a time."""
    names = [f"{number:02d}" for number in range(24)]

    def carry(name: str) -> bool:
        data = content(name, int(name) ** 3 * 100)
        write(f"{folder}/{name}.tmp", data)
        tf.io.gfile.rename(f"{folder}/{name}.tmp", f"{folder}/{name}", overwrite=True)
        return read(f"{folder}/{name}") == data

    with ThreadPoolExecutor(8) as pool:
        num_equal = sum(pool.map(carry, names))
    return {"num_equal": num_equal, "names": [path.rsplit("/", 1)[1] for path in tf.io.gfile.glob(f"{folder}/*")]}


def refusals(folder: str) -> dict[str, Any]:
    """The error of each operation; `folder` holds a file `x`."""
    operations: dict[str, Callable[[], object]] = {
        "create": lambda: write(f"{folder}/new", b"1"),
        "read": lambda: read(f"{folder}/x"),
        "rename": lambda: tf.io.gfile.rename(f"{folder}/x", f"{folder}/y"),
        "remove": lambda: tf.io.gfile.remove(f"{folder}/x"),
        "glob": lambda: tf.io.gfile.glob(f"{folder}/*"),
        "exists": lambda: tf.io.gfile.exists(f"{folder}/x"),
        "listdir": lambda: tf.io.gfile.listdir(folder),
        "records": lambda: list(tf.data.TFRecordDataset(f"{folder}/x")),
    }
    errors = {}
    for name, operation in operations.items():
        try:
            operation()
        except tf.errors.OpError as error:
            errors[name] = type(error).__name__
    return errors


def one_file(folder: str) -> dict[str, Any]:
    """Writes one file."""
    write(f"{folder}/one", content("one", 600_000))
    return {}


STEPS: dict[str, Callable[[str], dict[str, Any]]] = {
    step.__name__: step for step in (files, records, many, refusals, one_file)
}


def main() -> None:
    """Takes steps until the input ends."""
    for line in sys.stdin:
        name, folder = line.split()
        try:
            answer: dict[str, object] = {"result": STEPS[name](folder)}
        except tf.errors.OpError as error:
            answer = {"error": f"{type(error).__name__}: {error.message}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
