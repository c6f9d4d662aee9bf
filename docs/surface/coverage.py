"""How much of each package the tests of `make test-fast` run through."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from docs.surface.calls import ROOT, call


def record(work: Path) -> Mapping[str, str]:
    """Returns one file: covered statements, all statements and their share, by package.

    Raises:
        RuntimeError: a test fails.
    """
    make = ["make", "-n", "-o", ".venv/installed", "test-fast"]
    shown = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(shown.strip().splitlines()[-1])
    tests = [str(ROOT / word) for word in words if word.startswith("tests/")]
    options = f"-q -m 'not full' -p no:benchmark -p no:cacheprovider --rootdir {ROOT} -c {ROOT}/pyproject.toml"
    options += f" --cov={ROOT}/etl --cov={ROOT}/trainer --cov-report=json:{work}/coverage.json"
    done = call(f"pytest {options} {shlex.join(tests)}", work, COVERAGE_FILE=str(work / "coverage"))
    if done.code:
        raise RuntimeError(done.out[-2000:])
    files = json.loads((work / "coverage.json").read_text(encoding="utf-8"))["files"]
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, file in files.items():
        path = Path(name).resolve().relative_to(ROOT) if Path(name).is_absolute() else Path(name)
        package = path.parts[path.parts.index("etl") if "etl" in path.parts else path.parts.index("trainer")]
        sums[package][0] += file["summary"]["covered_lines"]
        sums[package][1] += file["summary"]["num_statements"]
    lines = [f"{name}: {run} of {all_} statements, {run / all_:.1%}" for name, (run, all_) in sorted(sums.items())]
    return {"coverage.txt": "\n".join([*lines, ""])}
