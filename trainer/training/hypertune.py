"""The metric that a hyperparameter tuning service reads: one JSON line for each epoch, in the file that it names.

The protocol is that of the package cloudml-hypertune, which isn't used because it forgets its lines at a restart. Where
no tuner is at work nobody reads, and nothing is written.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from trainer import environment

# The service reads the whole file again and again, and takes the last lines.
_MAX_LINES = 100


def report(metric: str, value: float, step: int) -> None:
    """Appends a metric's value.

    Args:
        metric: Its name, as the tuning job's specification has it.
        value: What it is now.
        step: What the service orders values by, counted from 1: the epoch.
    """
    service = environment.read()
    if service.metric_file is None:
        return
    path = Path(service.metric_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    # As bytes: what somebody else left there is kept as it is.
    lines = [line for line in path.read_bytes().split(b"\n") if line] if path.exists() else []
    line = {
        "timestamp": time.time(),
        "trial": service.trial,
        # Texts, as in the package.
        metric: str(float(value)),
        "global_step": str(int(step)),
        "checkpoint_path": "",
    }
    kept = [*lines, json.dumps(line).encode()][-_MAX_LINES:]
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_bytes(b"\n".join(kept) + b"\n")
    os.replace(unfinished, path)
