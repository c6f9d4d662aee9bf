"""The command: `python -m trainer.ingest.doctor`, which lives in `trainer.doctor`."""

from __future__ import annotations

from etl.process import lifecycle
from trainer.doctor.command import main as main

if __name__ == "__main__":
    lifecycle.end_with(main)
