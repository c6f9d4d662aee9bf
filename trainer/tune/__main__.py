"""The command: `python -m trainer.tune`."""

from __future__ import annotations

import sys

from etl.errors import run_main
from trainer.tune.command import main

if __name__ == "__main__":
    sys.exit(run_main(main))
