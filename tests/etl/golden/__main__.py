"""`python -m tests.etl.golden`: remakes `goldens.json` from what the code writes now."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from etl.cli import load_tensorflow
from tests.etl.golden import cases


def main() -> int:
    """Remakes the file, or adds this environment to it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.etl.golden", description=__doc__)
    parser.add_argument("--add", action="store_true", help="keep the file, and add this environment's digests to it")
    arguments = parser.parse_args()
    load_tensorflow()
    with tempfile.TemporaryDirectory(prefix="petalstream-golden-") as name:
        folder = Path(name)
        exact = cases.exact(folder)
        digests = {name: cases.by_environment(folder, name) for name in cases.NAMES}
        near = {name: cases.samples(cases.make(folder, name)) for name in cases.RUNS}
    entry = {"environment": cases.environment(), "digests": digests}
    goldens = {"exact": exact, "near": near, "environments": [entry]}
    if arguments.add:
        kept = json.loads(cases.GOLDEN_PATH.read_text())
        far = [
            name for name in cases.RUNS if cases.distance(name, kept["near"][name], near[name]) > cases.TOLERANCES[name]
        ]
        if kept["exact"] != exact or far:
            print(f"this is no other environment, but other code: {far or 'exact digests'} differ", file=sys.stderr)
            return 1
        others = [each for each in kept["environments"] if each["environment"] != entry["environment"]]
        goldens = {**kept, "environments": [*others, entry]}
    cases.GOLDEN_PATH.write_text(json.dumps(goldens, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
