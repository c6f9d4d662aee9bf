"""Measurements: `pytest benchmarks/`. Ratios within one run are the result; absolute times are this machine's."""

import etl  # noqa: F401 - which hears the signals of a command
