"""Turns images into sharded, training-ready TFRecords with Apache Beam."""

import sys

__version__ = "0.1.0"

# `python -m` imports a command's package first, under this name; what a command imports then takes long enough for a
# Ctrl-C to fall into it.
if sys.argv[:1] == ["-m"]:
    from etl import interrupts

    interrupts.listen()
