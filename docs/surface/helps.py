"""The `--help` of every command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from docs.surface.calls import call, call_all

COMMANDS = (
    "etl.run",
    "etl.inspect",
    "etl.card",
    "etl.sources.synthetic",
    "trainer.task",
    "trainer.predict",
    "trainer.batch_predict",
    "trainer.server",
    "trainer.tune",
    "trainer.ingest.doctor",
    "trainer.ingest.service",
    "trainer.vertex",
    "benchmarks.report",
)
COLUMNS = "100"
ROOT = Path(__file__).parents[2]


def record(work: Path) -> Mapping[str, str]:
    """Returns a file for each command, and for each command of `trainer.vertex`."""
    listed = call("trainer.vertex --help", work, COLUMNS=COLUMNS).out
    names = re.findall(r"^  ([a-z][\w-]*)  ", listed, re.M)
    lines = [*COMMANDS, *(f"trainer.vertex {name}" for name in names)]
    done = call_all([f"{line} --help" for line in lines], work, COLUMNS=COLUMNS)
    # Word for word: nothing in a help text changes from run to run but where the checkout and the home folder are.
    texts = (one.out + one.err if one.code == 0 else one.text(work) for one in done)
    return {
        f"{line.replace(' ', '.')}.txt": text.replace(str(work), "WORK").replace(str(ROOT), "CHECKOUT")
        for line, text in zip(lines, texts, strict=True)
    }
