"""Real processes that are killed while they train, and go on as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.trainer.conftest import CLASS_NAMES
from trainer import layers, layout

ROOT = Path(__file__).parents[3]
NUM_EPOCHS = 30
# With layers that flip and drop, and batch normalisation: all that has a state of its own. Backups fall into epochs,
# which have five steps.
FLAGS = (
    "--model",
    "cnn",
    "--dropout",
    "0.4",
    "--num_hidden",
    "8",
    "--batch_size",
    "8",
    "--seed",
    "5",
    "--lrate",
    "0.003",
)
LENGTH = ("--num_epochs", str(NUM_EPOCHS), "--backup_steps", "7")


def start(data_dir: Path, output_dir: Path, *flags: str, config: str = "") -> subprocess.Popen[str]:
    folders = ("--data_dir", str(data_dir), "--output_dir", str(output_dir), "--variant", "pixel")
    command = [sys.executable, "-m", "trainer.task", *folders, *flags]
    # With oneDNN the last bits depend on the thread on which an operation happens to be called.
    facts = {"TF_CONFIG": config, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    environment = {**os.environ, **facts}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for a process that ends well; returns what it printed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out + err


def read_step(output_dir: Path) -> int:
    """Returns the step of the latest backup, -1 where there is none."""
    with contextlib.suppress(FileNotFoundError):
        content = json.loads((output_dir / layout.CHECKPOINT_NAME / "latest.json").read_text(encoding="utf-8"))
        return int(content["facts"]["step"])
    return -1


def wait_for_progress(processes: Sequence[subprocess.Popen[str]], output_dir: Path, since: int) -> None:
    """Waits until a backup was made."""
    deadline = time.monotonic() + 200
    while read_step(output_dir) <= since:
        assert all(process.poll() is None for process in processes), [process.communicate() for process in processes]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(output_dir: Path) -> list[np.ndarray]:
    assert layers
    model = keras.saving.load_model(output_dir / "model.keras")
    arrays: list[np.ndarray] = model.get_weights()
    return arrays


def learnt(output_dir: Path) -> dict[str, Any]:
    """What was measured of the model, without what was measured of the machine."""
    history = json.loads((output_dir / "history.json").read_text(encoding="utf-8"))
    return {name: history[name] for name in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lrate")}


@pytest.fixture(scope="module")
def undisturbed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(start(data_dir, folder, *FLAGS, *LENGTH))
    return folder


def test_killed_five_times_it_ends_with_the_same_bits(data_dir: Path, undisturbed: Path, tmp_path: Path) -> None:
    dice = random.Random(11)
    for _ in range(5):
        step = read_step(tmp_path)
        process = start(data_dir, tmp_path, *FLAGS, *LENGTH, "--resume")
        wait_for_progress([process], tmp_path, step)
        time.sleep(dice.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "model").exists()
    assert 0 < read_step(tmp_path) < 5 * NUM_EPOCHS
    finish(start(data_dir, tmp_path, *FLAGS, *LENGTH, "--resume"))
    for one, other in zip(weights(undisturbed), weights(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)
    assert learnt(undisturbed) == learnt(tmp_path)
    assert not (tmp_path / layout.CHECKPOINT_NAME).exists()


def test_told_to_stop_it_leaves_a_backup_and_says_so(data_dir: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = start(data_dir, tmp_path, *FLAGS, *LENGTH)
    wait_for_progress([process], tmp_path, -1)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=100)[1]
    assert process.returncode == 143
    assert f"told to stop after step {read_step(tmp_path)}; the same command with --resume goes on from there" in err
    other = start(data_dir, tmp_path, *FLAGS, *LENGTH, "--resume", "--lrate", "0.1")
    assert "--lrate: got 0.1, expected 0.003, as in the backup" in other.communicate(timeout=100)[1]
    assert other.returncode == 2
    fresh = start(data_dir, tmp_path, *FLAGS, *LENGTH)
    refused = fresh.communicate()[1]
    assert "expected a folder without an unfinished run" in refused
    assert "add --resume to go on with it, or --overwrite to begin anew" in refused
    assert fresh.returncode == 2
    finish(start(data_dir, tmp_path, *FLAGS, *LENGTH, "--resume"))
    for one, other_array in zip(weights(undisturbed), weights(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other_array)
    assert "finished already" in finish(start(data_dir, tmp_path, *FLAGS, *LENGTH, "--resume"))


def cluster() -> list[dict[str, str]]:
    """Returns the environments of two workers on loopback."""
    addresses = []
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            free = stack.enter_context(socket.socket())
            free.bind(("localhost", 0))
            addresses.append(f"localhost:{free.getsockname()[1]}")
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(2)]
    return [{**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": json.dumps(task)} for task in tasks]


@contextlib.contextmanager
def two_workers(data_dir: Path, output_dir: Path, *flags: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts two workers on loopback."""
    processes = [start(data_dir, output_dir, *flags, config=environment["TF_CONFIG"]) for environment in cluster()]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


LINEAR = (
    "--model",
    "linear",
    "--batch_size",
    "8",
    "--seed",
    "5",
    "--lrate",
    "0.001",
    "--l2",
    "0.01",
    "--num_epochs",
    "6",
)


def test_two_workers_learn_what_one_learns(data_dir: Path, tmp_path: Path) -> None:
    finish(start(data_dir, tmp_path / "one", *LINEAR))
    with two_workers(data_dir, tmp_path / "two", *LINEAR, "--share", "batches") as processes:
        for process in processes:
            finish(process)
    for one, two in zip(weights(tmp_path / "one"), weights(tmp_path / "two"), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    one, two = learnt(tmp_path / "one"), learnt(tmp_path / "two")
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-4)
    # Every example counted once an epoch: the accuracies are the same fractions of 36.
    np.testing.assert_allclose(one["accuracy"], two["accuracy"], atol=1e-6)
    assert len(CLASS_NAMES) == 3


SAVE_WEIGHTS = """
import sys
import numpy as np
from trainer.training import run as training
from trainer.data import load_manifest, resolve
from trainer.options import parse
from trainer.training.strategy import make_distribution
config = parse(sys.argv[2:]).config
distribution = make_distribution(config.distribute)
trained = training.train(config, resolve(config, load_manifest(config.data_dir)), distribution)
np.savez(f"{sys.argv[1]}/{distribution.worker}.npz", *trained.model.get_weights())
"""


def test_workers_hold_the_same_weights(data_dir: Path, tmp_path: Path) -> None:
    # With batch normalisation and dropout, and 36 examples in batches of 14: the last step has four for each.
    flags = (*FLAGS, "--batch_size", "14", "--num_epochs", "3")
    folders = ("--data_dir", str(data_dir), "--output_dir", str(tmp_path / "out"), "--variant", "pixel")
    command = [sys.executable, "-c", SAVE_WEIGHTS, str(tmp_path), *folders, *flags]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for environment in cluster()
    ]
    for process in processes:
        finish(process)
    with np.load(tmp_path / "0.npz") as one, np.load(tmp_path / "1.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def test_two_workers_one_of_them_killed_end_as_if_none_had_been(data_dir: Path, tmp_path: Path) -> None:
    # Batches of 16 by two: of the 36 examples the last four are two for each.
    flags = (*FLAGS, "--batch_size", "16", "--num_epochs", "20", "--backup_steps", "4")
    with two_workers(data_dir, tmp_path / "whole", *flags) as processes:
        for process in processes:
            finish(process)
    with two_workers(data_dir, tmp_path / "killed", *flags) as processes:
        wait_for_progress(processes, tmp_path / "killed", -1)
        processes[1].send_signal(signal.SIGKILL)
        err = processes[0].communicate(timeout=200)[1]
        assert processes[0].returncode == 1
        assert "another worker has gone at step" in err
        assert "Traceback" not in err
        assert not (tmp_path / "killed" / "model").exists()
    with two_workers(data_dir, tmp_path / "killed", *flags, "--resume") as processes:
        for process in processes:
            finish(process)
    for one, two in zip(weights(tmp_path / "whole"), weights(tmp_path / "killed"), strict=True):
        np.testing.assert_array_equal(one, two)
