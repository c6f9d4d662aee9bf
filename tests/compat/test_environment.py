"""What `make test-compat` runs on: were it something else, its other tests would prove nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest

VERSION = importlib.metadata.version("tensorflow")

pytestmark = pytest.mark.skipif(
    not VERSION.startswith("2.16."), reason=f"make test-compat runs this; TensorFlow {VERSION}"
)


def test_the_oldest_releases_and_no_beam() -> None:
    assert importlib.metadata.version("keras").startswith("3.5.")
    assert importlib.metadata.version("google-cloud-aiplatform").startswith("2.")
    assert importlib.util.find_spec("apache_beam") is None


def test_tensorflow_io_loads() -> None:
    from etl.images.graph import extra

    operations = extra.load("environment", VERSION)
    assert all(hasattr(operations, name) for name in ("io_decode_tiff", "io_decode_avif", "io_decode_jpeg2k"))
