"""The names of all tests, without the files that they are in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from docs.surface.calls import ROOT, call, steady
from docs.surface.helps import COMMANDS

_MODULE = re.compile(r"\b(etl|trainer|tests|benchmarks)([./]\w+)+")


def record(work: Path) -> Mapping[str, str]:
    """Returns one file: the number of tests, and each name with its number where that isn't 1.

    Raises:
        RuntimeError: tests can't be collected.
    """
    line = f"pytest --collect-only -q -p no:benchmark -p no:cacheprovider --rootdir {ROOT} -c {ROOT}/pyproject.toml"
    done = call(f"{line} {ROOT}/tests", work)
    if done.code:
        raise RuntimeError(done.out[-2000:] + done.err[-2000:])
    names = [steady(found, work) for found in re.findall(r"^\S+?\.py::(.+)$", done.out, re.M)]
    counted = Counter(map(_steady_parameters, names))
    lines = [f"{name} x{count}" if count > 1 else name for name, count in sorted(counted.items())]
    return {"tests.txt": "\n".join([f"{len(names)} tests", *lines, ""])}


def _steady_parameters(name: str) -> str:
    """Replaces names of modules and their files in a test's parameters, but for those of commands."""
    test, bracket, parameters = name.partition("[")
    return test + bracket + _MODULE.sub(lambda found: found[0] if found[0] in COMMANDS else "MODULE", parameters)
