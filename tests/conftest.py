"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# TensorFlow prints a page of notices at import; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# How long an example takes says something of the machine, not of the code: benchmarks measure.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs that `PETALSTREAM_DATA` names; skips where it is unset."""
    folder = os.environ.get("PETALSTREAM_DATA")
    if not folder:
        pytest.skip("PETALSTREAM_DATA names no folder of real photographs")
    path = Path(folder)
    if not (path / "flower_photos").is_dir():
        pytest.fail(f"PETALSTREAM_DATA={folder} holds no flower_photos")
    return path
