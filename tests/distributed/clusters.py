"""A Dask cluster and a pool of Beam's SDK workers, each of real processes on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.distributed.commands import PATIENCE_SECONDS, ROOT, environment, wait_for

if TYPE_CHECKING:
    from psutil import Process


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tells whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class DaskCluster:
    """A scheduler and its workers, joined by TCP.

    Args:
        folder: For their logs and temporary files.
        num_workers: Processes.
        num_threads: Of each worker: units that it works on at once.
    """

    def __init__(self, folder: Path, num_workers: int, num_threads: int = 1) -> None:
        self._folder = folder
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        host = ["--host", "127.0.0.1", "--no-dashboard"]
        self.scheduler = self._start("scheduler", ["distributed.cli.dask_scheduler", *host, "--port", str(port)])
        each = ["--nthreads", str(num_threads), "--no-nanny", "--local-directory", str(folder)]
        command = ["distributed.cli.dask_worker", self.address, *host, *each]
        self.workers = [self._start(f"worker-{number}", command) for number in range(num_workers)]
        try:
            wait_for(lambda: answers(port), "the scheduler")
            wait_for(self._is_complete, "the workers")
        except BaseException:
            self.stop()
            raise

    @property
    def options(self) -> list[str]:
        """What a run on this cluster is given."""
        return ["--runner", "DaskRunner", "--dask_client_address", self.address]

    def _is_complete(self) -> bool:
        from distributed import Client

        with Client(self.address, timeout=PATIENCE_SECONDS, set_as_default=False) as client:
            return len(client.nthreads()) == len(self.workers)

    def _start(self, name: str, module: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", *module]
            return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)

    def stop(self) -> None:
        """Ends all processes."""
        stop(*self.workers, self.scheduler)


class WorkerPool:
    """A pool of Beam's SDK workers: processes of an environment that holds only what the distribution brings.

    Args:
        python: That environment's interpreter.
        folder: For the log; also the working folder, from where nothing of this repository is seen.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        port = free_port()
        self.address = f"localhost:{port}"
        own = environment()
        # The pool starts its workers as `python`.
        own["PATH"] = f"{python.parent}{os.pathsep}{own['PATH']}"
        command = [str(python), "-m", "apache_beam.runners.worker.worker_pool_main", "--service_port", str(port)]
        with (folder / "pool.log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)
        wait_for(lambda: answers(port), "the worker pool")

    @property
    def options(self) -> list[str]:
        """What a run in this pool is given."""
        return ["--environment_type", "EXTERNAL", "--environment_config", self.address]

    def workers(self) -> list[Process]:
        """Returns the worker processes that are there."""
        import psutil

        return psutil.Process(self.process.pid).children()

    def stop(self) -> None:
        """Ends the pool and its workers."""
        workers = self.workers()
        stop(self.process)
        for worker in workers:
            if worker.is_running():
                worker.kill()


def stop(*processes: subprocess.Popen[bytes]) -> None:
    """Ends processes at once: a Dask worker asked nicely waits for the scheduler that is ending too."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
