"""Runs on Prism, Beam's portable runner: workers in this process, and where nothing but the sdist is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.distributed import needs
from tests.distributed.commands import digests, num_done, num_planned, wait_for
from tests.distributed.conftest import Launcher

if TYPE_CHECKING:
    from tests.distributed.clusters import WorkerPool

# Processes are looked at with what comes with Dask.
pytestmark = [needs.DASK, needs.PRISM]


def test_loopback_makes_the_bytes_of_a_run_in_process(
    prism: list[str], all_variants: list[str], reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*all_variants, *prism, "--direct_num_workers", "3"])
    assert run.wait() == 0, run.printed
    assert digests(run.output) == digests(reference)


def test_the_sdist_holds_all_that_a_worker_needs(
    prism: list[str], pool: WorkerPool, all_variants: list[str], reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*all_variants, *prism, *pool.options, "--direct_num_workers", "1"])
    assert run.wait() == 0, run.printed
    assert digests(run.output) == digests(reference)


def test_a_killed_worker_ends_the_run_in_one_line_and_it_can_be_resumed(
    prism: list[str], pool: WorkerPool, slow: list[str], slow_reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*slow, *prism, *pool.options])
    run.wait_for_units(5)
    (worker,) = pool.workers()
    worker.kill()
    assert num_done(run.output) < num_planned(run.output)
    assert run.wait() == 1
    said = [line for line in run.printed.splitlines() if not line.startswith(("list", "loading", "write"))]
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert "--resume" in said[0]
    assert not (run.output / "manifest.json").exists()
    resumed = launch("data", [*slow, *prism, *pool.options, "--resume"])
    assert resumed.wait() == 0, resumed.printed
    assert "an unfinished run left" in resumed.printed
    assert digests(run.output) == digests(slow_reference)


def test_a_killed_run_takes_prism_with_it_and_can_be_resumed(
    prism: list[str], pool: WorkerPool, slow: list[str], slow_reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*slow, *prism, *pool.options])
    run.wait_for_units(5)
    psutil = pytest.importorskip("psutil")
    started = psutil.Process(run.process.pid).children()
    assert [child.name() for child in started] == [Path(prism[-1]).name]
    run.kill()
    wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in started), "Prism's end")
    assert not (run.output / "manifest.json").exists()
    resumed = launch("data", [*slow, *prism, *pool.options, "--resume"])
    assert resumed.wait() == 0, resumed.printed
    assert "an unfinished run left" in resumed.printed
    assert digests(run.output) == digests(slow_reference)
