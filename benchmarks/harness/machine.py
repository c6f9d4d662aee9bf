"""The machine and the software that measured; no name of a host, no path."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

# Whether processes can be kept to cores, and the system says what they hold in memory.
IS_LINUX = sys.platform == "linux"

_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "simplejpeg", "apache-beam", "pytest-benchmark")


def describe(command: str) -> dict[str, str | int | float | dict[str, str]]:
    """Describes this machine, for a report.

    Args:
        command: What was run.

    Returns:
        `cpu`, `cores` (that this process may use), `memory_gb`, `system`, `python`, `packages` (name to version of
        those that are installed) and `command`.
    """
    return {
        "cpu": cpu_name(_read("/proc/cpuinfo")) or platform.processor() or platform.machine(),
        "cores": len(usable_cores()),
        "memory_gb": memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "command": command,
    }


def command(targets: Sequence[str], flags: Sequence[str], *, has_data: bool) -> str:
    """Returns the command that repeats a run, without any path of this machine.

    Args:
        targets: What pytest was given: files, folders or tests.
        flags: Of the benchmarks' own, without values.
        has_data: Whether real images were measured.
    """
    if targets and all("benchmarks/peers" in target for target in targets):
        # Its environment has to be made first.
        return " ".join([*(["PETALSTREAM_DATA=DIR"] if has_data else []), "make bench-peers", *flags])
    return " ".join(["pytest benchmarks", *flags, *(["--data DIR"] if has_data else [])])


def usable_cores() -> list[int]:
    """Returns the numbers of the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_name(cpuinfo: str) -> str:
    """Returns the processor's name out of the text of /proc/cpuinfo, "" where it isn't in it."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def memory_gb() -> float:
    """Returns the machine's memory, in 2^30 bytes; 0 where the system doesn't say."""
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0.0
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def resident_mb() -> float:
    """Returns how much of this process is in memory now, in million bytes."""
    pages = int(_read("/proc/self/statm").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """Returns the most of this process that was ever in memory, in million bytes."""
    # Not getrusage: a new process inherits its parent's peak there.
    lines = _read("/proc/self/status").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1_024 / 1e6


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
