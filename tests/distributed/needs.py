"""What the tests of this folder need, as marks that skip and say why; `make test-distributed` provides it."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

# Prism's program, and the interpreter of an environment with the packages of requirements/etl.txt and no others.
PRISM_VARIABLE = "PETALSTREAM_PRISM"
POOL_VARIABLE = "PETALSTREAM_POOL_PYTHON"

DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="dask and distributed aren't installed: make test-distributed",
)
PRISM = pytest.mark.skipif(
    not os.environ.get(PRISM_VARIABLE) or not os.environ.get(POOL_VARIABLE),
    reason=f"{PRISM_VARIABLE} names no Prism program, or {POOL_VARIABLE} no interpreter for its workers: "
    "make test-distributed, where Go is at hand",
)
JAVA = pytest.mark.skipif(shutil.which("java") is None, reason="java is not on the PATH")


def jar(name: str) -> pytest.MarkDecorator:
    """Returns the mark of a test that needs the job server of a runner, `Flink` or `Spark`."""
    variable = jar_variable(name)
    return pytest.mark.skipif(not os.environ.get(variable), reason=f"{variable} names no jar of Beam's job server")


def jar_variable(name: str) -> str:
    """Returns the variable that names a job server's jar."""
    return f"PETALSTREAM_{name.upper()}_JAR"
