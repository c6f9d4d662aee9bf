"""Measurements: `pytest benchmarks/`. Ratios within one run are the result; absolute times are this machine's."""
