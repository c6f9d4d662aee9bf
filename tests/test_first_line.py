"""Every command says within a second what it loads, and what is wrong with what it was given before it loads it.

Seconds are not measured: what takes them is the import of TensorFlow, Beam and the like, and none of that may come
before the first line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets import write_dataset

# Python prints these on standard error as it imports.
_IMPORTED = re.compile(r"import time:\s+\d+ \|\s+\d+ \| +(\S+)")
_HEAVY = ("tensorflow", "keras", "apache_beam", "google.cloud.aiplatform_v1")

# The folders that tests fill: a data set, what isn't there, an empty one, the test's own, and a folder with a model.
Folders = dict[str, Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A small data set, and things that only look like what a command takes."""
    root = tmp_path_factory.mktemp("first-line")
    data, model = root / "data", root / "model"
    write_dataset(data, variants=["jpeg"])
    model.mkdir()
    # Enough to be taken for a model until TensorFlow reads it.
    (model / "saved_model.pb").write_bytes(b"")
    (root / "empty").mkdir()
    (root / "empty.jsonl").touch()
    (root / "photo.jpg").touch()
    (root / "instances.jsonl").write_text('{"key": "a", "filenames": "a.jpg"}\n')
    (root / "classes" / "daisy").mkdir(parents=True)
    (root / "classes" / "daisy" / "1.jpg").write_bytes(b"none")
    (root / "study.yaml").touch()
    return {"root": root, "data": data, "model": model}


def first_line(arguments: Sequence[str]) -> tuple[str, set[str]]:
    """Runs a command until its first line of its own; returns the line, and the heavy packages imported by then."""
    command = [sys.executable, "-X", "importtime", "-m", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    heavy: set[str] = set()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            imported = _IMPORTED.match(line)
            if imported is None and not line.startswith("import time:"):
                process.kill()
                return line.rstrip("\n"), heavy
            if imported is not None:
                heavy |= {name for name in _HEAVY if f"{imported[1]}.".startswith(f"{name}.")}
    return "", heavy


def filled(arguments: str, folders: Folders, tmp_path: Path) -> list[str]:
    return [part.format(**folders, own=tmp_path) for part in arguments.split()]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("etl.run --source folder --input {root}/classes --output {own}/out", "loading Apache Beam and TensorFlow"),
        (
            "etl.run --source folder --input {root}/classes --output {own}/out --runner DirectRunner",
            "loading Apache Beam and TensorFlow",
        ),
        (
            "etl.run --source folder --input {root}/classes --output {own}/out --runner FlinkRunner",
            "loading Apache Beam",
        ),
        ("etl.run --source synthetic --output {own}/out --job_name a", "loading Apache Beam"),
        ("etl.inspect {data}", "loading TensorFlow"),
        ("etl.inspect {data} --compare {data}", "loading TensorFlow"),
        (
            "trainer.task --data_dir {data} --output_dir {own}/out --model linear --image_size 32",
            "loading TensorFlow",
        ),
        ("trainer.predict {model} {root}/photo.jpg", "loading TensorFlow"),
        ("trainer.predict {model} gs://no-bucket/photos", "loading TensorFlow"),
        ("trainer.server --model_dir {model} --port 0", "error: --port"),
        ("trainer.ingest.doctor {data}", "loading TensorFlow"),
        ("trainer.ingest.service", "loading TensorFlow"),
        (
            "trainer.batch_predict --model_dir {model} --input {root}/instances.jsonl --output {own}/out.jsonl",
            "loading Apache Beam and TensorFlow",
        ),
        (
            "trainer.vertex list models --dry_run --project my-project-123 --region europe-west4",
            "loading Vertex AI's client library",
        ),
    ],
)
def test_the_first_line_says_what_is_loaded(arguments: str, line: str, folders: Folders, tmp_path: Path) -> None:
    said, heavy = first_line(filled(arguments, folders, tmp_path))
    assert said.startswith(line)
    assert not heavy


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("etl.run --source folder --input {root}/none --output {own}/out", "error: --input: .*no such folder"),
        ("etl.run --source folder --input {root}/empty --output {own}/out", "error: --input: "),
        ("etl.run --source csv --input {root}/none.csv --output {own}/out", "error: --input: "),
        ("etl.run --source csv --input {root}/empty.jsonl --output {own}/out", "error: --input: "),
        ("etl.run --source pets --input {root}/classes --output {own}/out", "error: --input: "),
        ("etl.run --source cifar10 --input {root}/classes --output {own}/out", "error: --input: "),
        ("etl.run --source folder --input {root}/classes --output {data}", "error: --output: "),
        (
            "etl.run --source folder --input {root}/classes --output {own}/out --variants embedding "
            "--embedding_weights {root}/none.h5",
            "error: --embedding_weights: .*a file that is there",
        ),
        (
            "etl.run --source folder --input {root}/classes --output {own}/out --variants embedding "
            "--embedding_weights {root}/none.h5 --dry_run",
            "error: --embedding_weights: .*a file that is there",
        ),
        ("etl.inspect {root}/none", "error: DIR: "),
        ("trainer.task --data_dir {root}/none --output_dir {own}/out --model linear", "error: --data_dir: "),
        (
            "trainer.task --data_dir {data} --output_dir {root}/photo.jpg --model linear --image_size 32",
            "error: --output_dir: ",
        ),
        (
            "trainer.task --data_dir {data} --output_dir {own}/out --model mobilenet --image_size 32 "
            "--weights {root}/none.h5",
            "error: --weights: .*a file that is there",
        ),
        (
            "trainer.task --data_dir {data} --output_dir {own}/out --model linear --image_size 32 "
            "--init_from {root}/empty",
            "error: --init_from: ",
        ),
        ("trainer.predict {root}/none {root}/photo.jpg", "error: MODEL_DIR: "),
        ("trainer.predict {model} {root}/empty", "error: FILE: "),
        ("trainer.server --model_dir {root}/none", "error: MODEL_DIR: "),
        ("trainer.ingest.doctor {root}/none", "error: DIR: "),
        (
            "trainer.batch_predict --model_dir {root}/none --input {root}/instances.jsonl --output {own}/out.jsonl",
            "error: MODEL_DIR: ",
        ),
        (
            "trainer.batch_predict --model_dir {model} --input {root}/empty.jsonl --output {own}/out.jsonl",
            "error: --input: .*this file is empty",
        ),
        (
            "trainer.tune --config tune_grid --output_dir {own}/out -- --data_dir {root}/none",
            "error: --data_dir: ",
        ),
    ],
)
def test_what_is_wrong_shows_before_anything_is_loaded(
    arguments: str, line: str, folders: Folders, tmp_path: Path
) -> None:
    said, heavy = first_line(filled(arguments, folders, tmp_path))
    assert re.match(line, said), said
    assert not heavy
