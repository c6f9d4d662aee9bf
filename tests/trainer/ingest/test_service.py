"""A real tf.data service: the dispatcher and one worker started by the command, a second worker by another."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError
from tests.trainer.ingest.batches import Batch, collect, labels
from tests.trainer.ingest.conftest import NUM_TRAIN
from trainer import ingest
from trainer.ingest import IngestConfig, service

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Starts the command; returns its process and the dispatcher's address."""
    command = [sys.executable, "-m", "trainer.ingest.service", *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        # What starts the tests may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("tf.data service at "), line
    return process, line.split()[3].rstrip(":")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    first, address = start()
    second, joined = start("--dispatcher", address)
    assert joined == address
    yield address
    second.send_signal(signal.SIGINT)
    first.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in (second, first)] == [0, 0]


def contents(batches: list[Batch]) -> list[Any]:
    """What batches hold, in an order that doesn't depend on theirs."""
    return sorted((part.tolist(), images.shape, images.dtype.name, images.tobytes()) for images, part in batches)


@pytest.mark.parametrize(("variant", "size"), [("embedding", None), ("pixel", None), ("jpeg", 16)])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_two_workers_make_every_batch_once(
    tiny: Path, address: str, variant: str, size: int | None, drop_remainder: bool
) -> None:
    config = IngestConfig(
        batch_size=3,
        image_size=size,
        drop_remainder=drop_remainder,
        training=True,
        seed=5,
        distribute="service",
        service_address=address,
    )
    batches = collect(ingest.load_epochs(tiny, "train", config, 2, variant=variant))
    steps = ingest.steps_per_epoch(tiny, "train", config, variant=variant)
    assert len(batches) == 2 * steps
    assert len(labels(batches)) == 2 * (NUM_TRAIN // 3 * 3 if drop_remainder else NUM_TRAIN)
    if not drop_remainder:
        assert sorted(labels(batches)) == sorted([*range(NUM_TRAIN), *range(NUM_TRAIN)])
    assert contents(batches) == contents(collect(ingest.load_epochs(tiny, "train", config, 2, variant=variant)))


def test_trainers_of_their_own_share_the_records(tiny: Path, address: str) -> None:
    found = []
    for index in range(3):
        config = IngestConfig(batch_size=4, shard=(index, 3), distribute="service", service_address=address)
        found += labels(collect(ingest.load(tiny, "train", config, variant="embedding")))
    assert sorted(found) == list(range(NUM_TRAIN))


def test_windows_are_those_that_are_drawn_without_a_service(tiny: Path, address: str) -> None:
    config = IngestConfig(batch_size=4, image_size=16, training=True, seed=9, epoch=3)
    near = collect(ingest.load(tiny, "train", config, variant="jpeg"))
    far = config.replace(distribute="service", service_address=address)
    images = [
        {label: image for images, part in batches for label, image in zip(part.tolist(), images, strict=True)}
        for batches in (near, collect(ingest.load(tiny, "train", far, variant="jpeg")))
    ]
    assert images[0].keys() == images[1].keys()
    for label, image in images[0].items():
        np.testing.assert_array_equal(image, images[1][label])


def test_each_iteration_is_the_next_epoch_there_too(tiny: Path, address: str) -> None:
    config = IngestConfig(batch_size=4, image_size=16, training=True, distribute="service", service_address=address)
    pinned = [
        contents(collect(ingest.load(tiny, "train", config.replace(epoch=number), variant="jpeg"))) for number in (0, 1)
    ]
    dataset = ingest.load(tiny, "train", config, variant="jpeg")
    assert [contents(collect(dataset)) for _ in range(2)] == pinned
    assert pinned[0] != pinned[1]
    again = ingest.load(tiny, "train", config.replace(epoch=1), variant="jpeg")
    assert [contents(collect(again)) for _ in range(2)] == [pinned[1]] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"distribute": "service"}, r"service_address: got None, expected the dispatcher's host:port"),
        ({"service_address": "localhost:1"}, r"service_address: .*expected None, since distribute is 'none'"),
        ({"distribute": "service", "service_address": "localhost"}, "service_address: got 'localhost', expected the"),
        (
            {"distribute": "service", "service_address": "a:1", "cache": "memory"},
            "cache: got 'memory', expected 'none'",
        ),
        ({"distribute": "service", "service_address": "a:1", "start_step": 2}, "start_step: got 2, expected 0"),
        ({"distribute": "everywhere"}, "distribute: got 'everywhere', expected one of none, service"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IngestConfig(**fields)


def test_a_service_that_does_not_run_is_named(tiny: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        port = unused.getsockname()[1]
    config = IngestConfig(distribute="service", service_address=f"localhost:{port}")
    with pytest.raises(ConfigError, match=f"service_address: got 'localhost:{port}', expected a tf.data service that"):
        ingest.load(tiny, "train", config, variant="embedding")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dispatcher", "localhost:1", "--port", "2"], "--port: got 2, expected no port"),
        (["--dispatcher", "localhost:1", "--num_workers", "0"], "--num_workers: got 0, expected 1 or more"),
        (["--dispatcher", "nowhere"], "--dispatcher: got 'nowhere', expected the dispatcher's host:port"),
        (["--num_workers", "-1"], "--num_workers: got '-1', expected a number of workers, 0 to 64"),
    ],
)
def test_the_commands_mistakes_are_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service.main(arguments)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "trainer.ingest.service", "--port", str(port)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), timeout=120)
    assert ended.returncode == 2
    assert f"--port: got {port}, expected a port that is free" in ended.stderr
