"""What a process and its children use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.harness.machine import IS_LINUX
from benchmarks.peers import proctree

pytestmark = pytest.mark.skipif(not IS_LINUX, reason="told by /proc, on Linux alone")

MEGABYTES = 40
# A child that uses memory and time, and waits.
CHILD = f"""
import subprocess, sys, time
held = bytearray(b"x") * ({MEGABYTES} * 1_000_000)
while time.process_time() < 0.3:
    pass
print("ready", flush=True)
sys.stdin.read()
"""
# Its parent, which does nothing itself.
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
print(child.stdout.readline().decode(), child.pid, flush=True)
sys.stdin.read()
"""


def test_children_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        lines = [parent.stdout.readline(), parent.stdout.readline()]
        child = int(lines[1])
        assert proctree.pids_of(parent.pid) == [parent.pid, child]
        assert proctree.memory_mb(parent.pid) > proctree.memory_mb(child) > MEGABYTES
        assert proctree.cpu_seconds(parent.pid) >= proctree.cpu_seconds(child) >= 0.25
        with proctree.PeakMemory(parent.pid) as memory:
            pass
        assert memory.peak_mb > MEGABYTES
    assert proctree.pids_of(parent.pid) == []
    assert proctree.memory_mb(parent.pid) == 0
    assert proctree.cpu_seconds(parent.pid) == 0


def test_ones_own_process_is_seen() -> None:
    assert os.getpid() in proctree.pids_of(os.getpid())
