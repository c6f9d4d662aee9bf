"""Findings made up from plain numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.trainer.ingest.conftest import tiny, tiny_floats
from trainer.doctor.findings import Data, Findings, Machine, Training
from trainer.doctor.rates import Rate

__all__ = ["tiny", "tiny_floats"]

DATA = Data(
    dataset="flowers",
    folder="/data/flowers",
    variant="jpeg",
    variants=("jpeg",),
    split="train",
    encoding="jpeg",
    compression="none",
    stored_size=None,
    image_size=(224, 224),
    num_examples=10_000,
    num_bytes=600_000_000,
    num_shards=6,
    is_remote=False,
    batch_size=64,
    is_training=True,
    is_windowed=True,
    is_batchwise=False,
    shuffle_buffer=4_000,
    cycle_length=6,
    prefetch=2,
)
MACHINE = Machine(
    num_threads=4,
    num_cores=4,
    load=0.1,
    free_bytes=16_000_000_000,
    cached_share=1.0,
    device="CPU",
    is_accelerated=False,
)
RATES = {"read": 50_000.0, "parse": 40_000.0, "decode": 4_000.0, "augment": 9_000.0}

MakeFindings = Callable[..., Findings]


@pytest.fixture(scope="session")
def make_findings() -> MakeFindings:
    """Makes findings of a JPEG data set that decodes at 4,000 and reads as a whole at 3,600 images a second.

    Keywords are fields of `Data`, `Machine` or `Findings`; rates may be plain numbers.
    """

    def make(**changes: Any) -> Findings:
        ours = {field.name for field in dataclasses.fields(Findings)}
        parts = []
        for part in (DATA, MACHINE):
            names = [field.name for field in dataclasses.fields(part) if field.name in changes]
            parts.append(dataclasses.replace(part, **{name: changes.pop(name) for name in names}))
        assert set(changes) <= ours, changes
        changes = {"pipeline": 3_600.0, "bare_copy": 60_000.0, "bare_decode": 4_000.0, **changes}
        rates = {name: rate(value) for name, value in changes.pop("stages", RATES).items()}
        for name in ("pipeline", "bare_copy", "bare_decode"):
            changes[name] = rate(changes[name]) if changes[name] is not None else None
        return Findings(**{"first_batch_seconds": 0.5, "stages": rates, **changes}, data=parts[0], machine=parts[1])

    return make


def rate(value: float) -> Rate:
    return Rate(value, 0.9 * value, 1.1 * value)


@pytest.fixture(scope="session")
def make_training() -> Callable[..., Training]:
    """Makes a training of twenty steps of 64 images, each 100 ms long and `wait` seconds apart."""

    def make(wait: float, alone: float = 640.0) -> Training:
        return Training("cnn", rate(alone), (wait,) * 20, (0.1,) * 20, 64)

    return make
