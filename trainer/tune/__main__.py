"""The command: `python -m trainer.tune`."""

from __future__ import annotations

from etl import process
from trainer.tune.command import main

if __name__ == "__main__":
    process.end_with(main)
