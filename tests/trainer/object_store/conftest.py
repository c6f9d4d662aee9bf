"""Object storage on loopback, for the test that needs it."""

from tests.fakes.gcs.fixtures import gcs, gcs_server

__all__ = ["gcs", "gcs_server"]
