"""The command: `python -m etl.sources.synthetic`."""

from __future__ import annotations

from etl.process import lifecycle
from etl.sources.synthetic.command import main

if __name__ == "__main__":
    lifecycle.end_with(main)
