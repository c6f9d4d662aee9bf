"""Runs on a Dask cluster of three processes: the bytes are those of a run in one process, whatever is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl import inspect
from tests.commands import finish, start, wait_until
from tests.distributed import needs
from tests.distributed.commands import digests, num_done, num_planned, wait_for
from tests.distributed.conftest import NUM_SLOW_UNITS, Launcher

if TYPE_CHECKING:
    from tests.distributed.clusters import DaskCluster

pytestmark = needs.DASK


@pytest.mark.parametrize("num_threads", ["1", "3"])
def test_the_bytes_are_those_of_a_run_in_process(
    dask: DaskCluster, all_variants: list[str], reference: Path, launch: Launcher, num_threads: str
) -> None:
    run = launch("data", [*all_variants, *dask.options, "--direct_num_workers", num_threads])
    assert run.wait() == 0, run.printed
    assert digests(run.output) == digests(reference)
    assert inspect.main([str(run.output), "--compare", str(reference)]) == 0


def test_all_workers_work(dask: DaskCluster, all_variants: list[str], launch: Launcher) -> None:
    from distributed import Client

    run = launch("data", [*all_variants, *dask.options])
    assert run.wait() == 0, run.printed

    def has_worked() -> bool:
        return "tensorflow" in sys.modules

    with Client(dask.address, set_as_default=False) as client:
        assert list(client.run(has_worked).values()) == [True] * 3


def test_a_run_prints_its_progress_and_its_tables_and_nothing_else(
    dask: DaskCluster, photos: Path, launch: Launcher
) -> None:
    run = launch("data", ["--source", "folder", "--input", str(photos), *dask.options])
    assert run.wait() == 0, run.printed
    assert "151 read = 150 written + 1 rejected" in run.printed
    known = ("loading Apache Beam", "list and digest: ", "write: ", "151 read", str(run.output))
    # Tables are drawn with lines that are no ASCII.
    noise = [line for line in run.printed.splitlines() if line.isascii() and not line.startswith(known)]
    assert noise == []


def test_a_cluster_of_its_own_says_nothing_either(photos: Path, launch: Launcher) -> None:
    """Without an address Dask starts a cluster on this machine, and ends it with the run."""
    run = launch("data", ["--source", "folder", "--input", str(photos), "--runner", "DaskRunner"])
    assert run.wait() == 0, run.printed
    known = ("loading Apache Beam", "list and digest: ", "write: ", "151 read", str(run.output))
    assert [line for line in run.printed.splitlines() if line.isascii() and not line.startswith(known)] == []
    assert "write: 150 of 150 images, " in run.printed or "write: 151 of 151 images, " in run.printed


def test_a_terminals_ctrl_c_ends_a_cluster_of_its_own_in_one_line(photos: Path, tmp_path: Path) -> None:
    units = ("--variants", "pixel", "--image_size", 32, "--shard_mb", 0.01)
    run = start("etl.run", "--source", "folder", "--input", photos, "--output", tmp_path, *units, "--runner", "Dask")
    wait_until(run, lambda: num_done(tmp_path) > 0)
    # To the cluster's processes too, which would print traces.
    os.killpg(run.pid, signal.SIGINT)
    code, out, err = finish(run)
    assert (code, out) == (130, "")
    known = ("loading Apache Beam", "list and digest: ", "write: ")
    lines = [line for line in err.splitlines() if not line.startswith(known)]
    assert lines == ["error: interrupted; the same command with --resume goes on from what is done"]
    wait_for(lambda: not is_there(run.pid), "the end of the cluster's processes")


def is_there(group: int) -> bool:
    """Tells whether any process of a group lives."""
    import psutil

    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


def test_a_killed_worker_costs_nothing_but_time(
    new_dask, slow: list[str], slow_reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*slow, *new_dask.options])
    run.wait_for_units(5)
    new_dask.workers[0].kill()
    assert num_done(run.output) < num_planned(run.output)
    assert run.wait() == 0, run.printed
    assert digests(run.output) == digests(slow_reference)
    assert not list(run.output.glob(".building-*"))


def test_a_killed_run_leaves_no_manifest_and_can_be_resumed(
    dask, slow: list[str], slow_reference: Path, launch: Launcher
) -> None:
    run = launch("data", [*slow, *dask.options])
    run.wait_for_units(5)
    run.kill()
    assert not (run.output / "manifest.json").exists()
    resumed = launch("data", [*slow, *dask.options, "--resume"])
    assert resumed.wait() == 0, resumed.printed
    assert "an unfinished run left" in resumed.printed
    assert digests(run.output) == digests(slow_reference)
    assert len(digests(run.output)) >= NUM_SLOW_UNITS


def test_a_scheduler_that_does_not_answer_is_one_line(dask: DaskCluster, photos: Path, launch: Launcher) -> None:
    from tests.distributed.clusters import free_port

    address = f"tcp://127.0.0.1:{free_port()}"
    arguments = ["--source", "folder", "--input", str(photos)]
    run = launch("data", [*arguments, "--runner", "DaskRunner", "--dask_client_address", address])
    assert run.wait() == 2
    last = run.printed.splitlines()[-1]
    assert last.startswith(f"error: --dask_client_address: got '{address}', expected the address of a scheduler")
    assert not run.output.exists()
