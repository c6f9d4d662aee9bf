"""The command: `python -m trainer.tune`."""

from __future__ import annotations

from etl.process import lifecycle
from trainer.tune.command import main

if __name__ == "__main__":
    lifecycle.end_with(main)
