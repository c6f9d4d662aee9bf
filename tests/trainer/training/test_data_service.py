"""Training on a tf.data service: a dispatcher with a worker in one process, and a second worker in another."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError
from tests.trainer.conftest import NUM_EXAMPLES, Train
from trainer.config import TrainConfig
from trainer.data import load_manifest, resolve
from trainer.ingest import service
from trainer.training import checkpoint, data_service
from trainer.training.setup import make_progress
from trainer.training.strategy import Distribution, make_distribution

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Service:
    """Two processes and the dispatcher's address."""

    dispatcher: subprocess.Popen[str]
    worker: subprocess.Popen[str]
    address: str


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    started: list[subprocess.Popen[str]] = []
    address = ""
    for _ in range(2):
        join = ["--dispatcher", address] if started else []
        command = [sys.executable, "-m", "trainer.ingest.service", *join]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stdout = started[-1].stdout
        assert stdout is not None
        address = stdout.readline().split()[3].rstrip(":")
    yield Service(started[0], started[1], address)
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def distribution() -> Distribution:
    return make_distribution("cpu")


def read(config: TrainConfig, distribution: Distribution, num_epochs: int) -> list[list[bytes]]:
    """Returns the images of each epoch, in an order of their own, as the trainer would get them."""
    data = resolve(config, load_manifest(config.data_dir))
    progress = make_progress(config, data, distribution)
    batches = iter(data.load_training(config, distribution.shard, progress.data_epoch, progress.data_step))
    epochs = []
    for _ in range(num_epochs):
        images = [image for _ in range(progress.data_steps) for image in np.asarray(next(batches)[0])]
        epochs.append(sorted(image.tobytes() for image in images))
    return epochs


@pytest.fixture
def nowhere() -> str:
    """An address where nothing answers."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return f"localhost:{probe.getsockname()[1]}"


@pytest.fixture
def config(data_dir: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        data_dir=str(data_dir), output_dir=str(tmp_path / "out"), variant="jpeg", image_size=(16, 16), batch_size=5
    )


def test_each_epoch_has_every_example_once(running: Service, config: TrainConfig, distribution: Distribution) -> None:
    far = replace(config, data_service=f"grpc://{running.address}")
    assert read(far, distribution, 3) == read(config, distribution, 3)


def test_a_run_comes_to_what_one_without_comes_to(
    running: Service, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In one batch an epoch, where the order plays no part.
    flags = ["--batch_size", str(NUM_EXAMPLES["train"]), "--lrate", "0.0001", "--lrate_decay", "none"]
    assert train(tmp_path / "here", *flags, "--num_epochs", "3") == 0
    assert train(tmp_path / "there", *flags, "--num_epochs", "2", "--data_service", running.address) == 0
    resumed = ["--num_epochs", "3", "--resume", "--data_service", running.address]
    assert train(tmp_path / "there", *flags, *resumed) == 0, capsys.readouterr().err
    for name in ("history.json", "evaluation.json"):
        here, there = (json.loads((tmp_path / run / name).read_text()) for run in ("here", "there"))
        assert here["loss"] == pytest.approx(there["loss"], rel=1e-3)
    assert there["num_examples"] == NUM_EXAMPLES["test"]


def test_a_worker_that_has_gone_has_no_part_of_the_next_epoch(
    running: Service, config: TrainConfig, distribution: Distribution
) -> None:
    running.worker.kill()
    running.worker.wait()
    far = replace(config, data_service=running.address)
    assert read(far, distribution, 2) == read(config, distribution, 2)


def test_a_service_that_is_killed_ends_the_run_in_one_line_and_another_goes_on(
    running: Service, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(data_service.SECONDS_VARIABLE, "5")
    folder = tmp_path / "out"

    def kill_once_an_epoch_is_done() -> None:
        deadline = time.monotonic() + 300
        while not checkpoint.exists(str(folder / "backup")) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.dispatcher.kill()

    killer = threading.Thread(target=kill_once_an_epoch_is_done)
    killer.start()
    assert train(folder, "--num_epochs", "100000", "--data_service", running.address) == 1
    killer.join()
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: the tf.data service at {running.address} ")
    assert error.endswith("the same command with --resume trains that epoch anew")
    num_done = len(checkpoint.read_facts(str(folder / "backup"))["history"]["epoch"])
    monkeypatch.delenv(data_service.SECONDS_VARIABLE)
    servers, address = service.start("localhost", 0, 1, None)
    assert train(folder, "--num_epochs", str(num_done + 1), "--resume", "--data_service", address) == 0
    del servers
    assert json.loads((folder / "history.json").read_text())["epoch"] == list(range(1, num_done + 2))


def test_a_service_without_workers_is_waited_for_only_so_long(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(data_service.SECONDS_VARIABLE, "4")
    servers, address = service.start("localhost", 0, 0, None)
    assert train(tmp_path / "out", "--data_service", f"grpc://{address}", "--tensorboard") == 1
    del servers
    error = capsys.readouterr().err
    assert f"python -m trainer.ingest.service --dispatcher {address} adds one" in error
    assert f"error: the tf.data service at grpc://{address} gave no batch for 4 s, in epoch 1; once" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data_service": "nowhere"}, "--data_service: got 'nowhere', expected grpc://HOST:PORT"),
        ({"data_service": "http://a:1"}, "--data_service: got 'http://a:1', expected grpc://HOST:PORT"),
        ({"data_service": "a:66000"}, "--data_service: got 'a:66000', expected grpc://HOST:PORT"),
        ({"share": "batches"}, "--share: got 'batches', expected range, since the batches of --data_service come in"),
        ({"backup_steps": 3}, "--backup_steps: got 3, expected none, since .*: a run goes on from the end of an epoch"),
        (
            {"num_training_examples": 9},
            "--num_training_examples: got 9, expected none, since .*: an epoch is the",
        ),
    ],
)
def test_what_can_not_be_exact_is_refused(config: TrainConfig, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(config, **{"data_service": "localhost:1", **fields})


def test_a_run_goes_on_there_from_an_epochs_end_alone(config: TrainConfig, data_dir: Path) -> None:
    far = replace(config, data_service="localhost:1")
    data = resolve(far, load_manifest(str(data_dir)))
    first = make_progress(far, data, make_distribution("cpu"))
    data_service.check_place(far, first.at(2 * first.data_steps))
    data_service.check_place(config, first.at(3))
    with pytest.raises(ConfigError, match="--data_service: .*expected none, since the backup was made 3 steps"):
        data_service.check_place(far, first.at(3))


def test_a_service_that_does_not_run_is_one_line(
    train: Train, tmp_path: Path, nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--data_service", f"grpc://{nowhere}") == 2
    error = capsys.readouterr().err
    assert f"error: --data_service: got 'grpc://{nowhere}', expected a tf.data service that runs; " in error
    assert len(error.splitlines()) == 1


def test_json_lines_are_refused(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("{}\n")
    far = replace(config, data_dir=str(tmp_path / "data.jsonl"), data_service="localhost:1")
    with pytest.raises(ConfigError, match="--data_service: got 'localhost:1', expected none with JSON lines, of which"):
        data_service.check(far)
