"""The command: `python -m trainer.batch_predict`."""

from __future__ import annotations

from etl import process
from trainer.batch_predict.command import main

if __name__ == "__main__":
    process.end_with(main)
