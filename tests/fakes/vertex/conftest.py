"""The stand-in server and a project, as the tests of the commands have them."""

from __future__ import annotations

from tests.trainer.vertex.conftest import cloud, vertex, vertex_server

__all__ = ["cloud", "vertex", "vertex_server"]
