"""`python -m docs.surface.record [--output DIR] [PART ...]`: writes down what this tree shows to its users."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.surface import collected, coverage, data_sets, dry_runs, helps, mistakes, trained

Files = Mapping[str, str]

# Each gets an empty folder to work in, and returns text by file name.
PARTS: Mapping[str, Callable[[Path], Files]] = {
    "help": helps.record,
    "dry_runs": dry_runs.record,
    "errors.txt": mistakes.record,
    "data_sets": data_sets.record,
    "trained": trained.record,
    "tests.txt": collected.record,
}
# As long as all the others together: only where it is asked for.
EXTRA: Mapping[str, Callable[[Path], Files]] = {"coverage.txt": coverage.record}


def main() -> int:
    """Records the parts that are asked for, or all of `PARTS`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="docs.surface.record", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, metavar="DIR", help="default: this folder"
    )
    known = {**PARTS, **EXTRA}
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(known)}; default: all but the last")
    arguments = parser.parse_args()
    for name in arguments.parts:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}")
    for name in arguments.parts or PARTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="surface-") as folder:
            write(arguments.output / name, known[name](Path(folder).resolve()))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


def write(target: Path, files: Files) -> None:
    """Replaces a folder by these files, or a file by the only one of them."""
    if target.suffix:
        (text,) = files.values()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return
    shutil.rmtree(target, ignore_errors=True)
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
