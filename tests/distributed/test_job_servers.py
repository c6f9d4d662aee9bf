"""Runs on Flink and Spark, in the cluster that a job server starts; skipped where no variable names its jar."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.distributed import needs
from tests.distributed.commands import digests
from tests.distributed.conftest import Launcher

pytestmark = [needs.DASK, needs.JAVA]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs.jar(name)) for name in ("Flink", "Spark")])
def test_the_bytes_are_those_of_a_run_in_process(
    name: str, all_variants: list[str], reference: Path, launch: Launcher
) -> None:
    jar = os.environ[needs.jar_variable(name)]
    options = ["--runner", f"{name}Runner", f"--{name.lower()}_job_server_jar", jar]
    for parallelism in ("1", "3"):
        run = launch(parallelism, [*all_variants, *options, "--sdk_worker_parallelism", parallelism])
        assert run.wait() == 0, run.printed
        assert digests(run.output) == digests(reference)
