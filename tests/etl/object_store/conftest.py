"""Object storage for the tests of this folder."""

from __future__ import annotations

from tests.fakes.gcs.fixtures import gcs, gcs_server

__all__ = ["gcs", "gcs_server"]
