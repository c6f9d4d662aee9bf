"""Every command, ended by a signal while it is imported, while TensorFlow or Beam is, and while it works."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.commands import finish, has_begun_to_load, start, wait_until
from tests.datasets import write_dataset
from tests.etl.process.test_streams import COMMANDS

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is loaded is read from /proc")
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
RESUME = "; the same command with --resume goes on"
ANEW = "; the same command begins anew"


@pytest.mark.parametrize("command", COMMANDS)
def test_from_its_first_import_on_a_command_ends_in_one_line(command: str) -> None:
    process = start(command, "--help", options=("-X", "importtime"))
    assert process.stderr is not None
    # From when `etl` is imported signals are heard; the command's own imports follow.
    for line in process.stderr:
        if re.search(r"\|\s+etl$", line):
            break
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, [line for line in err.splitlines() if "import time:" not in line]) == (130, ["error: interrupted"])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, variants=("pixel",))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What looks like a model until it is loaded, which comes after TensorFlow."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


LOADING: dict[str, tuple[list[str], signal.Signals, str]] = {
    "etl.run": (["--source", "synthetic", "--num_images", "2", "--output", "{tmp}/out"], signal.SIGINT, ANEW),
    "etl.inspect": (["{dataset}"], signal.SIGTERM, ANEW),
    "trainer.task": (["--data_dir", "{dataset}", "--output_dir", "{tmp}/out"], signal.SIGHUP, RESUME),
    "trainer.predict": (["{model}", "{image}"], signal.SIGINT, ANEW),
    "trainer.server": (["--model_dir", "{model}"], signal.SIGTERM, ANEW),
}


@needs_proc
@pytest.mark.parametrize("command", LOADING)
def test_while_tensorflow_is_imported_a_command_ends_at_once(
    command: str, dataset: Path, model: Path, tmp_path: Path
) -> None:
    arguments, number, hint = LOADING[command]
    (tmp_path / "image.jpg").write_bytes(b"")
    places = {"dataset": dataset, "model": model, "tmp": tmp_path, "image": tmp_path / "image.jpg"}
    process = start(command, *(argument.format(**places) for argument in arguments))
    wait_until(process, lambda: has_begun_to_load(process, "tensorflow"))
    process.send_signal(number)
    code, out, err = finish(process)
    assert (code, out) == (128 + number, "")
    assert err.splitlines()[-1] == f"error: {WORDS[number]}{hint}"
    assert "Traceback" not in err


def test_a_run_that_is_interrupted_at_work_goes_on_with_resume(tmp_path: Path) -> None:
    images = ("--num_images", 120, "--shard_mb", 0.1, "--broken_fraction", 0)
    arguments = ("--source", "synthetic", *images, "--variants", "pixel", "--image_size", 64, "--output", tmp_path)
    process = start("etl.run", *arguments)
    wait_until(process, lambda: any(tmp_path.glob(".building-*/pixel/*.result.json")))
    # As a terminal does, to all that belongs to the command.
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted; the same command with --resume goes on from what is done"
    assert "Traceback" not in err
    assert any(tmp_path.glob(".building-*/pixel/*.result.json"))
    assert not (tmp_path / "manifest.json").exists()
