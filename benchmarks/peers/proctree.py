"""What a process and all that it started use: processor time and memory, as Linux tells them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

_PERIOD_SECONDS = 0.1
_CPU_FIELDS = slice(11, 15)


def pids_of(root: int) -> list[int]:
    """Returns the process's number and those of its descendants that are alive; empty where it is not."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = [child for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
        found.append(pid)
        waiting += map(int, children)
    return found


def cpu_seconds(root: int) -> float:
    """Returns user and system time of the process, its living descendants and those that it has waited for."""
    ticks = sum(sum(map(int, _stat(pid)[_CPU_FIELDS])) for pid in pids_of(root))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(root: int) -> float:
    """Returns the memory of the process and its descendants, in million bytes; what several share counts once."""
    kilobytes = 0
    for pid in pids_of(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1_024 / 1e6


class PeakMemory:
    """Samples a process's memory while a `with` statement lasts.

    Args:
        root: The process's number.

    Attributes:
        peak_mb: The most that was seen, in million bytes.
    """

    def __init__(self, root: int) -> None:
        self.peak_mb = 0.0
        self._root, self._is_over = root, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            start = time.perf_counter()
            self.peak_mb = max(self.peak_mb, memory_mb(self._root))
            # As long a pause as the look took: it holds up what is looked at.
            if self._is_over.wait(max(_PERIOD_SECONDS, time.perf_counter() - start)):
                return


def _stat(pid: int) -> list[str]:
    """Returns the fields behind the process's name, zeros for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["0"] * _CPU_FIELDS.stop
    return text.rpartition(")")[2].split()
