"""The command: `python -m trainer.batch_predict`."""

from __future__ import annotations

from etl.process import lifecycle
from trainer.serving.batch.command import main

if __name__ == "__main__":
    lifecycle.end_with(main)
