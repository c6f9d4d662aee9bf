"""What the comparison says of how it was started."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Names the command that has the environment made first."""
    flags = [flag for flag in ("--full", "--tiny") if config.getoption(flag)]
    data = ["PETALSTREAM_DATA=DIR"] if config.getoption("--data") else []
    machine_info["petalstream"]["command"] = " ".join([*data, "make bench-peers", *flags])
