"""How much memory processes take at most."""

from __future__ import annotations

import threading
from pathlib import Path

_SECONDS = 0.1


class Peaks:
    """Watches processes and all that they start; a context manager.

    Args:
        roots: Names and process ids; of several processes of one name the largest counts. What a process starts is
            counted under its own program's name behind the root's.
    """

    def __init__(self, roots: list[tuple[str, int]]) -> None:
        self.bytes: dict[str, int] = {}
        self._roots = roots
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peaks:
        for pid in (pid for _, pid in self._roots):
            # Sets the peak back to what the process takes now.
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS):
            for name, pid in self._roots:
                self._look(name, pid)

    def _look(self, name: str, pid: int) -> None:
        import psutil

        try:
            process = psutil.Process(pid)
            self._note(name, pid)
            for child in process.children(recursive=True):
                self._note(f"{name}/{child.name()}", child.pid)
        except psutil.NoSuchProcess:
            return

    def _note(self, name: str, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            # Absent of a process that has just ended.
            if line.startswith("VmHWM:"):
                self.bytes[name] = max(self.bytes.get(name, 0), int(line.split()[1]) * 1024)
